"""The loop: look at Neutron when there is a reason, have routers placed, hand the moves over, tell.

What the cluster says is looked at all the time (watch), so that a node's death is answered with what is known of the
routers already; what its agents hold, asked beside those moves, and a look when they are done tell what was missed.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace

from hotspare.flows.reschedule.knowledge import Knowledge
from hotspare.flows.reschedule.leases import Leases
from hotspare.flows.reschedule.ledger import Ledger
from hotspare.flows.reschedule.move import Job, Outcome, World
from hotspare.flows.reschedule.mover import Mover
from hotspare.flows.reschedule.watch import Watch
from hotspare.model.errors import HotspareError, InvariantError, NotReachableError, RefusedError, TimedOutError
from hotspare.model.rescheduling import REBALANCE, Burden, Report, Settings, drain_of, takeover_to
from hotspare.model.routing import Move, Placement, Routing, Standing, Unplaced
from hotspare.plan import balance, placement, whereabouts
from hotspare.plan.verdict import STOP_ON_FAILURE
from hotspare.ports import Journal, Pacemaker, Scheduling, Tell

LOOK_EVERY_S = 60.0
"""Routers without service have the server: this look is made when they are moved (but see `KNOWN_FOR_S`)."""
PASSING_LOOK_EVERY_S = 10.0
"""While the strategy changes: Neutron gives new routers to an agent that is about to go."""
NEWCOMER_LOOK_EVERY_S = 10.0
"""A live node whose agent Neutron has not heard of yet can be given nothing before the next look."""
LOOK_SHARE = 20
"""A look that took a second is followed by none for so many: at most a twentieth of a server's time."""
KNOWN_FOR_S = 180.0
"""What is known of the routers is good enough to begin with after a node's death: what its agents hold is asked beside
that, and no move ends well before Neutron has shown where its router is. It gets no older for the sake of moves."""
ORPHAN_S = 8.0
"""A router that is bound nowhere may be on somebody else's way; it is placed when it is so in a later look, too."""
HINDERED_S = 10.0
TROUBLE_FIRST_S, TROUBLE_MAX_S = 2.0, 30.0
STOP_S = 4.0
"""Of the 5 s that a stop may take: https://github.com/crowbar/crowbar-openstack/pull/1320 tells of a node that was
fenced for a rescheduler that took a minute."""


class Rescheduler:
    """Run it, ask it, stop it."""

    def __init__(
        self,
        settings: Settings,
        pacemaker: Pacemaker,
        scheduling: Scheduling,
        journal: Journal,
        *,
        now: Callable[[], float],
        wall: Callable[[], float],
        tell: Tell,
    ) -> None:
        self._settings, self._scheduling, self._now, self._wall, self._tell = settings, scheduling, now, wall, tell
        self.known = Knowledge()
        self._watch = Watch(settings, pacemaker, now=now, changed=self._cluster_changed)
        self._ledger = Ledger(journal.records(), now=now, wall=wall)
        world = World(
            standings=lambda: self.known.by_agent(self._watch.standings),
            host=self.known.host,
            hindered=self._watch.hindered,
            stopping=lambda: self._stopping,
            now=now,
            wall=wall,
        )
        self._mover = Mover(scheduling, journal, world, bound=self._move_bound, ended=self._move_ended)
        self._leases = Leases(
            settings,
            scheduling,
            self._mover.calls,
            self._watch,
            moving=lambda: not self._mover.is_idle,
            now=now,
            tell=tell,
        )
        self._wake = asyncio.Event()
        self._look_at_s = 0.0
        """When somebody needs a look, whatever is under way."""
        self._regular_look_s = 0.0
        self._orphans_s: dict[str, float] = {}
        self._unplaced: dict[str, str] = {}
        self._halted: dict[str, str] = {}
        self._drains: Mapping[str, str] = {}
        self._gone: frozenset[str] = frozenset()
        """As they were when the cluster last changed."""
        self._died: set[str] = set()
        """Hosts that are newly gone: what their agents hold is still to be asked."""
        self._stopping = False
        self._doing, self._trouble = "beginning", ""
        self.changed = asyncio.Event()
        """Set for a moment whenever a report would read otherwise: whoever waits then is woken."""

    # --- running -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Do the work until this is cancelled. It ends with the first of its parts: without one it only seems to work.

        Raises:
            InvariantError: a part has ended, by a bug. And what a part raised.
        """
        loops = [self._watch.run, self._mover.run, self._work]
        if not self._settings.homeward:  # no other agents lease addresses then: networks stay with those they have
            loops.append(self._leases.run)
        parts = [asyncio.create_task(loop()) for loop in loops]
        try:
            ended, _others = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for part in parts:
                part.cancel()
            await asyncio.wait(parts)
        for part in ended:
            if not part.cancelled():
                part.result()
        raise InvariantError("a part of the rescheduler has ended, so it works no more")

    async def stop(self) -> None:
        """No router is left bound nowhere by us, as far as that is possible within the limit. Then cancel `run`."""
        self._stopping = True
        await self._mover.finish(within_s=STOP_S)

    async def _work(self) -> None:
        trouble_s, was_hindered = TROUBLE_FIRST_S, False
        while True:
            await self._called()
            if hindered := self._watch.hindered():
                self._doing, was_hindered = f"waiting: {hindered}", True
                self._look_in(HINDERED_S)
            elif self._stopping:
                self._look_in(STOP_S)
            else:
                if was_hindered:
                    self._look_at_s, was_hindered = self._now(), False
                try:
                    if await self._round():
                        self._trouble, trouble_s = "", TROUBLE_FIRST_S
                except (NotReachableError, TimedOutError, RefusedError) as failed:
                    self._say_trouble(failed)
                    self._look_in(trouble_s)
                    trouble_s = min(2 * trouble_s, TROUBLE_MAX_S)
            self._notify()

    def _notify(self) -> None:
        self.changed.set()
        self.changed.clear()

    async def _called(self) -> None:
        """Somebody called, or the time of the next look or try has come."""
        look_s = self._next_look_s()
        at_s = min(look_s, self._ledger.next_try_s() or look_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, at_s - self._now())):
                await self._wake.wait()
        self._wake.clear()

    def _next_look_s(self) -> float:
        """When all routers are to be looked at; a look that nobody needs waits for routers that are without service."""
        regular_s = self._regular_look_s
        if self._mover.is_urgent:
            regular_s = max(regular_s, (self.known.looked_s or 0.0) + KNOWN_FOR_S)
        return min(self._look_at_s, regular_s)

    def _look_in(self, seconds: float) -> None:
        """The next look is so far away, for whatever reason one was to be made."""
        self._look_at_s = self._regular_look_s = self._now() + seconds

    def _say_trouble(self, failed: HotspareError) -> None:
        if failed.message != self._trouble:
            self._tell("neutron.trouble", {"why": failed.message, "hint": failed.hint})
        self._trouble, self._doing = failed.message, "waiting for Neutron"

    # --- one round ---------------------------------------------------------------------------------------------------

    async def _round(self) -> bool:
        """Whether all routers were looked at. What is known is good enough to begin with; a look tells what is left."""
        if self._is_known():
            self._plan()
        if self._now() < self._next_look_s():
            await self._ask_what_the_dead_hold()
            return False
        await self._look()
        self._plan()
        return True

    def _is_known(self) -> bool:
        looked_s = self.known.looked_s
        return looked_s is not None and self._now() - looked_s < KNOWN_FOR_S

    async def _ask_what_the_dead_hold(self) -> None:
        """What came to hosts that died, since the last look, is on its way as well; or all routers are looked at next.

        Beside the moves that were due already: each of those may take minutes.
        """
        while self._died:
            host = self._died.pop()
            agents = [agent.id for agent in self.known.agents.values() if agent.host == host]
            known = [await self._knows_what_it_holds(agent) for agent in agents]
            if not (agents and all(known)):
                self._look_at_s = self._now()
            self._plan()

    async def _knows_what_it_holds(self, agent: str) -> bool:
        """Whether that is known now, of a dead host's agent; a router that nobody has seen takes a look.

        Of one that is on its way its move knows more. One that was believed there is not taken from where it is not: it
        is bound nowhere as far as is known.
        """
        busy, begun = self._mover.busy, self._mover.begun
        try:
            held = frozenset(await self._scheduling.routers_of(agent))
        except (NotReachableError, TimedOutError, RefusedError):
            return False  # told by the look, which waits for the same API
        left = self.known.on(agent) - held - begun - self._mover.begun
        self._ledger.withdrawn(self._mover.withdraw(lambda job: job.move.router in left))
        self.known.asked(agent, came=held - busy - self._mover.busy, left=left)
        self._orphans_s |= dict.fromkeys(left, self._now())
        return held <= self.known.routing.routers.keys()

    async def _look(self) -> None:
        """All routers are known as they are now."""
        self._doing = "looking at all routers"
        begun_s = self._now()
        busy, died = self._mover.busy, frozenset(self._died)
        routing = await self._scheduling.routing()
        self.known.seen(routing, moving=busy | self._mover.busy, at_s=self._now())
        self._died -= died
        bindings = self.known.routing.bindings
        self._orphans_s = {router: at_s for router, at_s in self._orphans_s.items() if bindings.get(router) == ()}
        took_s = self._now() - begun_s
        passing = bool(self._watch.identity)
        every_s = PASSING_LOOK_EVERY_S if passing else LOOK_EVERY_S
        self._regular_look_s = self._now() + max(every_s, LOOK_SHARE * took_s)
        self._look_at_s = self._regular_look_s if passing else math.inf
        self._watch.heard({agent.host for agent in routing.agents.values() if agent.alive})
        self._expect_newcomers()

    def _expect_newcomers(self) -> None:
        """Whoever is live by now and was not seen in Neutron is looked for again soon."""
        seen = {agent.host for agent in self.known.agents.values()}
        newcomers = {host for host, its in self._watch.standings.items() if its is Standing.LIVE} - seen
        if newcomers and self.known.looked_s is not None:
            self._look_at_s = min(self._look_at_s, self.known.looked_s + NEWCOMER_LOOK_EVERY_S)

    def _plan(self) -> None:
        """What has to be moved is on its way."""
        self._withdraw_hopeless()
        self._unplaced = {}
        standings, weights = self._trusted(), self._settings.weights
        known = self._to_be()
        stranded = tuple(router for router in placement.stranded(known, standings) if self._is_due(known, router))
        self._add(placement.place(known, standings, stranded, weights), self._urgent)
        for host, standing in standings.items():
            if standing is Standing.LEAVING and not self._is_halted(self._node_of(host)):
                self._add(placement.drained(self._to_be(), standings, host, weights), self._drained)
        self._doing = self._words()

    def _is_halted(self, node: str) -> bool:
        """Whether a failure has ended the node's drain, and nobody has ordered another one since."""
        order = self._watch.drains.get(node, "")
        return bool(order) and self._halted.get(node) == order

    def _to_be(self) -> Routing:
        """Routers as they are bound, those that are on their way as if they had arrived."""
        return self.known.arrived((*self._mover.flying, *self._mover.pending))

    def _trusted(self) -> Mapping[str, Standing]:
        """By host; agents at which moves failed in a row get nothing as long as there are others."""
        standings = self._watch.standings
        suspects = {self.known.host(agent) for agent in self._ledger.suspects()}
        trusted = {
            host: Standing.UNKNOWN if standing is Standing.LIVE and host in suspects else standing
            for host, standing in standings.items()
        }
        return trusted if Standing.LIVE in trusted.values() else standings

    def _is_due(self, known: Routing, router: str) -> bool:
        """Whether the router is to be placed now. One without a port has nothing to serve, but must not be left behind
        on an agent that goes for good.
        """
        facts = known.routers[router]
        left_behind = self._watch.identity and known.bindings.get(router)
        if router in self._mover.busy or self._ledger.waits(router):
            return False
        if not (facts.gateway or facts.interfaces or left_behind):
            return False
        if known.bindings.get(router):
            return True
        looked_s = self.known.looked_s or 0.0
        first_s = self._orphans_s.setdefault(router, looked_s)
        if router in self._ledger.unfinished() or looked_s - first_s >= ORPHAN_S:
            return True
        self._look_at_s = min(self._look_at_s, first_s + ORPHAN_S)
        return False

    def _urgent(self, move: Move) -> Job:
        """The router is without service."""
        facts = self.known.router(move.router)
        job = Job(move, has_ports=facts.admin_up, wired_on=facts.wired_on)
        if move.source is None:
            lost_s = self._orphans_s.get(move.router, self._now())
            move = replace(move, source=self._may_hold(move))
            return replace(job, move=move, asked=True, lost_s=lost_s, reason="bound nowhere")
        host = self.known.host(move.source)
        lost_s = self._watch.lost_s(host) or self._now()
        return replace(job, lost_s=lost_s, reason=f"{host} is gone")

    def _may_hold(self, move: Move) -> str | None:
        """An agent that may have the router though it is bound nowhere: it was not told, or did not listen.

        It has to let go first.
        """
        wired_on = self.known.router(move.router).wired_on
        standings = self._watch.standings
        for agent in self.known.agents.values():
            if agent.host in wired_on and agent.id != move.target and standings.get(agent.host) is not Standing.GONE:
                return agent.id
        return None

    def _drained(self, move: Move) -> Job:
        has_ports = self.known.router(move.router).admin_up
        return Job(move, careful=True, has_ports=has_ports, reason=drain_of(self._node(move.source)))

    def _add(self, placed: Placement, job_of: Callable[[Move], Job]) -> None:
        """These moves are on their way, and what cannot be placed is told."""
        self._begin(placed.moves, job_of)
        self._unplaced |= {unplaced.router: unplaced.reason for unplaced in placed.unplaced}

    def _begin(self, moves: Iterable[Move], job_of: Callable[[Move], Job]) -> None:
        busy = self._mover.busy
        jobs = [job_of(move) for move in moves if move.router not in busy and not self._ledger.waits(move.router)]
        self._ledger.added(jobs)
        self._tell_planned(jobs)
        self._mover.add(jobs)

    def _tell_planned(self, jobs: Iterable[Job]) -> None:
        counts = Counter((job.move.source, job.reason) for job in jobs)
        for (source, reason), count in counts.items():
            self._tell("moves.planned", {"source": self.known.host(source), "routers": count, "reason": reason})

    def _withdraw_hopeless(self) -> None:
        """Moves that were not begun and are not right any more are forgotten; the plan makes others."""
        suspects = self._ledger.suspects()
        standings = self.known.by_agent(self._watch.standings)

        def hopeless(job: Job) -> bool:
            if standings.get(job.move.target) is not Standing.LIVE or job.move.target in suspects:
                return True
            source = standings.get(job.move.source or "", Standing.GONE)
            return source not in {Standing.GONE, Standing.LEAVING} and not job.asked

        self._ledger.withdrawn(self._mover.withdraw(hopeless))

    # --- what happens ------------------------------------------------------------------------------------------------

    def _cluster_changed(self) -> None:
        """Somebody's standing, or our own leave, is another one."""
        gone = frozenset(host for host, its in self._watch.standings.items() if its is Standing.GONE)
        if self._is_known():
            self._died |= gone - self._gone
        elif gone - self._gone:
            self._look_at_s = self._now()
        self._gone = gone
        standings = {host: str(standing) for host, standing in self._watch.standings.items()}
        self._tell("cluster.changed", {"standings": standings, "hindered": self._watch.hindered()})
        drains = self._watch.drains
        for node, order in drains.items():
            if self._drains.get(node) != order:
                self._ledger.forget(drain_of(node))
        self._drains = drains
        self._expect_newcomers()
        self._ledger.forgive()
        self._wake.set()
        self._leases.wake()

    def _move_bound(self, job: Job, agent: str) -> None:
        move = job.move
        hosts = {"source": self.known.host(move.source), "target": self.known.host(agent)}
        self._tell("router.bound", {"router": move.router, **hosts})

    def _move_ended(self, outcome: Outcome) -> None:
        self._ledger.ended(outcome)
        self.known.ended(outcome)
        self._orphans_s.pop(outcome.job.move.router, None)
        self._tell("router.moved" if outcome.well else "router.not_moved", self._facts(outcome))
        if not outcome.well:
            self._halt(outcome.job)
        if outcome.untold and not self._trouble:
            self._look_at_s = self._now()  # which tells what troubles Neutron, if that lasts
        if self._mover.is_idle:
            self._look_at_s = min(self._look_at_s, self._ledger.next_try_s() or self._now())
        if self._mover.is_idle or not outcome.well:
            self._wake.set()  # not for each that went well: a plan looks at all routers
        self._doing = self._words()
        self._notify()

    def _halt(self, job: Job) -> None:
        """A drain that shall end with the first failure has ended."""
        node = self._node(job.move.source)
        value = self._watch.drains.get(node, "")
        if job.careful and not job.asked and STOP_ON_FAILURE in value:
            self._halted[node] = value
            self._ledger.withdrawn(self._mover.withdraw(lambda other: other.reason == job.reason))

    def _facts(self, outcome: Outcome) -> dict[str, object]:
        move = outcome.job.move
        told: dict[str, object] = {
            "router": move.router,
            "source": self.known.host(move.source) or move.source,
            "target": self.known.host(move.target) or move.target,
            "stage": str(outcome.stage),
            "reason": outcome.job.reason,
        }
        if outcome.note:
            told["note"] = outcome.note
        if outcome.outage_s is not None:
            told["outage_s"] = round(outcome.outage_s, 1)
        return told

    # --- requests ----------------------------------------------------------------------------------------------------

    async def rebalance(self, *, only_plan: bool) -> Placement:
        """The routers will be spread evenly, or: what that would take.

        Raises:
            RefusedError: nothing may be moved now.
            NotReachableError, TimedOutError: Neutron cannot be asked.
        """
        await self._fresh()
        placed = balance.balanced(self._to_be(), self._trusted(), self._settings.weights)
        return self._requested(placed, REBALANCE, only_plan=only_plan)

    async def takeover(self, names: Iterable[str], node: str, *, only_plan: bool) -> Placement:
        """These routers (ids or names) will be on the node, or: what that would take.

        Raises:
            RefusedError: there is no such router or node, or nothing may be moved now.
            NotReachableError, TimedOutError: Neutron cannot be asked.
        """
        host = self._host(node)
        await self._fresh()
        named = tuple(self.known.named(name) for name in names)
        busy = self._mover.busy  # one that is on its way is not there, or not for long
        routers = tuple(router for router in named if router in busy or not self._is_on(router, host))
        placed = placement.moved_to(self._to_be(), self._watch.standings, routers, host)
        return self._requested(placed, takeover_to(node), only_plan=only_plan)

    async def drain_plan(self, node: str) -> Placement:
        """What a drain of the node would move.

        Raises:
            RefusedError: there is no such node.
            NotReachableError, TimedOutError: Neutron cannot be asked.
        """
        host = self._host(node)
        await self._fresh()
        standings = {**self._trusted(), host: Standing.LEAVING}
        return placement.drained(self._to_be(), standings, host, self._settings.weights)

    async def _fresh(self) -> None:
        if hindered := self._watch.hindered():
            raise RefusedError(hindered, code=409, hint="see: hotspare status")
        await self._look()

    def _requested(self, placed: Placement, reason: str, *, only_plan: bool) -> Placement:
        def job(move: Move) -> Job:
            has_ports = self.known.router(move.router).admin_up
            return Job(move, asked=True, careful=True, has_ports=has_ports, reason=reason)

        placed = self._without_busy(placed)
        if not only_plan:
            self._ledger.forgive()
            self._begin(placed.moves, job)
            self._doing = self._words()
        return placed

    def _without_busy(self, placed: Placement) -> Placement:
        """Routers that are on their way already go on there."""
        busy = self._mover.busy
        under_way = (
            Unplaced(move.router, f"it is on its way to {self._node(move.source)}; ask again when it is there")
            for move in placed.moves
            if move.router in busy
        )
        moves = tuple(move for move in placed.moves if move.router not in busy)
        return Placement(moves, (*placed.unplaced, *under_way))

    def _is_on(self, router: str, host: str) -> bool:
        return any(self.known.host(agent) == host for agent in self.known.routing.bindings.get(router, ()))

    def _host(self, node: str) -> str:
        if node not in self._settings.hosts:
            there = ", ".join(self._settings.hosts)
            raise RefusedError(f"{node} is no node of {self._settings.pool}", code=404, hint=f"its nodes are: {there}")
        return self._settings.hosts[node]

    def _node(self, agent: str | None) -> str:
        return self._node_of(self.known.host(agent))

    def _node_of(self, host: str) -> str:
        return next((node for node, its in self._settings.hosts.items() if its == host), host)

    # --- telling -----------------------------------------------------------------------------------------------------

    def report(self, *, routers: bool) -> Report:
        """All of it at this moment; the routers one by one only where they are asked for."""
        routing = self.known.routing
        looked_s = self.known.looked_s
        residences = whereabouts.residences(
            routing, last=self._ledger.last, moving=self._mover.busy, unplaced=self._unplaced
        )
        unplaced = sorted((self.known.router(router).name, why) for router, why in self._unplaced.items())
        return Report(
            at_s=self._wall(),
            node=self._settings.node,
            doing=self._doing,
            trouble=self._what_troubles(unplaced),
            looked_s=None if looked_s is None else self._wall() - (self._now() - looked_s),
            batches=self._ledger.batches(lambda router: self.known.router(router).name),
            burdens=tuple(self._burdens()),
            routers=tuple(residences) if routers else (),
            unplaced=tuple(unplaced),
            calls_at_once=self._mover.calls.limit,
            identity=self._watch.identity,
            homeward=self._settings.homeward,
        )

    def _burdens(self) -> Iterable[Burden]:
        settings, drains, identity = self._settings, self._watch.drains, self._watch.identity
        keeping = self._ledger.failed() | {router: (why, 0) for router, why in self._unplaced.items()}
        for burden in whereabouts.burdens(
            self.known.routing,
            self._watch.standings,
            {**settings.hosts, **({identity: identity} if identity else {})},
            settings.weights,
            moving=self._mover.busy,
            keeping=keeping,
        ):
            yield replace(burden, order=drains.get(burden.node, ""), halted=self._is_halted(burden.node))

    def _what_troubles(self, unplaced: list[tuple[str, str]]) -> str:
        if trouble := self._watch.troubled() or self._trouble:
            return trouble
        if by_hand := self._watch.by_hand:
            return (
                f"Neutron hears an L3 agent of {', '.join(by_hand)}, where the cluster runs none: its routers stay "
                "there until that has ended (systemctl disable --now neutron-l3-agent)"
            )
        if unplaced:
            name, why = unplaced[0]
            return f"{len(unplaced)} routers have no agent: {name}: {why}"
        if unserved := self._leases.unserved:
            network, why = unserved[0]
            return f"{len(unserved)} networks lack DHCP agents: {network}: {why}"
        return ""

    def _words(self) -> str:
        if not self._mover.is_idle:
            return f"moving {len(self._mover.flying)} routers, {self._mover.waiting} more wait"
        return f"{len(self._unplaced)} routers cannot be placed" if self._unplaced else "watching"
