"""The stager of a gateway on one node: spare or carrier, and the way from the one to the other."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from hotspare.flows.stage.carrier import Carrier
from hotspare.flows.stage.node import Node
from hotspare.flows.stage.spare import Spare
from hotspare.model.dataplane import DataPlane
from hotspare.model.errors import HotspareError, RefusedError
from hotspare.model.stager import Promoted, Role, Settings, State
from hotspare.model.staging import Helper, NodeLook
from hotspare.plan.twin import freshness
from hotspare.plan.twin.demotion import demotion
from hotspare.plan.twin.differences import differences
from hotspare.plan.twin.promotion import Promotion, promotion
from hotspare.ports import (
    Announcer,
    Burst,
    CarrierConnections,
    Publisher,
    RouterHelpers,
    SpareConnections,
    Subscriber,
    Tell,
    TwinRecord,
)

REPEATS_S = (1.0, 3.0)
"""An announcement may be lost, and a switch on the way may learn late: said again so long after the first."""
RETIRE_S = 60.0
RETIRE_AFTER_S = 5.0
"""What goes is parked, and can wait until the node that takes over has done so: what both share is busy meanwhile."""
TWIN_AFTER_S = 2.0
"""Nor is a twin made of what was demoted before that."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """All that can be worked out before a promotion: for a hundred routers it takes a tenth of a second. It counts if
    the data plane and the node are as they were then.
    """

    plane: DataPlane
    seen: NodeLook
    plan: Promotion
    burst: Burst


class Stager:
    """Works for one gateway on one node. `run` it; `promote`, `demote` and `drop` are asked for from beside."""

    def __init__(
        self,
        settings: Settings,
        role: Role,
        node: Node,
        record: TwinRecord,
        *,
        announcer: Announcer,
        helpers: RouterHelpers,
        publisher: Publisher,
        subscriber: Subscriber,
        listen: Callable[[], CarrierConnections] | None,
        keep: Callable[[], SpareConnections] | None,
        now: Callable[[], float],
        tell: Tell,
    ) -> None:
        self._settings, self._node, self._announcer = settings, node, announcer
        self._subscriber, self._helpers = subscriber, helpers
        self._now, self._tell = now, tell
        self._role = role
        self._changing = asyncio.Lock()
        self._retirement = asyncio.Event()
        self._work: asyncio.Task[None] | None = None
        self._finishing: asyncio.Task[None] | None = None
        """What of a promotion can wait until the routers forward."""
        self._score = 0
        self._began_s = now()
        self._ready: _Ready | None = None
        self.spare = Spare(
            settings,
            node,
            record,
            keep=keep,
            even_s=subscriber.even_s,
            at_rest=self._make_ready,
            now=now,
            tell=tell,
        )
        self.carrier = Carrier(settings.gateway, node, publisher, listen=listen, now=now, tell=tell)
        if kept := record.kept():
            self.spare.want(kept)

    async def run(self) -> None:
        """Work until this is cancelled, which leaves what is parked parked, and what forwards forwarding; or until this
        was retired and its twin is gone.
        """
        self._begin()
        beside = [
            asyncio.create_task(part)
            for part in (
                self._node.watch(),
                self._subscriber.run(self._heard),
                self.spare.keep_record(),
                self._retired(),
            )
        ]
        try:
            ended, _ = await asyncio.wait(beside, return_when=asyncio.FIRST_COMPLETED)
            for part in ended:
                part.result()
        finally:
            for task in (*beside, self._work, self._finishing):
                if task is not None:
                    task.cancel()

    async def _heard(self, peer: str, came: Any) -> None:
        if self._role is Role.SPARE:
            await self.spare.take(peer, came)

    def _begin(self, *, after_s: float = 0.0) -> None:
        self._work = asyncio.create_task(self._working(after_s))

    async def _working(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await (self.carrier if self._role is Role.CARRIER else self.spare).run()

    async def _halt(self) -> None:
        """Neither looks nor steps are under way."""
        if self._work is not None:
            self._work.cancel()
            with suppress(asyncio.CancelledError, HotspareError):
                await self._work

    # --- from the one to the other -----------------------------------------------------------------------------------

    async def promote(self, *, within_s: float) -> Promoted:
        """This node forwards for the gateway by its twin, and its neighbours know.

        Raises:
            RefusedError: there is no twin; nothing was changed.
            NotReachableError, TimedOutError: Open vSwitch does not do it; it may forward.
        """
        async with self._changing, asyncio.timeout(within_s):
            begun_s = self._now()
            if self._role is Role.CARRIER:
                return Promoted(self.carrier.routers, {}, 0, 0.0)
            plane = self.spare.wanted
            if plane is None:
                raise RefusedError("there is no twin of the gateway here: its carrier has not been heard", code=0)
            await self._halt()
            try:
                return await self._promoted(plane, begun_s, within_s)
            finally:
                self._begin()

    async def _promoted(self, plane: DataPlane, begun_s: float, within_s: float) -> Promoted:
        ready, self._ready = self._ready, None
        if ready is not None and ready.plane is plane and ready.seen is self._node.still():
            with suppress(RefusedError):  # the node is another by now, and nobody had told that yet
                return await self._let_go(ready, begun_s, within_s)
        seen = await self._node.look(exactly=True)
        if ready is None or ready.plane is not plane or ready.seen != seen:
            ready = self._readiness(plane, seen)
        return await self._let_go(ready, begun_s, within_s)

    async def _let_go(self, ready: _Ready, begun_s: float, within_s: float) -> Promoted:
        """As it was worked out; RefusedError where the node is not as it was then, and nothing was let go."""
        plane, plan, burst, looked_s = ready.plane, ready.plan, ready.burst, self._now()
        if plane.routers and not plan.warm:
            raise RefusedError(f"no router of its twin is whole: {_one(plan.cold)}", code=0)
        await self.spare.let_connections_live()
        if plan.first:
            await self._node.carry_out(plan.first, within_s=within_s)
        if plan.unpark.plugs:
            await asyncio.gather(
                self.spare.introduce(),
                self._node.carry_out([plan.unpark], within_s=within_s),
            )
        loose_s = self._now()
        announced = await burst.send()
        took_s = self._now() - begun_s
        self._role = Role.CARRIER
        await self._cleared(plan, within_s)
        self.carrier.begin(plane)
        self._finishing = asyncio.create_task(self._finish(burst, plan.helpers))
        facts: Mapping[str, object] = {
            "gateway": self._settings.gateway,
            "warm": len(plan.warm),
            "cold": len(plan.cold),
            "announced": announced.sent,
            "missed": announced.missed,
            "look_s": round(looked_s - begun_s, 3),
            "let_go_s": round(loose_s - looked_s, 3),
            "took_s": round(took_s, 3),
        }
        self._tell("twin.promoted", facts)
        return Promoted(len(plan.warm), plan.cold, announced.sent, took_s)

    def _make_ready(self, plane: DataPlane, seen: NodeLook) -> None:
        self._ready = self._readiness(plane, seen)

    def _readiness(self, plane: DataPlane, seen: NodeLook) -> _Ready:
        plan = promotion(plane, seen)
        return _Ready(plane, seen, plan, self._announcer.prepare(plan.announcements))

    async def _cleared(self, plan: Promotion, within_s: float) -> None:
        """What is in the way of the agents is gone; where it is not, they come to terms with it, as after a crash."""
        try:
            hindered = await self._node.carry_out(plan.clear, within_s=within_s)
        except HotspareError as failed:
            hindered = {"": failed.message}
        for name, why in hindered.items():
            self._tell("twin.not_cleared", {"gateway": self._settings.gateway, "namespace": name, "why": why})

    async def _finish(self, burst: Burst, helpers: Collection[Helper]) -> None:
        before_s = 0.0
        for at_s in REPEATS_S:
            await asyncio.sleep(at_s - before_s)
            await burst.send()
            before_s = at_s
        await self.spare.let_neighbours_go()
        await self._serve(helpers)

    async def _serve(self, helpers: Collection[Helper]) -> None:
        """The routers' helpers run. Those that cannot be started are the agents' to start, who need minutes until they
        have come to a hundred routers.
        """
        begun_s, hindered = self._now(), dict[str, str]()
        for helper in helpers:
            try:
                await self._helpers.run(helper)
            except HotspareError as failed:
                hindered[helper.file.path] = failed.message
        for path, why in sorted(hindered.items())[:1]:
            told = {"gateway": self._settings.gateway, "helpers": len(hindered), "file": path, "why": why}
            self._tell("twin.not_served", told)
        done = {"helpers": len(helpers) - len(hindered), "took_s": round(self._now() - begun_s, 3)}
        self._tell("twin.served", {"gateway": self._settings.gateway, **done})

    async def demote(self, *, within_s: float) -> int:
        """Nothing on this node forwards for the gateway; what did is its twin now. How many ports were parked.

        Raises:
            NotReachableError, TimedOutError, RefusedError: Open vSwitch does not do it; it may forward.
        """
        async with self._changing, asyncio.timeout(within_s):
            await self._halt()
            await self._be_quiet()
            try:
                return await self._demoted(within_s)
            finally:
                self._begin(after_s=TWIN_AFTER_S)

    async def _be_quiet(self) -> None:
        """Nothing is announced any more, nor started: what is said at a bridge gets out though ports are parked."""
        if self._finishing is not None:
            self._finishing.cancel()
            await asyncio.wait([self._finishing])
            self._finishing = None

    async def _demoted(self, within_s: float) -> int:
        park = demotion(self._settings.gateway, await self._node.look_at_ports())
        if park.plugs:
            await self._node.carry_out([park], within_s=within_s)
        if self._role is Role.CARRIER:
            self._role = Role.SPARE
            if (plane := self.carrier.end()) is not None:
                self.spare.has(plane)
        self._tell("twin.demoted", {"gateway": self._settings.gateway, "parked": len(park.plugs)})
        return len(park.plugs)

    async def drop(self, *, within_s: float) -> None:
        """There is no twin on this node: another gateway is promoted here, whose agents would take it for theirs.

        Raises:
            RefusedError: this node carries the gateway.
            NotReachableError, TimedOutError: Open vSwitch does not do it.
        """
        async with self._changing, asyncio.timeout(within_s):
            if self._role is Role.CARRIER:
                raise RefusedError(f"this node carries gateway {self._settings.gateway}", code=0)
            await self._halt()
            try:
                await self._dropped(within_s)
            finally:
                self._begin()

    async def _dropped(self, within_s: float) -> None:
        seen = await self._node.look()
        nothing = DataPlane(self._settings.gateway, {}, {})
        await self._node.carry_out(differences(nothing, seen), within_s=within_s)
        self.spare.has_none()

    def retire(self) -> None:
        """The twin goes, and `run` ends after it. Nobody has to wait for that: what goes is parked.

        Raises:
            RefusedError: this node carries the gateway.
        """
        if self._role is Role.CARRIER:
            raise RefusedError(f"this node carries gateway {self._settings.gateway}", code=0)
        self._retirement.set()

    async def _retired(self) -> None:
        """Returns when this stager was retired and there is no twin any more, or it cannot be taken away."""
        await self._retirement.wait()
        await asyncio.sleep(RETIRE_AFTER_S)
        try:
            async with self._changing, asyncio.timeout(RETIRE_S):
                await self._halt()
                await self._dropped(RETIRE_S)
        except (HotspareError, TimeoutError) as failed:
            self._tell("twin.left", {"gateway": self._settings.gateway, "why": str(failed) or "not done in time"})

    # --- telling -----------------------------------------------------------------------------------------------------

    def state(self) -> State:
        """How it is now."""
        if self._role is Role.CARRIER:
            return self._carriers_state()
        fresh = self.spare.freshness()
        if self._retirement.is_set():  # what is still here goes: nobody may count on it
            fresh = replace(fresh, equal_s=None)
        told = self.spare.standings()
        self._score = freshness.score(fresh, self._score, stale_after_s=self._settings.stale_after_s)
        score = freshness.Score(self._score)
        trouble = told.trouble
        if not trouble and self._is_late(fresh.equal_s):
            trouble = f"the twin is {freshness.word(fresh, score)}: {self._why_stale()}"
        return State(
            self._settings.gateway,
            self._settings.node,
            Role.SPARE,
            self._score,
            freshness.words(fresh, score),
            fresh.equal_s,
            fresh.routers,
            told.cold,
            self._subscriber.words(),
            self.spare.connections,
            trouble,
        )

    def _carriers_state(self) -> State:
        carrier = self.carrier
        return State(
            self._settings.gateway,
            self._settings.node,
            Role.CARRIER,
            freshness.Score.CARRIES,
            "",
            0.0,
            carrier.routers,
            carrier.unstaged(),
            self._subscriber.words(),
            carrier.connections,
            carrier.trouble,
        )

    def _is_late(self, equal_s: float | None) -> bool:
        """Whether somebody has to know. A stager that has just begun has no twin yet, and that is no trouble."""
        if equal_s is None and not self._retirement.is_set():
            equal_s = self._now() - self._began_s
        return equal_s is None or equal_s > self._settings.stale_after_s

    def _why_stale(self) -> str:
        if self._retirement.is_set():
            return "it is taken away"
        if not self._subscriber.carriers():
            return "no peer says that it carries the gateway"
        return "it is being staged"


def _one(cold: Mapping[str, str]) -> str:
    router, why = next(iter(sorted(cold.items())), ("", "it has none"))
    return f"{router}: {why}" if router else why
