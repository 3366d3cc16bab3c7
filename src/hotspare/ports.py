"""What flows need from the outside, as Protocols; `adapters/` fulfil them and `wiring/` joins the two."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from hotspare.codec.twin_frames import Frame
from hotspare.model.cib import Element
from hotspare.model.cleaning import NodeCleaning
from hotspare.model.cluster import ClusterStatus
from hotspare.model.connection import Carried, Kept
from hotspare.model.dataplane import DataPlane, HelperFile, Neighbour
from hotspare.model.drill import NodeState, Place, Router
from hotspare.model.errors import HotspareError
from hotspare.model.event import Event
from hotspare.model.moving import MovePlan
from hotspare.model.observed import NodeFacts, Query
from hotspare.model.rescheduling import Report
from hotspare.model.routing import Leasing, MoveRecord, RouterPort, Routing
from hotspare.model.stager import State
from hotspare.model.staging import (
    Announced,
    Announcement,
    Helper,
    Inside,
    InsideLook,
    InSwitch,
    SwitchChange,
    SwitchLook,
)
from hotspare.model.status import AgentReport
from hotspare.model.step import Step

OK = frozenset({0})


@dataclass(frozen=True, slots=True)
class Done:
    """A command that ended: its exit status and what it wrote."""

    code: int
    stdout: str
    stderr: str


class Remote(Protocol):
    """Commands on hosts. A host is a name of the spec; `local` is this machine."""

    async def run(
        self,
        host: str,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout_s: float,
        expect: frozenset[int] = OK,
    ) -> Done:
        """Run one command to its end.

        Raises:
            NotReachableError: the host could not be reached, or its key is not the known one.
            RefusedError: the exit status is not among `expect`.
            TimedOutError: no end within `timeout_s`; the command may have had its effect.
        """
        ...

    async def put(self, host: str, path: str, content: bytes, *, mode: int, timeout_s: float) -> None:
        """Make the file `path` on `host` hold `content` with `mode`, owned by root, replaced atomically."""
        ...

    def stream(
        self, host: str, argv: Sequence[str], *, stdin: bytes = b""
    ) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Run a command for as long as the context lasts and give its lines as they come; it ends with the context."""
        ...


class Nodes(Protocol):
    """The nodes that a cluster is made on. Steps are idempotent; one that timed out may have had its effect.

    Raises (all of them): NotReachableError, TimedOutError or RefusedError.
    """

    async def look(self, node: str, query: Query) -> NodeFacts:
        """All that a plan needs to know of the node, in one round trip."""
        ...

    async def carry_out(self, step: Step) -> None:
        """The step has been carried out. AwaitMembers, AwaitStopped and AwaitMoved are none of these: whoever waits
        asks.
        """
        ...

    async def cluster(self, node: str) -> ClusterStatus:
        """The cluster as this node sees it."""
        ...


class Neutron(Protocol):
    """What Neutron's API says. Every call ends within its own deadline.

    Raises (all of them): NotReachableError, TimedOutError or RefusedError, as the adapter could tell.
    """

    async def routers(self, gateway: str) -> tuple[Router, ...]:
        """The routers bound to the L3 agent whose host is `gateway`, with their floating IPs and ports."""
        ...

    async def bound(self, gateway: str) -> tuple[str, ...]:
        """The ids of the routers bound to the L3 agent whose host is `gateway`."""
        ...

    async def agents(self, gateway: str) -> tuple[AgentReport, ...]:
        """What Neutron thinks of the agents whose host is `gateway`."""
        ...


class Scheduling(Protocol):
    """Which agent serves which router and network, through Neutron's API. One call each; nothing is tried again here.

    Raises (all of them): NotReachableError (nothing was asked of Neutron), TimedOutError (it may have had its effect,
    or have it yet: Neutron's own queues hold what we gave up) or RefusedError (`code` is the HTTP status; of 500 and
    above it may have had its effect as well).
    """

    async def routing(self) -> Routing:
        """All L3 agents and routers, and who is bound to whom.

        Not one moment: a router that moves meanwhile may be seen with no agent or with two.
        """
        ...

    async def agents_of(self, router: str) -> tuple[str, ...]:
        """The L3 agents that the router is bound to, by id.

        RefusedError 404: no such router.
        """
        ...

    async def routers_of(self, agent: str) -> tuple[str, ...]:
        """The routers that are bound to the L3 agent, by id.

        RefusedError 404: no such agent.
        """
        ...

    async def bind(self, router: str, agent: str) -> None:
        """Ask for the router to be bound to the agent. That there is no error is no proof: `agents_of` is one, and so
        are ports that get wired on the agent's host.

        RefusedError 409: it is bound elsewhere, or the agent's mode does not fit. 404: no such router or agent, or this
        agent may not have it.
        """
        ...

    async def unbind(self, router: str, agent: str) -> None:
        """The router is not bound to the agent, whether it was or not, and whether there is such a router or not.

        RefusedError 404: no such agent.
        """
        ...

    async def ports(self, routers: Collection[str]) -> tuple[RouterPort, ...]:
        """Interface and gateway ports of these routers."""
        ...

    async def leasing(self) -> Leasing:
        """All DHCP agents and networks, and who serves what."""
        ...

    async def agents_of_network(self, network: str) -> tuple[str, ...]:
        """The DHCP agents that serve the network, by id."""
        ...

    async def bind_network(self, network: str, agent: str) -> None:
        """The DHCP agent serves the network, also where it did before."""
        ...

    async def unbind_network(self, network: str, agent: str) -> None:
        """The DHCP agent does not serve the network, whether it did or not."""
        ...


class Pacemaker(Protocol):
    """The cluster as this node sees it."""

    async def status(self) -> ClusterStatus:
        """The cluster's status.

        Raises:
            NotReachableError, TimedOutError, RefusedError: Pacemaker does not run here, or does not answer.
        """
        ...


class Journal(Protocol):
    """What was done with which router, kept on disk."""

    async def note(self, record: MoveRecord) -> None:
        """The record survives a crash of the machine from here on.

        Raises:
            RefusedError: it cannot be written.
        """
        ...

    def records(self) -> Iterable[MoveRecord]:
        """All that is kept, oldest first."""
        ...


class Dispatcher(Protocol):
    """The rescheduler of one pool, on whichever node the cluster runs it; looked for anew with every call.

    Raises (all of them): NotReachableError (there is none, or it cannot be asked now), TimedOutError (it may have had
    its effect) or RefusedError.
    """

    async def report(self, *, routers: bool) -> Report:
        """What it tells of itself; the routers one by one only where they are asked for."""
        ...

    def reports(self) -> AbstractAsyncContextManager[AsyncIterator[Report]]:
        """Reports without routers, whenever something has changed, for as long as the context lasts.

        Raises (entering or reading): as above, also when the rescheduler has ended.
        """
        ...

    async def plan_drain(self, node: str) -> MovePlan:
        """What a drain of the node would move."""
        ...

    async def rebalance(self, *, only_plan: bool) -> MovePlan:
        """The routers will be spread evenly, or: what that would take."""
        ...

    async def takeover(self, routers: Sequence[str], node: str, *, only_plan: bool) -> MovePlan:
        """These routers (ids or names) will be on the node, or: what that would take."""
        ...


class Marks(Protocol):
    """Attributes that nodes keep for good, in the cluster's configuration.

    Raises (all of them): NotReachableError, TimedOutError or RefusedError.
    """

    async def mark(self, node: str, name: str, value: str) -> None:
        """The node has the attribute with this value."""
        ...

    async def unmark(self, node: str, name: str) -> None:
        """The node has no such attribute."""
        ...


class Steering(Protocol):
    """What draws a gateway to a node, in the cluster's configuration.

    Raises (all of them): NotReachableError, TimedOutError or RefusedError.
    """

    async def constraints(self) -> Element:
        """All constraints there are."""
        ...

    async def prefer(self, gateway: str, node: str, *, for_s: float) -> None:
        """The node is the one to promote, for so long or until `unprefer`. Pacemaker has only been told."""
        ...

    async def unprefer(self, gateway: str, node: str) -> None:
        """`prefer` holds no longer, whether it did or not."""
        ...


class Stagers(Protocol):
    """The stagers of gateways whose spares keep twins."""

    async def state(self, gateway: str, node: str) -> State:
        """What the one on this node tells of itself.

        Raises:
            NotReachableError, TimedOutError, RefusedError: it could not be asked, or did not say it in our form.
        """
        ...


class Site(Marks, Steering, Protocol):
    """The machines under a cluster, as a drill and a status need them: asked over `Remote`, each call with a deadline.

    Raises (all of them): NotReachableError, TimedOutError or RefusedError.
    """

    async def status(self) -> tuple[str, ClusterStatus]:
        """The cluster's own view, and the first node that had one."""
        ...

    async def node(self, host: str) -> NodeState:
        """What of a gateway is on this host."""
        ...

    async def clean(self, node: str, *, only_plan: bool, twins: bool) -> NodeCleaning:
        """Have the node clean itself of routers, with `twins` of a spare's twin, too, or say what would go."""
        ...

    async def clock(self, host: str) -> tuple[float, float]:
        """How far the host's clock is ahead of ours, and how well that is known, in seconds."""
        ...

    async def events(self, host: str, *, since_s: float, ahead_s: float) -> tuple[Event, ...]:
        """What the host's journal tells since then (its own clock), on our clock."""
        ...

    def probe(
        self, script: str, place: Place, options: Mapping[str, object]
    ) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Run a script of adapters/onsite at a place for as long as the context lasts."""
        ...

    async def power(self, node: str, action: str) -> None:
        """Do `action` (on, off) with the node's fence device from another node, without telling the cluster."""
        ...

    async def standby(self, node: str, *, wanted: bool) -> None:
        """Put the node in standby, or take it out."""
        ...

    async def settled(self, *, limit_s: float) -> None:
        """Return when the cluster has nothing left to do."""
        ...

    async def versions(self) -> Mapping[str, str]:
        """The versions of what the drill proves: component → version."""
        ...


Tell = Callable[[str, Mapping[str, object]], None]
"""What happened, and the facts: for whoever reads the machine's log."""


class Switch(Protocol):
    """Open vSwitch of this node.

    Raises (all of them): NotReachableError (it does not answer), TimedOutError (it may be changed) or RefusedError
    (nothing was changed).
    """

    async def look(self, *, flows: bool) -> SwitchLook:
        """Routers' ports; with flows also how all bridges forward."""
        ...

    async def carry_out(self, step: InSwitch, *, within_s: float) -> None:
        """The step is true, in the database and in what forwards."""
        ...

    def changes(self) -> AsyncIterator[SwitchChange]:
        """What changes from now on. The first says that the watch has begun: what was seen before may be old."""
        ...


class Namespaces(Protocol):
    """The namespaces of this node's routers."""

    async def look(self, namespaces: Collection[str] | None = None) -> Mapping[str, InsideLook]:
        """What is in these, or in all; those that are not there are left out."""
        ...

    async def carry_out(self, steps: Sequence[Inside]) -> Mapping[str, HotspareError]:
        """The steps are true, but for those in the namespaces that are given back, each with what hindered it."""
        ...

    async def neighbours(self) -> Mapping[str, frozenset[Neighbour]]:
        """Whom the routers know, by namespace."""
        ...

    async def introduce(
        self,
        known: Mapping[str, Collection[Neighbour]],
        gone: Mapping[str, Collection[Neighbour]],
        *,
        parked: bool,
    ) -> Mapping[str, str]:
        """The routers know these, for as long as they are parked, and those no more. By namespace what hindered it, in
        words.
        """
        ...

    def changes(self) -> AsyncIterator[frozenset[str]]:
        """Those in which something changed; first, at once, all.

        Raises:
            NotReachableError: they cannot be watched (any more).
        """
        ...


class HelperFiles(Protocol):
    """The files that routers' haproxy and radvd read on this node."""

    def read(self) -> Mapping[str, str]:
        """Path → text."""
        ...

    def write(self, file: HelperFile) -> None:
        """The file is as given.

        Raises:
            RefusedError: it cannot be written.
        """
        ...

    def remove(self, path: str) -> None:
        """There is no such file."""
        ...


class RouterHelpers(Protocol):
    """Routers' haproxy and radvd on this node."""

    async def run(self, helper: Helper) -> None:
        """It runs, and Neutron's agents will take it for their own.

        Raises:
            NotReachableError, RefusedError, TimedOutError: it does not.
        """
        ...


class TwinRecord(Protocol):
    """The last data plane that a spare was told, kept on disk."""

    def kept(self) -> DataPlane | None:
        """None: there is none, or none that this version understands."""
        ...

    def keep(self, plane: DataPlane) -> None:
        """It survives this process.

        Raises:
            RefusedError: it cannot be written.
        """
        ...


class CarrierConnections(Protocol):
    """The connections of this node's routers, given out as they change."""

    def watch(self, own: Mapping[str, Collection[bytes]]) -> None:
        """These namespaces, each with the router's own addresses (packed)."""
        ...

    def renew(self) -> None:
        """The next batches have all connections."""
        ...

    def batches(self) -> AsyncIterator[bytes]:
        """Batches for `SpareConnections.apply`."""
        ...

    def sums(self) -> Carried:
        """What can be told of it."""
        ...

    async def close(self) -> None:
        """Nothing is heard any more. The spares keep what they have."""
        ...


class SpareConnections(Protocol):
    """The carrier's connections, in the kernel of this node."""

    async def apply(self, batch: bytes) -> None:
        """These connections more, and those less.

        Raises:
            ValueError: it is no batch.
        """
        ...

    async def mend(self, namespaces: Collection[str]) -> None:
        """These namespaces have the connections that they are to have."""
        ...

    def sums(self) -> Kept:
        """What can be told of it."""
        ...

    async def close(self) -> None:
        """Nothing is put in or taken out any more."""
        ...


class Burst(Protocol):
    """Announcements that are ready to be sent."""

    async def send(self) -> Announced:
        """They are with the kernel, but for those that it would not take."""
        ...


class Announcer(Protocol):
    """Tells neighbours where an address is now."""

    def prepare(self, announcements: Sequence[Announcement]) -> Burst:
        """To be sent as often as wanted."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """The link is up, or the peer's standing has changed: whether it carries the gateway."""

    carries: bool


@dataclass(frozen=True, slots=True)
class Fresh:
    """What the peer said before does not count any more; a whole state follows, up to `Whole`."""


@dataclass(frozen=True, slots=True)
class Whole:
    """The peer's state is complete; what follows changes it."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The link is gone. What came before is as good as it was; whether it is still true is not known."""

    why: str


Came = Standing | Fresh | Frame | Whole | Lost
"""What comes over a link between two nodes' stagers."""


class Publisher(Protocol):
    """What the carrier says to all spares that listen."""

    def carry(self, *, carries: bool) -> None:
        """Whether this node carries the gateway."""
        ...

    def publish(self, frames: Iterable[Frame]) -> None:
        """Every spare gets these. Never waits."""
        ...


class Subscriber(Protocol):
    """Links to the other nodes' stagers."""

    async def run(self, take: Callable[[str, Came], Awaitable[None]]) -> None:
        """Keep them, and hand on what comes."""
        ...

    def even_s(self) -> float | None:
        """All that the carrier had published by then (monotonic seconds) was taken; None: that cannot be said."""
        ...

    def carriers(self) -> Collection[str]:
        """The peers that say that they carry the gateway."""
        ...

    def words(self) -> Mapping[str, str]:
        """The other nodes → how they are reached."""
        ...
