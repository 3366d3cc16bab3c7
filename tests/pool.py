"""A pool of network nodes in virtual time: the stand-in's Neutron behind the real adapter, a cluster that says what it
is told to say, and reschedulers that begin, are killed, and begin again, here or on another node.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import virtual_time
from hotspare.adapters.neutron_scheduling import NeutronScheduling
from hotspare.flows.reschedule.daemon import Rescheduler
from hotspare.model.cluster import ClusterStatus, LastAction, NodeState, Resource, Role
from hotspare.model.errors import NotReachableError, RefusedError
from hotspare.model.rescheduling import Settings
from hotspare.model.routing import MoveRecord, Weights
from hotspare.plan.names import agents_of, local, rescheduler
from hotspare.plan.verdict import DRAIN
from standin.direct import DirectSession
from standin.world import L3, World

POOL = "edge"
RESCHEDULER = rescheduler(POOL)
EPOCH_S = 1_764_000_000.0


class Killed(BaseException):
    """kill -9: raised out of a call, it ends all that the rescheduler does, and nothing is written down any more."""


@dataclass
class Memory:
    """A journal that outlives its reschedulers."""

    lines: list[MoveRecord] = field(default_factory=list)
    full: bool = False

    async def note(self, record: MoveRecord) -> None:
        if self.full:
            raise RefusedError("journal: No space left on device", code=28, hint="make room")
        self.lines.append(record)

    def records(self) -> tuple[MoveRecord, ...]:
        return tuple(self.lines)


class Session(DirectSession):
    """Calls take time, fail as told, and are counted."""

    def __init__(self, world: World, *, latency_s: float = 0.05) -> None:
        super().__init__(world)
        self.world, self.latency_s = world, latency_s
        self.calls: list[tuple[str, str]] = []
        self.before: Callable[[str, str], None] = lambda _method, _path: None
        """Called before each call is made; may raise."""
        self.after: Callable[[str, str], None] = lambda _method, _path: None
        """Called when it has had its effect; may raise, and then nobody hears of that."""
        self.late_s: dict[str, float] = {}
        """By path: how much later an answer comes than it was true."""
        self.guards: list[Callable[[str, str, Mapping[str, Any]], None]] = []

    async def rows(
        self, path: str, params: Mapping[str, Any] | None = None, *, key: str = ""
    ) -> tuple[dict[str, Any], ...]:
        await self._begin("GET", path)
        found = await super().rows(path, params, key=key)
        await asyncio.sleep(self.late_s.get(path, 0.0))
        self.after("GET", path)
        return found

    async def post(
        self, kind: str, path: str, body: Mapping[str, Any], *, limit_s: float, done: Collection[str] = ()
    ) -> None:
        await self._begin("POST", path)
        for guard in self.guards:
            guard("POST", path, body)
        await super().post(kind, path, body, limit_s=limit_s, done=done)
        self.after("POST", path)

    async def delete(self, kind: str, path: str, *, limit_s: float, done: Collection[str] = ()) -> None:
        await self._begin("DELETE", path)
        await super().delete(kind, path, limit_s=limit_s, done=done)
        self.after("DELETE", path)

    async def _begin(self, method: str, path: str) -> None:
        self.calls.append((method, path))
        await asyncio.sleep(self.latency_s)
        self.world.pass_time(virtual_time.now() - self.world.now_s)
        self.before(method, path)


@dataclass
class Cluster:
    """What Pacemaker says on each node."""

    nodes: tuple[str, ...]
    on: str
    """Where it runs the rescheduler."""
    offline: set[str] = field(default_factory=set)
    unclean: set[str] = field(default_factory=set)
    demoted: set[str] = field(default_factory=set)
    drains: dict[str, str] = field(default_factory=dict)
    identity_on: str = ""
    """The node of the cold gateway of the pool's name, which the pool is kept off; empty: there is no such gateway."""
    identity_up: bool = True
    """Whether the cold gateway is promoted there, with its agents; else it is demoted."""
    stopped: set[str] = field(default_factory=set)
    """Nodes of whose pool data plane a stop is on record."""
    quorate: bool = True
    dead: bool = False
    """Pacemaker does not answer."""

    async def status(self) -> ClusterStatus:
        await asyncio.sleep(0.02)
        if self.dead:
            raise NotReachableError("pacemaker does not run here")
        return ClusterStatus(
            pacemaker="2.1.5",
            dc=self.on,
            quorate=self.quorate,
            fencing_enabled=True,
            maintenance=False,
            no_quorum_policy="stop",
            last_change="",
            nodes=tuple(map(self._node, self.nodes)),
            resources=(*self._locals(), *self._identity(), _resource(RESCHEDULER, Role.STARTED, self.on)),
            failures=(),
            degraded=(),
            fail_counts=(),
            fencings=(),
            bans=tuple(self._bans()),
            last_actions=tuple(self._last_actions()),
        )

    def _last_actions(self) -> Iterator[LastAction]:
        if self.identity_on:
            yield LastAction(POOL, self.identity_on, "demote", 0)
        for name in self.stopped:
            yield LastAction(local(POOL), name, "stop", 0)

    def _bans(self) -> Iterator[tuple[str, str, str]]:
        for name in self.nodes if self.identity_on else ():
            kept_off = local(POOL) if name == self.identity_on else POOL
            yield f"{kept_off}-clone-not-on-{name}", f"{kept_off}-clone", name

    def _identity(self) -> list[Resource]:
        node = self.identity_on
        if not node:
            return []
        if node in self.offline | self.unclean:
            return [replace(_resource(POOL, Role.STOPPED, node), active=False, nodes=())]
        if not self.identity_up:
            return [_resource(POOL, Role.UNPROMOTED, node)]
        return [_resource(POOL, Role.PROMOTED, node), *_agents(POOL, node)]

    def _node(self, name: str) -> NodeState:
        return NodeState(
            name=name,
            id=name,
            online=name not in self.offline | self.unclean,
            unclean=name in self.unclean,
            standby=False,
            maintenance=False,
            pending=False,
            shutdown=False,
            is_dc=name == self.on,
            resources_running=0,
            attributes={DRAIN: self.drains[name]} if name in self.drains else {},
        )

    def _locals(self) -> list[Resource]:
        up = [name for name in self.nodes if name not in self.offline | self.unclean | {self.identity_on}]
        found = []
        for name in up:
            demoted = name in self.demoted
            found.append(_resource(local(POOL), Role.UNPROMOTED if demoted else Role.PROMOTED, name))
            if not demoted:
                found += _agents(local(POOL), name)
        return found


def _agents(gateway: str, node: str) -> list[Resource]:
    return [_resource(agent, Role.STARTED, node) for agent in agents_of(gateway)]


def _resource(id_: str, role: Role, node: str) -> Resource:
    return Resource(
        id=id_,
        agent="",
        role=role,
        target_role=None,
        active=True,
        failed=False,
        blocked=False,
        managed=True,
        orphaned=False,
        pending=None,
        nodes=(node,),
        clone=None,
        group=None,
    )


class Pool:
    """The world, the cluster over it, and the rescheduler that runs now."""

    def __init__(self, world: World, *, latency_s: float = 0.05) -> None:
        self.world = world
        hosts = sorted(agent.host for agent in world.agents.values() if agent.kind == L3 and agent.host != POOL)
        self.homeward = False
        """Whether reschedulers are told that all routers go to the cold gateway of the pool's name."""
        self.cluster = Cluster(tuple(hosts), on=hosts[-1])
        self.session = Session(world, latency_s=latency_s)
        self.journals: dict[str, Memory] = {host: Memory() for host in hosts}
        self.two_at_once: list[str] = []
        """Routers that were bound to an agent while another one that runs had them wired: two nodes, one address."""
        self.session.guards.append(self._guard)
        self.told: list[tuple[str, Mapping[str, object]]] = []
        self.rescheduler = self._fresh()
        self._running: asyncio.Task[None] | None = None

    # --- reschedulers ------------------------------------------------------------------------------------------------

    def begin(self, *, on: str | None = None) -> None:
        """A rescheduler begins, and the cluster says that it is the one."""
        self.cluster.on = on or self.cluster.on
        self.rescheduler = self._fresh()
        self._running = asyncio.create_task(self.rescheduler.run())

    async def kill(self) -> None:
        """The rescheduler is gone."""
        assert self._running is not None
        self._running.cancel()
        await self.killed()

    async def killed_or(self, true: Callable[[], bool]) -> bool:
        """Whether the rescheduler was killed before this became true; if it was not, it is now."""
        assert self._running is not None
        while not self._running.done() and not true():
            await asyncio.wait({self._running}, timeout=0.5)
        killed = self._running.done()
        await self.kill()
        return killed

    async def killed(self) -> None:
        """It has been killed."""
        assert self._running is not None
        await asyncio.wait({self._running})
        if not self._running.cancelled():
            self._running.exception()
        self._running = None

    def settings(self) -> Settings:
        """Those of the rescheduler that runs now."""
        return Settings(
            resource=RESCHEDULER,
            pool=POOL,
            node=self.cluster.on,
            cloud="standin",
            clouds_file="",
            hosts={name: name for name in self.cluster.nodes},
            dhcp_agents_per_network=1,
            weights=Weights(),
            state_dir="",
            socket="",
            homeward=self.homeward,
        )

    def _fresh(self) -> Rescheduler:
        return Rescheduler(
            self.settings(),
            self.cluster,
            NeutronScheduling(self.session),
            self.journals[self.cluster.on],
            now=virtual_time.now,
            wall=lambda: EPOCH_S + virtual_time.now(),
            tell=lambda what, facts: self.told.append((what, dict(facts))),
        )

    # --- what happens to nodes ---------------------------------------------------------------------------------------

    def power_off(self, node: str, *, fenced: bool = True) -> None:
        """The node and its agents are dead; the cluster knows it for certain only when it is fenced."""
        self.world.lose_host(node)
        (self.cluster.offline if fenced else self.cluster.unclean).add(node)

    def _guard(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        if method != "POST" or not path.endswith("l3-routers"):
            return
        router, target = body["router_id"], self.world.agents[path.split("/")[1]]
        if self.world.serving[router]:
            return  # and stays where it is
        for port in self.world.ports[router]:
            holder = next((one for one in self.world.agents.values() if one.kind == L3 and one.host == port.host), None)
            if port.active and holder and holder.runs and holder.host != target.host:
                self.two_at_once.append(f"{router} at {virtual_time.now():.1f} s: {holder.host} and {target.host}")

    # --- what is true ------------------------------------------------------------------------------------------------

    def agents_of(self, router: str) -> tuple[str, ...]:
        return tuple(self.world.serving[router])

    def astray(self) -> dict[str, tuple[str, ...]]:
        """Routers that are not on exactly one agent that runs, with all ports wired there."""
        self.world.pass_time(virtual_time.now() - self.world.now_s)
        return {router: self.agents_of(router) for router in self.world.routers if not self._is_served(router)}

    def _is_served(self, router: str) -> bool:
        holders = self.agents_of(router)
        if len(holders) != 1:
            return False
        agent = self.world.agents[holders[0]]
        wired = all(port.host == agent.host and port.active for port in self.world.ports[router] if port.admin_up)
        return agent.runs and wired

    async def until(self, true: Callable[[], bool], *, within_s: float = 900.0) -> None:
        """Wait for something to be true; fails when it is not within the limit, or the rescheduler has ended."""
        until_s = virtual_time.now() + within_s
        while not true():
            if self._running is not None and self._running.done():
                self._running.result()
            assert virtual_time.now() < until_s, f"not within {within_s} s: {self.astray()} {self.told[-6:]}"
            await asyncio.sleep(0.5)

    def moved(self) -> list[Mapping[str, object]]:
        """The moves that ended well."""
        return [facts for what, facts in self.told if what == "router.moved"]

    async def served(self, *, within_s: float = 900.0) -> None:
        """Every router is on exactly one agent that runs, wired there, and the rescheduler has nothing left to do."""
        await self.until(lambda: not self.astray() and self.is_calm(), within_s=within_s)
        assert not self.two_at_once

    def is_calm(self) -> bool:
        report = self.rescheduler.report(routers=False)
        return report.doing == "watching" and not report.trouble
