"""The processes of a lab, found by what they carry: its mark in their environment, or a network namespace of it."""

import os
import select
import signal
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from hotspare.lab.layout import MACHINE_MARK, MARK
from hotspare.model.errors import TimedOutError

_PROC = Path("/proc")
_LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class Found:
    """One live process."""

    pid: int
    name: str
    parent: int


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it ended while we looked
        return b""


def _pids() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def _look(pid: int) -> Found | None:
    """The process, or None when it is gone or a zombie. Source: proc(5), stat."""
    text = _read(_PROC / str(pid) / "stat").decode(errors="replace")
    if not text:
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    state, parent = rest.split()[:2]
    return None if state in "ZX" else Found(pid, name, int(parent))


def marked(lab: str, machine: str | None = None) -> tuple[Found, ...]:
    """Live processes started for the lab, or for one machine of it; what runs inside a machine bears no mark."""
    wanted = {f"{MARK}={lab}".encode()}
    if machine is not None:
        wanted.add(f"{MACHINE_MARK}={machine}".encode())
    found = []
    for pid in _pids():
        if wanted <= set(_read(_PROC / str(pid) / "environ").split(b"\0")):
            process = _look(pid)
            if process is not None:
                found.append(process)
    return tuple(found)


def init_of(nspawn: int) -> int | None:
    """The process that is PID 1 of the machine which this systemd-nspawn runs; None where there is none (any more)."""
    children = _read(_PROC / str(nspawn) / "task" / str(nspawn) / "children").split()
    for child in map(int, children):
        for line in _read(_PROC / str(child) / "status").splitlines():
            if line.startswith(b"NSpid:") and line.split()[-1] == b"1":
                return child
    return None


def inside(namespaces: Collection[int]) -> tuple[Found, ...]:
    """Live processes of which a network namespace is one of these inodes."""
    found = []
    for pid in _pids():
        try:
            inode = (_PROC / str(pid) / "ns" / "net").stat().st_ino
        except OSError:
            continue
        if inode in namespaces:
            process = _look(pid)
            if process is not None:
                found.append(process)
    return tuple(found)


def ourselves() -> frozenset[int]:
    """This process and its ancestors: whoever takes a lab down from inside it has to live to the end."""
    line = set()
    pid = os.getpid()
    while pid > 0 and pid not in line:
        line.add(pid)
        process = _look(pid)
        pid = process.parent if process else 0
    return frozenset(line)


class Life:
    """One process to its end, whatever becomes of its number. Source: pidfd_open(2)."""

    def __init__(self, pid: int) -> None:
        try:
            self._handle: int | None = os.pidfd_open(pid)
        except ProcessLookupError:
            self._handle = None

    def goes_on(self) -> bool:
        if self._handle is None:
            return False
        poll = select.poll()
        poll.register(self._handle, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def kill(pids: Iterable[int], *, timeout_s: float) -> None:
    """All of them are dead: killed at once, then waited for. One that was not there is dead, too.

    Raises:
        TimedOutError: some live on (the kernel holds them); they die when it lets go.
    """
    handles: dict[int, int] = {}
    try:
        for pid in pids:
            try:
                handles[os.pidfd_open(pid)] = pid
            except ProcessLookupError:
                continue
        for handle in handles:
            try:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            except ProcessLookupError:
                continue
        _wait_for_end(handles, timeout_s)
    finally:
        for handle in handles:
            os.close(handle)


def wait_until_reaped(pids: Iterable[int], *, timeout_s: float) -> None:
    """No dead one is listed any more, or the time is over: how soon orphans are reaped is up to this machine's init."""
    left = set(pids)
    deadline = time.monotonic() + timeout_s
    while left and time.monotonic() < deadline:
        left = {pid for pid in left if (_PROC / str(pid)).exists() and _look(pid) is None}
        time.sleep(_LOOK_S if left else 0)


def _wait_for_end(handles: dict[int, int], timeout_s: float) -> None:
    poll = select.poll()
    for handle in handles:
        poll.register(handle, select.POLLIN)
    alive = dict(handles)
    deadline = time.monotonic() + timeout_s
    while alive:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            pids = ", ".join(map(str, sorted(alive.values())))
            raise TimedOutError(f"processes {pids} do not die within {timeout_s:g} s")
        for handle, _ in poll.poll(left_s * 1000):
            poll.unregister(handle)
            alive.pop(handle, None)
