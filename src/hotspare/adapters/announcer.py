"""Says in many network namespaces at once where addresses are now, from raw packet sockets.

All frames are made before the moment; then each namespace is visited once, with one socket, which is not kept until the
next burst: an open socket keeps its namespace alive after its name has gone.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path

from hotspare.adapters import netns
from hotspare.codec import announcement
from hotspare.model.staging import Announced, Announcement


class Burst:
    """Frames that are ready to be sent, as often as wanted."""

    def __init__(self, frames: Mapping[str, Sequence[tuple[str, bytes]]], netns_dir: Path) -> None:
        self._frames, self._netns_dir = frames, netns_dir

    async def send(self) -> Announced:
        """All frames are with the kernel, but for those that it would not take. Raises nothing for a namespace or
        device that is not there, or is down. It takes a descriptor for each namespace for as long as it lasts.
        """
        done: Future[Announced] = Future()
        # A thread of its own, which nothing is asked of after the sockets' slow end.
        threading.Thread(target=self._work, args=(done,), name="announce", daemon=True).start()
        return await asyncio.wrap_future(done)

    def _work(self, done: "Future[Announced]") -> None:
        done.set_running_or_notify_cancel()
        # Closing a packet socket waits for an RCU grace period in the kernel (packet_release), some milliseconds each:
        # that is done when all has been sent and told.
        with ExitStack() as wires:
            try:
                done.set_result(self._sent(wires))
            except BaseException as failed:  # noqa: BLE001 (it is raised where it is awaited)
                done.set_exception(failed)

    def _sent(self, wires: ExitStack) -> Announced:
        begun_s, sent, missed = time.monotonic(), 0, 0
        failures: dict[str, None] = {}
        for namespace, frames in self._frames.items():
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


def prepare(announcements: Sequence[Announcement], netns_dir: Path = netns.DIRECTORY) -> Burst:
    """The frames of all of them; in a namespace they go out in the order given.

    Raises:
        ValueError: one of them has no address or no mac.
    """
    frames: dict[str, list[tuple[str, bytes]]] = {}
    for one in announcements:
        frames.setdefault(one.namespace, []).extend((one.device, frame) for frame in announcement.frames(one))
    return Burst(frames, netns_dir)
