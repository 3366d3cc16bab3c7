"""What flows need from the outside, as Protocols; `adapters/` fulfil them and `wiring/` joins the two."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from hotspare.model.cleaning import NodeCleaning
from hotspare.model.cluster import ClusterStatus
from hotspare.model.drill import NodeState, Place, Router
from hotspare.model.event import Event
from hotspare.model.observed import NodeFacts, Query
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
        """The step has been carried out. AwaitMembers and AwaitStopped are none of these: whoever waits asks for the
        status.
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

    async def agents(self, gateway: str) -> tuple[AgentReport, ...]:
        """What Neutron thinks of the agents whose host is `gateway`."""
        ...


class Site(Protocol):
    """The machines under a cluster, as a drill and a status need them: asked over `Remote`, each call with a deadline.

    Raises (all of them): NotReachableError, TimedOutError or RefusedError.
    """

    async def status(self) -> tuple[str, ClusterStatus]:
        """The cluster's own view, and the first node that had one."""
        ...

    async def node(self, host: str) -> NodeState:
        """What of a gateway is on this host."""
        ...

    async def clean(self, node: str, *, only_plan: bool) -> NodeCleaning:
        """Have the node clean itself of routers, or say what would go."""
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
