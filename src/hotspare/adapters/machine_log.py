"""The machine's own log: where systemd runs it is the journal, which stamps each line when it was sent."""

import os
import socket
import threading
from collections import deque

SOCKET = "/dev/log"
DAEMON_INFO = 3 * 8 + 6
"""Facility daemon, severity info. Source: RFC 5424, 6.2.1."""
KEPT = 1000
"""So many lines wait for a log that is behind; of more, the oldest go."""
TAKEN_WITHIN_S = 5.0
"""A line that a log which is behind does not take within that time goes: it hangs."""


class MachineLog:
    """Lines under one identifier. Nobody who tells waits for the log, and a log that is behind gets them later.

    The kernel holds ten lines for it (`net.unix.max_dgram_qlen`), which the journal of a busy machine does not read
    at once: three of ten takeovers were not in it.
    """

    def __init__(self, identifier: str, *, path: str = SOCKET) -> None:
        self._head, self._path = f"<{DAEMON_INFO}>{identifier}[{os.getpid()}]: ", path
        self._lock = threading.Lock()
        self._behind = False
        self._waiting: deque[bytes] = deque(maxlen=KEPT)

    def tell(self, line: str) -> None:
        """The line is in the log, or will be as soon as that reads; it is let go where there is no log."""
        message = (self._head + line).encode()
        with self._lock:
            if not self._behind and self._sent(message, within_s=0):
                return
            self._waiting.append(message)
            if not self._behind:
                self._behind = True
                threading.Thread(target=self._catch_up, name="machine-log", daemon=True).start()

    def _catch_up(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._behind = False
                    return
                message = self._waiting.popleft()
            self._sent(message, within_s=TAKEN_WITHIN_S)

    def _sent(self, message: bytes, *, within_s: float) -> bool:
        """Whether the log has it, or is away; not: it did not read within that time."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
            log.settimeout(within_s)
            try:
                log.sendto(message, self._path)
            except (BlockingIOError, TimeoutError):
                return False
            except OSError:
                pass
        return True
