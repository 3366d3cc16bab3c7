"""Messages of the kernel's connection tracking (ctnetlink), between bytes and connections.

Source: linux/netfilter/nfnetlink_conntrack.h (numbers of attributes), net/netfilter/nf_conntrack_netlink.c (what the
kernel accepts). Not carried over: helpers, expected connections, sequence adjustment, labels, the state of SCTP, and
zones of one direction only.
"""

import struct
import sys
from collections.abc import Mapping
from enum import Enum, auto
from typing import NamedTuple

from hotspare.model.connection import (
    ASSURED,
    CLOSE,
    ESTABLISHED,
    ICMP,
    ICMPV6,
    SEEN_REPLY,
    TIME_WAIT,
    Connection,
    Direction,
    Key,
    Tcp,
)

ACK, DUMP, REPLACE, EXCLUDE, CREATE = 0x4, 0x300, 0x100, 0x200, 0x400
"""Flags of a request. Source: linux/netlink.h."""

_REQUEST = 0x1
_ERROR, _DONE = 2, 3
_NEW, _GET, _DELETE = 0x100, 0x101, 0x102
"""NFNL_SUBSYS_CTNETLINK << 8, and IPCTNL_MSG_CT_{NEW,GET,DELETE}."""

_ORIGINAL, _REPLY, _STATUS, _PROTOINFO, _NAT_SOURCE, _TIMEOUT, _MARK = 1, 2, 3, 4, 6, 7, 8
_NAT_TARGET, _ZONE, _STATUS_MASK = 13, 18, 26
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_PROTO_NUMBER, _PROTO_SOURCE_PORT, _PROTO_TARGET_PORT = 1, 2, 3
_ICMP_FIRST: Mapping[int, int] = {ICMP: 4, ICMPV6: 7}
"""CTA_PROTO_ICMP_ID and CTA_PROTO_ICMPV6_ID; type and code follow."""
_NAT_PORTS = 3
_NESTED, _KIND = 0x8000, 0x3FFF

_CONFIRMED = 0x08
"""The kernel sets it on all that it knows, and refuses a status without it (EBUSY)."""
_LIBERAL = 0x08
"""IP_CT_TCP_FLAG_BE_LIBERAL: packets outside the window are not invalid; where the window is, the new node learns."""
_KEPT_FLAGS = 0x0F
"""Window scaling, selective acknowledgement, who closes, liberal; others speak of sequence numbers, which are left."""

_HEADER = struct.Struct("=IHHII")
_FAMILY = struct.Struct("!BBH")
_ATTRIBUTE = struct.Struct("=HH")
_CODE = struct.Struct("=i")
_BYTE, _SHORT, _LONG = struct.Struct("!B"), struct.Struct("!H"), struct.Struct("!I")
_INET, _INET6 = 2, 10


class Kind(Enum):
    """What a message says."""

    LIVES = auto()
    ENDED = auto()
    DONE = auto()
    """A dump ends, or a request with ACK was carried out."""
    REFUSED = auto()


class Message(NamedTuple):
    """One message of the kernel."""

    kind: Kind
    sequence: int
    connection: Connection | None = None
    """Of LIVES and ENDED."""
    code: int = 0
    """Of REFUSED: an errno."""


def read(datagram: bytes) -> list[Message]:
    """All messages of what one recv gave, but for connections that cannot be expressed (see above).

    Raises:
        ValueError: these are no messages of ctnetlink.
    """
    found: list[Message] = []
    at, end = 0, len(datagram)
    try:
        while at < end:
            size, kind, _, sequence, _ = _HEADER.unpack_from(datagram, at)
            if size < _HEADER.size or at + size > end:
                raise ValueError(f"a netlink message of {size} bytes in {end - at}")
            if kind in (_NEW, _DELETE):
                connection = _connection(datagram[at + 20 : at + size])
                if connection is not None:
                    found.append(Message(Kind.LIVES if kind == _NEW else Kind.ENDED, sequence, connection))
            elif kind in (_ERROR, _DONE):
                code = -_CODE.unpack_from(datagram, at + 16)[0] if size >= 20 else 0
                found.append(Message(Kind.REFUSED if code else Kind.DONE, sequence, code=code))
            at += size + 3 & ~3
    except (struct.error, LookupError) as error:
        raise ValueError(f"a netlink message is cut: {error!r}") from error
    return found


def dump(sequence: int) -> bytes:
    """Asks for all connections that have seen a reply. Kernels before 5.18 know no such filter, and give all."""
    body = _attribute(_STATUS, _LONG.pack(SEEN_REPLY)) + _attribute(_STATUS_MASK, _LONG.pack(SEEN_REPLY))
    return _message(_GET, _REQUEST | DUMP, sequence, 0, body)


def get(key: Key, sequence: int) -> bytes:
    """Asks for one connection. Refused with ENOENT if there is none."""
    return _message(_GET, _REQUEST, sequence, len(key.original.source), _by_key(key))


def create(connection: Connection, sequence: int) -> bytes:
    """Makes the connection, translated as its directions say. Refused with EEXIST where there is one of this key.

    The kernel works the translated reply out itself from the ranges CTA_NAT_SRC and CTA_NAT_DST, and does not look at
    NAT bits of the status; so the reply is given as if nothing were translated.
    """
    original, reply, protocol = connection.key.original, connection.reply, connection.key.protocol
    icmp = protocol in (ICMP, ICMPV6)
    plain = Direction(
        original.target,
        original.source_port if icmp else original.target_port,
        original.source,
        reply.target_port if icmp else original.source_port,
    )
    body = _tuple(_REPLY, protocol, plain)
    if (reply.source, reply.source_port) != plain[:2] and not (icmp and reply.source == plain.source):
        body += _nat(_NAT_TARGET, reply.source, None if icmp else reply.source_port)
    translated = reply.source_port if icmp else reply.target_port
    if (reply.target, translated) != (original.source, original.source_port):
        body += _nat(_NAT_SOURCE, reply.target, translated)
    return _request(connection, CREATE | EXCLUDE, sequence, body)


def update(connection: Connection, sequence: int) -> bytes:
    """Makes the connection of this key like the given one, but for its translation. Refused with ENOENT without one.

    Without CREATE, since one that is made so would not be translated; without NAT, since the kernel refuses that.
    """
    return _request(connection, REPLACE, sequence, b"")


def delete(key: Key, sequence: int) -> bytes:
    """Ends the connection. Refused with ENOENT if there is none."""
    return _message(_DELETE, _REQUEST, sequence, len(key.original.source), _by_key(key))


def only_kept_states() -> tuple[tuple[int, int, int, int], ...]:
    """A classic BPF program for an event socket: instructions (code, true, false, k).

    Passed is what has seen a reply, and of TCP: that it is established, that it is over (TIME_WAIT, CLOSE), and the end
    of what was not over. Handshakes, the steps of closing and unanswered packets, most of all events, wake nobody.
    """
    load, keep, drop = 0x20, "keep", "drop"  # BPF_LD | BPF_W | BPF_ABS
    find, find_inside = 0xFFFFF000 + 12, 0xFFFFF000 + 16  # SKF_AD_OFF + SKF_AD_NLATTR(_NEST): linux/filter.h
    kind_at = 4 if sys.byteorder == "little" else 5
    lines: list[tuple[int, int | str, int | str, int]] = [
        (0x00, 0, 0, 20),  # A: where the attributes begin
        (0x01, 0, 0, _STATUS),
        (load, 0, 0, find),
        (0x15, keep, 0, 0),
        (0x07, 0, 0, 0),  # X = A
        (0x40, 0, 0, 4),  # A: the status
        (0x45, 0, drop, SEEN_REPLY),
        (0x00, 0, 0, 20),
        (0x01, 0, 0, _PROTOINFO),
        (load, 0, 0, find),
        (0x15, keep, 0, 0),
        (0x01, 0, 0, 1),  # CTA_PROTOINFO_TCP
        (load, 0, 0, find_inside),
        (0x15, keep, 0, 0),
        (0x01, 0, 0, 1),  # CTA_PROTOINFO_TCP_STATE
        (load, 0, 0, find_inside),
        (0x15, keep, 0, 0),
        (0x07, 0, 0, 0),
        (0x50, 0, 0, 4),  # A: the state
        (0x15, keep, 0, ESTABLISHED),
        (0x07, 0, 0, 0),
        (0x30, 0, 0, kind_at),  # A: the low byte of the message's type
        (0x15, 3, 0, _DELETE & 0xFF),
        (0x87, 0, 0, 0),  # A = X; a change: kept if it is over
        (0x15, keep, 0, TIME_WAIT),
        (0x15, keep, drop, CLOSE),
        (0x87, 0, 0, 0),  # an end: kept if it was not over
        (0x15, drop, 0, TIME_WAIT),
        (0x15, drop, keep, CLOSE),
        (0x06, 0, 0, 0xFFFFFFFF),  # keep
        (0x06, 0, 0, 0),  # drop
    ]
    ends = {keep: len(lines) - 2, drop: len(lines) - 1}

    def jump(to: int | str, at: int) -> int:
        return to if isinstance(to, int) else ends[to] - at - 1

    return tuple((code, jump(true, at), jump(false, at), k) for at, (code, true, false, k) in enumerate(lines))


def _connection(data: bytes) -> Connection | None:
    found = _attributes(data)
    original, reply = _read_tuple(found.get(_ORIGINAL, b"")), _read_tuple(found.get(_REPLY, b""))
    if original is None or reply is None:
        return None
    status, timeout_s, mark, zone = (_number(found, kind) for kind in (_STATUS, _TIMEOUT, _MARK, _ZONE))
    tcp = _read_tcp(found[_PROTOINFO]) if _PROTOINFO in found else None
    return Connection(Key(*original, zone), reply[1], status & (SEEN_REPLY | ASSURED), timeout_s, mark, tcp)


def _attributes(data: bytes) -> dict[int, bytes]:
    """Values by kind."""
    found = {}
    at, end = 0, len(data)
    while at + 4 <= end:
        size, kind = _ATTRIBUTE.unpack_from(data, at)
        if size < 4 or at + size > end:
            raise ValueError(f"a netlink attribute of {size} bytes in {end - at}")
        found[kind & _KIND] = data[at + 4 : at + size]
        at += size + 3 & ~3
    return found


def _number(found: Mapping[int, bytes], kind: int) -> int:
    return int.from_bytes(found.get(kind, b""), "big")


def _read_tuple(data: bytes) -> tuple[int, Direction] | None:
    """Protocol and direction; None where there is none, or it has a zone of its own."""
    parts = _attributes(data)
    if parts.keys() != {_TUPLE_IP, _TUPLE_PROTO}:
        return None
    addresses, protocol = _attributes(parts[_TUPLE_IP]), _attributes(parts[_TUPLE_PROTO])
    source, target = _addresses_at(1 in addresses)
    number = _number(protocol, _PROTO_NUMBER)
    first = _ICMP_FIRST.get(number)
    if first is None:
        ports = _number(protocol, _PROTO_SOURCE_PORT), _number(protocol, _PROTO_TARGET_PORT)
    else:
        ports = _number(protocol, first), _number(protocol, first + 1) << 8 | _number(protocol, first + 2)
    return number, Direction(addresses[source], ports[0], addresses[target], ports[1])


def _addresses_at(v4: bool) -> tuple[int, int]:
    """Kinds of source and target: CTA_IP_V4_{SRC,DST}, CTA_IP_V6_{SRC,DST}."""
    return (1, 2) if v4 else (3, 4)


def _read_tcp(data: bytes) -> Tcp | None:
    parts = _attributes(_attributes(data).get(1, b""))
    if 1 not in parts:
        return None
    return Tcp(*(parts[kind][0] if kind in parts else 0 for kind in (1, 2, 3, 4, 5)))


def _request(connection: Connection, flags: int, sequence: int, more: bytes) -> bytes:
    key = connection.key
    body = _by_key(key) + more
    body += _attribute(_STATUS, _LONG.pack(connection.status | _CONFIRMED))
    body += _attribute(_TIMEOUT, _LONG.pack(connection.timeout_s)) + _attribute(_MARK, _LONG.pack(connection.mark))
    if connection.tcp is not None:
        body += _attribute(_PROTOINFO | _NESTED, _attribute(1 | _NESTED, _tcp(connection.tcp)))
    return _message(_NEW, _REQUEST | flags, sequence, len(key.original.source), body)


def _tcp(tcp: Tcp) -> bytes:
    flags = [bytes((flags & _KEPT_FLAGS | _LIBERAL, _KEPT_FLAGS)) for flags in (tcp.flags_original, tcp.flags_reply)]
    values: Mapping[int, bytes] = {
        1: _BYTE.pack(tcp.state),
        2: _BYTE.pack(tcp.scale_original),
        3: _BYTE.pack(tcp.scale_reply),
        4: flags[0],
        5: flags[1],
    }
    return b"".join(_attribute(kind, value) for kind, value in values.items())


def _tuple(kind: int, protocol: int, direction: Direction) -> bytes:
    source, target = _addresses_at(len(direction.source) == 4)
    addresses = _attribute(source, direction.source) + _attribute(target, direction.target)
    parts = _attribute(_PROTO_NUMBER, _BYTE.pack(protocol))
    first = _ICMP_FIRST.get(protocol)
    if first is None:
        parts += _attribute(_PROTO_SOURCE_PORT, _SHORT.pack(direction.source_port))
        parts += _attribute(_PROTO_TARGET_PORT, _SHORT.pack(direction.target_port))
    else:
        parts += _attribute(first, _SHORT.pack(direction.source_port))
        parts += _attribute(first + 1, _BYTE.pack(direction.target_port >> 8))
        parts += _attribute(first + 2, _BYTE.pack(direction.target_port & 0xFF))
    nested = _attribute(_TUPLE_IP | _NESTED, addresses) + _attribute(_TUPLE_PROTO | _NESTED, parts)
    return _attribute(kind | _NESTED, nested)


def _nat(kind: int, address: bytes, port: int | None) -> bytes:
    """Exactly this address and port."""
    first, last = (4, 5) if len(address) == 16 else (1, 2)
    body = _attribute(first, address) + _attribute(last, address)
    if port is not None:
        ports = _attribute(1, _SHORT.pack(port)) + _attribute(2, _SHORT.pack(port))
        body += _attribute(_NAT_PORTS | _NESTED, ports)
    return _attribute(kind | _NESTED, body)


def _by_key(key: Key) -> bytes:
    original = _tuple(_ORIGINAL, key.protocol, key.original)
    return original + _attribute(_ZONE, _SHORT.pack(key.zone)) if key.zone else original


def _attribute(kind: int, value: bytes) -> bytes:
    size = len(value) + 4
    return _ATTRIBUTE.pack(size, kind) + value + b"\0" * (-size % 4)


def _message(kind: int, flags: int, sequence: int, address_size: int, body: bytes) -> bytes:
    family = {4: _INET, 16: _INET6}.get(address_size, 0)
    head = _HEADER.pack(20 + len(body), kind, flags, sequence, 0)
    return head + _FAMILY.pack(family, 0, 0) + body
