"""`ports.Remote`: the host `local` is this machine, every other one is reached by SSH."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager

from hotspare.adapters.process import Processes
from hotspare.adapters.ssh import Ssh
from hotspare.model.spec import LOCAL
from hotspare.ports import OK, Done

PUT = """\
import os, sys
path, mode = sys.argv[1], int(sys.argv[2], 8)
content = sys.stdin.buffer.read()
fresh = os.path.join(os.path.dirname(path), '.' + os.path.basename(path) + '.hotspare')
fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
with os.fdopen(fd, 'wb') as file:
    os.fchown(fd, 0, 0)
    os.fchmod(fd, mode)
    file.write(content)
    file.flush()
    os.fsync(fd)
os.rename(fresh, path)
"""
"""Runs on the host, as root. A reader sees the old file or the new one; a secret is at no time readable by others."""


class Hosts:
    """All hosts there are."""

    def __init__(self, ssh: Ssh, processes: Processes) -> None:
        self._ssh, self._processes = ssh, processes

    def _on(self, host: str) -> Ssh | Processes:
        return self._processes if host == LOCAL else self._ssh

    async def run(
        self, host: str, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float, expect: frozenset[int] = OK
    ) -> Done:
        """See `ports.Remote.run`."""
        return await self._on(host).run(host, argv, stdin=stdin, timeout_s=timeout_s, expect=expect)

    async def put(self, host: str, path: str, content: bytes, *, mode: int, timeout_s: float) -> None:
        """See `ports.Remote.put`."""
        argv = ("/usr/bin/python3", "-IS", "-c", PUT, path, f"{mode:o}")
        await self.run(host, argv, stdin=content, timeout_s=timeout_s)

    def stream(
        self, host: str, argv: Sequence[str], *, stdin: bytes = b""
    ) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """See `ports.Remote.stream`."""
        return self._on(host).stream(host, argv, stdin=stdin)

    async def close(self) -> None:
        """No connection is open."""
        await self._ssh.close()
