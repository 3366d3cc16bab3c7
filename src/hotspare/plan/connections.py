"""Which connections are worth a copy on the spares, what has changed of them, and how a twin comes to have the same."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from hotspare.model.connection import (
    ESTABLISHED,
    SCTP,
    SEEN_REPLY,
    TCP,
    TIME_WAIT,
    UDP,
    Batch,
    Connection,
    Key,
)

METADATA = frozenset(ip_address(one).packed for one in ("169.254.169.254", "fe80::a9fe:a9fe"))
"""Connections to these end on the node itself. Source: Neutron, `METADATA_V4_IP` and `METADATA_V6_IP`."""
DOMAIN = 53
"""A question to a name server is over, or asked again, before anybody could miss it."""

_LATER_S, _LATER_PART = 5.0, 0.1
"""A connection whose end has moved by more than this, because packets came, is told again."""


def worth(connection: Connection, own: Collection[bytes]) -> bool:
    """Whether somebody would miss the connection after a takeover.

    It has to have an answer, which comes after the kernel chose how to translate it; of TCP it has to be past its
    handshake and not over. `own` are the router's addresses: what begins or ends there goes with the node.
    """
    (protocol, original, _), reply, status, *_, tcp = connection
    if not status & SEEN_REPLY or protocol == SCTP:
        return False
    if tcp is not None and not ESTABLISHED <= tcp.state < TIME_WAIT:
        return False
    if protocol == UDP and original.target_port == DOMAIN:
        return False
    return original.target not in METADATA and original.source not in own and reply.source not in own


class Ledger:
    """The connections of one namespace of the carrier, and what of them has changed since the last batch.

    It is right after `looked`. Between two looks `lives` and `ended` keep it right, in the order in which they were
    heard; what was heard before or during a look is to be told after it.
    """

    def __init__(self) -> None:
        self.own: Collection[bytes] = frozenset()
        self._known: dict[Key, tuple[Connection, float]] = {}
        self._changed: dict[Key, bool] = {}
        self._unclear: set[Key] = set()
        self._whole = False
        self._since_s: float | None = None

    def __len__(self) -> int:
        return len(self._known)

    def lives(self, connection: Connection, now_s: float) -> None:
        """There is this connection. A message without TCP's state changes nothing of that, or leaves it unclear."""
        key = connection.key
        before = self._known.get(key)
        if connection.tcp is None and key.protocol == TCP:
            if before is None:
                self._unclear.add(key)
                return
            connection = connection._replace(tcp=before[0].tcp)
        if not worth(connection, self.own):
            self.ended(key, now_s)
            return
        until_s = now_s + connection.timeout_s
        if before is not None:
            same = connection._replace(timeout_s=0) == before[0]._replace(timeout_s=0)
            if same and until_s <= before[1] + max(_LATER_S, connection.timeout_s * _LATER_PART):
                return
        self._note(key, now_s, given_out=before is not None)
        self._known[key] = (connection, until_s)

    def ended(self, key: Key, now_s: float) -> None:
        """There is no such connection any more."""
        if self._known.pop(key, None) is None:
            return
        if self._changed.get(key) is False:
            del self._changed[key]
        else:
            self._note(key, now_s, given_out=True)

    def looked(self, found: Iterable[Connection], now_s: float) -> None:
        """There are these connections and no others."""
        seen = set()
        for connection in found:
            seen.add(connection.key)
            self.lives(connection, now_s)
        for key in self._known.keys() - seen:
            self.ended(key, now_s)

    def unclear(self) -> frozenset[Key]:
        """What the kernel has to be asked for, since it has told of them only in part."""
        found, self._unclear = frozenset(self._unclear), set()
        return found

    def ending(self, before_s: float) -> tuple[Key, ...]:
        """What ends before then unless packets come: only the kernel knows whether they did."""
        return tuple(key for key, (_, until_s) in self._known.items() if until_s < before_s)

    def renew(self, now_s: float) -> None:
        """The next batch has all of it."""
        self._whole = True
        self._since(now_s)

    def take(self, namespace: str, now_s: float) -> Batch | None:
        """What has changed since the last batch; None: nothing."""
        if not self._changed and not self._whole:
            return None
        keys = self._known if self._whole else self._changed
        lives = tuple(self._remaining(key, now_s) for key in keys if key in self._known)
        ended = () if self._whole else tuple(key for key in self._changed if key not in self._known)
        age_s = 0.0 if self._since_s is None else now_s - self._since_s
        batch = Batch(namespace, self._whole, lives, ended, age_s)
        self._changed, self._whole, self._since_s = {}, False, None
        return batch

    def _remaining(self, key: Key, now_s: float) -> Connection:
        connection, until_s = self._known[key]
        return connection._replace(timeout_s=max(1, round(until_s - now_s)))

    def _note(self, key: Key, now_s: float, *, given_out: bool) -> None:
        self._changed.setdefault(key, given_out)
        self._since(now_s)

    def _since(self, now_s: float) -> None:
        if self._since_s is None:
            self._since_s = now_s


@dataclass(frozen=True, slots=True)
class Mending:
    """What makes the connections of a namespace the wanted ones; `remove` comes first."""

    remove: tuple[Key, ...] = ()
    make: tuple[Connection, ...] = ()
    alter: tuple[Connection, ...] = ()


class Twin:
    """The connections that one namespace of a spare is to have.

    A packet that the carrier forwards prolongs its connection there without a word of the kernel; here it is prolonged
    when the carrier has looked again. So that it does not end in between, it has at least `life_min_s` here.
    """

    def __init__(self, *, life_min_s: float) -> None:
        self._life_min_s = life_min_s
        self._wanted: dict[Key, tuple[Connection, float]] = {}

    def __len__(self) -> int:
        return len(self._wanted)

    def follow(self, batch: Batch, now_s: float) -> Mending:
        """Take the batch over; what has to be done where the namespace was as wanted before.

        After a whole one, ask `mending`.
        """
        if batch.whole:
            self._wanted = {one.key: (one, now_s + one.timeout_s) for one in batch.lives}
            return Mending()
        remove = [key for key in batch.ended if self._wanted.pop(key, None) is not None]
        make, alter = [], []
        for connection in batch.lives:
            key = connection.key
            before = self._wanted.get(key)
            self._wanted[key] = (connection, now_s + connection.timeout_s)
            if before is not None and before[0].reply == connection.reply:
                alter.append(self._lasting(key, now_s))
                continue
            if before is not None:
                remove.append(key)
            make.append(self._lasting(key, now_s))
        return Mending(tuple(remove), tuple(make), tuple(alter))

    def mending(self, found: Mapping[Key, Connection], now_s: float) -> Mending:
        """What has to be done where the namespace has these connections.

        What nobody has heard of any more for its whole life is not wanted any more either.
        """
        late = [key for key, (_, until_s) in self._wanted.items() if until_s + self._life_min_s < now_s]
        for key in late:
            del self._wanted[key]
        remove = [key for key in found if key not in self._wanted]
        make, alter = [], []
        for key in self._wanted:
            wanted, is_there = self._lasting(key, now_s), found.get(key)
            if is_there is None:
                make.append(wanted)
            elif is_there.reply != wanted.reply or wanted.status & is_there.status != is_there.status:
                remove.append(key)
                make.append(wanted)
            elif _differs(wanted, is_there):
                alter.append(wanted)
        return Mending(tuple(remove), tuple(make), tuple(alter))

    def _lasting(self, key: Key, now_s: float) -> Connection:
        connection, until_s = self._wanted[key]
        return connection._replace(timeout_s=round(max(self._life_min_s, until_s - now_s)))


def _differs(wanted: Connection, is_there: Connection) -> bool:
    states = (wanted.tcp.state, is_there.tcp.state) if wanted.tcp and is_there.tcp else (0, 0)
    later = wanted.timeout_s - is_there.timeout_s > max(_LATER_S, wanted.timeout_s * _LATER_PART)
    return states[0] != states[1] or wanted.mark != is_there.mark or wanted.status != is_there.status or later
