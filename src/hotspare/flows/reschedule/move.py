"""One router's way from one agent to another.

Journaled before the first call and after each. Whatever a call came to, plan.moving says what is next from who holds
the router, and that is read again after anything but a plain yes, so that nothing is sent twice that may have had its
effect. Neutron's yes to a bind is no proof: who has the router is read, or, where it is without service anyway and the
reading would keep others waiting, its ports are: all of them wired on the agent's host prove it as well.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from hotspare.flows.reschedule.calls import SERVER_FAILED, Calls, First
from hotspare.flows.reschedule.ports import PortWatch, Wired
from hotspare.model.errors import HotspareError, NotReachableError, RefusedError, TimedOutError
from hotspare.model.routing import Move, MoveRecord, Stage, Standing
from hotspare.plan.moving import Bind, Leave, Settled, Unbind, next_call
from hotspare.plan.pacing import SEEN_EVERY_S
from hotspare.ports import Journal, Scheduling

STEPS_MAX = 12
"""Unbind, bind and settled make three; the rest is for those that took the router in between, and for refusals."""
REFUSALS_MAX = 3
READS_MAX = 6
BACKOFF_S, BACKOFF_MAX_S = 0.5, 8.0
"""Six readings, each later than the one before: 24 s. Then the move is left, and the next look goes on from there."""
LET_GO_S = 30.0
"""A living agent removes a router within some seconds, and its ports are seen down 2 s later; a hung one never does."""
WIRED_S = 180.0
PROVED_S = 60.0
"""So long ports may take to prove a bind, then Neutron is asked. The last of 40 routers forwarded 19 s after it was
bound where nobody had CPU time to spare (docs/explain/benchmarks-reschedule.md). A slower one costs one reading; one
that no agent got, in spite of Neutron's yes, is not left alone for longer.
"""
NOT_FOUND, CONFLICT = 404, 409
NOT_THAT_AGENT = frozenset({NOT_FOUND, CONFLICT})
"""How Neutron refuses to bind a router to an agent that may not have it: disabled, of another kind, in a wrong mode."""


@dataclass(frozen=True, slots=True)
class Job:
    """A move that is to be carried out, and on what terms."""

    move: Move
    asked: bool = False
    """The operator named it: it may be taken from an agent that is LIVE."""
    careful: bool = False
    """The router is served now: better late than long without service."""
    lost_s: float | None = None
    """Since when the router is without service, monotonic seconds; None where it is served until it is unbound."""
    has_ports: bool = True
    """Whether ports are to be waited for: a router that is administratively down has none that get wired."""
    wired_on: frozenset[str] = frozenset()
    """Hosts where Neutron showed a port of it wired before the move: there that proves nothing."""
    reason: str = ""

    @property
    def requested(self) -> bool:
        """Whether a person asked for this very move: nobody else will plan it again."""
        return self.asked and self.careful


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a move ended. `holder` is the agent that the router is bound to as far as is known; None: nowhere."""

    job: Job
    stage: Stage
    holder: str | None
    note: str = ""
    outage_s: float | None = None
    at_fault: str | None = None
    """The agent that the failure tells something of; None: it was Neutron's, our own, or nobody's."""
    untold: bool = False
    """Neutron did not say what became of the router: the failure tells nothing of that either."""

    @property
    def well(self) -> bool:
        """Whether the router is where it may stay, and forwards as far as Neutron can tell."""
        return self.stage is Stage.FORWARDING


@dataclass(frozen=True, slots=True)
class World:
    """What a move knows of the world beside Neutron."""

    standings: Callable[[], Mapping[str, Standing]]
    """By agent, as the cluster says now."""
    host: Callable[[str], str]
    """An agent's host; empty where the agent is not known."""
    hindered: Callable[[], str]
    """Why nothing may be changed now (no quorum, the cluster cannot be asked); empty: nothing hinders."""
    stopping: Callable[[], bool]
    """Whether no router may be unbound any more; one that is bound nowhere is still given its agent."""
    now: Callable[[], float]
    """Monotonic seconds."""
    wall: Callable[[], float]


class _OverError(Exception):
    """The move ends here. `at_fault` and `untold`: see `Outcome`."""

    def __init__(self, stage: Stage, note: str, *, at_fault: str | None = None, untold: bool = False) -> None:
        super().__init__(note)
        self.stage, self.note, self.at_fault, self.untold = stage, note, at_fault, untold


def _lost(host: str) -> _OverError:
    return _OverError(Stage.DROPPED, f"{host} was lost before its ports were wired there")


class Carrier:
    """Carries out one move. `bound` is told the agent at which the router is, before its ports are wired there.

    For that it is confirmed there, or Neutron has said yes to an urgent move's bind. If that yes proves not to be true,
    `bound` is told again.
    """

    def __init__(
        self,
        job: Job,
        scheduling: Scheduling,
        journal: Journal,
        *,
        calls: Calls,
        leaving: PortWatch,
        arriving: PortWatch,
        world: World,
        bound: Callable[[str], None],
    ) -> None:
        self.job, self.move = job, job.move
        self._scheduling, self._journal, self._calls = scheduling, journal, calls
        self._leaving, self._arriving = leaving, arriving
        self._world, self._bound = world, bound
        self._holders: tuple[str, ...] = (job.move.source,) if job.move.source else ()
        self._confirmed = False
        self._promised = False
        """Whether a bind's yes was taken for the holder; what is read later goes before that."""
        self._bound_to: str | None = None
        """The agent that `bound` was told of, since the last bind."""
        self._bound_s = 0.0
        self._refusals: list[RefusedError] = []
        self._failed, self._pause_s = "", BACKOFF_S
        self._lost_s = job.lost_s
        self.closed = asyncio.Event()
        """Clear while the router may be bound nowhere because of us, and this is about to end that."""
        self.closed.set()

    async def run(self) -> Outcome:
        """The move has been carried out, or as much of it as was right; it never raises for Neutron's sake."""
        try:
            return await self._carried_out()
        except _OverError as over:
            return await self._ended(over.stage, over.note, at_fault=over.at_fault, untold=over.untold)
        finally:
            self.closed.set()

    async def _carried_out(self) -> Outcome:
        await self._note(Stage.PLANNED)
        for _step in range(STEPS_MAX):
            match next_call(self.move, self._holders, self._world.standings(), asked=self.job.asked):
                case Unbind(agent):
                    await self._unbind(agent)
                case Bind(agent):
                    await self._bind(agent)
                case Settled(agent) if self._confirmed:
                    return await self._settled(agent)
                case Settled(agent) if self._promised and await self._is_proved(agent):
                    return await self._ended(Stage.FORWARDING, "")
                case Settled():
                    await self._read()
                case Leave(reason):
                    raise _OverError(Stage.DROPPED, reason)
        why = f"Neutron fails: {self._failed}" if self._failed else "others take it again and again"
        raise _OverError(Stage.DROPPED, f"{STEPS_MAX} steps led nowhere: {why}")

    # --- the three calls ---------------------------------------------------------------------------------------------

    async def _unbind(self, agent: str) -> None:
        if self._world.stopping():
            raise _OverError(Stage.DROPPED, "not begun: this rescheduler is being stopped")
        self._hindered()
        shown = self._world.standings().get(agent) is Standing.GONE or await self._leaving.shows(
            self.move.router, self._world.host(agent)
        )
        begun_s = self._world.now()
        self.closed.clear()
        call = self._calls.ask("unbind", First.UNBIND, lambda: self._still_unbind(agent))
        if await self._answered(call):
            self._holders = tuple(holder for holder in self._holders if holder != agent)
        else:
            await self._read()
            if agent in self._holders:
                return
        self._lost_s = self._lost_s or begun_s
        with suppress(_OverError):  # it is bound nowhere, so it goes on; a full disk is told when it is bound
            await self._note(Stage.UNBOUND)
        if self._world.standings().get(agent) is not Standing.GONE:
            await self._let_go(agent, shown=shown)

    async def _still_unbind(self, agent: str) -> None:
        """The world may have changed while this call waited for its turn."""
        step = next_call(self.move, self._holders, self._world.standings(), asked=self.job.asked)
        if step != Unbind(agent) or self._world.stopping():
            raise _OverError(Stage.DROPPED, step.reason if isinstance(step, Leave) else "not begun: things changed")
        self._hindered()
        await self._scheduling.unbind(self.move.router, agent)

    async def _bind(self, agent: str) -> None:
        self._hindered()
        self._bound_to = None
        call = self._calls.ask("bind", First.BIND, lambda: self._scheduling.bind(self.move.router, agent))
        if await self._answered(call) and self._ports_will_prove(agent):
            self._holders, self._promised = (agent,), True
            self.closed.set()
            return
        await self._read()
        if len(self._refusals) >= REFUSALS_MAX and agent not in self._holders:
            last = self._refusals[-1]
            at_fault = agent if last.code in NOT_THAT_AGENT else None
            raise _OverError(Stage.DROPPED, f"Neutron does not bind it: {last.message}", at_fault=at_fault)

    def _ports_will_prove(self, agent: str) -> bool:
        """Whether ports that get wired at the agent's host are enough to know that the router is there.

        Not of a careful move, which is better late, nor where Neutron had to be asked before.
        """
        host = self._world.host(agent)
        is_new_there = bool(host) and host not in self.job.wired_on
        return self.job.has_ports and not self.job.careful and not self._confirmed and is_new_there

    async def _read(self) -> None:
        """Who holds the router is known for certain.

        Raises:
            _OverError: Neutron does not tell, or the router is no more.
        """
        backoff_s, failed = BACKOFF_S, ""
        for _reading in range(READS_MAX):
            call = self._calls.ask("read", First.READ, lambda: self._scheduling.agents_of(self.move.router))
            try:
                self._holders = await call
            except RefusedError as refused:
                if refused.code == NOT_FOUND:
                    raise _OverError(Stage.DROPPED, "the router is no more") from None
                failed = refused.message
            except (NotReachableError, TimedOutError) as trouble:
                failed = trouble.message
            else:
                self._confirmed = True
                if self._holders:
                    self.closed.set()
                return
            if self._world.stopping():
                break
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, BACKOFF_MAX_S)
        raise _OverError(Stage.DROPPED, f"who holds it cannot be read: {failed}", untold=True)

    async def _answered(self, call: Awaitable[None]) -> bool:
        """Whether the call was answered with yes. A refusal is remembered; a server that cannot is left in peace."""
        try:
            await call
        except RefusedError as refused:
            if refused.code < SERVER_FAILED:
                self._refusals.append(refused)
            else:
                await self._pause(refused.message)
            return False
        except (NotReachableError, TimedOutError) as trouble:
            await self._pause(trouble.message)
            return False
        self._failed, self._pause_s = "", BACKOFF_S
        return True

    async def _pause(self, failed: str) -> None:
        """Neutron has failed; it has had a while to recover, after each failure a longer one."""
        self._failed = failed
        if not self._world.stopping():
            await asyncio.sleep(self._pause_s)
            self._pause_s = min(2 * self._pause_s, BACKOFF_MAX_S)

    def _hindered(self) -> None:
        if reason := self._world.hindered():
            raise _OverError(Stage.DROPPED, reason)

    # --- what a living source, and the ports, take -------------------------------------------------------------------

    async def _let_go(self, agent: str, *, shown: bool) -> None:
        """The source does not serve the router any more; one that does not let go gets it back.

        Else two nodes would answer for one address. Where Neutron showed no port of the router wired there to begin
        with (a DOWN that came late stays until the agent's next report), it cannot show that none is any more: then the
        source has as long as one that hangs.
        """
        host = self._world.host(agent)
        is_dead = self._is_dead(agent)
        if not shown and self.job.has_ports:
            until_s = self._world.now() + LET_GO_S
            while self._world.now() < until_s and not is_dead():  # noqa: ASYNC110 (asked, not told)
                await asyncio.sleep(SEEN_EVERY_S)
            return
        if await self._leaving.gone(self.move.router, host, within_s=LET_GO_S, is_moot=is_dead) or is_dead():
            return
        call = self._calls.ask("bind", First.BIND, lambda: self._scheduling.bind(self.move.router, agent))
        await self._answered(call)
        await self._read()
        hung = f"{host} did not let go of it within {LET_GO_S:.0f} s"
        if agent in self._holders:
            raise _OverError(Stage.RETURNED, f"{hung}, so it stays there: is its L3 agent hung?")
        if self._holders:
            raise _OverError(Stage.DROPPED, f"{hung}, and another agent took it: {self._world.host(self._holders[0])}")
        why = self._failed or (self._refusals[-1].message if self._refusals else "Neutron said yes and did not")
        raise _OverError(Stage.DROPPED, f"{hung}, and could not be given it back, so it is bound nowhere: {why}")

    async def _note_bound(self, agent: str, note: str = "") -> None:
        """That the router is at the agent is on disk and told, once."""
        if agent == self._bound_to:
            return
        await self._note(Stage.BOUND, note)
        self._bound_to, self._bound_s = agent, self._world.now()
        self._bound(agent)

    async def _is_proved(self, agent: str) -> bool:
        """Whether the ports, which are waited for, prove that the agent has the router; they are wired there then."""
        await self._note_bound(agent)
        host = self._world.host(agent)
        wired = await self._arriving.proved(
            self.move.router,
            host,
            was_on=self.job.wired_on | {self._world.host(self.move.source or "")},
            within_s=PROVED_S,
            is_moot=self._is_dead(agent),
        )
        if wired is Wired.MOOT:
            raise _lost(host)
        return wired is Wired.YES

    async def _settled(self, agent: str) -> Outcome:
        """The router is confirmed at an agent; its ports are waited for."""
        note = "" if agent == self.move.target else "another agent took it in between, and may keep it"
        await self._note_bound(agent, note)
        if not self.job.has_ports:
            return await self._ended(Stage.FORWARDING, note)
        host = self._world.host(agent)
        if not host:
            raise _OverError(Stage.DROPPED, f"bound to agent {agent}, which was not there when last looked")
        within_s = self._bound_s + WIRED_S - self._world.now()
        match await self._arriving.wired(self.move.router, host, within_s=within_s, is_moot=self._is_dead(agent)):
            case Wired.YES:
                return await self._ended(Stage.FORWARDING, note)
            case Wired.FAILED:
                why = f"bound to {host}, but a port could not be bound there: binding_failed"
                raise _OverError(Stage.DROPPED, why, at_fault=agent)
            case Wired.LATE:
                why = f"bound to {host}, but its ports are not wired after {WIRED_S:.0f} s"
                raise _OverError(Stage.DROPPED, why, at_fault=agent)
            case Wired.UNTOLD:
                why = f"bound to {host}, but Neutron does not tell whether its ports are wired after {WIRED_S:.0f} s"
                raise _OverError(Stage.DROPPED, why, untold=True)
            case Wired.MOOT:
                raise _lost(host)

    def _is_dead(self, agent: str) -> Callable[[], bool]:
        return lambda: self._world.standings().get(agent) is Standing.GONE

    # --- the end -----------------------------------------------------------------------------------------------------

    async def _ended(self, stage: Stage, note: str, *, at_fault: str | None = None, untold: bool = False) -> Outcome:
        outage_s = None
        if stage is Stage.FORWARDING and self._lost_s is not None:
            outage_s = self._world.now() - self._lost_s
        holder = self._holders[0] if self._holders else None
        outcome = Outcome(self.job, stage, holder, note, outage_s, at_fault, untold)
        try:
            await self._note(stage, note, outage_s)
        except _OverError as unwritten:
            return Outcome(self.job, Stage.DROPPED, holder, unwritten.note)
        return outcome

    async def _note(self, stage: Stage, note: str = "", outage_s: float | None = None) -> None:
        """The stage is on disk: without that nothing more is begun."""
        try:
            await self._journal.note(MoveRecord(self._world.wall(), self.move, stage, note, outage_s))
        except HotspareError as failed:
            raise _OverError(Stage.DROPPED, f"the journal cannot be written: {failed.message}") from failed
