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
from hotspare.model.staging import Announced, Announcement

Frames = Sequence[tuple[str, bytes]]
PutOut = Callable[[str, Frames], Awaitable[None]]
"""Has a bridge treat frames as if each had come in by a port of it."""


class Burst:
    """Frames that are ready to be sent, as often as wanted."""

    def __init__(self, announcements: Sequence[Announcement], put_out: PutOut, netns_dir: Path) -> None:
        self._put_out, self._netns_dir = put_out, netns_dir
        self._devices: dict[str, list[tuple[str, bytes]]] = {}
        """Frames by namespace, each with its device."""
        self._outlets: dict[str, _AtBridge] = {}
        taught = set()
        for one in announcements:
            frames = announcement.frames(one)
            here = self._devices.setdefault(one.namespace, [])
            if one.outlet is None:
                here += [(one.device, frame) for frame in frames]
                continue
            there = self._outlets.setdefault(one.outlet.bridge, _AtBridge())
            out = [(one.outlet.port, announcement.tagged(frame, one.outlet.vlan)) for frame in frames]
            # Until the switch has learnt a mac, what is for it goes to every port of its network.
            if one.device not in taught:
                taught.add(one.device)
                here.append((one.device, announcement.lesson(one.mac)))
                there.first.append(out.pop(0))
            there.more += out
            there.otherwise.setdefault(one.namespace, []).extend((one.device, frame) for frame in frames)

    async def send(self) -> Announced:
        """All frames are with the kernel, or with the switch, but for those that it would not take. Raises nothing for
        a namespace or device that is not there, or is down. It takes a descriptor for each namespace for as long as it
        lasts.
        """
        begun_s = time.monotonic()
        told = list(await asyncio.gather(self._from_devices(self._devices), *map(self._at_bridge, self._outlets)))
        return Announced(
            sum(one.sent for one in told),
            sum(one.missed for one in told),
            tuple(failure for one in told for failure in one.failures),
            time.monotonic() - begun_s,
        )

    async def _at_bridge(self, bridge: str) -> Announced:
        """What the bridge does not take goes from the devices."""
        there = self._outlets[bridge]
        try:
            await self._put_out(bridge, frames := [*there.first, *there.more])
        except HotspareError as failed:
            done = await self._from_devices(there.otherwise)
            return Announced(done.sent, done.missed, (f"{bridge}: {failed.message}", *done.failures), done.took_s)
        return Announced(len(frames), 0, (), 0.0)

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

    first: list[tuple[str, bytes]] = field(default_factory=list)
    """One of each mac: with it the switches on the way know where that is. Each with the port of the bridge by which it
    comes in.
    """
    more: list[tuple[str, bytes]] = field(default_factory=list)
    otherwise: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    """The same from the devices, by namespace."""


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
