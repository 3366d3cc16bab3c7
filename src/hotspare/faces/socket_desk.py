"""A daemon's socket, at which it answers: one request a connection, a JSON object; answers are one a line.

The last line of an answer has `"end": true`; a refusal has `"error"` and `"hint"`, and `"cannot_tell": true` where
whoever had to be asked did not answer.
"""

import asyncio
import json
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from hotspare.model.errors import HotspareError, NotReachableError, TimedOutError

REQUEST_LIMIT_S = 10.0

Answers = Callable[[Mapping[str, Any]], AsyncIterator[dict[str, Any]]]
"""The answers to a request. ValueError, KeyError, TypeError or AttributeError: it is none."""


class SocketDesk:
    """Answers at one path. `manual` is where it stands what may be asked."""

    def __init__(self, path: str, answers: Answers, *, manual: str) -> None:
        self._path, self._answers, self._manual = Path(path), answers, manual
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
                request = json.loads(await reader.readline())
            async for answer in self._answers(request):
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except HotspareError as refused:
            untold = isinstance(refused, NotReachableError | TimedOutError)
            writer.write(_refusal(refused.message, refused.hint, cannot_tell=untold))
        except (ValueError, KeyError, TypeError, AttributeError) as wrong:
            writer.write(_refusal(f"not a request: {wrong!r}", f"what may be asked stands in {self._manual}"))
        except TimeoutError:
            writer.write(_refusal(f"no request within {REQUEST_LIMIT_S:.0f} s", ""))


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
