"""Commands on other machines over SSH: the operator's own OpenSSH configuration, keys only, host keys always checked.

One connection a host is kept open. When it breaks, the command under way is unknown and the next one connects again.
"""

import asyncio
import shlex
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncssh

from hotspare.adapters.process import PATH, refuse_exit
from hotspare.model.errors import NotReachableError, TimedOutError
from hotspare.ports import OK, Done

KEEPALIVE_S = 3
KEEPALIVES_LOST_MAX = 2
"""A host that is gone is noticed after KEEPALIVE_S * (KEEPALIVES_LOST_MAX + 1) s, even with no command running."""
END_LIMIT_S = 2.0
"""How long a streamed command is waited for after its TERM."""
LOST = (asyncssh.ConnectionLost, asyncssh.ChannelOpenError, ConnectionError, BrokenPipeError)

STREAMED = """\
n=$1; shift; input=$(head -c "$n"; echo .); exec 3<&0
printf %s "${input%.}" | "$@" 3<&- & command=$!
(while read -r _; do :; done <&3; kill "$command") 2>/dev/null & watch=$!
wait "$command"; code=$?
kill "$watch" 2>/dev/null
exit "$code"
"""
"""Gives the first $1 bytes (text) to the command as its input, then watches the rest of ours: the command ends when our
end goes away. The input is whole before the watch begins, for both read the same pipe. sshd passes no
signal on to root's commands ("session signalling requires privilege separation", OpenSSH 9.2 session.c)."""


class Ssh:
    """Hosts by name. `addresses` says where to connect for names that are not host names themselves.

    `config` is an OpenSSH client configuration; None is the user's own one.
    """

    def __init__(self, config: Path | None, addresses: Mapping[str, str], *, connect_timeout_s: float) -> None:
        path = config or Path.home() / ".ssh" / "config"
        self._config = [str(path)] if path.exists() else []
        self._addresses = addresses
        self._connect_timeout_s = connect_timeout_s
        self._connections: dict[str, asyncssh.SSHClientConnection] = {}
        self._gates: dict[str, asyncio.Lock] = {}

    async def run(
        self, host: str, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float, expect: frozenset[int] = OK
    ) -> Done:
        """See `ports.Remote.run`."""
        try:
            async with asyncio.timeout(timeout_s + self._connect_timeout_s):
                process = await self._started(host, argv)
        except TimeoutError:
            self._drop(host)
            raise NotReachableError(f"{host}: no session over SSH within {timeout_s:g} s") from None
        try:
            async with asyncio.timeout(timeout_s):
                out, err = await process.communicate(stdin)
                await process.wait_closed()
        except TimeoutError:
            raise TimedOutError(f"{host}: {argv[0]} gave no answer in {timeout_s:g} s") from None
        except (*LOST, asyncssh.Error) as error:
            self._drop(host)
            raise TimedOutError(f"{host}: the connection broke while {argv[0]} ran: {error}") from error
        finally:
            process.close()
        code = process.returncode
        if code is None:
            self._drop(host)
            raise TimedOutError(f"{host}: the connection broke while {argv[0]} ran")
        done = Done(code, _text(out), _text(err))
        refuse_exit(host, argv, done, expect)
        return done

    @asynccontextmanager
    async def stream(
        self, host: str, argv: Sequence[str], *, stdin: bytes = b""
    ) -> AsyncGenerator[AsyncIterator[str], None]:
        """See `ports.Remote.stream`. The remote command gets a TERM when the context, or the connection, ends."""
        process = await self._started(host, ("sh", "-c", STREAMED, "sh", str(len(stdin)), *argv))
        try:
            yield self._lines(process, host, argv, stdin)
        finally:
            with suppress(asyncssh.Error, OSError, TimeoutError):
                process.stdin.write_eof()
                async with asyncio.timeout(END_LIMIT_S):
                    await process.wait(check=False)
            process.close()

    async def close(self) -> None:
        """No connection is open."""
        connections, self._connections = list(self._connections.values()), {}
        for connection in connections:
            connection.abort()
        for connection in connections:
            with suppress(asyncssh.Error, OSError):
                await connection.wait_closed()

    async def _lines(
        self, process: asyncssh.SSHClientProcess[bytes], host: str, argv: Sequence[str], stdin: bytes
    ) -> AsyncGenerator[str, None]:
        try:
            with suppress(BrokenPipeError):
                process.stdin.write(stdin)
            async for line in process.stdout:
                yield line.decode(errors="replace").rstrip("\n")
            await process.wait_closed()
        except (*LOST, asyncssh.Error) as error:
            self._drop(host)
            raise NotReachableError(f"{host}: the connection broke while {argv[0]} ran: {error}") from error
        if process.returncode is None:
            self._drop(host)
            raise NotReachableError(f"{host}: the connection broke while {argv[0]} ran")
        complaints = await process.stderr.read()
        refuse_exit(host, argv, Done(process.returncode, "", _text(complaints)), OK)

    async def _started(self, host: str, argv: Sequence[str]) -> asyncssh.SSHClientProcess[bytes]:
        """The command began. A kept connection that turns out to be dead has begun nothing, so a new one is tried.

        Raises:
            NotReachableError: no connection, or no session on it.
        """
        command = shlex.join(("/usr/bin/env", "LC_ALL=C", f"PATH={PATH}", *argv))
        for _try in range(2):
            connection = await self._connection(host)
            try:
                return await connection.create_process(command, encoding=None)
            except LOST:
                self._drop(host)
            except asyncssh.Error as error:
                raise NotReachableError(f"{host}: {error}") from error
        raise NotReachableError(f"{host}: connections by SSH break at once", hint="look at sshd's journal there")

    async def _connection(self, host: str) -> asyncssh.SSHClientConnection:
        async with self._gates.setdefault(host, asyncio.Lock()):
            connection = self._connections.get(host)
            if connection is None or connection.is_closed():
                connection = self._connections[host] = await self._connect(host)
            return connection

    async def _connect(self, host: str) -> asyncssh.SSHClientConnection:
        address = self._addresses.get(host, host)
        where = host if address == host else f"{host} ({address})"
        try:
            return await asyncssh.connect(
                address,
                config=self._config,
                preferred_auth=("publickey",),
                connect_timeout=self._connect_timeout_s,
                login_timeout=self._connect_timeout_s,
                keepalive_interval=KEEPALIVE_S,
                keepalive_count_max=KEEPALIVES_LOST_MAX,
            )
        except asyncssh.HostKeyNotVerifiable as error:
            raise NotReachableError(
                f"{where}: its SSH host key is not the known one: {error.reason}",
                hint=f"compare the key with the one on {host}'s console before you put it into known_hosts",
            ) from error
        except asyncssh.PermissionDenied as error:
            raise NotReachableError(
                f"{where}: it accepts none of the SSH keys offered",
                hint=f"put your public key into ~/.ssh/authorized_keys on {host}; passwords are never used",
            ) from error
        except (asyncssh.Error, asyncssh.ConfigParseError, OSError, TimeoutError) as error:
            reason = str(error) or f"no answer in {self._connect_timeout_s:g} s"
            raise NotReachableError(
                f"{where}: not reachable by SSH: {reason}", hint="is it on, and is sshd?"
            ) from error

    def _drop(self, host: str) -> None:
        connection = self._connections.pop(host, None)
        if connection is not None:
            connection.abort()


def _text(output: bytes | str | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""
