"""Routers that an operator has moved: the plan, how far it got, how it ended."""

from dataclasses import dataclass

from hotspare.model.answer import Answer
from hotspare.model.rescheduling import Batch, Kept


@dataclass(frozen=True, slots=True)
class PlannedMove:
    """One router, by the names that people know."""

    router: str
    source: str
    """Empty: bound nowhere."""
    target: str


@dataclass(frozen=True, slots=True)
class MovePlan:
    """What would be moved, in this order, and what cannot be: router, and why."""

    moves: tuple[PlannedMove, ...]
    unplaced: tuple[tuple[str, str], ...]

    @property
    def answer(self) -> Answer:
        """Whether all of it can be done."""
        return Answer.NO if self.unplaced else Answer.YES


@dataclass(frozen=True, slots=True)
class Goal:
    """What is followed."""

    batch: str
    """What the rescheduler calls the moves."""
    moves: int = 0
    """How many were begun. A drain has no number: it is over when the node is empty."""
    refused: tuple[tuple[str, str], ...] = ()
    """Routers that were asked for and cannot be moved, and why."""
    node: str = ""
    """The node that is drained; empty: it is no drain."""
    order: str = ""
    """What the node's drain attribute says."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it got, as the rescheduler told last."""

    daemon: str
    """The node of the rescheduler that told; empty: none did yet."""
    trouble: str = ""
    """What keeps the rescheduler from its work; empty when nothing does."""
    batch: Batch | None = None
    """The moves under way; None until the rescheduler has begun."""
    earlier: tuple[Batch, ...] = ()
    """What was done of them before: by a rescheduler on another node, or before others were added."""
    total: int = 0
    under_way: bool = False
    """The rescheduler knows what is to be done."""
    over: bool = False
    """Nothing more is going to move."""
    left: int = 0
    """Routers that are still to be moved, those that cannot be among them."""
    kept: tuple[Kept, ...] = ()
    """Of a drain: what stays on the node."""
    taken_back: bool = False
    """Of a drain: somebody else has ended it."""
    halted: bool = False
    """Of a drain: the first failure has ended it."""

    @property
    def done(self) -> int:
        """Routers that were moved."""
        return sum(batch.done for batch in self.batches)

    @property
    def batches(self) -> tuple[Batch, ...]:
        """All that was done."""
        return (*self.earlier, self.batch) if self.batch else self.earlier

    @property
    def left_s(self) -> float | None:
        """How long the rest will take; None where nobody can tell."""
        return self.batch.left_s if self.batch else None

    @property
    def outages_s(self) -> tuple[float, ...]:
        """How long each router that was moved had no service."""
        return tuple(outage_s for batch in self.batches for outage_s in batch.outages_s)

    @property
    def failures(self) -> tuple[tuple[str, str], ...]:
        """Router, and why its last move failed."""
        return self.batch.failures if self.batch else ()


@dataclass(frozen=True, slots=True)
class Ending:
    """How it ended for whoever followed; `untold` is why nobody can tell, empty where it is over."""

    goal: Goal
    progress: Progress
    untold: str = ""

    @property
    def stays(self) -> tuple[Kept, ...]:
        """Routers that should have moved and did not, and why."""
        if self.goal.node:
            return tuple(kept for kept in self.progress.kept if not kept.vrrp)
        return tuple(Kept(name, why) for name, why in (*self.goal.refused, *self.progress.failures))

    @property
    def answer(self) -> Answer:
        """Whether all of it was moved."""
        if self.untold:
            return Answer.CANNOT_TELL
        return Answer.NO if self.progress.left or self.stays or self.progress.taken_back else Answer.YES
