"""What the stager needs, on a node. Loads the standard library alone, and what Neutron's own Python has."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from hotspare.adapters.announcer import Announcer
from hotspare.adapters.conntrack import CarrierConnections, SpareConnections
from hotspare.adapters.gateway_markers import Markers
from hotspare.adapters.helper_files import DiskFiles
from hotspare.adapters.inside.namespaces import Namespaces
from hotspare.adapters.machine_log import MachineLog
from hotspare.adapters.router_helpers import RouterHelpers
from hotspare.adapters.switch import Switch
from hotspare.adapters.twin_channel.publisher import Publisher
from hotspare.adapters.twin_channel.subscriber import Away, Link, Subscriber
from hotspare.adapters.twin_channel.wire import Credentials, Limits
from hotspare.adapters.twin_record import DiskRecord
from hotspare.codec.twin_frames import Frame
from hotspare.flows.stage.node import Node
from hotspare.flows.stage.stager import Stager
from hotspare.model.stager import Settings
from hotspare.ports import Came, Tell

IDENTIFIER = "hotspare-stager"


def log() -> MachineLog:
    """Where a drill finds what the stager tells."""
    return MachineLog(IDENTIFIER)


@asynccontextmanager
async def stager(settings: Settings, *, tell: Tell) -> AsyncGenerator[Stager]:
    """The stager of these settings, not running yet, and heard by the other nodes' for as long as the context lasts.

    Raises:
        RefusedError: the cluster's key is not there, or somebody else has the port.
    """
    credentials = Credentials(Path(settings.key_file))
    markers, limits = Markers(settings.gateway), Limits()
    switch = Switch()
    node = Node(
        settings.gateway,
        switch,
        Namespaces(),
        DiskFiles(),
        carried=markers.carried,
        now=time.monotonic,
        tell=tell,
    )

    def whole() -> Iterable[Frame]:
        return working.carrier.whole()

    publisher = Publisher(
        settings.gateway,
        settings.node,
        credentials,
        whole=whole,
        limits=limits,
        now=time.monotonic,
        tell=tell,
    )
    working = Stager(
        settings,
        markers.role(),
        node,
        DiskRecord(Path(settings.state_dir) / "plane.json"),
        announcer=Announcer(switch.put_out),
        helpers=RouterHelpers(),
        publisher=publisher,
        subscriber=_Subscriber(settings, credentials, limits, tell),
        listen=CarrierConnections if settings.connections else None,
        keep=SpareConnections if settings.connections else None,
        now=time.monotonic,
        tell=tell,
    )
    async with publisher.open(settings.peers[settings.node], settings.port):
        yield working


class _Subscriber:
    """Fulfils `ports.Subscriber`: links to all nodes but this one."""

    def __init__(self, settings: Settings, credentials: Credentials, limits: Limits, tell: Tell) -> None:
        peers = {
            node: [(address, settings.port) for address in addresses]
            for node, addresses in settings.peers.items()
            if node != settings.node
        }
        self._links = Subscriber(
            settings.gateway,
            settings.node,
            credentials,
            peers,
            take=self._take,
            limits=limits,
            now=time.monotonic,
            tell=tell,
        )
        self._taken: Callable[[str, Came], Awaitable[None]] | None = None

    async def run(self, take: Callable[[str, Came], Awaitable[None]]) -> None:
        self._taken = take
        await self._links.run()

    async def _take(self, peer: str, came: Came) -> None:
        if self._taken is not None:
            await self._taken(peer, came)

    def even_s(self) -> float | None:
        even = [link.even_s for link in self._links.links().values() if isinstance(link, Link) and link.carries]
        return even[0] if len(even) == 1 else None

    def carriers(self) -> Collection[str]:
        return self._links.carriers()

    def words(self) -> Mapping[str, str]:
        return {node: _words(link) for node, link in self._links.links().items()}


def _words(link: Link | Away) -> str:
    if isinstance(link, Away):
        return "not reached: " + "; ".join(link.why)
    return f"{link.address}{', carries the gateway' if link.carries else ''}"
