"""Which agent serves which router, as Neutron has it, and what it means to change that.

`host` is Neutron's name for the place of an agent; agents, routers and networks are named by their UUIDs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Standing(StrEnum):
    """What the cluster says of the place of an agent. Neutron's `alive` has no say in it, but where the cluster has no
    proof of its own that a node is silent (`plan.verdict.on_trust`).
    """

    LIVE = "live"
    """Its node is a member and runs its agents: it may get routers."""
    LEAVING = "leaving"
    """As live, but its routers are to go elsewhere: a drain."""
    GONE = "gone"
    """Proved dead (fenced, or shut down cleanly) or proved silent (demoted or stopped cleanly): its routers may be
    served elsewhere at once."""
    UNKNOWN = "unknown"
    """Neither: nothing of it is touched, nothing is given to it."""
    FOREIGN = "foreign"
    """Not of this cluster: its routers are its own."""


@dataclass(frozen=True, slots=True)
class AgentFacts:
    """An L3 agent, and the Open vSwitch agent beside it that wires what it plugs."""

    id: str
    host: str
    alive: bool
    """Neutron's opinion, a hint: a target whose heartbeat is old is the worse one of two."""
    admin_up: bool
    mode: str = "legacy"
    """legacy, dvr_snat, dvr or dvr_no_external."""
    zone: str = ""
    internal_only: bool = True
    """Whether it serves routers without an external gateway (handle_internal_only_routers)."""
    physnets: frozenset[str] = frozenset()
    """Physical networks that its switch has a bridge for (bridge_mappings)."""
    tunnel_types: frozenset[str] = frozenset()
    switch_alive: bool = True
    """Whether Neutron has heard of the Open vSwitch agent: without it no port can be bound there."""


@dataclass(frozen=True, slots=True)
class RouterFacts:
    """A router and what it asks of an agent."""

    id: str
    name: str
    admin_up: bool = True
    ha: bool = False
    """A VRRP router: it is left to VRRP."""
    distributed: bool = False
    zones: tuple[str, ...] = ()
    """availability_zone_hints."""
    physnets: frozenset[str] = frozenset()
    """Of the flat and VLAN networks that it has a port in."""
    tunnel_types: frozenset[str] = frozenset()
    """vxlan, gre, geneve: of the other networks that it has a port in."""
    gateway: bool = False
    interfaces: int = 0
    floating_ips: int = 0
    wired_on: frozenset[str] = frozenset()
    """Hosts whose Open vSwitch agent has wired a port of it, as far as Neutron has heard (status ACTIVE)."""
    apart: frozenset[str] = frozenset()
    """Groups (tags `hotspare-apart=GROUP`): two routers of a group are rather not on one agent."""


@dataclass(frozen=True, slots=True)
class Routing:
    """All L3 agents and routers of a cloud at one moment."""

    agents: Mapping[str, AgentFacts]
    routers: Mapping[str, RouterFacts]
    bindings: Mapping[str, tuple[str, ...]]
    """Router → agents it is bound to; a router that is bound nowhere has an empty tuple."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What a router costs an agent, in parts. Source of the parts: configurations of an L3 agent."""

    router: float = 1.0
    gateway: float = 0.5
    interface: float = 0.25
    floating_ip: float = 0.1


@dataclass(frozen=True, slots=True)
class Move:
    """One router from one agent to another; `source` is None where it was bound nowhere."""

    router: str
    source: str | None
    target: str


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A router that no agent can take, and why."""

    router: str
    reason: str


@dataclass(frozen=True, slots=True)
class Placement:
    """What is to be moved, in this order, and what cannot be."""

    moves: tuple[Move, ...] = ()
    unplaced: tuple[Unplaced, ...] = ()


@dataclass(frozen=True, slots=True)
class RouterPort:
    """An interface or gateway port of a router."""

    id: str
    router: str
    host: str
    """binding:host_id: the agent's host that it is bound to; empty where it is bound nowhere."""
    active: bool
    """Whether its Open vSwitch agent has wired it (status ACTIVE)."""
    admin_up: bool = True
    """Whether it may be wired: one that is administratively down never gets ACTIVE."""
    failed: bool = False
    """binding_failed: no mechanism could bind it there."""


@dataclass(frozen=True, slots=True)
class DhcpAgent:
    """A DHCP agent and how it may serve."""

    id: str
    host: str
    alive: bool
    admin_up: bool
    zone: str = ""
    physnets: frozenset[str] = frozenset()
    tunnel_types: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class DhcpNetwork:
    """A network with a subnet that has DHCP."""

    id: str
    name: str
    zones: tuple[str, ...] = ()
    physnet: str = ""
    tunnel_type: str = ""


@dataclass(frozen=True, slots=True)
class Leasing:
    """All DHCP agents, and the networks that they serve."""

    agents: Mapping[str, DhcpAgent]
    networks: Mapping[str, DhcpNetwork]
    bindings: Mapping[str, tuple[str, ...]]
    """Network → agents."""


class LeaseChange(StrEnum):
    """What is done with a network and a DHCP agent."""

    ADD = "add"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class LeaseStep:
    """One network given to, or taken from, one DHCP agent."""

    change: LeaseChange
    network: str
    agent: str


@dataclass(frozen=True, slots=True)
class Unserved:
    """A network that gets fewer DHCP agents than it shall have, and why."""

    network: str
    reason: str


@dataclass(frozen=True, slots=True)
class LeasePlan:
    """What is to be done, in this order, and what cannot be."""

    steps: tuple[LeaseStep, ...] = ()
    unserved: tuple[Unserved, ...] = ()


class Stage(StrEnum):
    """How far a move got. Each is on disk before the next call is made."""

    PLANNED = "planned"
    UNBOUND = "unbound"
    BOUND = "bound"
    """Neutron, asked again, says that the target has it and nobody else. After a death: has said yes to its bind."""
    FORWARDING = "forwarding"
    """All of its ports are wired on the target."""
    RETURNED = "returned"
    """A live source did not let go, so the router was given back to it."""
    DROPPED = "dropped"
    """Not needed any more, or given up; the note says why."""

    @property
    def final(self) -> bool:
        """Whether nothing is left to do for the move."""
        return self in {Stage.FORWARDING, Stage.RETURNED, Stage.DROPPED}


@dataclass(frozen=True, slots=True)
class MoveRecord:
    """One line of the journal."""

    at_s: float
    """Wall-clock seconds."""
    move: Move
    stage: Stage
    note: str = ""
    outage_s: float | None = None
    """At FORWARDING: from the unbinding, or from the source's death where that is known, to wired ports."""
