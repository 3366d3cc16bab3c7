"""What to do about what a look has shown, and whether a node is silent. Pure: one look in, a plan or a verdict out.

When is a router silent? It needs a device with an address that frames reach. So it is silent if its ports are parked or
gone and ovs-vswitchd has confirmed it; or if its namespace is gone; or if the links in its namespace are down. The
first is one transaction. The others hold without Open vSwitch, whose state then does not matter: a userspace datapath
forwards nothing while ovs-vswitchd is dead or stopped, but takes up again where it was when it continues, and a kernel
datapath goes on forwarding what it has flows for. Therefore nothing is concluded from a dead ovs-vswitchd: where it
does not confirm, the links are taken down before anything else, and the namespaces, with their addresses, have to go.

For a post-mortem, ports or namespaces may be kept, and are silent all the same: kept ports are parked, and while their
namespaces go they have no address; kept namespaces have their links down, seen so by the second look, and no process.

Rows of ports which ovsdb-server keeps over a reboot come back as devices in the node's own namespace, without an
address: they answer nothing. They are leftovers to be cleaned, not a router that forwards.
"""

from __future__ import annotations

from typing import NamedTuple

from hotspare_ocf.node import AgentProcess, Helper, Node, Port, Resident, Switch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Mine = Callable[[AgentProcess], bool]
    """Whether an agent is that of the resource which asks."""

PORTS = "ports"
NAMESPACES = "namespaces"
KEEPABLE = (PORTS, NAMESPACES)
"""What of the routers a cleaning may be told to keep."""


class Plan(NamedTuple):
    """What makes a node clean, in this order: park (or links down), end, remove namespaces, delete ports and files."""

    bridge: str | None
    park: tuple[Port, ...]
    delete: tuple[Port, ...]
    links_down: tuple[str, ...]
    """Namespaces that are kept, and answer until their links are down."""
    end: tuple[Resident | Helper, ...]
    namespaces: tuple[str, ...]
    files: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        return not (self.park or self.delete or self.links_down or self.end or self.namespaces or self.files)


def plan_cleaning(node: Node, keep: frozenset[str] = frozenset()) -> Plan:
    """Everything of every router on the node goes but what is to be kept, which is silenced; all else stays.

    Without OVSDB the ports are left out; the namespaces and what lives in them are found without it.
    """
    ports = node.switch.ports if node.switch else ()
    names = tuple(namespace.name for namespace in node.namespaces)
    return Plan(
        bridge=node.switch.bridge if node.switch else None,
        park=tuple(port for port in ports if port.is_live),
        delete=() if PORTS in keep else ports,
        links_down=tuple(space.name for space in node.namespaces if space.has_link_up) if NAMESPACES in keep else (),
        end=(*node.helpers, *node.residents),
        namespaces=() if NAMESPACES in keep else names,
        files=node.files,
    )


def is_parked(node: Node) -> bool:
    """Whether all routers of the node are silent by their ports alone, and no process serves them. What has neither a
    port nor a process is not looked for: without a port no frame reaches it.
    """
    return node.switch is not None and not (
        any(port.is_live for port in node.switch.ports) or node.residents or node.helpers
    )


def remains(node: Node, keep: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """What is left of routers and is not to be kept, or is kept and not silent, in words for an operator; empty on a
    clean node. Without OVSDB, ports are not judged: see the module's text.
    """
    ports = node.switch.ports if node.switch else ()
    live = [port.name for port in ports if port.is_live]
    parked = [] if PORTS in keep else [port.name for port in ports if not port.is_live]
    loud = [space.name for space in node.namespaces if space.has_link_up]
    nameless = [resident for resident in node.residents if resident.namespace is None]
    said = []
    if live:
        said.append(f"ports with a live tag: {_some(live)}")
    if parked:
        said.append(f"parked ports: {_some(parked)}")
    if NAMESPACES not in keep and node.namespaces:
        said.append(f"namespaces: {_some([namespace.name for namespace in node.namespaces])}")
    elif loud:
        said.append(f"namespaces with a link that is up: {_some(loud)}")
    if node.residents:
        said.append(
            f"processes in their namespaces: {_some([f'{one.program} (pid {one.pid})' for one in node.residents])}"
        )
    if node.helpers:
        said.append(f"routers' helpers: {_some([f'{one.program} (pid {one.pid})' for one in node.helpers])}")
    if nameless:
        said.append(f"{len({one.inode for one in nameless})} namespaces without a name")
    return tuple(said)


def may_forward(node: Node) -> bool | None:
    """Whether a router on the node could answer or forward; None where it cannot be told."""
    # haproxy or radvd in a namespace without ports is a leftover, but its devices went with the ports.
    homes = any(namespace.has_link_up for namespace in node.namespaces) or bool(node.residents)
    if node.switch is None:
        # No namespace of a router with a link up and no process in a lost one: no address is left that could answer.
        return None if homes else False
    return forwards(node.switch)


def forwards(switch: Switch) -> bool:
    """Whether a router's port may pass frames. One that is parked may not, whatever is behind it: a twin is silent."""
    return any(port.is_live and port.has_device and not port.in_root for port in switch.ports)


def others(node: Node, programs: tuple[bytes, ...], is_ours: Mine) -> tuple[AgentProcess, ...]:
    """Agents of these programs that are somebody else's: of another resource, or of none. What they hold is not ours to
    clean, and would be built again at once.
    """
    return tuple(agent for agent in node.agents if agent.program.encode() in programs and not is_ours(agent))


def refusals(node: Node) -> tuple[str, ...]:
    """Why an operator must not clean this node by hand, in words; empty where he may.

    Where a gateway is promoted that is all: its agents go with it.
    """
    gateways = [
        f"gateway {gateway} is promoted on this node; move it first (crm node standby)" for gateway in node.promoted
    ]
    resources = [
        f"the cluster runs resource {resource} on this node; stop it first (crm resource stop {resource}). Where the "
        f"cluster itself is dead and no agent runs, remove /run/hotspare/{resource}.conf"
        for resource in node.started
    ]
    agents = [
        f"{agent.program} (pid {agent.pid}) runs on this node; stop it first (systemctl stop {agent.program})"
        for agent in node.agents
        if not (agent.resource and node.started)
    ]
    return tuple(gateways or [*resources, *agents])


def _some(names: list[str], shown_max: int = 5) -> str:
    more = len(names) - shown_max
    return ", ".join(names[:shown_max]) + (f" and {more} more" if more > 0 else "")
