"""Shows how far it got: a bar on a terminal, elsewhere a line a change."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from hotspare.faces.report import moving as report
from hotspare.model.moving import Progress as Moved


class Shown:
    """A `flows.follow.Watcher`, for as long as its context lasts."""

    def __init__(self, talk: Console) -> None:
        self._talk = talk
        self._bar = Progress(BarColumn(), TextColumn("{task.description}"), console=talk, transient=True)
        self._task = self._bar.add_task("looking for the rescheduler", total=None)
        self._began_s = time.monotonic()
        self._before, self._line = Moved(daemon=""), ""

    def __enter__(self) -> Self:
        if self._talk.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def progress(self, progress: Moved) -> None:
        """See `flows.follow.Watcher.progress`."""
        if self._before.daemon not in {"", progress.daemon}:
            self._say(f"the rescheduler runs on {progress.daemon} now")
        if progress.trouble and progress.trouble != self._before.trouble:
            self._say(f"the rescheduler has trouble: {progress.trouble}")
        for router, why in report.failures(self._before, progress):
            self._say(f"{router}: {why}")
        self._before = progress
        line = report.progress(progress)
        self._bar.update(self._task, description=escape(line), completed=progress.done, total=progress.total or None)
        if not self._talk.is_terminal:
            self._changed(report.progress(progress, with_rest=False), line)

    def lost(self, why: str) -> None:
        """See `flows.follow.Watcher.lost`."""
        line = f"the rescheduler does not answer, looking for it: {why}"
        self._bar.update(self._task, description=escape(line))
        if not self._talk.is_terminal:
            self._changed(line, line)

    def _changed(self, key: str, line: str) -> None:
        if key != self._line:
            self._say(line)
        self._line = key

    def _say(self, line: str) -> None:
        self._talk.print(f"{time.monotonic() - self._began_s:6.1f} s  {line}", markup=False)


def teller(update: Callable[[str], None], talk: Console) -> Callable[[str], None]:
    """A spinner on a terminal; elsewhere a line a change, with the time since the beginning."""
    began_s = time.monotonic()
    last = ""

    def tell(text: str) -> None:
        nonlocal last
        line = f"{time.monotonic() - began_s:6.1f} s  {escape(text)}"
        if talk.is_terminal:
            update(line)
        elif text != last:
            talk.print(line, highlight=False)
        last = text

    return tell
