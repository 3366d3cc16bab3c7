"""DHCP beside the routers: networks of a dead node get agents again. The next agent comes before the last one goes."""

import asyncio
from collections.abc import Callable

from hotspare.flows.reschedule.calls import Calls, First
from hotspare.flows.reschedule.watch import Watch
from hotspare.model.errors import HotspareError, NotReachableError, RefusedError, TimedOutError
from hotspare.model.rescheduling import Settings
from hotspare.model.routing import LeaseChange, LeasePlan, LeaseStep, Leasing
from hotspare.plan.leasing import served_again
from hotspare.ports import Scheduling, Tell

LOOK_EVERY_S = 120.0
AGAIN_S = 10.0
ROUTERS_FIRST_S = 120.0
"""An address is leased for a day (`dhcp_lease_duration`), so a network without a server can wait; a router cannot."""


class Leases:
    """Looks at the networks' DHCP agents when somebody's standing has changed, and every two minutes.

    `moving`: whether routers are on their way. They have the server for two minutes before networks are looked at.
    """

    def __init__(
        self,
        settings: Settings,
        scheduling: Scheduling,
        calls: Calls,
        watch: Watch,
        *,
        moving: Callable[[], bool],
        now: Callable[[], float],
        tell: Tell,
    ) -> None:
        self._settings, self._scheduling, self._calls = settings, scheduling, calls
        self._watch, self._moving, self._now, self._tell = watch, moving, now, tell
        self._wanted_s: float | None = None
        self._awake = asyncio.Event()
        self._awake.set()
        self.unserved: tuple[tuple[str, str], ...] = ()
        """Network's name, which others may have as well, and why it has fewer DHCP agents than it shall have."""

    def wake(self) -> None:
        """Look now."""
        self._awake.set()

    async def run(self) -> None:
        """Look, and do what is to be done, for as long as this is not cancelled."""
        wait_s = LOOK_EVERY_S
        while True:
            try:
                async with asyncio.timeout(wait_s):
                    await self._awake.wait()
            except TimeoutError:
                pass
            self._awake.clear()
            if self._watch.hindered() or self._routers_are_first():
                wait_s = AGAIN_S
                continue
            self._wanted_s = None
            wait_s = LOOK_EVERY_S if await self._served() else AGAIN_S

    def _routers_are_first(self) -> bool:
        if self._wanted_s is None:
            self._wanted_s = self._now()
        return self._moving() and self._now() - self._wanted_s < ROUTERS_FIRST_S

    async def _served(self) -> bool:
        """Whether all that is to be done was done."""
        try:
            leasing = await self._calls.ask("leasing", First.UNBIND, self._scheduling.leasing)
        except (NotReachableError, TimedOutError, RefusedError):
            return False  # told by those who look at the routers, who wait for the same API
        if not any(agent.host in self._watch.standings for agent in leasing.agents.values()):
            return True  # DHCP is somebody else's here
        plan = served_again(leasing, self._watch.standings, self._settings.dhcp_agents_per_network)
        self._say_unserved(leasing, plan)
        # In the plan's order a network at a time, networks side by side: an agent goes when its successor is there.
        networks: dict[str, list[LeaseStep]] = {}
        for step in plan.steps:
            networks.setdefault(step.network, []).append(step)
        done = await asyncio.gather(*(self._carry_out(leasing, steps) for steps in networks.values()))
        return all(done)

    async def _carry_out(self, leasing: Leasing, steps: list[LeaseStep]) -> bool:
        for step in steps:
            if self._watch.hindered():
                return False
            told = {
                "network": leasing.networks[step.network].name,
                "host": leasing.agents[step.agent].host,
            }
            try:
                await self._step(step)
            except HotspareError as failed:
                self._tell("network.not_leased", {**told, "why": failed.message})
                return False
            self._tell("network.leased" if step.change is LeaseChange.ADD else "network.released", told)
        return True

    async def _step(self, step: LeaseStep) -> None:
        if step.change is LeaseChange.ADD:
            kind, first, change = "bind_network", First.BIND, self._scheduling.bind_network
        else:
            kind, first, change = "unbind_network", First.UNBIND, self._scheduling.unbind_network
        await self._calls.ask(kind, first, lambda: change(step.network, step.agent))

    def _say_unserved(self, leasing: Leasing, plan: LeasePlan) -> None:
        unserved = tuple((leasing.networks[one.network].name, one.reason) for one in plan.unserved)
        for network, why in dict.fromkeys(unserved):
            if (network, why) not in self.unserved:
                self._tell("network.unserved", {"network": network, "why": why})
        self.unserved = unserved
