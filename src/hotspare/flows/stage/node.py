"""This node's own data plane: looked at where something changed, changed step by step."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import replace

from hotspare.model.dataplane import Bridge, Neighbour
from hotspare.model.errors import HotspareError
from hotspare.model.staging import Inside, InsideLook, NodeLook, RemoveFile, SetFlows, SetTunnels, Step, WriteFile
from hotspare.ports import HelperFiles, Namespaces, Switch, Tell

AGAIN_S = 1.0
"""Between two tries to watch what cannot be watched."""
FLOWS_EVERY_S = 1.5
"""So often at most the bridges' flows are looked at because something else in the switch has changed: agents that build
routers change it all the time, and flows come after the ports anyway.
"""


class Node:
    """The node as its kernel, Open vSwitch and file system have it.

    What was seen is remembered; only what changed since is looked at again.
    """

    def __init__(
        self,
        gateway: str,
        switch: Switch,
        namespaces: Namespaces,
        files: HelperFiles,
        *,
        carried: Callable[[], str],
        now: Callable[[], float],
        tell: Tell,
    ) -> None:
        """`carried` says which gateway is promoted on this node; `now` tells monotonic seconds."""
        self._gateway, self._carried, self._now, self._tell = gateway, carried, now, tell
        self._switch, self._namespaces, self._files = switch, namespaces, files
        self._insides: dict[str, InsideLook] = {}
        self._bridges: Mapping[str, Bridge] = {}
        self._stale: set[str] = set()
        self._all_stale = self._flows_stale = True
        self._flows_doubted = False
        """They may be others by now, and nobody knows."""
        self._flows_looked_s = -FLOWS_EVERY_S
        self._flows_timer: asyncio.TimerHandle | None = None
        self._was_carried = ""
        self._last: NodeLook | None = None
        """The last look; None since something was begun that may have changed the node."""
        self.known: frozenset[str] = frozenset()
        """Routers that the gateway has, or had, by this node's own record."""
        self.stirred = asyncio.Event()
        """Set when something may be different from what was seen."""

    def forget(self) -> None:
        """Nothing that was seen counts any more: all is looked at again."""
        self._all_stale = self._flows_stale = True
        self.stirred.set()

    def forget_flows(self) -> None:
        """How the bridges forward is looked at again. They do not tell when it changes."""
        self._flows_stale = True

    async def watch(self) -> None:
        """Hear of changes until this is cancelled."""
        await asyncio.gather(self._for_ever(self._watch_switch), self._for_ever(self._watch_namespaces))

    async def _for_ever(self, watch: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await watch()
            except HotspareError as failed:
                self._tell("watch.lost", {"gateway": self._gateway, "why": failed.message})
            self.forget()
            await asyncio.sleep(AGAIN_S)

    async def _watch_switch(self) -> None:
        async for change in self._switch.changes():
            if change.restarted:
                self._tell("switch.restarted", {"gateway": self._gateway, "what": change.restarted})
                self.forget()
            self._flows_doubted = True
            self.stirred.set()

    async def _watch_namespaces(self) -> None:
        async for names in self._namespaces.changes():
            self._stale |= names
            self.stirred.set()

    # --- looking -----------------------------------------------------------------------------------------------------

    async def look(self, *, exactly: bool = False) -> NodeLook:
        """The node as it is; its bridges' flows, where it is not to be exact, as they were FLOWS_EVERY_S ago or later,
        and `stirred` is set when they are to be looked at.

        Raises:
            NotReachableError, TimedOutError, RefusedError: Open vSwitch or the kernel does not tell.
        """
        self.stirred.clear()
        names = None if self._all_stale else frozenset(self._stale)
        flows = self._flows_stale or (self._flows_doubted and (exactly or self._flows_wait_s() <= 0))
        self._all_stale = self._flows_stale = False
        self._flows_doubted = self._flows_doubted and not flows
        self._stale = set()
        try:
            switch = await self._switch.look(flows=flows)
            if flows:
                self._bridges, self._flows_looked_s = switch.bridges, self._now()
            await self._look_inside(names)
        except BaseException:
            self._all_stale = self._all_stale or names is None
            self._stale |= names or frozenset()
            self._flows_stale = self._flows_stale or flows
            self.stirred.set()
            raise
        self._look_at_flows_later()
        self._was_carried = self._carried()
        self._last = NodeLook(
            replace(switch, bridges=self._bridges),
            dict(self._insides),
            self._files.read(),
            self._was_carried,
            self.known,
        )
        return self._last

    async def look_at_ports(self) -> NodeLook:
        """Routers' ports as they are, and nothing else: what it takes to silence them.

        Raises:
            NotReachableError, TimedOutError, RefusedError: Open vSwitch does not tell.
        """
        return NodeLook(await self._switch.look(flows=False), {}, carried=self._carried())

    def _flows_wait_s(self) -> float:
        return self._flows_looked_s + FLOWS_EVERY_S - self._now()

    def _look_at_flows_later(self) -> None:
        if self._flows_timer is not None:
            self._flows_timer.cancel()
            self._flows_timer = None
        if self._flows_doubted:
            wait_s = max(0.0, self._flows_wait_s())
            self._flows_timer = asyncio.get_running_loop().call_later(wait_s, self.stirred.set)

    def still(self) -> NodeLook | None:
        """The last look, where nothing was heard or done since that could make it another one."""
        stirred = self.stirred.is_set() or self._flows_doubted
        return None if stirred or self.is_carried_otherwise() else self._last

    def is_carried_otherwise(self) -> bool:
        """Whether another gateway is promoted on this node, or none, than when it was looked at last."""
        return self._carried() != self._was_carried

    def namespaces(self) -> Collection[str]:
        """Of routers, as they were seen last."""
        return self._insides.keys()

    async def _look_inside(self, names: Collection[str] | None) -> None:
        if names is not None and not names:
            return
        found = await self._namespaces.look(names)
        for name in tuple(self._insides) if names is None else names:
            self._insides.pop(name, None)
        self._insides |= found

    async def neighbours(self) -> Mapping[str, frozenset[Neighbour]]:
        """Whom the routers know now, by namespace."""
        return await self._namespaces.neighbours()

    # --- changing ----------------------------------------------------------------------------------------------------

    async def carry_out(self, steps: Iterable[Step], *, within_s: float) -> Mapping[str, str]:
        """The steps are true, but for those in the namespaces that are given back, each with what hindered it.

        Raises:
            NotReachableError, TimedOutError, RefusedError: Open vSwitch does not do it, or a file cannot be written;
                the steps after it were not begun.
        """
        self._last = None
        hindered: dict[str, str] = {}
        together: list[Inside] = []
        for step in steps:
            if isinstance(step, Inside):
                together.append(step)
                continue
            await self._inside(together, hindered)
            together = []
            match step:
                case WriteFile(file):
                    self._files.write(file)
                case RemoveFile(path):
                    self._files.remove(path)
                case _:
                    self._flows_stale = self._flows_stale or isinstance(step, SetTunnels | SetFlows)
                    await self._switch.carry_out(step, within_s=within_s)
        await self._inside(together, hindered)
        return hindered

    async def introduce(
        self, known: Mapping[str, frozenset[Neighbour]], gone: Mapping[str, frozenset[Neighbour]], *, parked: bool
    ) -> None:
        """The routers know these neighbours, and need not ask for them, and those no more; those that are parked do not
        forget them. Where that cannot be they ask.
        """
        hindered = await self._namespaces.introduce(known, gone, parked=parked)
        for name, why in sorted(hindered.items())[:1]:
            told = {"gateway": self._gateway, "namespaces": len(hindered), "namespace": name, "why": why}
            self._tell("neighbours.unknown", told)

    async def _inside(self, steps: Iterable[Inside], hindered: dict[str, str]) -> None:
        """Side by side, but for those in namespaces in which one was hindered before."""
        unhindered = [step for step in steps if step.namespace not in hindered]
        if unhindered:
            self._stale |= {step.namespace for step in unhindered}
            failed = await self._namespaces.carry_out(unhindered)
            hindered |= {name: error.message for name, error in failed.items()}
