"""Nodes with a stager each, and the channel between them, in virtual time: the nodes are values (twin_node.py)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import twin_node
from twin_node import GATEWAY, RouterPlane

import virtual_time
from hotspare.codec.twin_frames import Frame
from hotspare.flows.stage.node import Node
from hotspare.flows.stage.stager import Stager
from hotspare.model.dataplane import DataPlane, HelperFile, Neighbour
from hotspare.model.errors import HotspareError, RefusedError, TimedOutError
from hotspare.model.stager import Role, Settings
from hotspare.model.staging import (
    Announced,
    Announcement,
    Helper,
    Inside,
    InsideLook,
    InSwitch,
    RemoveFile,
    SwitchChange,
    SwitchLook,
    Unpark,
    WriteFile,
)
from hotspare.ports import Came, Fresh, Lost, Standing, Whole

STEP_S = 0.01
"""What a step takes, so that something can happen in the middle."""


class Changes:
    """What a node tells of by itself, to whoever watches."""

    def __init__(self) -> None:
        self._queues: list[asyncio.Queue[object]] = []

    def tell(self, change: object) -> None:
        for queue in self._queues:
            queue.put_nowait(change)

    async def watched(self, first: object) -> AsyncIterator[object]:
        queue: asyncio.Queue[object] = asyncio.Queue()
        self._queues.append(queue)
        try:
            yield first
            while True:
                yield await queue.get()
        finally:
            self._queues.remove(queue)


class FakeSwitch:
    """Fulfils `ports.Switch`."""

    def __init__(self, node: twin_node.Node) -> None:
        self.node, self.changed, self.hangs = node, Changes(), False
        self.silent_always = True
        self.look_takes_s = STEP_S
        self.looks: list[bool] = []
        """Each with whether it was asked how bridges forward."""

    async def look(self, *, flows: bool) -> SwitchLook:
        self.looks.append(flows)
        await asyncio.sleep(self.look_takes_s)
        if self.hangs:
            raise TimedOutError("Open vSwitch does not answer")
        found = self.node.look().switch
        return found if flows else replace(found, bridges={})

    async def carry_out(self, step: InSwitch, *, within_s: float) -> None:
        assert within_s > 0
        await asyncio.sleep(STEP_S)
        if self.hangs:
            raise TimedOutError("Open vSwitch does not answer")
        if isinstance(step, Unpark) and (missing := [plug for plug in step.plugs if plug.name not in self.node.plugs]):
            raise RefusedError(f"there is no port {missing[0].name}", code=0)
        self.node.carry_out([step])
        self.changed.tell(SwitchChange(frozenset(self.node.plugs)))

    def changes(self) -> AsyncIterator[SwitchChange]:
        return self.changed.watched(SwitchChange())  # type: ignore[return-value]


class FakeNamespaces:
    """Fulfils `ports.Namespaces`."""

    def __init__(self, node: twin_node.Node) -> None:
        self.node, self.changed = node, Changes()
        self.known: dict[str, frozenset[Neighbour]] = {}
        self.kept: dict[str, bool] = {}
        """Namespace → whether it was told as one that is parked, and forgets nobody."""
        self.told_of = 0
        """Routers that were told whom they know, each time."""

    async def look(self, namespaces: Collection[str] | None = None) -> Mapping[str, InsideLook]:
        await asyncio.sleep(STEP_S)
        found = self.node.look().insides
        return {name: look for name, look in found.items() if namespaces is None or name in namespaces}

    async def carry_out(self, steps: Sequence[Inside]) -> Mapping[str, HotspareError]:
        for step in steps:
            await asyncio.sleep(STEP_S)
            self.node.carry_out([step])
        self.changed.tell(frozenset(step.namespace for step in steps))
        return {}

    async def neighbours(self) -> Mapping[str, frozenset[Neighbour]]:
        await asyncio.sleep(STEP_S)
        return {name: some for name, some in self.known.items() if name in self.node.namespaces}

    async def introduce(
        self,
        known: Mapping[str, Collection[Neighbour]],
        gone: Mapping[str, Collection[Neighbour]],
        *,
        parked: bool,
    ) -> Mapping[str, str]:
        for name in (known.keys() | gone.keys()) & self.node.namespaces.keys():
            self.told_of += 1
            self.kept[name] = parked
            left = self.known.get(name, frozenset()) - frozenset(gone.get(name, ()))
            if here := left | frozenset(known.get(name, ())):
                self.known[name] = here
            else:
                self.known.pop(name, None)
        return {}

    def changes(self) -> AsyncIterator[frozenset[str]]:
        return self.changed.watched(frozenset(self.node.namespaces))  # type: ignore[return-value]


@dataclass
class FakeFiles:
    """Fulfils `ports.HelperFiles`."""

    node: twin_node.Node

    def read(self) -> Mapping[str, str]:
        return dict(self.node.files)

    def write(self, file: HelperFile) -> None:
        self.node.carry_out([WriteFile(file)])

    def remove(self, path: str) -> None:
        self.node.carry_out([RemoveFile(path)])


class FakeHelpers:
    """Fulfils `ports.RouterHelpers`, and remembers when whose was run."""

    def __init__(self) -> None:
        self.run_at: list[tuple[float, str]] = []
        self.takes_s = STEP_S
        self.refused: set[str] = set()
        """Routers."""

    async def run(self, helper: Helper) -> None:
        await asyncio.sleep(self.takes_s)
        if helper.router in self.refused:
            raise RefusedError(f"{helper.file.path} cannot be read", code=0)
        self.run_at.append((virtual_time.now(), helper.router))


@dataclass
class FakeRecord:
    """Fulfils `ports.TwinRecord`."""

    plane: DataPlane | None = None

    def kept(self) -> DataPlane | None:
        return self.plane

    def keep(self, plane: DataPlane) -> None:
        self.plane = plane


class FakeAnnouncer:
    """Fulfils `ports.Announcer`, and remembers when what was said."""

    def __init__(self) -> None:
        self.said: list[tuple[float, frozenset[str]]] = []
        self.prepared = 0
        self.takes_s = 0.0

    def prepare(self, announcements: Sequence[Announcement]) -> "FakeBurst":
        self.prepared += 1
        return FakeBurst(self, frozenset(one.address for one in announcements))


@dataclass
class FakeBurst:
    announcer: FakeAnnouncer
    addresses: frozenset[str]

    async def send(self) -> Announced:
        try:
            await asyncio.sleep(self.announcer.takes_s)
        except asyncio.CancelledError:
            await asyncio.sleep(self.announcer.takes_s)  # what is on its way already gets out
            self.announcer.said.append((virtual_time.now(), self.addresses))
            raise
        self.announcer.said.append((virtual_time.now(), self.addresses))
        return Announced(2 * len(self.addresses), 0, (), 0.0)


class Wire:
    """Fulfils `ports.Publisher` and `ports.Subscriber` of one node: what it publishes comes to all others at once."""

    def __init__(self, name: str, air: dict[str, "Wire"]) -> None:
        self.name, self.air = name, air
        air[name] = self
        self.carries = False
        self.whole: Callable[[], Iterable[Frame]] = lambda: ()
        self.up = True
        self._inbox: asyncio.Queue[tuple[str, Came]] = asyncio.Queue()

    def carry(self, *, carries: bool) -> None:
        self.carries = carries
        for peer in self._peers():
            peer.hear(self.name, Standing(carries=carries))
            if carries:
                self.give_whole(peer)

    def publish(self, frames: Iterable[Frame]) -> None:
        assert self.carries
        for frame in frames:
            for peer in self._peers():
                peer.hear(self.name, frame)

    def give_whole(self, peer: "Wire") -> None:
        for came in (Fresh(), *self.whole(), Whole()):
            peer.hear(self.name, came)

    def hear(self, peer: str, came: Came) -> None:
        self._inbox.put_nowait((peer, came))

    async def run(self, take: Callable[[str, Came], Awaitable[None]]) -> None:
        for peer in self._peers():
            self.hear(peer.name, Standing(carries=peer.carries))
            if peer.carries:
                peer.give_whole(self)
        while True:
            await take(*await self._inbox.get())

    def even_s(self) -> float | None:
        return virtual_time.now() if self.carriers() and self._inbox.empty() else None

    def carriers(self) -> Collection[str]:
        return [peer.name for peer in self._peers() if peer.carries]

    def words(self) -> Mapping[str, str]:
        return {peer.name: "10.0.0.1" for peer in self._peers()}

    def cut(self) -> None:
        """It is off, and everybody notices."""
        for peer in self._peers():
            peer.hear(self.name, Lost("closed"))
        self.up = self.carries = False

    def _peers(self) -> list["Wire"]:
        return [peer for peer in self.air.values() if peer is not self and peer.up and self.up]


@dataclass
class Machine:
    """A node and its stager."""

    name: str
    air: dict[str, Wire]
    node: twin_node.Node = field(default_factory=twin_node.Node)
    record: FakeRecord = field(default_factory=FakeRecord)
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.switch, self.namespaces = FakeSwitch(self.node), FakeNamespaces(self.node)
        self.announcer, self.helpers = FakeAnnouncer(), FakeHelpers()
        self.running: asyncio.Task[None] | None = None

    def begin(self, role: Role = Role.SPARE) -> "Machine":
        self.wire = Wire(self.name, self.air)
        peers = dict.fromkeys(("net1", "net2", "net3"), ("10.0.0.1",))
        settings = Settings(GATEWAY, GATEWAY, self.name, peers, 5409, "", 30.0, False, "", "")
        seen = Node(
            GATEWAY, self.switch, self.namespaces, FakeFiles(self.node), carried=lambda: self.node.carried,
            now=virtual_time.now, tell=self._tell,
        )  # fmt: skip
        self.stager = Stager(
            settings, role, seen, self.record, announcer=self.announcer, helpers=self.helpers, publisher=self.wire,
            subscriber=self.wire, listen=None, keep=None, now=virtual_time.now, tell=self._tell,
        )  # fmt: skip
        self.wire.whole = self.stager.carrier.whole
        self.running = asyncio.create_task(self.stager.run())
        return self

    async def kill(self) -> None:
        """The stager sees no instruction any more."""
        assert self.running
        self.running.cancel()
        with suppress(asyncio.CancelledError):
            await self.running
        await asyncio.sleep(0)
        self.wire.cut()

    def agents_make(self, router: RouterPlane) -> None:
        """Neutron's agents have built the router, and it forwards."""
        for name, plug in router.plugs.items():
            self.node.agents_plug(router.namespace, plug, addresses=router.devices[name].addresses)
        space = self.node.namespaces[router.namespace]
        space.routes, space.sysctls, space.rules = router.routes, dict(router.sysctls), dict(router.rules)
        self.node.files |= {file.path: file.text for file in router.files}
        self._changed(router)

    def agents_remove(self, router: RouterPlane) -> None:
        for name in router.plugs:
            del self.node.plugs[name], self.node.devices[name]
        del self.node.namespaces[router.namespace]
        self._changed(router)

    def _changed(self, router: RouterPlane) -> None:
        self.switch.changed.tell(SwitchChange(frozenset(router.plugs)))
        self.namespaces.changed.tell(frozenset([router.namespace]))

    def _tell(self, what: str, _facts: Mapping[str, object]) -> None:
        self.told.append(what)
