"""The machine's own log: where systemd runs it is the journal, which stamps each line when it was sent."""

import os
import socket
from contextlib import suppress

SOCKET = "/dev/log"
DAEMON_INFO = 3 * 8 + 6
"""Facility daemon, severity info. Source: RFC 5424, 6.2.1."""


class MachineLog:
    """Lines under one identifier. One that the log does not take at once is let go: who tells has better to do."""

    def __init__(self, identifier: str, *, path: str = SOCKET) -> None:
        self._head, self._path = f"<{DAEMON_INFO}>{identifier}[{os.getpid()}]: ", path

    def tell(self, line: str) -> None:
        """The line is in the log, or the log is away or hangs."""
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
            log.setblocking(False)
            log.sendto((self._head + line).encode(), self._path)
