"""What a drill recorded. The run fills it in; `plan` judges it afterwards and never asks the world again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hotspare.model.event import Event


class Fault(StrEnum):
    """Faults that a drill injects."""

    POWEROFF = "poweroff"
    STANDBY = "standby"
    DRAIN = "drain"


class Strategy(StrEnum):
    """How the routers of a gateway are carried; the words of the file."""

    COLD = "cold"
    TWIN = "twin"
    RESCHEDULE = "reschedule"


@dataclass(frozen=True, slots=True)
class Gateway:
    """The gateway that a drill is about."""

    name: str
    strategy: Strategy
    hosts: Mapping[str, str]
    """Each of its nodes, and the host under which Neutron knows the agents there."""
    beside: tuple[str, ...] = ()
    """Other gateways that some of these nodes may carry, one node each at a time. Each is its own host in Neutron."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes that may carry routers of it."""
        return tuple(self.hosts)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a probe runs: a host, and a network namespace there where it is not the host's own."""

    host: str
    netns: str = ""

    def __str__(self) -> str:
        return f"{self.netns} on {self.host}" if self.netns else self.host


@dataclass(frozen=True, slots=True)
class Cable:
    """Where frames that leave `node` are captured: `interface` at a place."""

    node: str
    place: Place
    interface: str

    @property
    def direction(self) -> str:
        """A node that watches its own interface sees its frames leave; from outside they come in."""
        return "out" if self.place.host == self.node else "in"


@dataclass(frozen=True, slots=True)
class Router:
    """A router that Neutron assigns to the gateway, with what has to be there where it is served."""

    id: str
    name: str
    floating_ips: tuple[str, ...] = ()
    port_ids: tuple[str, ...] = ()
    """Its interface and gateway ports: each has to be a live-tagged port of the carrier's switch."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What a prober sent and got. All times are wall-clock seconds of the prober.

    `rounds` is (number, sent at) in ascending order; `replies` is (round, received at) an address, by receive time.
    """

    interval_s: float
    rounds: tuple[tuple[int, float], ...]
    replies: Mapping[str, tuple[tuple[int, float], ...]]
    errors: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StreamFact:
    """One line of the long-lived TCP connection's story; `kind` as adapters/onsite/tcp_stream.py names them."""

    at_s: float
    kind: str
    inside: str
    why: str = ""
    stall_s: float | None = None
    echoed: int | None = None


@dataclass(frozen=True, slots=True)
class Get:
    """One request to the metadata service from inside; `status` is None where none came."""

    at_s: float
    took_s: float
    status: int | None
    inside: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A node spoke for an address: `count` frames of one kind between two stamps (seconds, wall clock)."""

    node: str
    kind: str
    address: str
    mac: str
    first_s: float
    last_s: float
    count: int = 1


@dataclass(frozen=True, slots=True)
class SwitchPort:
    """A router's port on a node; `tag` is its local VLAN, None where it has none. Parked ports are silent."""

    name: str
    tag: int | None
    parked: bool
    iface_id: str


@dataclass(frozen=True, slots=True)
class RunningProcess:
    """A process; pid and `start` (clock ticks since boot) name it for as long as the node is up."""

    pid: int
    start: int
    parent: int
    name: str
    router: str = ""
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class NodeState:
    """What of a gateway is on a node. `ports` is None where the switch could not be asked."""

    node: str
    boot_id: str
    namespaces: tuple[str, ...]
    ports: tuple[SwitchPort, ...] | None
    processes: tuple[RunningProcess, ...]
    outdated: tuple[tuple[str, str], ...] = ()
    """Resource and configuration file, where an agent runs with what stood in the file before."""
    cannot_tell: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClusterState:
    """What the cluster said of itself, as far as a drill asks."""

    quorate: bool
    promoted: tuple[str, ...]
    """The nodes on which the gateway's data plane is promoted."""
    online: tuple[str, ...]
    standby: tuple[str, ...]
    unclean: tuple[str, ...]
    running: Mapping[str, tuple[str, ...]]
    """Each of the gateway's other resources → the nodes where it runs."""
    failures: tuple[str, ...]
    """Failed or blocked actions and unmanaged failures, one sentence each."""
    leaving: tuple[str, ...] = ()
    """Nodes that are marked as leaving: their routers are to go elsewhere."""
    controller: str = ""
    """The node that directs the cluster (DC); empty where it was not told."""
    beside: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Each gateway beside it → the nodes on which that one is promoted."""

    @property
    def carrier(self) -> str | None:
        """The one node on which the data plane is promoted; None where it is none, or more than one."""
        return self.promoted[0] if len(self.promoted) == 1 else None

    def other(self, node: str) -> str:
        """The gateway beside it that the node carries; empty: none."""
        return next((name for name, nodes in self.beside.items() if node in nodes), "")


NEUTRON = "Neutron"
"""What could not be asked, beside nodes."""

Bound = Mapping[str, tuple[str, ...]]
"""Neutron's host → the ids of the routers that are bound to its L3 agent."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The cluster and its nodes at one moment. Who could not be asked is in `unknown` with the reason."""

    label: str
    at_s: float
    cluster: ClusterState | None
    nodes: Mapping[str, NodeState]
    unknown: Mapping[str, str] = field(default_factory=dict)
    bound: Bound | None = None
    """Where Neutron had the routers then; None where it could not be asked."""


@dataclass(frozen=True, slots=True)
class History:
    """All that a drill recorded, and nothing judged."""

    fault: Fault
    gateway: Gateway
    node: str
    """Where the fault was injected."""
    began_s: float
    baseline_s: float
    """From here to the fault every probe had to be answered."""
    called_s: float
    returned_s: float
    recovered_s: float | None
    """When the flow saw all addresses answer steadily and all agents run; None: not within the limit."""
    heal_called_s: float
    """When the heal began; what addresses lose after it is not the takeover's outage."""
    ended_s: float
    """The end of probing."""
    routers: tuple[Router, ...]
    bound: Bound
    """Where Neutron had them when the drill began."""
    targets: Mapping[str, str]
    """Floating IP → router's id."""
    trace: Trace
    streams: tuple[StreamFact, ...] = ()
    gets: tuple[Get, ...] = ()
    inside: tuple[str, ...] = ()
    sightings: tuple[Sighting, ...] = ()
    witnessed: tuple[str, ...] = ()
    """Nodes whose cable was watched."""
    frames_lost: int = 0
    """Frames that a witness's kernel dropped before they were read."""
    events: tuple[Event, ...] = ()
    observations: tuple[Observation, ...] = ()
    troubles: tuple[str, ...] = ()
    """What broke in the drill's own machinery (a probe that ended, a journal that could not be read)."""
    clock_error_s: float = 0.0
    """How far the hosts' clocks may be apart as far as this drill could tell."""

    def observation(self, label: str) -> Observation | None:
        """The last observation of that name."""
        return next((seen for seen in reversed(self.observations) if seen.label == label), None)
