"""The carrier's work: it looks at its own data plane and publishes what changes."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from ipaddress import ip_interface

from hotspare.codec import dataplane_json, neighbours_json
from hotspare.codec.twin_frames import Frame
from hotspare.flows.stage.node import Node
from hotspare.flows.stage.payload import Payload
from hotspare.model.dataplane import DataPlane
from hotspare.model.errors import HotspareError
from hotspare.plan.twin.deltas import delta
from hotspare.plan.twin.observed import observed
from hotspare.ports import CarrierConnections, Publisher, Tell

GATHER_S, GATHER_MAX_S = 0.05, 1.0
"""Changes that come together are told together: Neutron's agents make a router in many small ones."""
LOOKS_SHARE = 0.25
"""Of the time while changes come, as far as GATHER_MAX_S allows: what a look takes, agents that build routers miss."""
SETTLE_S = 1.5
"""So long after a change the bridges' flows are looked at again: they come after the ports, and nobody tells."""
COMPARE_S = 60.0
NEIGHBOURS_EVERY_S = 10.0
"""So often it is asked whom the routers know: the kernel would tell every time that one was asked whether it still is
there. Whom a router does not know it asks for.
"""
PAUSE_S = 1.0


class Carrier:
    """Publishes the data plane of one gateway from the node that carries it."""

    def __init__(
        self,
        gateway: str,
        node: Node,
        publisher: Publisher,
        *,
        listen: Callable[[], CarrierConnections] | None,
        now: Callable[[], float],
        tell: Tell,
    ) -> None:
        """`listen` begins to hear of connections; None: they are not kept in step."""
        self._gateway, self._node, self._publisher, self._listen = gateway, node, publisher, listen
        self._connections: CarrierConnections | None = None
        self._now, self._tell = now, tell
        self._compared_s = now()
        self._settle_at_s: float | None = None
        self._looked_s = self._look_took_s = 0.0
        self.plane: DataPlane | None = None
        """What was published last; None until all of it has been looked at once: who publishes nothing yet is not taken
        for one that has nothing."""
        self.trouble = ""
        self._neighbours = ""
        """As they were published last."""

    def begin(self, plane: DataPlane) -> None:
        """This node has begun to carry the gateway, by this data plane. All of it is not looked at before routers and
        agents have had a while to themselves.
        """
        self.plane, self._compared_s = plane, self._now()
        self._publisher.carry(carries=True)

    def end(self) -> DataPlane | None:
        """This node does not carry the gateway any more. What it had last."""
        plane, self.plane, self._neighbours = self.plane, None, ""
        self._publisher.carry(carries=False)
        return plane

    def whole(self) -> Iterable[Frame]:
        """All that a spare has to know that has just begun to listen; its connections follow by themselves."""
        if self._connections is not None:
            self._connections.renew()
        return [*self._planes(), *self._known()]

    def _planes(self) -> list[Frame]:
        return [] if self.plane is None else [Frame(Payload.PLANE, dataplane_json.text(self.plane).encode())]

    def _known(self) -> list[Frame]:
        return [Frame(Payload.NEIGHBOURS, self._neighbours.encode())] if self._neighbours else []

    @property
    def connections(self) -> int:
        """How many are kept in step."""
        return 0 if self._connections is None else self._connections.sums().connections

    @property
    def routers(self) -> int:
        """Of the gateway."""
        return len(self.plane.routers) if self.plane else 0

    def unstaged(self) -> Mapping[str, str]:
        """Router → why no spare keeps a twin of it."""
        routers = self.plane.routers if self.plane else {}
        return {id_: ", ".join(router.unstaged) for id_, router in routers.items() if router.unstaged}

    async def run(self) -> None:
        """Publish until this is cancelled. The spares keep the connections that they have then."""
        self._connections = self._listen() if self._listen else None
        try:
            await asyncio.gather(self._publish_planes(), self._publish_connections(), self._publish_neighbours())
        finally:
            if self._connections is not None:
                await self._connections.close()
                self._connections = None

    async def _publish_planes(self) -> None:
        while True:
            await self._something_to_do()
            begun_s = self._now()
            try:
                self.look_taken(observed(self._gateway, await self._node.look()))
                self._looked_s = self._now()
                self._look_took_s = self._looked_s - begun_s
                self.trouble = ""
            except HotspareError as failed:
                self.trouble = failed.message
                self._tell("carrier.cannot_look", {"gateway": self._gateway, "why": failed.message})
                await asyncio.sleep(PAUSE_S)

    async def _something_to_do(self) -> None:
        until_s = self._compared_s + COMPARE_S
        if self._settle_at_s is not None:
            until_s = min(until_s, self._settle_at_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until_s - self._now())):
                await self._node.stirred.wait()
                self._settle_at_s = self._now() + SETTLE_S
                await self._gather()
                return
        if self._now() - self._compared_s >= COMPARE_S:
            self._compared_s = self._now()
            self._node.forget()
            if self.plane is not None:
                self._publisher.publish(self._planes())  # a spare that has lost the thread finds it again
        self._settle_at_s = None
        self._node.forget_flows()

    async def _gather(self) -> None:
        pause_s = min(self._look_took_s * (1 / LOOKS_SHARE - 1), GATHER_MAX_S)
        await asyncio.sleep(max(GATHER_S, self._looked_s + pause_s - self._now()))

    def look_taken(self, plane: DataPlane) -> None:
        """This is the data plane now: what is new is told."""
        if self.plane is None:
            self.begin(plane)
            return
        change = delta(self.plane, plane)
        self.plane = plane
        if change.routers or change.routers_gone or change.bridges or change.bridges_gone:
            self._publisher.publish([Frame(Payload.CHANGE, dataplane_json.text(change).encode())])
        if self._connections is not None:
            self._connections.watch(own_addresses(plane))

    async def _publish_neighbours(self) -> None:
        while True:
            if self.plane is not None:
                found = neighbours_json.text(await self._node.neighbours())
                if found != self._neighbours:
                    self._neighbours = found
                    self._publisher.publish(self._known())
            await asyncio.sleep(NEIGHBOURS_EVERY_S)

    async def _publish_connections(self) -> None:
        if self._connections is None:
            return
        async for batch in self._connections.batches():
            if self.plane is not None:
                self._publisher.publish([Frame(Payload.CONNECTIONS, batch)])


def own_addresses(plane: DataPlane) -> Mapping[str, Collection[bytes]]:
    """Namespace → the router's own addresses, packed."""
    return {
        router.namespace: frozenset(
            ip_interface(address.cidr).ip.packed for device in router.devices.values() for address in device.addresses
        )
        for router in plane.routers.values()
    }
