"""What the stager needs, on a node. Loads the standard library alone, and what Neutron's own Python has."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from hotspare.adapters import announcer, twin_channel
from hotspare.adapters.conntrack import CarrierConnections, SpareConnections
from hotspare.adapters.gateway_markers import Markers
from hotspare.adapters.helper_files import DiskFiles
from hotspare.adapters.inside.namespaces import Namespaces
from hotspare.adapters.machine_log import MachineLog
from hotspare.adapters.switch import Switch
from hotspare.adapters.twin_channel.subscriber import Away, Link
from hotspare.adapters.twin_record import DiskRecord
from hotspare.flows.stage.node import Node
from hotspare.flows.stage.stager import Stager
from hotspare.model.stager import Settings
from hotspare.model.staging import Announcement
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
    credentials = twin_channel.Credentials(Path(settings.key_file))
    markers, limits = Markers(settings.gateway), twin_channel.Limits()
    carried = CarrierConnections() if settings.connections else None
    node = Node(settings.gateway, Switch(), Namespaces(), DiskFiles(), carried=markers.carried, tell=tell)
    made: list[Stager] = []
    publisher = twin_channel.Publisher(
        settings.gateway,
        settings.node,
        credentials,
        whole=lambda: made[0].carrier.whole(),
        limits=limits,
        now=time.monotonic,
        tell=tell,
    )
    working = Stager(
        settings,
        markers.role(),
        node,
        DiskRecord(Path(settings.state_dir) / "plane.json"),
        announcer=_Announcer(),
        publisher=publisher,
        subscriber=_Subscriber(settings, credentials, limits, tell),
        carried_connections=carried,
        kept_connections=SpareConnections() if settings.connections else None,
        now=time.monotonic,
        tell=tell,
    )
    made.append(working)
    async with publisher.open(settings.peers[settings.node], settings.port):
        yield working


class _Announcer:
    """Fulfils `ports.Announcer`."""

    def prepare(self, announcements: Sequence[Announcement]) -> announcer.Burst:
        return announcer.prepare(announcements)


class _Subscriber:
    """Fulfils `ports.Subscriber`: links to all nodes but this one."""

    def __init__(
        self, settings: Settings, credentials: twin_channel.Credentials, limits: twin_channel.Limits, tell: Tell
    ) -> None:
        peers = {
            node: [(address, settings.port) for address in addresses]
            for node, addresses in settings.peers.items()
            if node != settings.node
        }
        self._links = twin_channel.Subscriber(
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
