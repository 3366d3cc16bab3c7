"""Calls that block, made from asyncio in a bounded number of threads that keep nobody from leaving.

`concurrent.futures.ThreadPoolExecutor` joins its threads when the interpreter ends: one call to a dead controller would
keep a daemon, and with it Pacemaker's stop of it, waiting for that call's deadline.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class DaemonThreads:
    """At most `threads_max` calls at once; more wait for their turn. Threads are made when there is work for them.

    It belongs to no event loop: several, one after another, may use it.
    """

    def __init__(self, name: str, *, threads_max: int) -> None:
        self._name = name
        self._jobs: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._unborn = threading.Semaphore(threads_max)
        self._idle = threading.Semaphore(0)

    async def run(self, ask: Callable[[], T]) -> T:
        """What the call returned or raised.

        A cancelled call is not made if its turn had not come. If it had, it goes on in its thread, and nobody hears.
        """
        job: Future[T] = Future()
        self._jobs.put((job, ask))
        if not self._idle.acquire(blocking=False) and self._unborn.acquire(blocking=False):
            threading.Thread(target=self._work, name=self._name, daemon=True).start()
        return await asyncio.wrap_future(job)

    def _work(self) -> None:
        while True:
            _carry_out(*self._jobs.get())
            self._idle.release()


def _carry_out(job: Future[T], ask: Callable[[], T]) -> None:
    if not job.set_running_or_notify_cancel():
        return
    try:
        found = ask()
    except BaseException as failed:  # noqa: BLE001 (it is raised where it is awaited)
        job.set_exception(failed)
    else:
        job.set_result(found)
