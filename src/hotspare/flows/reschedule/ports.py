"""Waits until routers' ports are gone from one host, or wired on another: one question for all that wait."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

from hotspare.flows.reschedule.calls import Calls, First
from hotspare.model.errors import HotspareError
from hotspare.model.routing import RouterPort
from hotspare.plan.pacing import SEEN_EVERY_S, Looking
from hotspare.ports import Scheduling

FAILED_FOR_S = 10.0
"""A port that could not be bound for so long stays like that until somebody binds it again."""


class Wired(StrEnum):
    """What became of the ports that were waited for."""

    YES = "yes"
    FAILED = "failed"
    """Neutron could not bind one of them there (binding_failed)."""
    LATE = "late"
    """Not within the limit. Of ports that are to prove something: or they speak against it already."""
    UNTOLD = "untold"
    """Neutron, asked last when the limit had come, did not tell."""
    MOOT = "moot"
    """Nobody can expect it any more: the host is gone."""


@dataclass(slots=True)
class _Wait:
    host: str
    on_host: bool
    """Whether to wait until all ports are wired on the host; else until none of them is."""
    until_s: float
    is_moot: Callable[[], bool]
    answer: asyncio.Future[Wired]
    was_on: Collection[str] | None = None
    """Of ports that are to prove where the router is: hosts where they may be shown as wired since before."""
    failed_since_s: float | None = field(default=None)


class PortWatch:
    """Asks for the ports of all routers that somebody waits for, as often as `looking` allows, while there are any."""

    def __init__(self, scheduling: Scheduling, calls: Calls, looking: Looking, *, now: Callable[[], float]) -> None:
        self._scheduling, self._calls, self._looking, self._now = scheduling, calls, looking, now
        self._waits: dict[str, _Wait] = {}
        self._awake = asyncio.Event()
        self.known_to_s = SEEN_EVERY_S
        """How closely it is known when a port was wired: so long is the pause between two looks."""

    async def wired(self, router: str, host: str, *, within_s: float, is_moot: Callable[[], bool]) -> Wired:
        """Whether all ports of the router are wired on the host within the limit. A router without ports is.

        One that is administratively down is not waited for: its Open vSwitch agent keeps it on the dead VLAN, and its
        status DOWN (neutron's ovs_neutron_agent.py, treat_vif_port).

        `is_moot`: whether the host is gone, so that there is nothing to wait for.
        """
        return await self._wait(router, host, on_host=True, within_s=within_s, is_moot=is_moot)

    async def proved(
        self, router: str, host: str, *, was_on: Collection[str], within_s: float, is_moot: Callable[[], bool]
    ) -> Wired:
        """As `wired`, where nothing but the ports tells that the router is at the host's agent.

        YES is a proof: there are such ports, and all are wired there. Where that cannot be hoped for it is LATE at
        once: there are none, or all are wired on one host that is neither this one nor among those that the router
        `was_on`, where they may be shown as wired since before.
        """
        return await self._wait(router, host, on_host=True, was_on=was_on, within_s=within_s, is_moot=is_moot)

    async def shows(self, router: str, host: str) -> bool:
        """Whether Neutron shows a port of the router wired on the host, so that it can show when none is any more."""
        try:
            found = await self._calls.ask("ports", First.READ, lambda: self._scheduling.ports((router,)))
        except HotspareError:
            return False
        return any(port.host == host and port.active for port in found)

    async def gone(self, router: str, host: str, *, within_s: float, is_moot: Callable[[], bool]) -> bool:
        """Whether no port of the router is wired on the host any more, within the limit and before it is moot."""
        return await self._wait(router, host, on_host=False, within_s=within_s, is_moot=is_moot) is Wired.YES

    async def _wait(
        self,
        router: str,
        host: str,
        *,
        on_host: bool,
        within_s: float,
        is_moot: Callable[[], bool],
        was_on: Collection[str] | None = None,
    ) -> Wired:
        answer: asyncio.Future[Wired] = asyncio.get_running_loop().create_future()
        self._waits[router] = _Wait(host, on_host, self._now() + within_s, is_moot, answer, was_on)
        self._awake.set()
        try:
            return await answer
        finally:
            self._waits.pop(router, None)

    async def run(self) -> None:
        """Ask for as long as this is not cancelled."""
        while True:
            await self._awake.wait()
            self._awake.clear()
            while self._waits:
                await asyncio.sleep(self.known_to_s)
                await self._look()

    async def _look(self) -> None:
        routers = tuple(self._waits)
        found: Mapping[str, list[RouterPort]] | None = None
        with suppress(HotspareError):  # whoever waits has a limit, and the trouble is told by those who look and move
            found = _by_router(await self._calls.ask("ports", First.READ, lambda: self._asked(routers)))
        for router in routers:
            wait = self._waits.get(router)
            if wait is None or wait.answer.done():
                continue
            answer = None if found is None else self._judged(wait, found[router])
            if answer is None and wait.is_moot():
                answer = Wired.MOOT
            if answer is None and self._now() >= wait.until_s:
                answer = Wired.UNTOLD if found is None else Wired.LATE
            if answer is not None:
                wait.answer.set_result(answer)

    async def _asked(self, routers: Collection[str]) -> tuple[RouterPort, ...]:
        begun_s = self._now()
        try:
            return await self._scheduling.ports(routers)
        finally:
            self.known_to_s = self._looking.pause_s(self._now() - begun_s)

    def _judged(self, wait: _Wait, ports: list[RouterPort]) -> Wired | None:
        if not wait.on_host:
            return None if any(port.host == wait.host and port.active for port in ports) else Wired.YES
        expected = [port for port in ports if port.admin_up]
        if wait.was_on is not None and _speak_against(expected, wait.host, wait.was_on):
            return Wired.LATE
        if all(port.host == wait.host and port.active for port in expected):
            return Wired.YES
        if not any(port.failed for port in expected):
            wait.failed_since_s = None
            return None
        if wait.failed_since_s is None:
            wait.failed_since_s = self._now()
        return Wired.FAILED if self._now() - wait.failed_since_s >= FAILED_FOR_S else None


def _speak_against(expected: list[RouterPort], host: str, was_on: Collection[str]) -> bool:
    """Whether ports show that the router is not at the host's agent; where there are none they never will."""
    hosts = {port.host for port in expected}
    is_on_one = len(hosts) == 1 and all(port.active for port in expected)
    return not expected or (is_on_one and hosts.isdisjoint({host, *was_on}))


def _by_router(ports: Iterable[RouterPort]) -> Mapping[str, list[RouterPort]]:
    found: defaultdict[str, list[RouterPort]] = defaultdict(list)
    for port in ports:
        found[port.router].append(port)
    return found
