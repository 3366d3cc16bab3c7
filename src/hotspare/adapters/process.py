"""Commands on this machine: no shell, a fixed environment, an end to every wait."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from hotspare.model.errors import NotReachableError, RefusedError, TimedOutError
from hotspare.ports import OK, Done

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT: Mapping[str, str] = {"LC_ALL": "C", "PATH": PATH, "HOME": "/root"}
LINE_MAX = 1 << 20
GRACE_S = 2.0
"""Between TERM and KILL where a stream is left."""


def refuse_exit(host: str, argv: Sequence[str], done: Done, expect: frozenset[int]) -> None:
    """Raise RefusedError where a command ended with a status that was not expected."""
    if done.code in expect:
        return
    said = (done.stderr.strip() or done.stdout.strip())[-2000:]
    name = argv[0].rpartition("/")[2]
    raise RefusedError(f"{host}: {name} ended with {done.code}: {said}", code=done.code, output=said)


class Processes:
    """Processes of this machine."""

    async def run(
        self, host: str, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float, expect: frozenset[int] = OK
    ) -> Done:
        """See `ports.Remote.run`; after a timeout the process is gone."""
        process = await self._started(host, argv)
        try:
            async with asyncio.timeout(timeout_s):
                out, err = await process.communicate(stdin)
        except TimeoutError:
            raise TimedOutError(f"{host}: {argv[0]} gave no answer in {timeout_s:g} s") from None
        finally:
            await _end(process, grace_s=0.0)
        done = Done(process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace"))
        refuse_exit(host, argv, done, expect)
        return done

    @asynccontextmanager
    async def stream(
        self, host: str, argv: Sequence[str], *, stdin: bytes = b""
    ) -> AsyncGenerator[AsyncIterator[str], None]:
        """See `ports.Remote.stream`."""
        process = await self._started(host, argv)
        try:
            yield _lines(process, host, argv, stdin)
        finally:
            await _end(process, grace_s=GRACE_S)

    async def _started(self, host: str, argv: Sequence[str]) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        try:
            return await asyncio.create_subprocess_exec(
                *argv, stdin=pipe, stdout=pipe, stderr=pipe, env=dict(ENVIRONMENT), cwd="/", limit=LINE_MAX
            )
        except OSError as error:
            raise NotReachableError(f"{host}: {argv[0]} cannot be started: {error.strerror}") from error


async def _lines(
    process: asyncio.subprocess.Process, host: str, argv: Sequence[str], stdin: bytes
) -> AsyncGenerator[str, None]:
    """Its lines; when it ended by itself with a failure, that is raised after the last of them."""
    if process.stdin is None or process.stdout is None or process.stderr is None:
        return
    complaints = asyncio.create_task(process.stderr.read())
    try:
        with suppress(ConnectionError):
            process.stdin.write(stdin)
            await process.stdin.drain()
            process.stdin.close()
        async for line in process.stdout:
            yield line.decode(errors="replace").rstrip("\n")
        code = await process.wait()
        refuse_exit(host, argv, Done(code, "", (await complaints).decode(errors="replace")), OK)
    finally:
        complaints.cancel()
        with suppress(asyncio.CancelledError):
            await complaints


async def _end(process: asyncio.subprocess.Process, *, grace_s: float) -> None:
    """The process is gone."""
    if process.returncode is not None:
        return
    if grace_s:
        with suppress(ProcessLookupError):
            process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await process.wait()
                return
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
