"""An event loop whose clock jumps to the next timer as soon as nothing else is left to do: an hour passes in no time.

For flows that wait. Whatever really happens outside (threads, other processes) would be overtaken: there must be
nothing of it. Sockets within the process are none of that: what is written to one is there at once.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Waits for nothing, and lets the loop's clock jump instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if ready := super().select(0):
            return ready
        if timeout is None:
            raise AssertionError("everybody waits, and nobody will come")
        self.now_s += timeout
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now_s


def run(work: Coroutine[Any, Any, T]) -> T:
    """What the work returned, in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)


def now() -> float:
    """The virtual clock, in seconds."""
    return asyncio.get_running_loop().time()
