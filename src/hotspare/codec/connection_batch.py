"""Batches of connections on their way from the carrier to its spares, as bytes: some 37 of them a connection of IPv4.

A record: bits, protocol, the original direction, [zone]; and unless it has ended: status, timeout, [the other
direction, where it is no mirror], [mark], [TCP]. All in network order.
"""

import struct
from collections.abc import Sequence

from hotspare.model.connection import Batch, Connection, Direction, Key, Tcp

_VERSION = 1
_VERSIONED = struct.Struct("!BH")
"""Version, number of batches."""
_HEAD = struct.Struct("!BHfI")
"""Of a batch: whether it is whole, length of the namespace's name, age, number of records."""
_V6, _OTHER_REPLY, _MARKED, _ZONED, _TCP, _ENDED = 1, 2, 4, 8, 16, 32
_BEGIN = struct.Struct("!BB")
_V4_WAY, _V6_WAY = struct.Struct("!4sH4sH"), struct.Struct("!16sH16sH")
_ZONE = struct.Struct("!H")
_LIFE = struct.Struct("!BI")
_MARK = struct.Struct("!I")
_TCP_STATE = struct.Struct("!BBBBB")


def write(batches: Sequence[Batch]) -> bytes:
    """At most 65,535 batches, as bytes."""
    return _VERSIONED.pack(_VERSION, len(batches)) + b"".join(map(_batch, batches))


def read(data: bytes) -> tuple[Batch, ...]:
    """The batches.

    Raises:
        ValueError: the bytes are cut, or of another version.
    """
    try:
        version, count = _VERSIONED.unpack_from(data)
        if version != _VERSION:
            raise ValueError(f"batches of connections of version {version}, not {_VERSION}")
        at, found = _VERSIONED.size, []
        for _ in range(count):
            batch, at = _read_batch(data, at)
            found.append(batch)
    except struct.error as error:
        raise ValueError(f"batches of connections are cut: {error}") from error
    return tuple(found)


def _batch(batch: Batch) -> bytes:
    name = batch.namespace.encode()
    count = len(batch.lives) + len(batch.ended)
    parts = [_HEAD.pack(batch.whole, len(name), batch.age_s, count), name]
    parts += map(_lives, batch.lives)
    parts += (_key(key, _ENDED) for key in batch.ended)
    return b"".join(parts)


def _read_batch(data: bytes, at: int) -> tuple[Batch, int]:
    """The batch, and where the next one begins."""
    whole, size, age_s, count = _HEAD.unpack_from(data, at)
    at += _HEAD.size + size
    name = data[at - size : at].decode()
    lives: list[Connection] = []
    ended: list[Key] = []
    for _ in range(count):
        key, connection, at = _record(data, at)
        if connection is None:
            ended.append(key)
        else:
            lives.append(connection)
    return Batch(name, bool(whole), tuple(lives), tuple(ended), age_s), at


def _lives(connection: Connection) -> bytes:
    key, reply, status, timeout_s, mark, tcp = connection
    plain = reply == key.original.mirrored()
    bits = (0 if plain else _OTHER_REPLY) | (_MARKED if mark else 0) | (_TCP if tcp else 0)
    data = _key(key, bits) + _LIFE.pack(status, timeout_s)
    if not plain:
        data += (_V6_WAY if len(reply.source) == 16 else _V4_WAY).pack(*reply)
    if mark:
        data += _MARK.pack(mark)
    return data + _TCP_STATE.pack(*tcp) if tcp else data


def _key(key: Key, bits: int) -> bytes:
    v6 = len(key.original.source) == 16
    bits |= (_V6 if v6 else 0) | (_ZONED if key.zone else 0)
    data = _BEGIN.pack(bits, key.protocol) + (_V6_WAY if v6 else _V4_WAY).pack(*key.original)
    return data + _ZONE.pack(key.zone) if key.zone else data


def _record(data: bytes, at: int) -> tuple[Key, Connection | None, int]:
    """The key, the connection unless it has ended, and where the next record begins."""
    bits, protocol = _BEGIN.unpack_from(data, at)
    at += _BEGIN.size
    way = _V6_WAY if bits & _V6 else _V4_WAY
    original = Direction(*way.unpack_from(data, at))
    at += way.size
    zone = mark = 0
    if bits & _ZONED:
        (zone,) = _ZONE.unpack_from(data, at)
        at += _ZONE.size
    key = Key(protocol, original, zone)
    if bits & _ENDED:
        return key, None, at
    status, timeout_s = _LIFE.unpack_from(data, at)
    at += _LIFE.size
    reply, tcp = original.mirrored(), None
    if bits & _OTHER_REPLY:
        reply = Direction(*way.unpack_from(data, at))
        at += way.size
    if bits & _MARKED:
        (mark,) = _MARK.unpack_from(data, at)
        at += _MARK.size
    if bits & _TCP:
        tcp = Tcp(*_TCP_STATE.unpack_from(data, at))
        at += _TCP_STATE.size
    return key, Connection(key, reply, status, timeout_s, mark, tcp), at
