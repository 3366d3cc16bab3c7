"""This node's own data plane: looked at where something changed, changed step by step."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from hotspare.model.dataplane import Bridge
from hotspare.model.errors import HotspareError
from hotspare.model.staging import (
    InsideLook,
    NodeLook,
    Park,
    RemoveFile,
    RemovePlugs,
    SetFlows,
    StagePlugs,
    Step,
    Unpark,
    WriteFile,
)
from hotspare.ports import HelperFiles, Namespaces, Switch, Tell

AGAIN_S = 1.0
"""Between two tries to watch what cannot be watched."""
IN_SWITCH = (StagePlugs, RemovePlugs, Unpark, Park, SetFlows)


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
        tell: Tell,
    ) -> None:
        """`carried` says which gateway is promoted on this node."""
        self._gateway, self._carried, self._tell = gateway, carried, tell
        self._switch, self._namespaces, self._files = switch, namespaces, files
        self._insides: dict[str, InsideLook] = {}
        self._bridges: Mapping[str, Bridge] = {}
        self._stale: set[str] = set()
        self._all_stale = self._flows_stale = True
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

    @property
    def is_settled(self) -> bool:
        """Whether nothing is known to have changed since the last look."""
        return not (self._stale or self._all_stale or self._flows_stale or self.stirred.is_set())

    async def watch(self) -> None:
        """Hear of changes until this is cancelled."""
        await asyncio.gather(self._for_ever(self._watch_switch), self._for_ever(self._watch_namespaces))

    async def _for_ever(self, watch: Callable[[], object]) -> None:
        while True:
            try:
                await watch()  # type: ignore[misc]
            except HotspareError as failed:
                self._tell("watch.lost", {"gateway": self._gateway, "why": failed.message})
            self.forget()
            await asyncio.sleep(AGAIN_S)

    async def _watch_switch(self) -> None:
        async for change in self._switch.changes():
            if change.restarted:
                self._tell("switch.restarted", {"gateway": self._gateway, "what": change.restarted})
                self.forget()
            self._flows_stale = True
            self.stirred.set()

    async def _watch_namespaces(self) -> None:
        async for names in self._namespaces.changes():
            self._stale |= names
            self.stirred.set()

    # --- looking -----------------------------------------------------------------------------------------------------

    async def look(self) -> NodeLook:
        """The node as it is.

        Raises:
            NotReachableError, TimedOutError, RefusedError: Open vSwitch or the kernel does not tell.
        """
        self.stirred.clear()
        names = None if self._all_stale else frozenset(self._stale)
        flows = self._flows_stale
        self._all_stale = self._flows_stale = False
        self._stale = set()
        try:
            switch = await self._switch.look(flows=flows)
            if flows:
                self._bridges = switch.bridges
            await self._look_inside(names)
        except BaseException:
            self._all_stale = self._all_stale or names is None
            self._stale |= names or frozenset()
            self._flows_stale = self._flows_stale or flows
            self.stirred.set()
            raise
        return NodeLook(
            replace(switch, bridges=self._bridges),
            dict(self._insides),
            self._files.read(),
            self._carried(),
            self.known,
        )

    async def _look_inside(self, names: Collection[str] | None) -> None:
        if names is not None and not names:
            return
        found = await self._namespaces.look(names)
        for name in tuple(self._insides) if names is None else names:
            self._insides.pop(name, None)
        self._insides |= found

    # --- changing ----------------------------------------------------------------------------------------------------

    async def carry_out(self, steps: Iterable[Step], *, within_s: float) -> Mapping[str, str]:
        """The steps are true, but for those in the namespaces that are given back, each with what hindered it.

        Raises:
            NotReachableError, TimedOutError, RefusedError: Open vSwitch does not do it, or a file cannot be written;
                the steps after it were not begun.
        """
        hindered: dict[str, str] = {}
        for where, group in groupby(steps, key=_where):
            await self._together(where, tuple(group), within_s, hindered)
        return hindered

    async def _together(self, where: str, steps: Sequence[Step], within_s: float, hindered: dict[str, str]) -> None:
        match where:
            case "switch":
                for step in steps:
                    self._flows_stale = self._flows_stale or isinstance(step, SetFlows)
                    await self._switch.carry_out(step, within_s=within_s)  # type: ignore[arg-type]
            case "file":
                for step in steps:
                    match step:
                        case WriteFile(file):
                            self._files.write(file)
                        case RemoveFile(path):
                            self._files.remove(path)
            case _:
                inside = [step for step in steps if step.namespace not in hindered]  # type: ignore[union-attr]
                self._stale |= {step.namespace for step in inside}  # type: ignore[union-attr]
                failed = await self._namespaces.carry_out(inside)  # type: ignore[arg-type]
                hindered |= {name: error.message for name, error in failed.items()}


def _where(step: Step) -> str:
    if isinstance(step, IN_SWITCH):
        return "switch"
    return "file" if isinstance(step, WriteFile | RemoveFile) else "inside"
