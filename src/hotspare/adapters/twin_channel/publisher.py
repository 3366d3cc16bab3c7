"""The side that publishes: it listens for spares."""

import asyncio
import socket
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from hotspare.adapters.twin_channel.wire import (
    PORT,
    Credentials,
    EndedError,
    Limits,
    Trouble,
    Troubles,
    Wire,
    beat,
    first_to_end,
    hello,
)
from hotspare.codec import twin_frames
from hotspare.codec.twin_frames import FIRST_FREE, KIND_MAX, Beat, Control, Frame, Hello
from hotspare.model.errors import InvariantError, RefusedError
from hotspare.ports import Tell

_BACKLOG = 64
_IP_FREEBIND, _IPV6_FREEBIND = 15, 78
"""linux/in.h, linux/in6.h: a ring that has no address yet after a boot is listened on all the same."""
_ACCEPT_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class Spare:
    """A peer that listens to us. Times are of the monotonic clock."""

    node: str
    address: str
    since_s: float
    heard_s: float
    queued_bytes: int
    whole_states: int
    """How often it was given the whole state: more than once means that it was too slow for the changes."""


@dataclass(slots=True, eq=False)
class _Listening:
    """One spare's link, as the server has it."""

    node: str
    address: str
    wire: Wire
    since_s: float
    task: asyncio.Task[None]
    queue: deque[bytes] = field(default_factory=deque)
    queued_bytes: int = 0
    wants_whole: bool = False
    whole_states: int = 0
    number: int = 0
    """The last that its signs of life had."""
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def forget(self, *, wants_whole: bool) -> None:
        self.queue.clear()
        self.queued_bytes = 0
        self.wants_whole = wants_whole
        self.wake.set()


class Publisher:
    """Listens for spares, and tells all of them what the node that carries the gateway publishes."""

    def __init__(
        self,
        gateway: str,
        node: str,
        credentials: Credentials,
        *,
        whole: Callable[[], Iterable[Frame]],
        limits: Limits,
        now: Callable[[], float],
        tell: Tell,
    ) -> None:
        """`whole` gives the whole state of this moment. It is asked for each spare that begins or fell behind, so it
        should have its frames ready.
        """
        self._gateway, self._node, self._credentials, self._whole = gateway, node, credentials, whole
        self._limits, self._now = limits, now
        self._troubles = Troubles("publisher", now=now, tell=tell)
        self._carries = False
        self._spares: dict[str, _Listening] = {}
        self._strangers: dict[asyncio.Task[None], str] = {}

    @property
    def troubles(self) -> Mapping[Trouble, int]:
        """How many connections ended for which reason."""
        return dict(self._troubles.counts)

    def spares(self) -> tuple[Spare, ...]:
        """Who listens now."""
        return tuple(
            Spare(one.node, one.address, one.since_s, one.wire.heard_s, one.queued_bytes, one.whole_states)
            for one in self._spares.values()
        )

    @asynccontextmanager
    async def open(self, addresses: Sequence[str], port: int = PORT) -> AsyncGenerator[tuple[int, ...]]:
        """It listens for as long as the context lasts; then all links are closed. Gives the ports (`port` may be 0).

        Raises:
            RefusedError: somebody else has the port.
        """
        sockets = _listening(addresses, port)
        doors = [asyncio.create_task(self._admit(sock)) for sock in sockets]
        try:
            yield tuple(sock.getsockname()[1] for sock in sockets)
        finally:
            tasks = [*doors, *self._strangers, *(spare.task for spare in self._spares.values())]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for sock in sockets:
                sock.close()

    def carry(self, *, carries: bool) -> None:
        """Whether this node carries the gateway; where it begins to, all spares get its whole state."""
        if carries != self._carries:
            self._carries = carries
            for spare in self._spares.values():
                spare.forget(wants_whole=carries)

    def publish(self, frames: Iterable[Frame]) -> None:
        """Every spare gets these, or, where it is too slow, a whole state later. Never waits.

        Raises:
            InvariantError: this node does not carry the gateway, or a frame is not one that may be sent.
        """
        if not self._carries:
            raise InvariantError("published on a node that does not carry the gateway")
        for frame in frames:
            raw = self._encoded(frame)
            for spare in self._spares.values():
                self._queue(spare, raw)

    def _queue(self, spare: _Listening, raw: bytes) -> None:
        if spare.wants_whole:
            return
        if spare.queued_bytes + len(raw) > self._limits.queued_bytes_max:
            spare.forget(wants_whole=True)
            return
        spare.queue.append(raw)
        spare.queued_bytes += len(raw)
        spare.wake.set()

    def _encoded(self, frame: Frame) -> bytes:
        if not FIRST_FREE <= frame.kind <= KIND_MAX or len(frame.payload) > self._limits.frame_bytes_max:
            raise InvariantError(f"a frame of kind {frame.kind} with {len(frame.payload)} bytes")
        return twin_frames.encoded(frame)

    async def _admit(self, door: socket.socket) -> None:
        """Accepts for ever. asyncio's own server would neither count strangers nor say why a handshake failed."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, peer = await loop.sock_accept(door)
            except OSError as error:  # above all: no descriptor left
                self._troubles.add(EndedError(Trouble.NO_DESCRIPTOR, error.strerror or str(error)), "somebody")
                await asyncio.sleep(_ACCEPT_PAUSE_S)
                continue
            if len(self._strangers) >= self._limits.strangers_max:
                oldest = next(iter(self._strangers))
                self._troubles.add(EndedError(Trouble.CROWDED), self._strangers.pop(oldest))
                oldest.cancel()
            task = asyncio.create_task(self._serve(sock, str(peer[0])))
            self._strangers[task] = str(peer[0])
            task.add_done_callback(partial(self._ended, sock))

    def _ended(self, sock: socket.socket, task: asyncio.Task[None]) -> None:
        """Also of a task that was cancelled before its first step."""
        self._strangers.pop(task, None)
        sock.close()

    async def _serve(self, sock: socket.socket, address: str) -> None:
        whose = address
        try:
            async with Wire.accepted(sock, self._credentials, self._limits, self._now) as wire:
                task = asyncio.current_task()
                assert task is not None  # noqa: S101 (for the type checker: a coroutine runs in a task)
                said = await self._greeted(wire)
                whose = f"{said.node} ({address})"
                self._strangers.pop(task, None)
                spare = _Listening(said.node, address, wire, self._now(), task, wants_whole=self._carries)
                await self._serve_spare(spare)
        except EndedError as ended:
            self._troubles.add(ended, whose)

    async def _greeted(self, wire: Wire) -> Hello:
        said = await hello(wire, self._limits)
        if said.gateway != self._gateway:
            raise EndedError(Trouble.STRANGER, f"it is of gateway {said.gateway}, and this is {self._gateway}")
        await wire.send(twin_frames.encoded(twin_frames.hello(Hello(self._gateway, self._node, self._carries))))
        return said

    async def _serve_spare(self, spare: _Listening) -> None:
        """The newest link of a node counts: one before it is a dead one that has not been noticed yet."""
        before = self._spares.pop(spare.node, None)
        if before:
            self._troubles.add(EndedError(Trouble.REPLACED), f"{before.node} ({before.address})")
            before.task.cancel()
        self._spares[spare.node] = spare
        try:
            await first_to_end(self._hear(spare), self._speak(spare))
        finally:
            if self._spares.get(spare.node) is spare:
                del self._spares[spare.node]

    async def _hear(self, spare: _Listening) -> None:
        while True:
            spare.number = (await beat(spare.wire, self._limits)).number

    async def _speak(self, spare: _Listening) -> None:
        """All that waits, then, whenever it is time and nothing waits, a sign of life."""
        due_s = self._now()
        while True:
            spare.wake.clear()
            if spare.wants_whole:
                await self._send_whole(spare)
            while spare.queue:
                raw = spare.queue.popleft()
                spare.queued_bytes -= len(raw)
                await spare.wire.send(raw)
            if spare.wake.is_set():
                continue
            if (left_s := due_s - self._now()) <= 0:
                # Nothing waits, so what this repeats was said before all that it has been sent was published.
                await spare.wire.send(twin_frames.encoded(twin_frames.beat(Beat(self._carries, spare.number))))
                due_s = self._now() + self._limits.heartbeat_s
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await spare.wake.wait()

    async def _send_whole(self, spare: _Listening) -> None:
        frames = tuple(self._whole())
        spare.forget(wants_whole=False)
        spare.whole_states += 1
        await spare.wire.send(twin_frames.encoded(Frame(Control.FRESH)))
        for frame in frames:
            if not self._carries:
                return
            await spare.wire.send(self._encoded(frame))
            await asyncio.sleep(0)  # packing is work; others are to have their turn
        await spare.wire.send(twin_frames.encoded(Frame(Control.WHOLE)))


def _listening(addresses: Sequence[str], port: int) -> list[socket.socket]:
    opened: list[socket.socket] = []
    try:
        for address in addresses:
            is_v6 = ":" in address
            sock = socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET, socket.SOCK_STREAM)
            opened.append(sock)
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if is_v6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
            sock.bind((address, port))
            sock.listen(_BACKLOG)
    except OSError as error:
        for sock in opened:
            sock.close()
        words = f"cannot listen on {addresses[len(opened) - 1]} port {port}: {error.strerror or error}"
        raise RefusedError(words, code=error.errno or 0, hint=f"see who has it: ss -tlnp 'sport = {port}'") from error
    return opened
