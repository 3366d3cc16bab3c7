"""What the cluster says of the places of a pool's agents: may they get routers, may theirs be served elsewhere?

While a gateway changes its strategy, the cluster has two of its name: the pool, and the cold one, whose identity is the
gateway's name. Routers leave the identity, or all of them go home to it; its standing is then told with the others'.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from hotspare.model.cluster import ClusterStatus, NodeState, Resource, Role
from hotspare.model.routing import Standing
from hotspare.plan.names import agents_of, local
from hotspare.plan.primitives import never

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
    status: ClusterStatus,
    hosts: Mapping[str, str],
    pool: str,
    draining: Collection[str],
    *,
    homeward: bool = False,
    unfenced: bool = False,
) -> Mapping[str, Standing]:
    """The standing of each of the pool's agents, by Neutron's host. `hosts` has the host of every node.

    `homeward`: all routers go to the identity of the pool's name, so that every node of the pool is left. `unfenced`:
    the file asks, by `fencing: none`, for a node that is lost to count as off.

    GONE needs a proof: Pacemaker's word that the node is off (fenced, or shut down), or the data plane's own word that
    it is silent there. What Pacemaker itself cannot say, or is about to change, is UNKNOWN; so is a lost node where
    somebody has switched fencing off (`stonith-enabled=false`) and the file does not know of it.
    """
    status = status if status.fencing_enabled or unfenced else replace(status, nodes=_unproved(status))
    identities = (pool,) if homeward or has_identity(status, pool) else ()
    if status.dc is None or not status.quorate or status.maintenance:
        return dict.fromkeys((*hosts.values(), *identities), Standing.UNKNOWN)
    found = {
        host: _standing(status, node, local(pool), leaving=homeward or node in draining) for node, host in hosts.items()
    }
    return found | {identity: _of_identity(status, identity, leaving=not homeward) for identity in identities}


def on_trust(status: ClusterStatus, hosts: Mapping[str, str], pool: str) -> frozenset[str]:
    """The hosts whose silence, at least on one node that runs, is no proof but our own bar: agents that somebody runs
    there by hand are not seen by the cluster. Neutron hears them.
    """
    found = {host for node, host in hosts.items() if _is_kept_off(status, node, local(pool))}
    if has_identity(status, pool) and any(_is_kept_off(status, node.name, pool) for node in status.nodes):
        found.add(pool)
    return frozenset(found)


def _unproved(status: ClusterStatus) -> tuple[NodeState, ...]:
    return tuple(node if node.online else replace(node, unclean=True) for node in status.nodes)


def has_identity(status: ClusterStatus, pool: str) -> bool:
    """Whether the cluster still has, or has again, a cold gateway of the pool's name."""
    return any(status.instances(pool))


def _of_identity(status: ClusterStatus, name: str, *, leaving: bool) -> Standing:
    """Of the node that carries it. Without one it is gone where every node of the cluster is proved dead or silent:
    one that is to be promoted is on its way to be known.
    """
    each = [_standing(status, node.name, name, leaving=leaving) for node in status.nodes]
    serving = [its for its in each if its in {Standing.LIVE, Standing.LEAVING}]
    if len(serving) == 1:
        return serving[0]
    return Standing.GONE if each and set(each) == {Standing.GONE} else Standing.UNKNOWN


def _standing(status: ClusterStatus, name: str, data_plane: str, *, leaving: bool) -> Standing:
    """What a node is to the gateway whose data plane this resource is."""
    node = status.node(name)
    if node is None or node.unclean or node.pending or node.maintenance:
        return Standing.UNKNOWN
    if not node.online:
        return Standing.GONE
    if _is_live(status, node, data_plane):
        return Standing.LEAVING if leaving else Standing.LIVE
    return Standing.GONE if _is_silent(status, name, data_plane) else Standing.UNKNOWN


def _is_live(status: ClusterStatus, node: NodeState, data_plane: str) -> bool:
    """Whether its data plane is promoted, what wires ports and builds routers runs, and nobody is stopping them."""
    if node.standby or node.shutdown:
        return False
    promoted = [one for one in _there(status, data_plane, node.name) if one.role is Role.PROMOTED]
    runs = [_there(status, agent, node.name) for agent in agents_of(data_plane, which=_NEEDED)]
    return all(any(_is_sound(one) for one in found) for found in (promoted, *runs))


def _is_sound(resource: Resource) -> bool:
    return resource.active and not resource.failed and resource.role in {Role.PROMOTED, Role.STARTED}


def _is_silent(status: ClusterStatus, node: str, data_plane: str) -> bool:
    """Whether the last action on the data plane there was a proof of silence, or it is kept off there; and nothing is
    there or under way.
    """
    there = tuple(_there(status, data_plane, node))
    if not _is_quiet(status, node, data_plane):
        return False
    last = status.last_action(data_plane, node)
    if last is None:
        return _is_kept_off(status, node, data_plane)
    if last.exit_code is None:
        return False
    if there:
        return last.task != "start"  # a promotion follows
    return (last.task, last.exit_code) == ("stop", _SUCCESS) or (
        last.task in {"monitor", "probe"} and last.exit_code == _NOT_RUNNING
    )


def _is_quiet(status: ClusterStatus, node: str, data_plane: str) -> bool:
    """Whether at most an unpromoted data plane is there, and nothing is under way, in trouble or unmanaged."""
    there = tuple(_there(status, data_plane, node))
    agents = tuple(one for agent in agents_of(data_plane) for one in _there(status, agent, node))
    if any(one.pending or one.failed or one.blocked for one in (*there, *agents)):
        return False
    if any(not one.managed for one in status.instances(data_plane) if node in one.nodes or not one.nodes):
        return False
    return not any(one.active for one in agents) and all(one.role is Role.UNPROMOTED for one in there)


def _is_kept_off(status: ClusterStatus, node: str, data_plane: str) -> bool:
    """Whether `hotspare apply` has barred it from the node, which runs, and there is no trace of it nor of its agents.

    Pacemaker does not look for it there (`resource-discovery=never`), so the node was started anew, or never had it.
    Where agents have left a trace and it has not, somebody has cleaned up its history, and what that said is lost.
    """
    found = status.node(node)
    return (
        found is not None
        and found.online
        and _is_barred(status, node, data_plane)
        and not _there(status, data_plane, node)
        and not any(status.last_action(one, node) for one in (data_plane, *agents_of(data_plane)))
    )


def _is_barred(status: ClusterStatus, node: str, data_plane: str) -> bool:
    """Whether we keep it off the node. Another's ban (`crm resource ban`) says nothing: it may be less than final, or
    for the Promoted role alone, and Pacemaker still has to look what runs there.
    """
    return any(ban == never(f"{data_plane}-clone", node).id for ban, _, _ in status.bans)


def _there(status: ClusterStatus, resource: str, node: str) -> tuple[Resource, ...]:
    return tuple(one for one in status.instances(resource) if node in one.nodes)
