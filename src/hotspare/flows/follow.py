"""Follow routers that are being moved, through the death of the rescheduler and its coming back elsewhere."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from hotspare.model.errors import HotspareError, NotReachableError, RefusedError, TimedOutError
from hotspare.model.moving import Ending, Goal, Progress
from hotspare.model.rescheduling import Report
from hotspare.plan.following import after
from hotspare.ports import Dispatcher

AGAIN_S = 2.0
LOST_MAX_S = 180.0
"""A rescheduler whose node dies is started elsewhere once that node is fenced: well within a minute."""
STILL_MAX_S = 900.0
"""A move takes some minutes at most; where none has ended for so long, somebody has to look."""


class Watcher(Protocol):
    """Whoever shows how it goes."""

    def progress(self, progress: Progress) -> None:
        """It has got so far."""
        ...

    def lost(self, why: str) -> None:
        """The rescheduler does not answer, and is looked for."""
        ...


async def follow(goal: Goal, dispatcher: Dispatcher, watcher: Watcher, *, now: Callable[[], float]) -> Ending:
    """It is over, or nobody can tell how it goes; then it goes on without us."""
    if not goal.node and not goal.moves:
        return Ending(goal, Progress(daemon="", over=True))
    following = _Following(goal, watcher, now)
    while True:
        try:
            async with dispatcher.reports() as reports:
                async for report in reports:
                    if ending := following.heard(report):
                        return ending
        except (NotReachableError, TimedOutError, RefusedError) as failed:
            if ending := following.lost(failed):
                return ending
        await asyncio.sleep(AGAIN_S)


class _Following:
    """What was heard so far, and for how long nothing was, or nothing has changed."""

    def __init__(self, goal: Goal, watcher: Watcher, now: Callable[[], float]) -> None:
        self._goal, self._watcher, self._now = goal, watcher, now
        self._progress = Progress(daemon="")
        self._heard_s = self._moved_s = now()

    def heard(self, report: Report) -> Ending | None:
        before, self._heard_s = self._progress, self._now()
        self._progress = after(before, report, self._goal)
        if _counts(self._progress) != _counts(before):
            self._moved_s = self._heard_s
        self._watcher.progress(self._progress)
        if self._progress.over:
            return Ending(self._goal, self._progress)
        if self._heard_s - self._moved_s < STILL_MAX_S:
            return None
        why = f": {self._progress.trouble}" if self._progress.trouble else ""
        return Ending(self._goal, self._progress, f"no router was moved for {STILL_MAX_S / 60:.0f} min{why}")

    def lost(self, failed: HotspareError) -> Ending | None:
        self._watcher.lost(failed.message)
        if self._now() - self._heard_s < LOST_MAX_S:
            return None
        hint = f" ({failed.hint})" if failed.hint else ""
        why = f"the rescheduler was not heard of for {LOST_MAX_S / 60:.0f} min: {failed.message}{hint}"
        return Ending(self._goal, self._progress, why)


def _counts(progress: Progress) -> tuple[int, int, int]:
    return progress.done, progress.left, len(progress.failures)
