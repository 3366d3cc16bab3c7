"""`hotspare drill`: probe, break a node on purpose, watch the takeover, heal, and hand over the record.

How routers are carried, and so what is to be waited for, is the affair of plan.carriage; the record is judged by
plan.drill. Nothing here decides whether a takeover was good. The heal is attempted whatever happened in between.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never

from hotspare.codec.journal_json import merged
from hotspare.flows.probes import Probes, Watch
from hotspare.flows.recorder import Recorder
from hotspare.model.drill import (
    NEUTRON,
    Bound,
    Cable,
    ClusterState,
    Fault,
    Gateway,
    History,
    NodeState,
    Observation,
    Place,
    Router,
    Strategy,
)
from hotspare.model.errors import HotspareError, Problem, WorldError
from hotspare.model.event import Event, What
from hotspare.plan import strategies
from hotspare.plan.downtime import REPLY_LIMIT_S, probe_interval_s, steady, unanswered
from hotspare.plan.drill import objections
from hotspare.plan.health import cluster_state
from hotspare.plan.verdict import DRAIN
from hotspare.ports import Neutron, Site

POLL_S = 0.5
ARRIVAL_POLL_S = 1.0
"""The cluster and Neutron are asked no more often than that whether the routers have arrived: they have work to do."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long each wait of a drill may last, in seconds."""

    clean_s: float = 3.0
    """Every probe of that long has to be answered before the fault, and no address may be silent that long after it."""
    talk_s: float = 15.0
    """With a twin the probes have gone on for so long before the fault, as the traffic of a cloud has: a spare is told
    every 10 s whom the routers know, and those that were idle know nobody.
    """
    baseline_s: float = 90.0
    recover_s: float = 300.0
    heal_s: float = 240.0
    probes_s: float = 1200.0
    """After this long a probe ends by itself, should nobody end it."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to drill: taken from the spec and the command line."""

    fault: Fault
    node: str | None
    """None: the one that carries the gateway, or most of its routers."""
    gateway: Gateway
    nodes: tuple[str, ...]
    """All members of the cluster."""
    prober: Place
    inside: tuple[Place, ...]
    witnesses: tuple[Cable, ...]
    limits: Limits = Limits()


class Drill:
    """One run. `tell` gets what is going on, in words, as often as it changes."""

    def __init__(
        self, order: Order, site: Site, neutron: Neutron, *, tell: Callable[[str], None], now: Callable[[], float]
    ) -> None:
        self.order, self.site, self.neutron = order, site, neutron
        self.tell, self.now = tell, now
        self.carriage = strategies.carriage(order.gateway)
        self.node = order.node or ""
        self.events: list[Event] = []
        self.observations: list[Observation] = []
        self.clocks: dict[str, tuple[float, float]] = {}
        self.troubles: list[str] = []

    async def run(self) -> History:
        """The record of a drill that took place.

        Raises:
            WorldError: it was not begun, because the cluster or a router is not whole; nothing was touched.
            HotspareError: something could not be asked before it began; nothing was touched.
        """
        order, began_s = self.order, self.now()
        self.tell("looking at the cluster")
        routers, bound = await self._may_begin()
        targets = {address: router.id for router in routers for address in router.floating_ips}
        await self._clocks()
        recorder = Recorder(probe_interval_s(len(targets)), tuple(sorted(targets)))
        probes = Probes(self.site, recorder, ahead_s={host: clock[0] for host, clock in self.clocks.items()})
        watch = Watch(order.prober, order.inside, order.witnesses, order.limits.probes_s)
        async with probes.running(watch):
            await self._observe("before", unasked={})
            baseline_s = await self._baseline(recorder)
            try:
                called_s, returned_s = await self._inject()
                recovered_s = await self._recovered(recorder, called_s)
                off = {self.node: "it is powered off"} if order.fault is Fault.POWEROFF else {}
                await self._observe("recovered", unasked=off)
            finally:
                heal_called_s = await self._heal()
            await self._observe("healed", unasked={})
            await asyncio.sleep(REPLY_LIMIT_S)
            ended_s = self.now()
        await self._collect_events(called_s)
        return History(
            fault=order.fault,
            gateway=order.gateway,
            node=self.node,
            began_s=began_s,
            baseline_s=baseline_s,
            called_s=called_s,
            returned_s=returned_s,
            recovered_s=recovered_s,
            heal_called_s=heal_called_s,
            ended_s=ended_s,
            routers=routers,
            bound=bound,
            targets=targets,
            trace=recorder.trace(),
            streams=tuple(recorder.streams),
            gets=tuple(recorder.gets),
            inside=tuple(str(place) for place in order.inside),
            sightings=tuple(recorder.sightings),
            witnessed=tuple(sorted({cable.node for cable in order.witnesses})),
            frames_lost=recorder.frames_lost,
            events=merged([self.events]),
            observations=tuple(self.observations),
            troubles=(*self.troubles, *recorder.troubles),
            clock_error_s=max((error_s for _ahead_s, error_s in self.clocks.values()), default=0.0),
        )

    # --- before --------------------------------------------------------------------------------------------------

    async def _may_begin(self) -> tuple[tuple[Router, ...], Bound]:
        """The routers, and where Neutron has them; from here on it is said which node is to break.

        Raises:
            WorldError: the drill must not begin, or would measure nothing.
            HotspareError: the cluster or Neutron could not be asked.
        """
        cluster = await self._asked()
        found = {host: await self.neutron.routers(host) for host in self._hosts}
        bound = {host: tuple(router.id for router in routers) for host, routers in found.items()}
        self.node = self.order.node or self.carriage.chosen(cluster, bound)
        refused = objections(self.carriage, cluster, self.node)
        if refused:
            raise _not_begun(refused)
        routers = tuple({router.id: router for its in found.values() for router in its}.values())
        struck = self.carriage.struck(routers, bound, self.node)
        if not any(router.floating_ips for router in routers if router.id in struck):
            name = self.order.gateway.name
            raise _not_begun((f"{name} has no router with a floating IP on {self.node}: there is nothing to measure",))
        return tuple(sorted(routers, key=lambda router: (router.name, router.id))), bound

    @property
    def _hosts(self) -> tuple[str, ...]:
        """Neutron's hosts that routers of the gateway may be bound to, and those of the gateways beside it: what
        becomes of their routers is watched, too.
        """
        gateway = self.order.gateway
        return tuple(dict.fromkeys((*gateway.hosts.values(), *gateway.beside)))

    async def _clocks(self) -> None:
        """Compare every host's clock with ours; a difference smaller than its error is none."""
        order = self.order
        places = (order.prober, *order.inside, *(cable.place for cable in order.witnesses))
        for host in dict.fromkeys((*order.nodes, *(place.host for place in places))):
            ahead_s, error_s = await self.site.clock(host)
            self.clocks[host] = (0.0 if abs(ahead_s) <= error_s else ahead_s, error_s)

    async def _baseline(self, recorder: Recorder) -> float:
        """Wait until nothing was lost for a while; gives the beginning of that while.

        Raises:
            WorldError: it did not come to that within the limit.
        """
        limits, began_s = self.order.limits, self.now()
        until_s = began_s + limits.baseline_s
        talked_s = began_s + (limits.talk_s if self.order.gateway.strategy is Strategy.TWIN else 0.0)
        while True:
            end_s = self.now() - REPLY_LIMIT_S
            missing = self._not_clean(recorder, end_s - limits.clean_s, end_s)
            if not missing and self.now() < talked_s:
                missing = (f"the routers talk for {limits.talk_s:.0f} s, so that the twins know with whom",)
            if not missing:
                return end_s - limits.clean_s
            if self.now() > until_s:
                raise _not_begun(missing)
            self.tell(
                f"waiting for a clean baseline: {missing[0]}" + (f" (+{len(missing) - 1})" if missing[1:] else "")
            )
            await asyncio.sleep(POLL_S)

    def _not_clean(self, recorder: Recorder, since_s: float, until_s: float) -> tuple[str, ...]:
        """What is not as it has to be before a fault: every probe answered, TCP and metadata working."""
        trace = recorder.trace(since_s - POLL_S)
        if recorder.troubles:
            return tuple(recorder.troubles)
        if not trace.rounds or trace.rounds[0][1] > since_s:
            return ("the probes have only just begun",)
        found = [
            f"{address} does not answer" if not trace.replies[address] else f"{address} loses probes"
            for address in recorder.addresses
            if unanswered(trace, address, since_s, until_s)
        ]
        for place in map(str, self.order.inside):
            get = recorder.last_get(place)
            if get is None or get.status != 200:
                found.append(
                    f"{place}: metadata does not answer ({get.error or get.status if get else 'not asked yet'})"
                )
            if not recorder.connected(place):
                found.append(f"{place}: no TCP connection to {self.order.prober} through SNAT")
        return tuple(found)

    # --- the fault -----------------------------------------------------------------------------------------------

    async def _inject(self) -> tuple[float, float]:
        """Break the node; gives when that was asked for and when it was confirmed."""
        self.tell(f"{self.order.fault} of {self.node}")
        called_s = self._note(What.FAULT_CALLED)
        match self.order.fault:
            case Fault.POWEROFF:
                await self.site.power(self.node, "off")
            case Fault.STANDBY:
                await self.site.standby(self.node, wanted=True)
            case Fault.DRAIN:
                await self.site.mark(self.node, DRAIN, _utc(called_s))
            case other:
                assert_never(other)
        return called_s, self._note(What.FAULT_RETURNED)

    def _note(self, what: What) -> float:
        at_s = self.now()
        self.events.append(Event(at_s, "drill", what, self.node, str(self.order.fault)))
        return at_s

    async def _recovered(self, recorder: Recorder, called_s: float) -> float | None:
        """Wait until all addresses answer steadily and all routers have arrived, then for the VMs inside.

        Gives when the former was so, or None where it was not within the limit.
        """
        limits = self.order.limits
        until_s = called_s + limits.recover_s
        recovered_s: float | None = None
        ask_s = called_s
        while self.now() < until_s:
            await asyncio.sleep(POLL_S)
            end_s = self.now() - REPLY_LIMIT_S
            silent = steady(
                recorder.trace(end_s - limits.clean_s - POLL_S), recorder.addresses, end_s - limits.clean_s, end_s
            )
            there = len(recorder.addresses) - len(silent)
            if silent or recovered_s is None:
                self.tell(
                    f"{self.node} after its {self.order.fault}: "
                    f"{there} of {len(recorder.addresses)} addresses answer steadily"
                )
            if silent or end_s - limits.clean_s < called_s:
                continue
            if recovered_s is None:
                if self.now() >= ask_s:
                    recovered_s = self.now() if await self._arrived() else None
                    ask_s = self.now() + ARRIVAL_POLL_S
            elif end_s < recovered_s:  # a router may have fallen silent just before it was seen to have arrived
                continue
            elif not (waiting := self._inside_missing(recorder, called_s)):
                return recovered_s
            else:
                self.tell(f"all addresses are back; waiting for {waiting[0]}")
        return recovered_s

    async def _arrived(self) -> bool:
        """Whether nothing is to come of the takeover; what cannot be asked now has not arrived."""
        with suppress(HotspareError):
            cluster, bound = await asyncio.gather(self._asked(), self._bound())
            waiting = tuple(self.carriage.to_come(cluster, bound, self.node))
            if waiting:
                self.tell(f"all addresses answer; waiting: {waiting[0]}")
            return not waiting
        return False

    def _inside_missing(self, recorder: Recorder, called_s: float) -> tuple[str, ...]:
        """What does not work inside yet."""
        found: list[str] = []
        for place in map(str, self.order.inside):
            get = recorder.last_get(place)
            if get is None or get.status is None or get.at_s < called_s:
                found.append(f"metadata of {place}")
            if not recorder.connected(place):
                found.append(f"a connection of {place}")
        return tuple(found)

    # --- the heal ------------------------------------------------------------------------------------------------

    async def _heal(self) -> float:
        """Bring the node back, whatever happened before; gives when that began. What fails is told, not raised."""
        self.tell(f"healing {self.node}")
        called_s = self._note(What.HEAL_CALLED)
        until_s = called_s + self.order.limits.heal_s
        asked = False
        while self.now() < until_s:
            try:
                if not asked:
                    await self._undo()
                    asked = True
                cluster = await self._asked()
                away = (*cluster.standby, *cluster.unclean, *cluster.leaving)
                if self.node in cluster.online and self.node not in away:
                    await self.site.settled(limit_s=max(1.0, until_s - self.now()))
                    self._note(What.HEALED)
                    return called_s
                self.tell(f"waiting for {self.node} to be a whole member again")
            except HotspareError as failed:
                self.tell(f"healing {self.node}: {failed.message}")
            await asyncio.sleep(POLL_S)
        remedy = f"{self.node} was not healed within {self.order.limits.heal_s:.0f} s: see `hotspare status`"
        self.troubles.append(remedy)
        self.tell(remedy)
        return called_s

    async def _undo(self) -> None:
        match self.order.fault:
            case Fault.POWEROFF:
                await self.site.power(self.node, "on")
            case Fault.STANDBY:
                await self.site.standby(self.node, wanted=False)
            case Fault.DRAIN:
                await self.site.unmark(self.node, DRAIN)
            case other:
                assert_never(other)

    # --- looking -------------------------------------------------------------------------------------------------

    async def _asked(self) -> ClusterState:
        _node, status = await self.site.status()
        return cluster_state(status, self.carriage.data_plane, self.carriage.resources, self.order.gateway.beside)

    async def _cluster(self) -> ClusterState | None:
        """The cluster's state, or None where no node could tell: in the middle of a takeover that is no error."""
        with suppress(HotspareError):
            return await self._asked()
        return None

    async def _bound(self) -> Bound:
        """Where Neutron has the routers now."""
        bound = await asyncio.gather(*(self.neutron.bound(host) for host in self._hosts))
        return dict(zip(self._hosts, bound, strict=True))

    async def _observe(self, label: str, *, unasked: Mapping[str, str]) -> None:
        """Look at Neutron, all nodes, the hosts inside and the cluster; `unasked` nodes are not, with the reason."""
        self.tell(f"looking at all nodes ({label})")
        hosts = [
            host
            for host in dict.fromkeys((*self.order.nodes, *(place.host for place in self.order.inside)))
            if host not in unasked and host != "local"
        ]
        at_s = self.now()
        bound, unknown = await self._bound_or_why()
        answers = await asyncio.gather(*(self._node(host) for host in hosts))
        cluster = await self._cluster()
        nodes = {host: answer for host, answer in zip(hosts, answers, strict=True) if isinstance(answer, NodeState)}
        unknown |= {host: answer for host, answer in zip(hosts, answers, strict=True) if isinstance(answer, str)}
        self.observations.append(Observation(label, at_s, cluster, nodes, {**unasked, **unknown}, bound))

    async def _bound_or_why(self) -> tuple[Bound | None, dict[str, str]]:
        try:
            return await self._bound(), {}
        except HotspareError as failed:
            return None, {NEUTRON: failed.message}

    async def _node(self, host: str) -> NodeState | str:
        try:
            return await self.site.node(host)
        except HotspareError as failed:
            return failed.message

    async def _collect_events(self, called_s: float) -> None:
        """Read the journals of all nodes from the fault on."""
        self.tell("reading the journals")
        for host in self.order.nodes:
            ahead_s = self.clocks[host][0]
            try:
                self.events += await self.site.events(host, since_s=called_s + ahead_s - 1.0, ahead_s=ahead_s)
            except HotspareError as failed:
                self.troubles.append(f"the journal of {host} could not be read: {failed.message}")


def _not_begun(reasons: Sequence[str]) -> WorldError:
    problems = [Problem("drill", "", reason) for reason in reasons]
    return WorldError(problems, hint="nothing was touched; a drill begins only where all is well")


def _utc(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
