"""What the cluster says, looked at once a second: who stands how, and whether anything may be changed from here."""

import asyncio
from collections.abc import Callable, Collection, Mapping

from hotspare.model.cluster import ClusterStatus
from hotspare.model.errors import NotReachableError, RefusedError, TimedOutError
from hotspare.model.rescheduling import Settings
from hotspare.model.routing import Standing
from hotspare.plan.verdict import drains, on_trust, standings
from hotspare.ports import Pacemaker

POLL_S = 1.0
FRESH_S = 5.0
"""What the cluster said longer ago is no leave to change anything: a node that hangs for longer may be fenced."""
LASTING_S = 15.0
HEARD_FOR_S = 120.0
"""An agent that has ended is heard by Neutron for 75 s more (`agent_down_time`), and by a look up to 60 s old."""


class Watch:
    """The cluster as this node sees it. `changed` is called when anybody's standing or leave has changed."""

    def __init__(
        self, settings: Settings, pacemaker: Pacemaker, *, now: Callable[[], float], changed: Callable[[], None]
    ) -> None:
        self._settings, self._pacemaker, self._now, self._changed = settings, pacemaker, now, changed
        self._seen_s: float | None = None
        self._trouble = "the cluster was not asked yet"
        self._forbidden = ""
        self._said: Mapping[str, Standing] = {}
        """By host, as the cluster says."""
        self._on_trust: frozenset[str] = frozenset()
        self._heard: frozenset[str] = frozenset()
        self._served_s: dict[str, float] = {}
        """When a host's agents ran last, as the cluster said."""
        self._doubted_s: dict[str, float] = {}
        """Since when agents are heard where the cluster runs none."""
        self._standings: Mapping[str, Standing] = {}
        self._hindered_since_s = now()
        self._lost_s: dict[str, float] = {}
        self._drains: Mapping[str, str] = {}

    @property
    def standings(self) -> Mapping[str, Standing]:
        """By host. What was seen too long ago is UNKNOWN."""
        if self._is_fresh():
            return self._standings
        return dict.fromkeys(self._standings or self._settings.hosts.values(), Standing.UNKNOWN)

    @property
    def identity(self) -> str:
        """The identity that routers leave or go home to while the strategy changes; empty: nothing changes."""
        return self._settings.pool if self._settings.pool in self._standings else ""

    @property
    def drains(self) -> Mapping[str, str]:
        """Node → what its drain attribute says; none where all are left anyway."""
        return self._drains

    @property
    def by_hand(self) -> tuple[str, ...]:
        """Hosts whose agents Neutron hears for longer than those that have ended, where the cluster runs none."""
        return tuple(host for host, since_s in self._doubted_s.items() if self._now() - since_s > HEARD_FOR_S)

    def heard(self, hosts: Collection[str]) -> None:
        """Neutron, looked at just now, hears the L3 agents of these hosts and of no others."""
        before, self._heard = self._standings, frozenset(hosts)
        self._judge()
        if self._standings != before:
            self._changed()

    def lost_s(self, host: str) -> float | None:
        """Since when the host's routers are without service, as seen from here, monotonic seconds."""
        return self._lost_s.get(host)

    def hindered(self) -> str:
        """Why nothing may be changed; empty: nothing hinders."""
        return self._forbidden if self._is_fresh() else self._trouble

    def troubled(self) -> str:
        """As `hindered`, where it has lasted: while a cluster starts or changes there is always something."""
        return self.hindered() if self._now() - self._hindered_since_s > LASTING_S else ""

    async def run(self) -> None:
        """Look for as long as this is not cancelled."""
        while True:
            before = (self.hindered(), self.standings, self._drains)
            await self._look()
            if not self.hindered():
                self._hindered_since_s = self._now()
            if (self.hindered(), self.standings, self._drains) != before:
                self._changed()
            await asyncio.sleep(POLL_S)

    async def _look(self) -> None:
        try:
            status = await self._pacemaker.status()
        except (NotReachableError, TimedOutError, RefusedError) as trouble:
            self._trouble = f"the cluster cannot be asked: {trouble.message}"
            return
        settings = self._settings
        self._seen_s = self._now()
        self._trouble = "the cluster does not answer any more"
        self._drains = {} if settings.homeward else _drains(status, settings)
        self._said = standings(
            status,
            settings.hosts,
            settings.pool,
            self._drains,
            homeward=settings.homeward,
            unfenced=settings.unfenced,
        )
        self._on_trust = on_trust(status, settings.hosts, settings.pool)
        self._forbidden = forbidden(status, settings)
        for host, standing in self._said.items():
            if standing in {Standing.LIVE, Standing.LEAVING}:
                self._lost_s.pop(host, None)
                self._served_s[host] = self._now()
            else:
                self._lost_s.setdefault(host, self._now())
        self._judge()

    def _judge(self) -> None:
        """Where the cluster runs nothing is gone on trust alone, unless somebody runs agents there: Neutron hears them.

        An agent that ran until a moment ago is heard as well, so it counts only later.
        """
        doubted = {
            host
            for host in self._on_trust & self._heard
            if self._said.get(host) is Standing.GONE and not self._served_lately(host)
        }
        self._doubted_s = {host: self._doubted_s.get(host, self._now()) for host in sorted(doubted)}
        self._standings = {host: Standing.UNKNOWN if host in doubted else its for host, its in self._said.items()}

    def _served_lately(self, host: str) -> bool:
        served_s = self._served_s.get(host)
        return served_s is not None and self._now() - served_s <= HEARD_FOR_S

    def _is_fresh(self) -> bool:
        return self._seen_s is not None and self._now() - self._seen_s <= FRESH_S


def _drains(status: ClusterStatus, settings: Settings) -> Mapping[str, str]:
    return {node: mark for node, mark in drains(status).items() if node in settings.hosts}


def forbidden(status: ClusterStatus, settings: Settings) -> str:
    """Why a rescheduler on this node may change nothing; empty: it may.

    The cluster's own decision where the rescheduler runs is the lock: there are never two.
    """
    if status.dc is None or not status.quorate:
        return "this node is not part of a quorum: whoever is may be moving routers now"
    if status.maintenance:
        return "the cluster is in maintenance mode: nothing is moved until that ends"
    here = status.running_on(settings.resource)
    if here == (settings.node,):
        return ""
    where = f"on {' and '.join(here)}" if here else "nowhere yet"
    return f"the cluster runs {settings.resource} {where}, not on {settings.node}: this one moves nothing"
