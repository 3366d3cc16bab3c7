"""A daemon's socket, at which it answers: one request a connection, a JSON object; answers are one a line.

The last line of an answer has `"end": true`; a refusal has `"error"` and `"hint"`, and `"cannot_tell": true` where
whoever had to be asked did not answer.
"""

import asyncio
import json
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from hotspare.model.errors import HotspareError, NotReachableError, TimedOutError

REQUEST_LIMIT_S = 10.0
_TOLD = (str, list, int, float)

Answers = Callable[[Mapping[str, Any]], AsyncIterator[dict[str, Any]]]
"""The answers to a request."""


class SocketDesk:
    """Answers at one path."""

    def __init__(self, path: str, answers: Answers, *, needed: Mapping[str, Collection[str]], manual: str) -> None:
        """`needed` says what may be asked, and what has to be told with it; `manual` is where that is explained."""
        self._path, self._answers, self._needed, self._manual = Path(path), answers, needed, manual
        self._talks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """The socket answers for as long as the context lasts; then nobody is kept waiting. Root's alone."""
        server = await asyncio.start_unix_server(self._came, sock=_listening(self._path))
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
                request = self._request(await reader.readline())
        except ValueError as wrong:
            writer.write(_refusal(f"not a request: {wrong!r}", f"what may be asked stands in {self._manual}"))
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

    def _request(self, line: bytes) -> Mapping[str, Any]:
        """What was asked.

        Raises:
            ValueError: it is nothing that may be asked, or not all of it.
        """
        request: Any = json.loads(line)
        match request:
            case {"ask": str(what)} if what in self._needed:
                lacking = [name for name in self._needed[what] if not isinstance(request.get(name), _TOLD)]
                if lacking:
                    raise ValueError(f"{what} without {' and '.join(lacking)}")
                return dict(request)
            case other:
                raise ValueError(other)


def _listening(path: Path) -> socket.socket:
    """A socket at the path, in the place of a killed daemon's: whoever opens it knows that there is no other."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
    finally:
        os.umask(before)
    return listening


def _refusal(message: str, hint: str, *, cannot_tell: bool = False) -> bytes:
    return json.dumps({"error": message, "hint": hint, "cannot_tell": cannot_tell, "end": True}).encode() + b"\n"
