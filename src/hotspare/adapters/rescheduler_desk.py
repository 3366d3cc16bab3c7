"""`ports.Dispatcher`: a script travels to the node where the cluster runs the rescheduler, and asks on its socket."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from hotspare.adapters.site import PYTHON, script
from hotspare.codec import moving_json, rescheduling_json
from hotspare.model.cluster import ClusterStatus
from hotspare.model.errors import NotReachableError, RefusedError
from hotspare.model.moving import MovePlan
from hotspare.model.rescheduling import Report
from hotspare.plan.names import rescheduler
from hotspare.plan.pools import home
from hotspare.ports import Remote

SCRIPT = "ask_rescheduler.py"
NOBODY, BROKEN = 3, 4
"""What the script ends with where there is no answer."""
STATE_SILENCE_S = 15.0
PLAN_SILENCE_S = 120.0
"""A plan begins with a look at all routers."""
FOLLOW_SILENCE_S = 20.0
"""The rescheduler says something every 5 s, changed or not."""
SSH_S = 10.0
"""On top of what the script waits, so that it is the script that says what is wrong."""


class ReschedulerDesk:
    """The rescheduler of `pool`. `status` is `ports.Site.status`: it says where that runs."""

    def __init__(
        self,
        remote: Remote,
        status: Callable[[], Awaitable[tuple[str, ClusterStatus]]],
        pool: str,
        *,
        run_dir: str = "/run/hotspare",
    ) -> None:
        self._remote, self._status, self._pool = remote, status, pool
        self._socket = f"{run_dir}/{rescheduler(pool)}.sock"

    async def report(self, *, routers: bool) -> Report:
        """See `ports.Dispatcher.report`."""
        told = await self._answer({"ask": "routers" if routers else "state"}, STATE_SILENCE_S)
        return _told(told)

    async def plan_drain(self, node: str) -> MovePlan:
        """See `ports.Dispatcher.plan_drain`."""
        return await self._plan({"ask": "drain", "node": node})

    async def rebalance(self, *, only_plan: bool) -> MovePlan:
        """See `ports.Dispatcher.rebalance`."""
        return await self._plan({"ask": "rebalance", "plan": only_plan})

    async def takeover(self, routers: Sequence[str], node: str, *, only_plan: bool) -> MovePlan:
        """See `ports.Dispatcher.takeover`."""
        return await self._plan({"ask": "takeover", "routers": list(routers), "to": node, "plan": only_plan})

    @asynccontextmanager
    async def reports(self) -> AsyncGenerator[AsyncIterator[Report]]:
        """See `ports.Dispatcher.reports`."""
        node = await self._node()
        argv = self._argv({"ask": "follow"}, FOLLOW_SILENCE_S)
        async with self._remote.stream(node, argv, stdin=script(SCRIPT)) as lines:
            yield _reports(lines)

    async def _node(self) -> str:
        _, status = await self._status()
        return home(status, self._pool)

    async def _plan(self, request: Mapping[str, object]) -> MovePlan:
        told = await self._answer(request, PLAN_SILENCE_S)
        try:
            return moving_json.read(told)
        except ValueError as error:
            raise _foreign(error) from error

    async def _answer(self, request: Mapping[str, object], silence_s: float) -> Mapping[str, Any]:
        """The one line of an answer that has no more."""
        node = await self._node()
        done = await self._remote.run(
            node,
            self._argv(request, silence_s),
            stdin=script(SCRIPT),
            timeout_s=silence_s + SSH_S,
            expect=frozenset({0, NOBODY, BROKEN}),
        )
        if done.code:
            raise NotReachableError(
                f"the rescheduler on {node}: {done.stderr.strip()}",
                hint=f"on {node}: look at /var/log/hotspare/{rescheduler(self._pool)}.log; ask again when it is back",
            )
        return _line(done.stdout)

    def _argv(self, request: Mapping[str, object], silence_s: float) -> tuple[str, ...]:
        told = {"socket": self._socket, "request": request, "silence_s": silence_s}
        return (*PYTHON, json.dumps(told, separators=(",", ":")))


async def _reports(lines: AsyncIterator[str]) -> AsyncGenerator[Report]:
    async for line in lines:
        yield _told(_line(line))


def _line(text: str) -> Mapping[str, Any]:
    """One line of an answer.

    Raises:
        RefusedError: the rescheduler said no.
        NotReachableError: it could not ask whom it would have had to ask.
    """
    try:
        told = json.loads(text)
        error = told.get("error")
    except (ValueError, AttributeError) as failed:
        raise RefusedError(
            f"what came from the rescheduler cannot be read ({failed}): {text[:80]!r}", code=0, output=text
        ) from failed
    if error and told.get("cannot_tell"):
        raise NotReachableError(error, hint=told["hint"])
    if error:
        raise RefusedError(error, code=0, hint=told["hint"])
    return dict(told)


def _told(told: Mapping[str, Any]) -> Report:
    try:
        return rescheduling_json.report(told)
    except ValueError as error:
        raise _foreign(error) from error


def _foreign(error: Exception) -> RefusedError:
    return RefusedError(
        f"the rescheduler speaks otherwise than this hotspare: {error}",
        code=0,
        hint="bring both to one version: hotspare apply",
    )
