"""What an apply waits for between its steps: members, resources that stop, routers that move."""

import asyncio
import math
from collections.abc import Callable
from typing import NoReturn

from hotspare.model.cluster import ClusterStatus
from hotspare.model.errors import HotspareError, InvariantError, NotReachableError, RefusedError, TimedOutError
from hotspare.model.spec import Spec
from hotspare.model.step import AwaitMembers, AwaitMoved, AwaitStopped
from hotspare.plan import moved, settled
from hotspare.plan.moved import Moved
from hotspare.ports import Dispatcher, Nodes

STUCK_S = 60.0
"""Routers that nothing moves may still be moved after so long, when what keeps them is over by itself."""
NAMED_MAX = 10


class Awaiting:
    """Each wait ends when what is waited for is so, and has a limit. `waiting` is told what is missing."""

    def __init__(
        self,
        spec: Spec,
        nodes: Nodes,
        dispatcher: Callable[[str], Dispatcher],
        waiting: Callable[[tuple[str, ...]], None],
        *,
        now: Callable[[], float],
        poll_s: float,
    ) -> None:
        self._spec, self._nodes, self._dispatcher, self._waiting = spec, nodes, dispatcher, waiting
        self._now, self._poll_s = now, poll_s

    async def members(self, step: AwaitMembers) -> None:
        """The nodes are one cluster.

        Raises:
            TimedOutError: they are not within the step's limit.
        """
        until_s = self._now() + step.limit_s
        missing: tuple[str, ...] = ()
        while self._now() < until_s:
            try:
                missing = settled.members_missing(step.members, await cluster_status(self._spec, self._nodes))
            except (NotReachableError, TimedOutError, RefusedError) as error:
                missing = (error.message,)
            if not missing:
                return
            await self._wait(missing)
        raise TimedOutError(
            f"the nodes are not one cluster after {step.limit_s:.0f} s: {'; '.join(missing)}",
            hint="is UDP 5405 open between the nodes on every ring? see `journalctl -u corosync -u pacemaker` there",
        )

    async def stopped(self, step: AwaitStopped) -> None:
        """The resources run nowhere, and nothing is under way.

        Raises:
            RefusedError: one will not stop without a hand.
            TimedOutError: it takes longer than the step's limit.
            NotReachableError, TimedOutError, RefusedError: no node could tell until then.
        """
        until_s = self._now() + step.limit_s
        while True:
            try:
                status = await cluster_status(self._spec, self._nodes)
            except (NotReachableError, TimedOutError, RefusedError) as error:
                if self._now() >= until_s:
                    raise
                await self._wait((error.message,))
                continue
            if stuck := settled.stuck(step.resources, status):
                raise RefusedError(
                    "; ".join(stuck),
                    code=1,
                    hint="nothing was taken out: Pacemaker would fence for such a stop. End by hand what still runs, "
                    f"then `crm_resource --cleanup --resource {step.resources[0]}`, then apply again",
                )
            running = tuple(name for name in step.resources if status.running_on(name))
            if not running and status.settled:
                return
            if self._now() >= until_s:
                raise TimedOutError(
                    f"still running after {step.limit_s:.0f} s: {', '.join(running) or 'something is under way'}",
                    hint="nothing was taken out; see `crm_mon -1rf`, then apply again",
                )
            missing = tuple(f"{name}: has to stop before it is taken out" for name in running)
            await self._wait(missing or ("the cluster has something under way",))

    async def moved(self, step: AwaitMoved) -> None:
        """No router is on agents that go, and, where the step says so, none can come there any more.

        Progress is fewer routers there than ever before, or fewer of those agents that Neutron hears: a rescheduler
        that is heard of now and then, and routers that come and go, do not make it wait for longer.

        Raises:
            RefusedError: routers stay there, each with the reason.
            TimedOutError: nothing is known of them, or Neutron does not let go of the agents.
        """
        since_s, least = self._now(), (math.inf, math.inf)
        while True:
            found = await self._told(step)
            if isinstance(found, Moved) and found.is_over(deaf=step.deaf):
                return
            if isinstance(found, Moved) and (found.left, len(found.heard)) < least:
                since_s, least = self._now(), (found.left, len(found.heard))
            is_stuck = isinstance(found, Moved) and found.stuck
            if self._now() - since_s >= (STUCK_S if is_stuck else step.still_s):
                _give_up(found, step)
            await self._wait(moved.missing(found) if isinstance(found, Moved) else (found,))

    async def _told(self, step: AwaitMoved) -> Moved | str:
        try:
            return moved.told(await self._dispatcher(step.gateway).report(routers=False), step)
        except (NotReachableError, TimedOutError, RefusedError) as error:
            return error.message

    async def _wait(self, missing: tuple[str, ...]) -> None:
        self._waiting(missing)
        await asyncio.sleep(self._poll_s)


def _give_up(found: Moved | str, step: AwaitMoved) -> NoReturn:
    """Both strategies stay side by side, and every router where it is."""
    again = "nothing was taken out, and what has moved works where it is; apply again when that is mended, or set the "
    again += "strategy back in the file and apply"
    if isinstance(found, str):
        raise TimedOutError(f"nobody can tell whether routers move: {found}", hint=again)
    if not found.left:
        raise TimedOutError(
            "; ".join(moved.missing(found)),
            hint="nothing was taken out; apply again when Neutron shows those agents as down (agent_down_time)",
        )
    named = [f"{kept.name}: {kept.why}" for kept in found.kept[:NAMED_MAX]]
    more = [f"and {len(found.kept) - NAMED_MAX} more"] if len(found.kept) > NAMED_MAX else []
    where = "the pool" if step.homeward else step.gateway
    said = "\n".join((f"{found.left} routers stay on {where}:", *named, *more))
    raise RefusedError(said, code=1, hint=again)


async def cluster_status(spec: Spec, nodes: Nodes) -> ClusterStatus:
    """The cluster as the first node tells it that can.

    Raises:
        NotReachableError, TimedOutError, RefusedError: none can; the last one's reason.
    """
    failure: HotspareError = InvariantError("a spec without nodes")
    for name in spec.nodes:
        try:
            return await nodes.cluster(name)
        except (NotReachableError, TimedOutError, RefusedError) as error:
            failure = error
    raise failure
