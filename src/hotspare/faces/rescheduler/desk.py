"""The socket at which a rescheduler answers: one request a connection, a JSON object; answers are one a line.

`{"ask": "state"}`    → the report without routers, at once
`{"ask": "routers"}`  → the whole report
`{"ask": "follow"}`   → reports without routers, whenever something has changed, at most two a second, without an end
`{"ask": "rebalance", "plan": true}`, `{"ask": "takeover", "routers": [...], "to": NODE, "plan": true}`,
`{"ask": "drain", "node": NODE}` → `{"moves": …, "unplaced": …}`; a drain is only planned here: it is begun by an
attribute of the node, so that every rescheduler after this one knows of it.

The last line of an answer has `"end": true`; a refusal has `"error"` and `"hint"`, and `"cannot_tell": true` where
whoever had to be asked did not answer.
"""

import asyncio
import json
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from hotspare.codec import rescheduling_json
from hotspare.flows.reschedule.daemon import Rescheduler
from hotspare.model.errors import HotspareError, InvariantError, NotReachableError, TimedOutError
from hotspare.model.rescheduling import Settings
from hotspare.model.routing import Placement

REQUEST_LIMIT_S = 10.0
BETWEEN_REPORTS_S = 0.5
STILL_S = 5.0
"""A follower hears something at least so often, and so knows that the rescheduler is there."""


_NEEDED: Mapping[str, tuple[str, ...]] = {
    "state": (),
    "routers": (),
    "follow": (),
    "rebalance": (),
    "takeover": ("routers", "to"),
    "drain": ("node",),
}
"""What may be asked, and what has to be said with it."""


class Desk:
    """Answers for one rescheduler."""

    def __init__(self, rescheduler: Rescheduler, settings: Settings) -> None:
        self._rescheduler, self._settings = rescheduler, settings
        self._talks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """The socket answers for as long as the context lasts; then nobody is kept waiting. Root's alone."""
        listening = _listening(Path(self._settings.socket))
        server = await asyncio.start_unix_server(self._came, sock=listening)
        try:
            yield
        finally:
            server.close()
            for talk in self._talks:
                talk.cancel()
            await asyncio.gather(*self._talks, return_exceptions=True)

    def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.create_task(self._asked(reader, writer))
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)

    async def _asked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError):  # whoever asked is gone
                await self._answer(reader, writer)
                await writer.drain()
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_LIMIT_S):
                request = _request(await reader.readline())
        except ValueError as wrong:
            hint = "what may be asked stands in hotspare/faces/rescheduler/desk.py"
            writer.write(_refusal(f"not a request: {wrong!r}", hint))
            return
        except TimeoutError:
            writer.write(_refusal(f"no request within {REQUEST_LIMIT_S:.0f} s", ""))
            return
        try:
            async for answer in self._answers(request):
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except HotspareError as refused:
            untold = isinstance(refused, NotReachableError | TimedOutError)
            writer.write(_refusal(refused.message, refused.hint, cannot_tell=untold))
        except ConnectionError:
            raise
        except Exception as bug:  # noqa: BLE001 (told, with its kind)
            writer.write(_refusal(f"a bug of hotspare: {type(bug).__name__}: {bug}", "please report it"))

    async def _answers(self, request: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        only_plan = bool(request.get("plan"))
        match request["ask"]:
            case "state":
                yield {**self._state(), "end": True}
            case "routers":
                yield {**rescheduling_json.plain(self._rescheduler.report(routers=True)), "end": True}
            case "follow":
                while True:
                    yield self._state()
                    await self._something_new()
            case "rebalance":
                yield self._told(await self._rescheduler.rebalance(only_plan=only_plan))
            case "takeover":
                placed = await self._rescheduler.takeover(request["routers"], request["to"], only_plan=only_plan)
                yield self._told(placed)
            case "drain":
                yield self._told(await self._rescheduler.drain_plan(request["node"]))
            case other:
                raise InvariantError(f"{other} is none of {', '.join(_NEEDED)}")

    def _state(self) -> dict[str, Any]:
        return rescheduling_json.plain(self._rescheduler.report(routers=False))

    def _told(self, placed: Placement) -> dict[str, Any]:
        names, hosts = self._rescheduler.known.names(), self._rescheduler.known.hosts()
        return {**rescheduling_json.placement(placed, names=names, hosts=hosts), "end": True}

    async def _something_new(self) -> None:
        await asyncio.sleep(BETWEEN_REPORTS_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(STILL_S):
                await self._rescheduler.changed.wait()


def _listening(path: Path) -> socket.socket:
    """A socket at the path, in the place of a killed rescheduler's: the lock says that there is no other."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
    finally:
        os.umask(before)
    return listening


def _request(line: bytes) -> Mapping[str, Any]:
    """What was asked.

    Raises:
        ValueError: it is nothing that may be asked, or not all of it.
    """
    request: Any = json.loads(line)
    match request:
        case {"ask": str(what)} if what in _NEEDED:
            lacking = [name for name in _NEEDED[what] if not isinstance(request.get(name), str | list)]
            if lacking:
                raise ValueError(f"{what} without {' and '.join(lacking)}")
            return dict(request)
        case other:
            raise ValueError(other)


def _refusal(message: str, hint: str, *, cannot_tell: bool = False) -> bytes:
    return json.dumps({"error": message, "hint": hint, "cannot_tell": cannot_tell, "end": True}).encode() + b"\n"
