"""`ports.Dispatcher`: the rescheduler is asked on the node where the cluster runs it."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from hotspare.adapters.daemon_line import RUN_DIR, DaemonLine
from hotspare.codec import moving_json, rescheduling_json
from hotspare.model.cluster import ClusterStatus
from hotspare.model.moving import MovePlan
from hotspare.model.rescheduling import Report
from hotspare.plan.names import rescheduler
from hotspare.plan.pools import home
from hotspare.ports import Remote

STATE_SILENCE_S = 15.0
PLAN_SILENCE_S = 120.0
"""A plan begins with a look at all routers."""
FOLLOW_SILENCE_S = 20.0
"""The rescheduler says something every 5 s, changed or not."""


class ReschedulerDesk:
    """The rescheduler of `pool`. `status` is `ports.Site.status`: it says where that runs."""

    def __init__(
        self,
        remote: Remote,
        status: Callable[[], Awaitable[tuple[str, ClusterStatus]]],
        pool: str,
        *,
        run_dir: str = RUN_DIR,
    ) -> None:
        self._status, self._pool = status, pool
        self._line = DaemonLine(remote, rescheduler(pool), "the rescheduler", run_dir=run_dir)

    async def report(self, *, routers: bool) -> Report:
        """See `ports.Dispatcher.report`."""
        told = await self._answer({"ask": "routers" if routers else "state"}, STATE_SILENCE_S)
        return self._report(told)

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
        async with self._line.answers(node, {"ask": "follow"}, silence_s=FOLLOW_SILENCE_S) as answers:
            yield self._reports(answers)

    async def _node(self) -> str:
        _, status = await self._status()
        return home(status, self._pool)

    async def _plan(self, request: Mapping[str, object]) -> MovePlan:
        told = await self._answer(request, PLAN_SILENCE_S)
        try:
            return moving_json.read(told)
        except ValueError as error:
            raise self._line.foreign(error) from error

    async def _answer(self, request: Mapping[str, object], silence_s: float) -> Mapping[str, Any]:
        return await self._line.answer(await self._node(), request, silence_s=silence_s)

    async def _reports(self, answers: AsyncIterator[Mapping[str, Any]]) -> AsyncGenerator[Report]:
        async for told in answers:
            yield self._report(told)

    def _report(self, told: Mapping[str, Any]) -> Report:
        try:
            return rescheduling_json.report(told)
        except ValueError as error:
            raise self._line.foreign(error) from error
