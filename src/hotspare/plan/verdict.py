"""What the cluster's status says of the nodes of a pool."""

from collections.abc import Collection, Mapping

from hotspare.model.cluster import ClusterStatus, NodeState
from hotspare.model.routing import Standing
from hotspare.plan.names import local

DRAIN = "hotspare-drain"
"""The permanent node attribute that marks a node whose routers are to go elsewhere."""
STOP_ON_FAILURE = "stop-on-failure"
"""In a drain's attribute: the first move that fails ends the drain."""


def standings(
    status: ClusterStatus, hosts: Mapping[str, str], pool: str, *, draining: Collection[str]
) -> Mapping[str, Standing]:
    """By host. `hosts` is node → host."""
    return {host: _standing(status, status.node(name), pool, drains=name in draining) for name, host in hosts.items()}


def _standing(status: ClusterStatus, node: NodeState | None, pool: str, *, drains: bool) -> Standing:
    if node is None or not status.quorate or node.unclean or node.pending:
        return Standing.UNKNOWN
    if not node.online:
        return Standing.GONE
    if node.name not in status.promoted_on(local(pool)):
        return Standing.UNKNOWN
    return Standing.LEAVING if drains else Standing.LIVE
