"""Says where addresses are now: in many network namespaces at once, from raw packet sockets, and at bridges' outlets.

All frames are made before the moment; then each namespace is visited once, with one socket, which is not kept until the
next burst: an open socket keeps its namespace alive after its name has gone.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from hotspare.adapters import netns
from hotspare.codec import announcement
from hotspare.model.errors import HotspareError
from hotspare.model.staging import Announced, Announcement, Outlet

Frames = Sequence[tuple[str, bytes]]
PutOut = Callable[[str, Frames], Awaitable[None]]
"""Has a bridge treat frames as if each had come in by a port of it."""


class Burst:
    """Frames that are ready to be sent, as often as wanted: first one of each mac, with which the switches on the way
    know where that is, and then the rest. All of a hundred routers take a busy switch two tenths of a second.
    """

    def __init__(self, announcements: Sequence[Announcement], put_out: PutOut, netns_dir: Path) -> None:
        self._put_out, self._netns_dir = put_out, netns_dir
        self._first, self._rest = _Wave(), _Wave()
        taught = set()
        for one in announcements:
            frames = announcement.frames(one)
            if one.outlet is None:
                self._rest.from_device(one, *frames)
            elif one.device in taught:
                self._rest.at_bridge(one.outlet, one, frames)
            else:
                taught.add(one.device)
                # Until the switch has learnt a mac, what is for it goes to every port of its network.
                self._first.from_device(one, announcement.lesson(one.mac))
                self._first.at_bridge(one.outlet, one, frames[:1])
                self._rest.at_bridge(one.outlet, one, frames[1:])

    async def send(self) -> Announced:
        """All frames are with the kernel, or with the switch, but for those that it would not take. Raises nothing for
        a namespace or device that is not there, or is down. It takes a descriptor for each namespace for as long as it
        lasts.
        """
        begun_s = time.monotonic()
        told = [*await self._sent_out(self._first), *await self._sent_out(self._rest)]
        return Announced(
            sum(one.sent for one in told),
            sum(one.missed for one in told),
            tuple(dict.fromkeys(failure for one in told for failure in one.failures)),
            time.monotonic() - begun_s,
        )

    async def _sent_out(self, wave: "_Wave") -> list[Announced]:
        if not wave.devices and not wave.bridges:
            return []
        at_bridges = (self._at_bridge(name, there) for name, there in wave.bridges.items())
        return list(await asyncio.gather(self._from_devices(wave.devices), *at_bridges))

    async def _at_bridge(self, bridge: str, there: "_AtBridge") -> Announced:
        """What the bridge does not take goes from the devices."""
        try:
            await self._put_out(bridge, there.frames)
        except HotspareError as failed:
            done = await self._from_devices(there.otherwise)
            return Announced(done.sent, done.missed, (f"{bridge}: {failed.message}", *done.failures), done.took_s)
        return Announced(len(there.frames), 0, (), 0.0)

    async def _from_devices(self, frames: Mapping[str, Frames]) -> Announced:
        done: Future[Announced] = Future()
        # A thread of its own, which nothing is asked of after the sockets' slow end.
        threading.Thread(target=self._work, args=(frames, done), name="announce", daemon=True).start()
        return await asyncio.wrap_future(done)

    def _work(self, frames: Mapping[str, Frames], done: "Future[Announced]") -> None:
        done.set_running_or_notify_cancel()
        # Closing a packet socket waits for an RCU grace period in the kernel (packet_release), some milliseconds each:
        # that is done when all has been sent and told.
        with ExitStack() as wires:
            try:
                done.set_result(self._sent(frames, wires))
            except BaseException as failed:  # noqa: BLE001 (it is raised where it is awaited)
                done.set_exception(failed)

    def _sent(self, by_namespace: Mapping[str, Frames], wires: ExitStack) -> Announced:
        begun_s, sent, missed = time.monotonic(), 0, 0
        failures: dict[str, None] = {}
        for namespace, frames in by_namespace.items():
            try:
                with netns.entered(namespace, self._netns_dir):
                    wire = wires.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
            except OSError as error:
                missed += len(frames)
                failures[f"{namespace}: {error.strerror}"] = None
                continue
            wire.setblocking(False)
            for device, frame in frames:
                try:
                    wire.sendto(frame, (device, 0))
                    sent += 1
                except OSError as error:
                    missed += 1
                    failures[f"{device} in {namespace}: {error.strerror}"] = None
        return Announced(sent, missed, tuple(failures), time.monotonic() - begun_s)


@dataclass
class _AtBridge:
    """What is said at one bridge's outlets."""

    frames: list[tuple[str, bytes]] = field(default_factory=list)
    """Each with the port of the bridge by which it comes in."""
    otherwise: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    """The same from the devices, by namespace."""


@dataclass
class _Wave:
    """What is said together."""

    devices: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    """Frames by namespace, each with its device."""
    bridges: dict[str, _AtBridge] = field(default_factory=dict)

    def from_device(self, one: Announcement, *frames: bytes) -> None:
        self.devices.setdefault(one.namespace, []).extend((one.device, frame) for frame in frames)

    def at_bridge(self, outlet: Outlet, one: Announcement, frames: Sequence[bytes]) -> None:
        there = self.bridges.setdefault(outlet.bridge, _AtBridge())
        there.frames += [(outlet.port, announcement.tagged(frame, outlet.vlan)) for frame in frames]
        there.otherwise.setdefault(one.namespace, []).extend((one.device, frame) for frame in frames)


class Announcer:
    """Fulfils `ports.Announcer`."""

    def __init__(self, put_out: PutOut, netns_dir: Path = netns.DIRECTORY) -> None:
        self._put_out, self._netns_dir = put_out, netns_dir

    def prepare(self, announcements: Sequence[Announcement]) -> Burst:
        """The frames of all of them; in a namespace they go out in the order given.

        Raises:
            ValueError: one of them has no address or no mac.
        """
        return Burst(announcements, self._put_out, self._netns_dir)
