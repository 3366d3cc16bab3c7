"""What to do about what a look has shown, and whether a node is silent. Pure: one look in, a plan or a verdict out.

When is a router silent? It needs a device with an address that frames reach. So it is silent if its ports are parked or
gone and ovs-vswitchd has confirmed it; or if its namespace is gone; or if the links in its namespace are down. The
first is one transaction. The others hold without Open vSwitch, whose state then does not matter: a userspace datapath
forwards nothing while ovs-vswitchd is dead or stopped, but takes up again where it was when it continues, and a kernel
datapath goes on forwarding what it has flows for. Therefore nothing is concluded from a dead ovs-vswitchd: where it
does not confirm, the links are taken down before anything else, and the namespaces, with their addresses, have to go.

Rows of ports which ovsdb-server keeps over a reboot come back as devices in the node's own namespace, without an
address: they answer nothing. They are leftovers to be cleaned, not a router that forwards.
"""

from __future__ import annotations

from dataclasses import dataclass

from hotspare_ocf.node import AgentProcess, Node, Port, Resident


@dataclass(frozen=True, slots=True)
class Plan:
    """What makes a node clean, in this order: park (or links down), end, delete ports, remove namespaces and files."""

    bridge: str | None
    park: tuple[Port, ...]
    delete: tuple[Port, ...]
    end: tuple[Resident, ...]
    namespaces: tuple[str, ...]
    files: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        return not (self.delete or self.end or self.namespaces or self.files)


def plan_cleaning(node: Node) -> Plan:
    """Everything of every router on the node goes; all else stays.

    Without OVSDB the ports are left out; the namespaces and what lives in them are found without it.
    """
    ports = node.switch.ports if node.switch else ()
    return Plan(
        bridge=node.switch.bridge if node.switch else None,
        park=tuple(port for port in ports if port.is_live),
        delete=ports,
        end=node.residents,
        namespaces=tuple(namespace.name for namespace in node.namespaces),
        files=node.files,
    )


def remains(node: Node) -> tuple[str, ...]:
    """What is left of routers, in words for an operator; empty on a clean node. Without OVSDB, ports are not judged:
    see the module's text.
    """
    ports = node.switch.ports if node.switch else ()
    live = [port.name for port in ports if port.is_live]
    parked = [port.name for port in ports if not port.is_live]
    nameless = [resident for resident in node.residents if resident.namespace is None]
    said = []
    if live:
        said.append(f"ports with a live tag: {_some(live)}")
    if parked:
        said.append(f"parked ports: {_some(parked)}")
    if node.namespaces:
        said.append(f"namespaces: {_some([namespace.name for namespace in node.namespaces])}")
    if node.residents:
        said.append(
            f"processes in routers' namespaces: {_some([f'{one.program} (pid {one.pid})' for one in node.residents])}"
        )
    if nameless:
        said.append(f"{len({one.inode for one in nameless})} namespaces without a name")
    return tuple(said)


def may_forward(node: Node) -> bool | None:
    """Whether a router on the node could answer or forward; None where it cannot be told."""
    # haproxy or radvd in a namespace without ports is a leftover, but its devices went with the ports.
    homes = any(namespace.inode for namespace in node.namespaces) or bool(node.residents)
    if node.switch is None:
        # No namespace of a router and no process in a lost one: no address is left that could answer.
        return None if homes else False
    return any(port.is_live and port.has_device and not port.in_root for port in node.switch.ports)


def strangers(node: Node) -> tuple[AgentProcess, ...]:
    """Agents that no resource of the cluster started: what they hold is not ours to clean, and would be built again at
    once.
    """
    return tuple(agent for agent in node.agents if not agent.is_ours)


def _some(names: list[str], shown_max: int = 5) -> str:
    more = len(names) - shown_max
    return ", ".join(names[:shown_max]) + (f" and {more} more" if more > 0 else "")
