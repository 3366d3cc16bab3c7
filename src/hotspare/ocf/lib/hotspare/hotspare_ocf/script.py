"""Running an operator's script: in a session of its own, heard line by line, and ended in time with all it started."""

from __future__ import annotations

import errno
import os
import select
import time

from hotspare_ocf import codes, events, identity
from hotspare_ocf.codes import OcfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hotspare_ocf.environment import Call

_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/",
    "LC_ALL": "C",  # what a script says is read by a program
}
_IGNORED_BY_PYTHON = (13, 25)
"""SIGPIPE and SIGXFSZ: a script has to find them as everybody expects them. Numbers, because the module signal costs
3 ms.
"""

_KEPT_BYTES = 65536
"""What is kept of each stream; the rest is read and dropped, so that no script blocks on what nobody reads."""

_LINES_MAX = 100
_LINE_CHARS = 500
"""What the journal gets of one action of a script."""

_END_SHARE = 0.1
_END_WAIT_MAX_S = 2.0
"""Kept back of the time that is left, to end a script that does not end by itself."""


class Said:
    """How a script ended and what it printed. `is_whole` where all of its standard output was kept."""

    __slots__ = ("code", "err", "is_whole", "out")

    def __init__(self, code: int, out: str, err: str, *, is_whole: bool) -> None:
        self.code = code
        self.out = out
        self.err = err
        self.is_whole = is_whole

    @property
    def last_words(self) -> str:
        """The last line that is not empty, of what it complained of or else of what it printed."""
        lines = [line.strip() for text in (self.out, self.err) for line in text.splitlines() if line.strip()]
        return lines[-1][:_LINE_CHARS] if lines else "(nothing)"


def run(call: Call, path: str, arguments: list[str], *, aloud: bool) -> Said:
    """The script has ended; what it printed is in the journal where `aloud`. A daemon that it started goes on.

    Raises:
        OcfError: it could not be run, was killed by a signal, or did not end in time and was ended.
    """
    words = " ".join([path, *arguments])
    limit_s = call.remaining_s()
    if not limit_s:
        raise OcfError(codes.ERR_GENERIC, f"no time is left to run {words}; give the action a longer timeout")
    until = time.monotonic() + limit_s - min(_END_WAIT_MAX_S, limit_s * _END_SHARE)
    out, err = _Ear(call, arguments[-1], aloud=aloud), _Ear(call, arguments[-1], aloud=aloud)
    try:
        pid = _spawn(path, arguments, out, err)
        has_ended = _hear(pid, (out, err), until)
        if not has_ended:
            _end(pid, call.deadline)
        # Where even KILL did not end it, there is no status to wait for.
        ended, status = os.waitpid(pid, 0 if has_ended else os.WNOHANG)
    finally:
        for ear in (out, err):
            ear.close()
    said = Said(os.waitstatus_to_exitcode(status), out.text(), err.text(), is_whole=not out.dropped)
    if not has_ended:
        how = "was killed" if ended else "cannot be killed (uninterruptible sleep?)"
        raise OcfError(
            codes.ERR_GENERIC, f"{words} did not end in {limit_s:.1f} s and {how}; it last said: {said.last_words}"
        )
    if said.code < 0:
        raise OcfError(codes.ERR_GENERIC, f"{words} was killed by signal {-said.code}; it last said: {said.last_words}")
    return said


class _Ear:
    """One stream of a script, with both its ends: while an action lasts, no daemon of the script writes in vain."""

    def __init__(self, call: Call, action: str, *, aloud: bool) -> None:
        self._call = call
        self._action = action
        self._aloud = aloud
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self._kept = b""
        self._line = b""
        self._lines = 0
        self.dropped = 0

    def listen(self) -> None:
        """What is in the pipe now (Linux: 64 KiB at most) has been read."""
        try:
            piece = os.read(self.reader, 65536)
        except BlockingIOError:
            return
        kept = piece[: max(0, _KEPT_BYTES - len(self._kept))]
        self._kept += kept
        self.dropped += len(piece) - len(kept)
        if self._aloud:
            *lines, self._line = (self._line + piece).split(b"\n")
            for line in lines:
                self._tell(line)
            self._line = self._line[:_LINE_CHARS]

    def text(self) -> str:
        return self._kept.decode(errors="replace")

    def close(self) -> None:
        if self._line:
            self._tell(self._line)
        if self._lines > _LINES_MAX:
            events.tell(
                "script.said_more",
                resource=self._call.instance,
                action=self._action,
                lines_dropped=self._lines - _LINES_MAX,
            )
        os.close(self.reader)
        os.close(self.writer)

    def _tell(self, line: bytes) -> None:
        self._lines += 1
        if self._lines <= _LINES_MAX:
            text = line[:_LINE_CHARS].decode(errors="replace").strip()
            events.tell("script.said", resource=self._call.instance, action=self._action, line=text)


def _spawn(path: str, arguments: list[str], out: _Ear, err: _Ear) -> int:
    os.chdir("/")
    os.umask(0o022)
    streams = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, out.writer, 1),
        (os.POSIX_SPAWN_DUP2, err.writer, 2),
    ]
    try:
        return os.posix_spawn(
            path, [path, *arguments], _ENVIRONMENT, file_actions=streams, setsid=True, setsigdef=_IGNORED_BY_PYTHON
        )
    except OSError as error:
        why = {
            errno.ENOEXEC: "it has no first line #!/bin/sh",
            errno.ENOENT: "the interpreter of its first line is not there",
        }.get(error.errno or 0, error.strerror)
        is_transient = error.errno in (errno.EAGAIN, errno.ENOMEM)
        code = codes.ERR_GENERIC if is_transient else codes.ERR_INSTALLED
        raise OcfError(code, f"{path} cannot be run: {why}") from error


def _hear(pid: int, ears: tuple[_Ear, ...], until: float) -> bool:
    """Listens until the script has ended (True) or the time is over. Its daemons may keep the streams open for ever."""
    handle = os.pidfd_open(pid)
    try:
        poll = select.poll()
        for descriptor in (handle, *(ear.reader for ear in ears)):
            poll.register(descriptor, select.POLLIN)
        while (left_s := until - time.monotonic()) > 0:
            has_ended = any(descriptor == handle for descriptor, _ in poll.poll(int(left_s * 1000) + 1))
            for ear in ears:
                ear.listen()
            if has_ended:
                return True
        return False
    finally:
        os.close(handle)


def _end(pid: int, deadline: float) -> None:
    """The script and all that it started have ended, as far as KILL ends them."""
    from hotspare_ocf import ending

    grace_s = (deadline - time.monotonic()) / 2
    while family := _family(pid):
        ending.end(family, grace_s=grace_s, deadline=deadline)
        if time.monotonic() >= deadline:
            break
        grace_s = 0.0


def _family(leader: int) -> list[identity.Process]:
    """The script, its descendants, and all of its session."""
    table = [now for pid in identity.pids() if (now := identity.stat(pid))]
    known = {leader}
    grown = True
    while grown:
        grown = False
        for now in table:
            if now.pid not in known and (now.session == leader or now.parent in known):
                known.add(now.pid)
                grown = True
    return [identity.Process(now.pid, now.start_ticks) for now in table if now.pid in known and now.is_alive]
