"""What the cluster says of the places of a pool's agents: may they get routers, may theirs be served elsewhere?"""

from collections.abc import Collection, Mapping

from hotspare.model.cluster import ClusterStatus, NodeState, Resource, Role
from hotspare.model.routing import Standing
from hotspare.plan.names import agents_of, local

_NEEDED = ("ovs", "l3")
"""What wires ports and what builds routers; without the metadata agent they forward."""

DRAIN = "hotspare-drain"
"""The permanent node attribute that marks a node whose routers are to go elsewhere."""
STOP_ON_FAILURE = "stop-on-failure"
"""In a drain's attribute: the first move that fails ends the drain."""

_FALSE = frozenset({"", "false", "no", "off", "n", "0"})
"""What Pacemaker takes for false, in any case. Source: crm_is_true."""

_SUCCESS, _NOT_RUNNING = 0, 7
"""Source: OCF Resource Agent API 1.1, "Return codes"."""


def drains(status: ClusterStatus) -> Mapping[str, str]:
    """The nodes that are marked as leaving, each with what the mark says."""
    marks = {node.name: node.attributes.get(DRAIN, "") for node in status.nodes}
    return {node: mark for node, mark in marks.items() if mark.lower() not in _FALSE}


def standings(
    status: ClusterStatus, hosts: Mapping[str, str], pool: str, draining: Collection[str]
) -> Mapping[str, Standing]:
    """The standing of each of the pool's agents, by Neutron's host. `hosts` has the host of every node.

    GONE needs a proof: Pacemaker's word that the node is off (fenced, or shut down; a file with `fencing: none` asks
    for a lost node to count as that), or the data plane's own word that it is silent there. What Pacemaker itself
    cannot say, or is about to change, is UNKNOWN.
    """
    if status.dc is None or not status.quorate or status.maintenance:
        return dict.fromkeys(hosts.values(), Standing.UNKNOWN)
    return {host: _standing(status, node, pool, leaving=node in draining) for node, host in hosts.items()}


def _standing(status: ClusterStatus, name: str, pool: str, *, leaving: bool) -> Standing:
    node = status.node(name)
    if node is None or node.unclean or node.pending or node.maintenance:
        return Standing.UNKNOWN
    if not node.online:
        return Standing.GONE
    if _is_live(status, node, pool):
        return Standing.LEAVING if leaving else Standing.LIVE
    return Standing.GONE if _is_silent(status, name, pool) else Standing.UNKNOWN


def _is_live(status: ClusterStatus, node: NodeState, pool: str) -> bool:
    """Whether its data plane is promoted, what wires ports and builds routers runs, and nobody is stopping them."""
    if node.standby or node.shutdown:
        return False
    promoted = [one for one in _there(status, local(pool), node.name) if one.role is Role.PROMOTED]
    runs = [_there(status, agent, node.name) for agent in agents_of(local(pool), which=_NEEDED)]
    return all(any(_is_sound(one) for one in found) for found in (promoted, *runs))


def _is_sound(resource: Resource) -> bool:
    return resource.active and not resource.failed and resource.role in {Role.PROMOTED, Role.STARTED}


def _is_silent(status: ClusterStatus, node: str, pool: str) -> bool:
    """Whether the last action on the data plane there was a proof of silence, and nothing is there or under way."""
    data_plane = tuple(_there(status, local(pool), node))
    agents = tuple(one for agent in agents_of(local(pool)) for one in _there(status, agent, node))
    if any(one.pending or one.failed or one.blocked for one in (*data_plane, *agents)):
        return False
    if any(not one.managed for one in status.instances(local(pool)) if node in one.nodes or not one.nodes):
        return False
    if any(one.active for one in agents) or any(one.role is not Role.UNPROMOTED for one in data_plane):
        return False
    last = status.last_action(local(pool), node)
    if last is None or last.exit_code is None:
        return False
    if data_plane:
        return last.task != "start"  # a promotion follows
    return (last.task, last.exit_code) == ("stop", _SUCCESS) or (
        last.task in {"monitor", "probe"} and last.exit_code == _NOT_RUNNING
    )


def _there(status: ClusterStatus, resource: str, node: str) -> tuple[Resource, ...]:
    return tuple(one for one in status.instances(resource) if node in one.nodes)
