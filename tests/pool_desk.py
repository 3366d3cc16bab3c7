"""A pool with the desk of its rescheduler on a real socket, and the operator's way to it: the adapter, without SSH.

`Line` does in virtual time what adapters/onsite/ask_daemon.py does on a node.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import virtual_time
from hotspare.adapters.daemon_line import BROKEN, NOBODY
from hotspare.adapters.rescheduler_desk import ReschedulerDesk
from hotspare.faces.rescheduler.desk import Desk
from hotspare.flows import drain
from hotspare.flows.follow import follow
from hotspare.model.cluster import ClusterStatus
from hotspare.model.errors import RefusedError
from hotspare.model.moving import Ending, Goal, Progress
from hotspare.plan.verdict import DRAIN
from hotspare.ports import OK, Done, Remote
from pool import EPOCH_S, POOL, RESCHEDULER, Pool
from standin.world import World


class Line:
    """`ports.Remote` to a rescheduler's socket."""

    async def run(
        self, host: str, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float, expect: frozenset[int] = OK
    ) -> Done:
        assert stdin
        assert timeout_s
        told = json.loads(argv[-1])
        async with asyncio.timeout(told["silence_s"]):
            try:
                async with _asked(told) as answers:
                    line = await answers.readline()
            except OSError as error:
                return _done(host, NOBODY, "", f"nobody answers at {told['socket']}: {error.strerror}", expect)
        code = 0 if line else BROKEN
        return _done(host, code, line.decode(), "" if line else "it ended in the middle of its answer", expect)

    @asynccontextmanager
    async def stream(
        self, host: str, argv: Sequence[str], *, stdin: bytes = b""
    ) -> AsyncGenerator[AsyncIterator[str], None]:
        assert stdin
        try:
            async with _asked(json.loads(argv[-1])) as answers:
                yield _lines(host, answers)
        except OSError as error:
            raise RefusedError(f"{host}: {error}", code=NOBODY) from error


@asynccontextmanager
async def _asked(told: dict[str, object]) -> AsyncGenerator[asyncio.StreamReader]:
    reader, writer = await asyncio.open_unix_connection(str(told["socket"]))
    try:
        writer.write(json.dumps(told["request"]).encode() + b"\n")
        yield reader
    finally:
        writer.close()


async def _lines(host: str, answers: asyncio.StreamReader) -> AsyncGenerator[str]:
    async for line in answers:
        yield line.decode()
    raise RefusedError(f"{host}: it ended in the middle of its answer", code=BROKEN)


def _done(host: str, code: int, out: str, err: str, expect: frozenset[int]) -> Done:
    if code not in expect:
        raise RefusedError(f"{host}: {err}", code=code)
    return Done(code, out, err)


class Marked:
    """`ports.Marks` on a pool's cluster."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.set: list[str] = []

    async def mark(self, node: str, name: str, value: str) -> None:
        assert name == DRAIN
        self.set.append(value)
        self._pool.cluster.drains[node] = value

    async def unmark(self, node: str, name: str) -> None:
        assert name == DRAIN
        self._pool.cluster.drains.pop(node, None)


class Seen:
    """`flows.follow.Watcher` that remembers."""

    def __init__(self) -> None:
        self.all: list[Progress] = []
        self.troubles: list[str] = []

    def progress(self, progress: Progress) -> None:
        self.all.append(progress)

    def lost(self, why: str) -> None:
        self.troubles.append(why)

    @property
    def daemons(self) -> list[str]:
        return list(dict.fromkeys(progress.daemon for progress in self.all))


class Operated(Pool):
    """The pool, its rescheduler's desk, and an operator."""

    def __init__(self, world: World, run_dir: Path, *, latency_s: float = 0.05) -> None:
        super().__init__(world, latency_s=latency_s)
        self.marks, self.seen = Marked(self), Seen()
        self.dispatcher = self.dispatcher_over(Line(), run_dir)
        self._socket = str(run_dir / f"{RESCHEDULER}.sock")
        self._opened = AsyncExitStack()

    async def open(self, *, on: str | None = None) -> None:
        """A rescheduler begins, and answers."""
        self.begin(on=on)
        desk = Desk(self.rescheduler, replace(self.settings(), socket=self._socket))
        await self._opened.enter_async_context(desk.open())

    def dispatcher_over(self, remote: Remote, run_dir: Path) -> ReschedulerDesk:
        return ReschedulerDesk(remote, self._status, POOL, run_dir=str(run_dir))

    async def die(self) -> None:
        """The rescheduler is gone, and whoever listened to it hears that."""
        await self.kill()
        await self._opened.aclose()

    async def drain(self, node: str, *, stop_on_failure: bool = False, force: bool = False) -> Goal:
        return await drain.begin(
            node,
            self.marks,
            self.dispatcher,
            stop_on_failure=stop_on_failure,
            force=force,
            wall=lambda: EPOCH_S + virtual_time.now(),
        )

    async def follow(self, goal: Goal) -> Ending:
        return await follow(goal, self.dispatcher, self.seen, now=virtual_time.now)

    async def _status(self) -> tuple[str, ClusterStatus]:
        return self.cluster.on, await self.cluster.status()
