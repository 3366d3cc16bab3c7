"""What became of moves: how far each batch got, who failed and may be tried again when, who does not take routers."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from hotspare.flows.reschedule.move import Job, Outcome
from hotspare.model.rescheduling import Batch
from hotspare.model.routing import MoveRecord

AGAIN_FIRST_S, AGAIN_MAX_S = 2.0, 120.0
"""A router whose move failed is tried again after so long, then twice as long, and so on."""
SUSPECT_AFTER, SUSPECT_FOR_S = 3, 120.0
"""So many moves in a row that fail by one agent's fault, and it gets no more for a while."""
NOT_BEGUN = "not begun: the node that it was to go to takes no routers any more"


@dataclass(slots=True)
class _Count:
    began_s: float
    began_wall_s: float
    total: int = 0
    done: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    """Router → why."""
    outages_s: list[float] = field(default_factory=list)

    @property
    def ended(self) -> int:
        return self.done + len(self.failures)

    @property
    def over(self) -> bool:
        return self.ended >= self.total


class Ledger:
    """Told of every move that is added and that ended."""

    def __init__(self, records: Iterable[MoveRecord], *, now: Callable[[], float], wall: Callable[[], float]) -> None:
        self._now, self._wall = now, wall
        self.last: dict[str, MoveRecord] = {record.move.router: record for record in records}
        """The last that is known of a router's moves, from the journal on."""
        self._counts: dict[str, _Count] = {}
        self._tries: Counter[str] = Counter()
        self._untold: Counter[str] = Counter()
        """Those of a router's tries of which Neutron did not say what became of it."""
        self._again_s: dict[str, float] = {}
        self._misses: defaultdict[str, int] = defaultdict(int)
        self._suspect_s: dict[str, float] = {}

    def added(self, jobs: Iterable[Job]) -> None:
        """These moves will be carried out. Where all of them have failed before, their batch goes on."""
        by_reason: defaultdict[str, list[str]] = defaultdict(list)
        for job in jobs:
            by_reason[job.reason].append(job.move.router)
        for reason, routers in by_reason.items():
            count = self._counts.get(reason)
            if count is None or (count.over and not count.failures.keys() >= set(routers)):
                count = self._counts[reason] = _Count(self._now(), self._wall())
            for router in routers:
                if count.failures.pop(router, None) is None:
                    count.total += 1

    def withdrawn(self, jobs: Iterable[Job]) -> None:
        """These moves will not be carried out after all."""
        for job in jobs:
            count = self._counts[job.reason]
            if job.requested:
                count.failures[job.move.router] = NOT_BEGUN
            else:
                count.total -= 1

    def forget(self, reason: str) -> None:
        """What is over of these moves is told no more: others of that name are to come."""
        count = self._counts.get(reason)
        if count and count.over:
            del self._counts[reason]

    def ended(self, outcome: Outcome) -> None:
        """A move has ended."""
        job, router = outcome.job, outcome.job.move.router
        self.last[router] = MoveRecord(self._wall(), job.move, outcome.stage, outcome.note, outcome.outage_s)
        count = self._counts[job.reason]
        if outcome.well:
            count.done += 1
            if outcome.outage_s is not None:
                count.outages_s.append(round(outcome.outage_s, 1))
            self._tries.pop(router, None)
            self._untold.pop(router, None)
            self._again_s.pop(router, None)
            if outcome.holder:
                self._misses.pop(outcome.holder, None)
            return
        count.failures[router] = outcome.note
        self._tries[router] += 1
        self._untold[router] += outcome.untold
        wait_s = min(AGAIN_FIRST_S * 2 ** (self._tries[router] - 1), AGAIN_MAX_S)
        self._again_s[router] = self._now() + wait_s
        if outcome.at_fault:
            self._misses[outcome.at_fault] += 1
            if self._misses[outcome.at_fault] >= SUSPECT_AFTER:
                self._suspect_s[outcome.at_fault] = self._now() + SUSPECT_FOR_S

    def waits(self, router: str) -> bool:
        """Whether the router's last move failed, too short ago to try another."""
        return self._again_s.get(router, 0.0) > self._now()

    def next_try_s(self) -> float | None:
        """When the first of those that wait may be tried again, monotonic seconds."""
        return min((at_s for at_s in self._again_s.values() if at_s > self._now()), default=None)

    def suspects(self) -> frozenset[str]:
        """Agents at which moves failed in a row, so that they get none for a while."""
        return frozenset(agent for agent, until_s in self._suspect_s.items() if until_s > self._now())

    def forgive(self) -> None:
        """Whoever waits may be tried again now: the world has changed."""
        self._tries.clear()
        self._untold.clear()
        self._again_s.clear()
        self._suspect_s.clear()
        self._misses.clear()

    def unfinished(self) -> Mapping[str, MoveRecord]:
        """Routers whose last move was cut, by the crash of a rescheduler on this node."""
        return {router: record for router, record in self.last.items() if not record.stage.final}

    def failed(self) -> dict[str, tuple[str, int]]:
        """Routers whose last moves failed: why the last one did, and how many.

        All of those that Neutron was away for are one: they say nothing of whether the router can be moved.
        """
        return {
            router: (self.last[router].note, max(1, tries - self._untold[router]))
            for router, tries in self._tries.items()
        }

    def batches(self, named: Callable[[str], str]) -> tuple[Batch, ...]:
        """How far each batch got, the latest last; `named` is a router's name."""
        return tuple(self._batch(reason, count, named) for reason, count in self._counts.items() if count.total > 0)

    def _batch(self, reason: str, count: _Count, named: Callable[[str], str]) -> Batch:
        ended = count.ended
        left = count.total - ended
        took_s = self._now() - count.began_s
        return Batch(
            reason=reason,
            total=count.total,
            done=count.done,
            failed=len(count.failures),
            began_s=count.began_wall_s,
            left_s=took_s / ended * left if ended else None,
            failures=tuple((named(router), why) for router, why in count.failures.items()),
            outages_s=tuple(count.outages_s),
        )
