"""The way to a daemon of a node: a script travels there and asks on the daemon's socket (see faces/socket_desk.py)."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from hotspare.adapters.site import PYTHON, script
from hotspare.model.errors import NotReachableError, RefusedError
from hotspare.ports import Remote

SCRIPT = "ask_daemon.py"
NOBODY, BROKEN = 3, 4
"""What the script ends with where there is no answer."""
SSH_S = 10.0
"""On top of what the script waits, so that it is the script that says what is wrong."""
RUN_DIR = "/run/hotspare"
LOG_DIR = "/var/log/hotspare"


class DaemonLine:
    """To the daemons called `name` (`edge-rescheduler`: their sockets and logs), which are `kind` in words."""

    def __init__(self, remote: Remote, name: str, kind: str, *, run_dir: str = RUN_DIR) -> None:
        self._remote, self._name, self._kind = remote, name, kind
        self._socket = f"{run_dir}/{name}.sock"

    async def answer(self, node: str, request: Mapping[str, object], *, silence_s: float) -> Mapping[str, Any]:
        """The one line of an answer that has no more.

        Raises:
            NotReachableError: nobody answers there, or whoever had to be asked did not answer him.
            TimedOutError: the node took too long; the request may have had its effect.
            RefusedError: the daemon said no, or nothing that can be read.
        """
        done = await self._remote.run(
            node,
            self._argv(request, silence_s),
            stdin=script(SCRIPT),
            timeout_s=silence_s + SSH_S,
            expect=frozenset({0, NOBODY, BROKEN}),
        )
        if done.code:
            raise NotReachableError(
                f"{self._kind} on {node}: {done.stderr.strip()}",
                hint=f"on {node}: look at {LOG_DIR}/{self._name}.log; ask again when it is back",
            )
        return self._line(done.stdout)

    @asynccontextmanager
    async def answers(
        self, node: str, request: Mapping[str, object], *, silence_s: float
    ) -> AsyncGenerator[AsyncIterator[Mapping[str, Any]]]:
        """The lines of an answer as they come, for as long as the context lasts. Raises as `answer`."""
        argv = self._argv(request, silence_s)
        async with self._remote.stream(node, argv, stdin=script(SCRIPT)) as lines:
            yield self._lines(lines)

    def foreign(self, error: Exception) -> RefusedError:
        """What it said has another form than ours."""
        return RefusedError(
            f"{self._kind} speaks otherwise than this hotspare: {error}",
            code=0,
            hint="bring both to one version: hotspare apply",
        )

    def _argv(self, request: Mapping[str, object], silence_s: float) -> tuple[str, ...]:
        told = {"socket": self._socket, "request": request, "silence_s": silence_s}
        return (*PYTHON, json.dumps(told, separators=(",", ":")))

    async def _lines(self, lines: AsyncIterator[str]) -> AsyncGenerator[Mapping[str, Any]]:
        async for line in lines:
            yield self._line(line)

    def _line(self, text: str) -> Mapping[str, Any]:
        try:
            told = json.loads(text)
            error = told.get("error")
        except (ValueError, AttributeError) as failed:
            raise RefusedError(
                f"what came from {self._kind} cannot be read ({failed}): {text[:80]!r}", code=0, output=text
            ) from failed
        if error and told.get("cannot_tell"):
            raise NotReachableError(error, hint=told["hint"])
        if error:
            raise RefusedError(error, code=0, hint=told["hint"])
        return dict(told)
