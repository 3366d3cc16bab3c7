"""What the rescheduler is told at its start, and what it tells of itself."""

from collections.abc import Mapping
from dataclasses import dataclass

from hotspare.model.answer import Answer
from hotspare.model.routing import Weights

REBALANCE = "rebalance"


def drain_of(node: str) -> str:
    """What the moves of a drain are called."""
    return f"drain of {node}"


def takeover_to(node: str) -> str:
    """What the moves of a takeover are called."""
    return f"takeover to {node}"


@dataclass(frozen=True, slots=True)
class Settings:
    """The rescheduler of one pool, on one of its nodes."""

    resource: str
    """Its own resource in Pacemaker: it acts only where the cluster says that this runs here."""
    pool: str
    node: str
    """This node."""
    cloud: str
    clouds_file: str
    hosts: Mapping[str, str]
    """Node → the host under which Neutron knows its agents."""
    dhcp_agents_per_network: int
    weights: Weights
    state_dir: str
    socket: str
    homeward: bool = False
    """The strategy changes back: all routers go to the identity of the pool's name, a cold gateway."""
    unfenced: bool = False
    """The file asks for a cluster without fencing: a node that is lost counts as off."""
    installed: str = ""
    """Which installation of the package this is; the daemon is launched anew when there is another one."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Moves that belong together, as far as they got."""

    reason: str
    """`net1 is gone`, `drain of net2`, `rebalance`, ..."""
    total: int
    done: int
    failed: int
    began_s: float
    """Wall-clock seconds."""
    left_s: float | None
    """How long the rest will take at the pace so far; None where nothing is done yet."""
    failures: tuple[tuple[str, str], ...] = ()
    """Router's name, and why its move failed; one that is tried again is not among them while it is on its way."""
    outages_s: tuple[float, ...] = ()
    """How long each router that was moved had no service."""


@dataclass(frozen=True, slots=True)
class Residence:
    """Where a router is."""

    router: str
    name: str
    host: str | None
    """None: bound nowhere."""
    since_s: float | None
    """Wall-clock seconds; None where the rescheduler did not bring it there."""
    moving: bool
    note: str
    """Why it is not where it should be, or what became of its last move; may be empty."""
    ha: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """A router that has to leave its node and is not on its way, and why."""

    name: str
    why: str
    tries: int = 0
    """Moves of it that failed, one after the other."""
    vrrp: bool = False
    """It is VRRP's to move."""


@dataclass(frozen=True, slots=True)
class Burden:
    """How loaded the agent on a node is."""

    node: str
    host: str
    standing: str
    routers: int
    load: float
    """The sum of the weights of its routers."""
    moving: int = 0
    """Its routers that are on their way to another node, or will be."""
    order: str = ""
    """What its drain attribute says; empty: it is not drained."""
    halted: bool = False
    """Whether the drain has ended with a move that failed."""
    kept: tuple[Kept, ...] = ()
    """Of a node whose routers have to leave: those that something keeps there."""
    heard: bool = False
    """Whether Neutron hears its L3 agent, and so may give it new routers by itself."""


@dataclass(frozen=True, slots=True)
class Report:
    """The rescheduler at one moment."""

    at_s: float
    node: str
    doing: str
    trouble: str
    """What keeps it from its work or needs a hand; empty when all is well."""
    looked_s: float | None
    """When it last looked at all routers, wall-clock seconds."""
    batches: tuple[Batch, ...]
    burdens: tuple[Burden, ...]
    routers: tuple[Residence, ...]
    unplaced: tuple[tuple[str, str], ...]
    """Router's name, and why no agent can take it."""
    calls_at_once: int
    identity: str = ""
    """While the strategy changes: the cold gateway that routers leave or go home to. Its burden is the last one."""
    homeward: bool = False

    @property
    def answer(self) -> Answer:
        """Whether all is well with its routers."""
        if self.trouble:
            return Answer.NO
        return Answer.CANNOT_TELL if self.looked_s is None else Answer.YES
