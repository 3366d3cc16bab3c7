"""The side that listens to peers: a link to each, kept up."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hotspare.adapters.twin_channel.wire import (
    Credentials,
    EndedError,
    Limits,
    Trouble,
    Troubles,
    Wire,
    first_to_end,
    hello,
    read,
)
from hotspare.codec import twin_frames
from hotspare.codec.twin_frames import Beat, Control, Hello
from hotspare.model.errors import InvariantError
from hotspare.ports import Came, Fresh, Lost, Standing, Tell, Whole


@dataclass(frozen=True, slots=True)
class Link:
    """A link to a peer that is up. Times are of the monotonic clock."""

    address: str
    since_s: float
    heard_s: float
    carries: bool
    even_s: float | None
    """All that the peer had published by then has been taken; None: that cannot be said yet, or it does not carry."""


@dataclass(frozen=True, slots=True)
class Away:
    """No link to a peer, since when and why: one reason for each of its addresses."""

    since_s: float
    why: tuple[str, ...]


class Subscriber:
    """Keeps a link to each peer, by whichever of its addresses answers, and hands on what comes."""

    def __init__(
        self,
        gateway: str,
        node: str,
        credentials: Credentials,
        peers: Mapping[str, Sequence[tuple[str, int]]],
        *,
        take: Callable[[str, Came], Awaitable[None]],
        limits: Limits,
        now: Callable[[], float],
        tell: Tell,
    ) -> None:
        """`peers` are the other nodes, each with its addresses and ports (one a ring).

        `take` gets the peer and what came, in order, one at a time for each peer. While it takes its time nothing more
        is read from that peer, which then will be given a whole state rather than all changes.
        """
        self._hello = twin_frames.encoded(twin_frames.hello(Hello(gateway, node, carries=False)))
        self._gateway, self._credentials, self._take = gateway, credentials, take
        self._peers = {peer: tuple(addresses) for peer, addresses in peers.items()}
        self._limits, self._now = limits, now
        self._troubles = Troubles("subscriber", now=now, tell=tell)
        self._links: dict[str, _Heard] = {}
        self._away = {peer: Away(now(), ("not tried yet",)) for peer in peers}

    @property
    def troubles(self) -> Mapping[Trouble, int]:
        """How many connections ended, or never were, for which reason."""
        return dict(self._troubles.counts)

    def links(self) -> Mapping[str, Link | Away]:
        """How it stands with every peer now."""
        return {peer: self._links[peer].link() if peer in self._links else self._away[peer] for peer in self._peers}

    def carriers(self) -> tuple[str, ...]:
        """The peers that say that they carry the gateway: one, none while nobody does, more only by a fault."""
        return tuple(peer for peer, heard in self._links.items() if heard.carries)

    async def run(self) -> None:
        """Keeps the links until it is cancelled. What `take` raises comes out here."""
        async with asyncio.TaskGroup() as group:
            for peer in self._peers:
                group.create_task(self._keep(peer))

    async def _keep(self, peer: str) -> None:
        """All addresses in turn, beginning with the one that answered last; after each round a pause."""
        addresses, pause_s = deque(self._peers[peer]), self._limits.retry_s
        while True:
            failures: list[str] = []
            for address, port in tuple(addresses):
                begun_s = self._now()
                ended = await self._spoken(peer, address, port)
                if ended.was_up:
                    addresses.rotate(-addresses.index((address, port)))
                    stood = self._now() - begun_s >= self._limits.silence_s
                    pause_s = self._limits.retry_s if stood else pause_s
                    self._away[peer] = Away(self._now(), (f"{address}: {ended.why}",))
                    break
                failures.append(f"{address}: {ended.why}")
            else:
                self._away[peer] = replace(self._away[peer], why=tuple(failures))
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._limits.retry_s_max)

    async def _spoken(self, peer: str, address: str, port: int) -> "_Ended":
        """One link from its beginning to its end."""
        try:
            async with Wire.connected(address, port, self._credentials, self._limits, self._now) as wire:
                await wire.send(self._hello)
                said = await hello(wire, self._limits)
                self._recognise(peer, said)
                heard = _Heard(address, wire, self._now(), said.carries)
                await self._listen(peer, heard)
        except EndedError as ended:
            self._troubles.add(ended, f"{peer} ({address})")
            was_up = self._links.pop(peer, None) is not None
            if was_up:
                await self._take(peer, Lost(str(ended)))
            return _Ended(str(ended), was_up)
        finally:
            self._links.pop(peer, None)
        raise InvariantError("a link ended without a reason")

    def _recognise(self, peer: str, said: Hello) -> None:
        if (said.gateway, said.node) != (self._gateway, peer):
            raise EndedError(Trouble.STRANGER, f"it is {said.node} of gateway {said.gateway}")

    async def _listen(self, peer: str, heard: "_Heard") -> None:
        self._links[peer] = heard
        await self._take(peer, Standing(heard.carries))
        await first_to_end(self._hear(peer, heard), self._beat(heard))

    async def _beat(self, heard: "_Heard") -> None:
        while True:
            await heard.wire.send(
                twin_frames.encoded(twin_frames.beat(Beat(carries=False, number=heard.say(self._now()))))
            )
            await asyncio.sleep(self._limits.heartbeat_s)

    async def _hear(self, peer: str, heard: "_Heard") -> None:
        limits = self._limits
        while True:
            frame = await heard.wire.receive(bytes_max=limits.frame_bytes_max, within_s=limits.silence_s)
            match frame.kind:
                case Control.BEAT:
                    said = read(twin_frames.read_beat, frame)
                    await self._stand(peer, heard, carries=said.carries)
                    heard.hear_back(said.number)
                case Control.FRESH:
                    await self._stand(peer, heard, carries=True)
                    heard.is_whole, heard.even_s = False, None
                    await self._take(peer, Fresh())
                case Control.WHOLE:
                    await self._take(peer, Whole())
                    heard.is_whole = True
                case Control.HELLO:
                    raise EndedError(Trouble.MALFORMED, "a second greeting")
                case _:
                    await self._take(peer, frame)

    async def _stand(self, peer: str, heard: "_Heard", *, carries: bool) -> None:
        if carries != heard.carries:
            heard.carries = carries
            if not carries:
                heard.is_whole, heard.even_s = False, None
            await self._take(peer, Standing(carries))


@dataclass(frozen=True, slots=True)
class _Ended:
    why: str
    was_up: bool


@dataclass(slots=True)
class _Heard:
    """A link, as the listening side has it."""

    address: str
    wire: Wire
    since_s: float
    carries: bool
    is_whole: bool = False
    even_s: float | None = None
    number: int = 0
    said: deque[tuple[int, float]] = field(default_factory=deque)
    """Numbers that were not heard back yet, each with when it was said."""

    def link(self) -> Link:
        return Link(self.address, self.since_s, self.wire.heard_s, self.carries, self.even_s)

    def say(self, now_s: float) -> int:
        self.number += 1
        self.said.append((self.number, now_s))
        return self.number

    def hear_back(self, number: int) -> None:
        while self.said and self.said[0][0] <= number:
            said_s = self.said.popleft()[1]
            if self.is_whole:
                self.even_s = said_s
