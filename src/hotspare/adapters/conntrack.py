"""Connections kept in step: heard from the kernel of the node that carries a gateway, put into that of a spare.

All that touches a socket happens in one thread of its own, so nothing here needs a lock; what is said from asyncio is
taken up by that thread's next turn.
"""

import asyncio
import errno
import select
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from hotspare.adapters import ctnetlink_socket, netns
from hotspare.adapters.daemon_threads import DaemonThreads
from hotspare.codec import connection_batch, ctnetlink
from hotspare.model.connection import Batch, Carried, Kept
from hotspare.plan.connections import Ledger, Mending, Twin

EVERY_S = 0.1
ASK_EVERY_S = 60.0
"""How often the kernel is asked for connections that are short of life, since it tells nothing of packets that prolong
them.
"""
SHORT_S = 130.0
"""What has less to live is asked about. Source: all but TCP and GRE has two minutes at most, nf_conntrack_proto_*.c."""
LOOK_EVERY_S = 600.0
"""How often all connections are compared: against what nothing was heard of, such as the end of those that began before
anybody listened. It costs 10 ms a namespace, for the table of all namespaces is read.
"""
LIFE_MIN_S = 150.0
"""More than twice ASK_EVERY_S: what lives on the carrier does not end here because one answer came late."""
RECEIVE_BUFFER = 8 << 20
"""Bytes; some 8,000 events, which is a second of very much traffic. The kernel takes memory only for what waits."""

_CHECK_EVERY_S = 1.0
"""How soon it is noticed that a namespace has come or gone."""
_LOOKS_S = 0.05
"""Looks, and comparisons that are no matter of haste, are made for no longer than this at once: events wait so long."""
_AGAIN_S = 10.0
"""How soon what the kernel refused is tried again."""
_ANEW = frozenset({errno.EEXIST, errno.ENOENT, errno.EBUSY, errno.EOPNOTSUPP})
"""There is one already, there is none, or it cannot become like that: make it anew."""

T = TypeVar("T")


class _Watched:
    """A namespace of the carrier that is there."""

    def __init__(self, identity: int, listening: socket.socket) -> None:
        self.identity = identity
        self.listening = listening
        self.ledger = Ledger()
        self.look_at_s = 0.0
        self.ask_at_s = 0.0
        self.looked = False


class CarrierConnections:
    """The connections of this node's routers, given out as they change."""

    def __init__(
        self,
        *,
        every_s: float = EVERY_S,
        ask_every_s: float = ASK_EVERY_S,
        look_every_s: float = LOOK_EVERY_S,
        receive_buffer: int = RECEIVE_BUFFER,
    ) -> None:
        self._every_s = every_s
        self._ask_every_s = ask_every_s
        self._look_every_s = look_every_s
        self._receive_buffer = receive_buffer
        self._own: Mapping[str, frozenset[bytes]] = {}
        self._renew = False
        self._watched: dict[str, _Watched] = {}
        self._by_handle: dict[int, str] = {}
        self._failures: dict[str, str] = {}
        self._events = self._overruns = 0
        self._lag_s = 0.0
        self._check_at_s = 0.0
        self._poll = select.epoll()
        self._stirred = asyncio.Event()
        self._thread = DaemonThreads("connections", threads_max=1)

    def watch(self, own: Mapping[str, Collection[bytes]]) -> None:
        """These namespaces and no others are watched, as long as they are there; with the addresses (packed) that
        the routers have themselves. The connections of one that is new are given out as a whole.
        """
        self._own = {name: frozenset(addresses) for name, addresses in own.items()}
        self._check_at_s = 0.0
        self._stirred.set()

    def renew(self) -> None:
        """The next batches have all connections of all namespaces: for a spare that has just begun to listen, or has
        missed something.
        """
        self._renew = True
        self._stirred.set()

    async def batches(self) -> AsyncIterator[bytes]:
        """What `SpareConnections.apply` takes, to be applied in this order; for one reader.

        While the reader does not ask for more, nothing is read from the kernel, whose buffers then overrun: what comes
        next is right all the same.
        """
        while True:
            heard_s = await self._something_to_do()
            batches = await self._thread.run(partial(self._turn, heard_s))
            if batches:
                yield connection_batch.write(batches)

    def sums(self) -> Carried:
        """What can be told of it."""
        watched = list(self._watched.values())
        connections = sum(len(one.ledger) for one in watched)
        return Carried(
            len(watched), connections, self._events, self._overruns, self._lag_s, dict(self._failures)
        )  # fmt: skip

    async def close(self) -> None:
        """Nothing is heard any more; `batches` has to have been left before. The spares keep what they have."""
        await self._thread.run(self._shut)

    async def _something_to_do(self) -> float:
        """When there was something (monotonic); events have had time to gather since."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._poll.fileno(), self._stirred.set)
        try:
            rest_s = max(0.0, min(self._check_at_s, self._next_look_s()) - time.monotonic())
            with suppress(TimeoutError):
                async with asyncio.timeout(rest_s):
                    await self._stirred.wait()
        finally:
            loop.remove_reader(self._poll.fileno())
        heard_s = time.monotonic()
        self._stirred.clear()
        await asyncio.sleep(self._every_s)
        return heard_s

    def _next_look_s(self) -> float:
        return min((min(one.look_at_s, one.ask_at_s) for one in self._watched.values()), default=float("inf"))

    def _turn(self, heard_s: float) -> list[Batch]:
        if heard_s >= self._check_at_s:
            self._check_at_s = heard_s + _CHECK_EVERY_S
            self._check()
        for handle, _ in self._poll.poll(0):
            self._hear(self._by_handle[handle], heard_s)
        if self._renew:
            self._renew = False
            for one in self._watched.values():
                one.ledger.renew(heard_s)
        self._look()
        for name, one in self._watched.items():
            self._ask(name, one, heard_s)
        now_s = time.monotonic()
        taken = (one.ledger.take(name, now_s) for name, one in self._watched.items() if one.looked)
        batches = [batch for batch in taken if batch is not None]
        self._lag_s = max((batch.age_s for batch in batches), default=self._lag_s)
        return batches

    def _check(self) -> None:
        """What is wanted and there is watched, and nothing else."""
        for name, one in list(self._watched.items()):
            if name not in self._own or netns.identity(name) != one.identity:
                self._leave(name)
        self._failures.clear()
        for name, own in self._own.items():
            if name not in self._watched and (identity := netns.identity(name)) is not None:
                self._begin(name, identity)
            if name in self._watched:
                self._watched[name].ledger.own = own

    def _begin(self, name: str, identity: int) -> None:
        try:
            listening = ctnetlink_socket.events(name, receive_buffer=self._receive_buffer)
        except OSError as error:
            self._failures[name] = str(error)
            return
        self._watched[name] = _Watched(identity, listening)
        self._by_handle[listening.fileno()] = name
        self._poll.register(listening, select.EPOLLIN)

    def _leave(self, name: str) -> None:
        one = self._watched.pop(name)
        del self._by_handle[one.listening.fileno()]
        self._poll.unregister(one.listening)
        one.listening.close()

    def _hear(self, name: str, heard_s: float) -> None:
        """What waits is in the ledger; where the kernel had to drop some, a look is due.

        A socket that fails is closed, and the next check begins anew.
        """
        one = self._watched[name]
        heard = ctnetlink_socket.Heard(one.listening)
        try:
            for datagram in heard:
                self._note(one.ledger, datagram, heard_s)
        except (OSError, ValueError) as error:
            self._failures[name] = str(error)
            self._leave(name)
        if heard.lost:
            self._overruns += 1
            one.look_at_s = 0.0

    def _note(self, ledger: Ledger, datagram: bytes, heard_s: float) -> None:
        for kind, _, connection, _ in ctnetlink.read(datagram):
            if connection is None:
                continue
            self._events += 1
            if kind is ctnetlink.Kind.LIVES:
                ledger.lives(connection, heard_s)
            else:
                ledger.ended(connection.key, heard_s)

    def _look(self) -> None:
        """The namespaces whose turn it is have been looked at, as many as there is time for."""
        begun_s = now_s = time.monotonic()
        for name, one in sorted(self._watched.items(), key=lambda item: item[1].look_at_s):
            if one.look_at_s > now_s or now_s - begun_s > _LOOKS_S:
                return
            try:
                with ctnetlink_socket.requests(name) as asking:
                    found = ctnetlink_socket.dumped(asking)
            except (OSError, ValueError) as error:
                self._failures[name] = str(error)
                one.look_at_s = now_s + _CHECK_EVERY_S
                continue
            if not one.looked:
                one.ledger.renew(now_s)
            one.looked = True
            one.ledger.looked(found, now_s)
            now_s = time.monotonic()
            one.look_at_s = now_s + self._look_every_s

    def _ask(self, name: str, one: _Watched, now_s: float) -> None:
        """What is unclear, or short of life, is known again."""
        keys = set(one.ledger.unclear())
        if now_s >= one.ask_at_s:
            keys.update(one.ledger.ending(now_s + SHORT_S))
            one.ask_at_s = now_s + self._ask_every_s
        if not keys:
            return
        try:
            with ctnetlink_socket.requests(name) as asking:
                answers = ctnetlink_socket.asked(asking, tuple(keys))
        except (OSError, ValueError) as error:
            self._failures[name] = str(error)
            return
        for key, connection in answers.items():
            if connection is None:
                one.ledger.ended(key, now_s)
            else:
                one.ledger.lives(connection, now_s)

    def _shut(self) -> None:
        for name in list(self._watched):
            self._leave(name)
        self._own = {}
        self._poll.close()


class _Kept:
    """A namespace of a spare, there or not yet."""

    def __init__(self, life_min_s: float) -> None:
        self.twin = Twin(life_min_s=life_min_s)
        self.identity: int | None = None
        self.asking: socket.socket | None = None
        self.compare_at_s = 0.0

    def close(self) -> None:
        """It is as if the namespace were not there."""
        if self.asking is not None:
            self.asking.close()
        self.asking = self.identity = None
        self.compare_at_s = 0.0


class SpareConnections:
    """The carrier's connections, in the kernel of this node."""

    def __init__(self, *, life_min_s: float = LIFE_MIN_S, compare_every_s: float = LOOK_EVERY_S) -> None:
        self._life_min_s = life_min_s
        self._compare_every_s = compare_every_s
        self._kept: dict[str, _Kept] = {}
        self._refused: Counter[str] = Counter()
        self._failures: dict[str, str] = {}
        self._lag_s = 0.0
        self._thread = DaemonThreads("connections", threads_max=1)

    async def apply(self, batches: bytes) -> None:
        """The namespaces have these connections more, and those less; or will have, if they are not there yet.

        What the kernel refuses is counted, and tried again by `mend`.

        Raises:
            ValueError: it is not of `CarrierConnections.batches`.
        """
        begun_s = time.monotonic()
        await self._thread.run(partial(self._apply_all, batches, begun_s))

    async def mend(self, namespaces: Collection[str]) -> None:
        """These namespaces have the connections that they are to have, and nothing is kept for others.

        To be asked when namespaces have come, and every few seconds: one that is as it was is compared with the kernel
        only now and then.
        """
        await self._thread.run(partial(self._mend, frozenset(namespaces)))

    def sums(self) -> Kept:
        """What can be told of it."""
        kept = dict(self._kept)
        absent = frozenset(name for name, one in kept.items() if one.asking is None and len(one.twin))
        connections = sum(len(one.twin) for one in kept.values() if one.asking is not None)
        return Kept(
            len(kept), connections, absent, self._lag_s, dict(self._refused), dict(self._failures)
        )  # fmt: skip

    async def close(self) -> None:
        """Nothing is put in any more, and nothing is taken out: so it has to be before this node carries the gateway,
        or a batch that comes late ends connections that live here.
        """
        await self._thread.run(self._shut)

    def _apply_all(self, data: bytes, begun_s: float) -> None:
        batches = connection_batch.read(data)
        for batch in batches:
            self._apply(batch, begun_s)
        self._lag_s = max((batch.age_s for batch in batches), default=0.0) + time.monotonic() - begun_s

    def _apply(self, batch: Batch, begun_s: float) -> None:
        one = self._kept.setdefault(batch.namespace, _Kept(self._life_min_s))
        steps = one.twin.follow(batch, begun_s)
        if batch.whole:
            one.compare_at_s = 0.0
        if self._reached(batch.namespace, one):
            if one.compare_at_s:
                self._guarded(batch.namespace, one, lambda asking: self._carry_out(asking, one, steps))
            else:
                self._compare(batch.namespace, one)

    def _mend(self, namespaces: frozenset[str]) -> None:
        for name in self._kept.keys() - namespaces:
            self._kept.pop(name).close()
            self._failures.pop(name, None)
        begun_s = time.monotonic()
        for name, one in self._kept.items():
            if not self._reached(name, one):
                continue
            now_s = time.monotonic()
            if not one.compare_at_s or (now_s >= one.compare_at_s and now_s - begun_s < _LOOKS_S):
                self._compare(name, one)

    def _reached(self, name: str, one: _Kept) -> bool:
        """Whether the namespace is there, with a socket in it."""
        identity = netns.identity(name)
        if identity != one.identity:
            one.close()
        if identity is not None and one.asking is None:
            try:
                one.asking, one.identity = ctnetlink_socket.requests(name), identity
            except OSError as error:
                self._failures[name] = str(error)
                return False
        if one.asking is not None:
            self._failures.pop(name, None)
        return one.asking is not None

    def _compare(self, name: str, one: _Kept) -> None:
        def compare(asking: socket.socket) -> None:
            found = {connection.key: connection for connection in ctnetlink_socket.dumped(asking)}
            now_s = time.monotonic()
            one.compare_at_s = now_s + self._compare_every_s
            self._carry_out(asking, one, one.twin.mending(found, now_s))

        self._guarded(name, one, compare)

    def _guarded(self, name: str, one: _Kept, work: Callable[[socket.socket], None]) -> None:
        """The work has been done, or will be begun anew with a socket of its own."""
        if one.asking is None:
            return
        try:
            work(one.asking)
        except (OSError, ValueError) as error:
            self._failures[name] = str(error)
            one.close()

    def _carry_out(self, asking: socket.socket, one: _Kept, steps: Mending) -> None:
        """What was found otherwise than expected is made anew; what is refused then is left to the next comparison."""
        gone = _refused(asking, ctnetlink.delete, steps.remove)
        unmade = _refused(asking, ctnetlink.create, steps.make)
        unaltered = _refused(asking, ctnetlink.update, steps.alter)
        anew = [again for again, code in (*unmade, *unaltered) if code in _ANEW]
        _refused(asking, ctnetlink.delete, [connection.key for connection in anew])
        left = [code for _, code in (*unmade, *unaltered) if code not in _ANEW]
        left += [code for _, code in gone if code != errno.ENOENT]
        left += [code for _, code in _refused(asking, ctnetlink.create, anew)]
        self._refused.update(errno.errorcode.get(code, str(code)) for code in left)
        if left:
            one.compare_at_s = min(one.compare_at_s, time.monotonic() + _AGAIN_S)

    def _shut(self) -> None:
        for one in self._kept.values():
            one.close()
        self._kept.clear()


def _refused(asking: socket.socket, make: Callable[[T, int], bytes], wanted: Sequence[T]) -> list[tuple[T, int]]:
    """Those that the kernel refused, and why."""
    codes = ctnetlink_socket.carried_out(asking, [partial(make, one) for one in wanted])
    return [(wanted[index], code) for index, code in codes.items()]
