"""What is on its way: moves begin as the paces allow, the urgent before the careful."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from hotspare.flows.reschedule.calls import Calls
from hotspare.flows.reschedule.move import Carrier, Job, Outcome, World
from hotspare.flows.reschedule.ports import PortWatch
from hotspare.model.routing import Stage
from hotspare.plan.pacing import BRISK, PATIENT, CallPace, TargetPace
from hotspare.ports import Journal, Scheduling

CALLS_MOST = 64
URGENT_OPENED, URGENT_MOST = 8, 32
CAREFUL_OPENED, CAREFUL_MOST = 2, 4
"""Routers on their way to one agent at once: to begin with, and at most. Above 8 an L3 agent's own workers wait for
each other, and on a machine without a core to spare whoever binds takes the cores from whoever builds: of 40 routers
that went sixteen at once to each of two agents half came back in the last tenth of the time (measured).
"""
IN_FLIGHT_MAX = 512

Lane = tuple[str, bool]
"""A target, and whether its moves are careful ones."""


class Mover:
    """Carries out moves until it is told to stop.

    `bound` is called for each when its router is at an agent (see `Carrier`), `ended` in the order in which they end.
    """

    def __init__(
        self,
        scheduling: Scheduling,
        journal: Journal,
        world: World,
        *,
        bound: Callable[[Job, str], None],
        ended: Callable[[Outcome], None],
    ) -> None:
        self._scheduling, self._journal, self._world = scheduling, journal, world
        self._bound, self._ended = bound, ended
        self.calls = Calls(CallPace(most=CALLS_MOST), now=world.now)
        self._leaving = PortWatch(scheduling, self.calls, BRISK, now=world.now)
        self._arriving = PortWatch(scheduling, self.calls, PATIENT, now=world.now)
        self._pending: dict[Lane, deque[Job]] = {}
        self._flying: dict[str, Carrier] = {}
        self._in_lane: defaultdict[Lane, int] = defaultdict(int)
        self._paces: dict[Lane, TargetPace] = {}
        self._group: asyncio.TaskGroup | None = None

    @property
    def busy(self) -> frozenset[str]:
        """Routers that are on their way, or will be."""
        return self.begun | frozenset(job.move.router for job in self.pending)

    @property
    def begun(self) -> frozenset[str]:
        """Routers that are on their way."""
        return frozenset(self._flying)

    @property
    def is_idle(self) -> bool:
        """Whether no router is on its way, nor will be."""
        return not self._flying and not self._pending

    @property
    def is_urgent(self) -> bool:
        """Whether a router that is on its way, or will be, is without service."""
        return not all(job.careful for job in (*self.flying, *self.pending))

    @property
    def waiting(self) -> int:
        """How many moves were not begun."""
        return sum(map(len, self._pending.values()))

    @property
    def flying(self) -> tuple[Job, ...]:
        """Moves that were begun."""
        return tuple(carrier.job for carrier in self._flying.values())

    @property
    def pending(self) -> Iterator[Job]:
        """Moves that were not begun, in their order."""
        return (job for queue in self._pending.values() for job in queue)

    def add(self, jobs: Iterable[Job]) -> None:
        """These moves will be carried out. A router that is on its way already is left alone."""
        busy = set(self.busy)
        for job in jobs:
            if job.move.router not in busy:
                busy.add(job.move.router)
                self._pending.setdefault((job.move.target, job.careful), deque()).append(job)
        self._dispatch()

    def withdraw(self, unwanted: Callable[[Job], bool]) -> tuple[Job, ...]:
        """Moves that were not begun and are unwanted will not be."""
        gone = tuple(job for job in self.pending if unwanted(job))
        for lane, queue in tuple(self._pending.items()):
            self._pending[lane] = deque(job for job in queue if not unwanted(job))
        self._pending = {lane: queue for lane, queue in self._pending.items() if queue}
        self._dispatch()
        return gone

    async def run(self) -> None:
        """Moves are carried out until this is cancelled; those that fly are cut where they are then."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._leaving.run())
            group.create_task(self._arriving.run())
            self._group = group
            self._dispatch()

    async def finish(self, *, within_s: float) -> None:
        """No router of ours is bound nowhere, as far as that is possible within the limit. Nothing new is begun."""
        self._pending.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await asyncio.gather(*(carrier.closed.wait() for carrier in self._flying.values()))

    def _dispatch(self) -> None:
        """Begin what may begin now."""
        if self._group is None:
            return
        for lane in sorted(self._pending, key=lambda lane: lane[1]):
            queue = self._pending[lane]
            pace = self._pace(lane)
            while queue and self._in_lane[lane] < pace.window and len(self._flying) < IN_FLIGHT_MAX:
                self._begin(self._group, lane, queue.popleft())
        self._pending = {lane: queue for lane, queue in self._pending.items() if queue}
        if self.is_idle:
            self._paces.clear()

    def _pace(self, lane: Lane) -> TargetPace:
        _target, careful = lane
        opened, most = (CAREFUL_OPENED, CAREFUL_MOST) if careful else (URGENT_OPENED, URGENT_MOST)
        return self._paces.setdefault(lane, TargetPace(careful=careful, opened=opened, most=most))

    def _begin(self, group: asyncio.TaskGroup, lane: Lane, job: Job) -> None:
        bound_s: list[float] = []

        def bound(agent: str) -> None:
            bound_s.append(self._world.now())
            self._bound(job, agent)
            self._pace(lane).bound()
            self._dispatch()

        carrier = Carrier(
            job,
            self._scheduling,
            self._journal,
            calls=self.calls,
            leaving=self._leaving,
            arriving=self._arriving,
            world=self._world,
            bound=bound,
        )
        self._flying[job.move.router] = carrier
        self._in_lane[lane] += 1
        flight = self._carried(carrier, lane, bound_s)
        try:
            group.create_task(flight)
        except RuntimeError:  # the group is ending: a part of it has met what nobody expects, and all end with it
            flight.close()
            raise

    async def _carried(self, carrier: Carrier, lane: Lane, bound_s: list[float]) -> None:
        """The move has ended, and others may begin. One that meets a bug of ours stops no other."""
        try:
            outcome = await carrier.run()
        except Exception as bug:  # noqa: BLE001 (told, with its kind: see the log)
            outcome = Outcome(carrier.job, Stage.DROPPED, None, f"a bug of hotspare: {type(bug).__name__}: {bug}")
        finally:
            del self._flying[carrier.move.router]
            self._in_lane[lane] -= 1
        if outcome.well and bound_s:
            self._pace(lane).forwarding(self._world.now() - bound_s[0], known_to_s=self._arriving.known_to_s)
        self._ended(outcome)
        self._dispatch()
