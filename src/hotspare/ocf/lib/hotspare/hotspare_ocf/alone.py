"""One at a time on this node: cleanings, and what must not come between two steps of one."""

from __future__ import annotations

import fcntl
import posix
import time

from hotspare_ocf import codes
from hotspare_ocf.codes import OcfError
from hotspare_ocf.identity import RUN_DIR

_LOCK = RUN_DIR + "/.cleaning.lock"
_LOCK_POLL_S = 0.02


class Alone:
    """No other cleaning, and so no start of a gateway or of an agent that cleans first, is at work on the node.

    Else an operator's cleaning, or another gateway's start, that began a moment before a takeover could remove what the
    takeover builds. It is not held a second time by who has it.

    Raises:
        OcfError: another one has not ended by the deadline (monotonic clock).
    """

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline

    def __enter__(self) -> None:
        try:
            posix.mkdir(RUN_DIR, 0o755)
        except FileExistsError:
            pass
        self._descriptor = posix.open(_LOCK, posix.O_RDWR | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() < self._deadline:
                    time.sleep(_LOCK_POLL_S)
                    continue
                posix.close(self._descriptor)
                raise OcfError(
                    codes.ERR_GENERIC, f"another cleaning has not ended on this node; who it is: fuser -v {_LOCK}"
                ) from None
            return

    def __exit__(self, *_: object) -> None:
        posix.close(self._descriptor)
