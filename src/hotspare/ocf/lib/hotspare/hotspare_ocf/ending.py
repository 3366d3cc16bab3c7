"""Ending processes: TERM, one shared deadline, KILL; through pidfds, so a pid that was used again is never hit."""

from __future__ import annotations

import errno
import os
import select
import signal
import time

from hotspare_ocf import identity
from hotspare_ocf.identity import Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_KILLED_WAIT_S = 2.0
"""How long a killed process may take to be gone before the look around is repeated; only uninterruptible sleep takes
longer.
"""


class Handle:
    """A pidfd: refers to this very process for as long as it is open."""

    __slots__ = ("descriptor", "process")

    def __init__(self, process: Process, descriptor: int) -> None:
        self.process = process
        self.descriptor = descriptor

    def signal(self, number: signal.Signals) -> None:
        """The signal is sent, or the process has ended already."""
        try:
            signal.pidfd_send_signal(self.descriptor, number)
        except ProcessLookupError:
            pass

    def close(self) -> None:
        os.close(self.descriptor)


def handles(processes: Iterable[Process]) -> list[Handle]:
    """A handle for each of the processes that still lives."""
    opened: list[Handle] = []
    for process in processes:
        try:
            descriptor = os.pidfd_open(process.pid)
        except OSError as error:
            if error.errno in (errno.ESRCH, errno.EINVAL):
                continue
            raise
        # Only now is the pid pinned: whoever has another start time took it over in between.
        if identity.living(process):
            opened.append(Handle(process, descriptor))
        else:
            os.close(descriptor)
    return opened


def end(processes: Iterable[Process], *, grace_s: float, deadline: float) -> list[Process]:
    """The processes have ended: asked first, killed after `grace_s`. Returns those which even KILL did not end by the
    deadline.
    """
    opened = handles(processes)
    try:
        for handle in opened:
            handle.signal(signal.SIGTERM)
            handle.signal(signal.SIGCONT)  # one that is stopped by a signal would not see TERM before it
        return _killed(_wait(opened, min(time.monotonic() + grace_s, deadline)), deadline)
    finally:
        for handle in opened:
            handle.close()


def kill(processes: Iterable[Process], *, deadline: float) -> list[Process]:
    """The processes have ended without a last word. Returns those which even KILL did not end by the deadline."""
    opened = handles(processes)
    try:
        return _killed(opened, deadline)
    finally:
        for handle in opened:
            handle.close()


def _killed(opened: list[Handle], deadline: float) -> list[Process]:
    for handle in opened:
        handle.signal(signal.SIGKILL)
    return [handle.process for handle in _wait(opened, min(time.monotonic() + _KILLED_WAIT_S, deadline))]


def _wait(opened: list[Handle], until: float) -> list[Handle]:
    """Those that still live when all have ended or the time has come. A zombie has ended."""
    poll = select.poll()
    waiting = {handle.descriptor: handle for handle in opened}
    for descriptor in waiting:
        poll.register(descriptor, select.POLLIN)
    while waiting:
        left_ms = int((until - time.monotonic()) * 1000) + 1
        ready = poll.poll(max(0, left_ms))
        for descriptor, _ in ready:
            poll.unregister(descriptor)
            del waiting[descriptor]
        if not ready:
            break
    return list(waiting.values())
