"""What flows need from the outside, as Protocols; `adapters/` fulfil them and `wiring.py` joins the two."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

OK = frozenset({0})


@dataclass(frozen=True, slots=True)
class Done:
    """A command that ended: its exit status and what it wrote."""

    code: int
    stdout: str
    stderr: str


class Remote(Protocol):
    """Commands on hosts. A host is a name of the spec; `local` is this machine."""

    async def run(
        self,
        host: str,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout_s: float,
        expect: frozenset[int] = OK,
    ) -> Done:
        """Run one command to its end.

        Raises:
            NotReachableError: the host could not be reached, or its key is not the known one.
            RefusedError: the exit status is not among `expect`.
            TimedOutError: no end within `timeout_s`; the command may have had its effect.
        """
        ...

    async def put(self, host: str, path: str, content: bytes, *, mode: int, timeout_s: float) -> None:
        """Make the file `path` on `host` hold `content` with `mode`, owned by root, replaced atomically."""
        ...

    def stream(
        self, host: str, argv: Sequence[str], *, stdin: bytes = b""
    ) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Run a command for as long as the context lasts and give its lines as they come; it ends with the context."""
        ...
