"""What stagers say to each other, as bytes: frames with a length in front. Pure.

A frame is a header (length of the body, kind, how the body is packed) and the body. Kinds below `FIRST_FREE` are the
channel's own; what the others mean is their users' affair.
"""

import json
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

PROTOCOL = 1
FIRST_FREE = 16
"""The lowest kind that is free for payload."""
KIND_MAX = 255

_HEADER = struct.Struct(">IBB")
HEADER_BYTES = _HEADER.size
_BEAT = struct.Struct(">BQ")
_PLAIN, _ZLIB = 0, 1
_ZLIB_FROM_BYTES = 1024
"""Below it packing costs more than it saves."""
_ZLIB_LEVEL = 1
"""The text of rules and routes shrinks to a tenth by it, at ten times the speed of the default level."""
_NAME_MAX = 255


class Control(IntEnum):
    """The channel's own kinds."""

    HELLO = 0
    BEAT = 1
    FRESH = 2
    """Nothing that came before counts any more: a whole state follows."""
    WHOLE = 3
    """That state is complete; what follows changes it."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message; `kind` is from FIRST_FREE to KIND_MAX, unless it is a Control."""

    kind: int
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Head:
    """What the header says of the body that follows."""

    length: int
    kind: int
    is_packed: bool


@dataclass(frozen=True, slots=True)
class Hello:
    """Who speaks, and whether its node carries the gateway."""

    gateway: str
    node: str
    carries: bool


@dataclass(frozen=True, slots=True)
class Beat:
    """A sign of life. The server's says whether its node carries the gateway, and repeats the last number it heard."""

    carries: bool
    number: int


class FrameError(ValueError):
    """These bytes are not what a stager of this version says."""


class OversizedError(FrameError):
    """More bytes than a frame may have."""


def encoded(frame: Frame) -> bytes:
    """The frame as it goes over the wire."""
    body, how = frame.payload, _PLAIN
    if len(body) >= _ZLIB_FROM_BYTES:
        body, how = zlib.compress(body, _ZLIB_LEVEL), _ZLIB
    return _HEADER.pack(len(body), frame.kind, how) + body


def head(raw: bytes, *, bytes_max: int) -> Head:
    """What the header (HEADER_BYTES bytes) says.

    Raises:
        OversizedError: the body would be longer than `bytes_max`.
        FrameError: this is no header.
    """
    length, kind, how = _HEADER.unpack(raw)
    if how not in (_PLAIN, _ZLIB) or not (kind >= FIRST_FREE or kind in iter(Control)):
        raise FrameError(f"no frame of protocol {PROTOCOL}: kind {kind}, packing {how}")
    if length > bytes_max:
        raise OversizedError(f"a frame of {length} bytes; {bytes_max} are allowed")
    return Head(length, kind, how == _ZLIB)


def decoded(about: Head, body: bytes, *, bytes_max: int) -> Frame:
    """The frame of a header and its body.

    Raises:
        OversizedError: it would unpack to more than `bytes_max`; no more than that was unpacked.
        FrameError: it cannot be unpacked.
    """
    if not about.is_packed:
        return Frame(about.kind, body)
    unpacking = zlib.decompressobj()
    try:
        payload = unpacking.decompress(body, bytes_max + 1)
    except zlib.error as error:
        raise FrameError(f"a body that cannot be unpacked: {error}") from error
    if len(payload) > bytes_max:
        raise OversizedError(f"a frame that unpacks to more than {bytes_max} bytes")
    if not unpacking.eof or unpacking.unused_data:
        raise FrameError("a body that is packed in part, or more than once")
    return Frame(about.kind, payload)


def hello(said: Hello) -> Frame:
    """The first frame of either side."""
    told = {"protocol": PROTOCOL, "gateway": said.gateway, "node": said.node, "carries": said.carries}
    return Frame(Control.HELLO, json.dumps(told).encode())


def read_hello(frame: Frame) -> Hello:
    """Raises:
    FrameError: it is no greeting, or one of another protocol.
    """
    try:
        told: dict[str, Any] = json.loads(frame.payload) if frame.kind == Control.HELLO else {}
        protocol, gateway, node, carries = (told[key] for key in ("protocol", "gateway", "node", "carries"))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FrameError("its first frame is no greeting") from error
    if protocol != PROTOCOL:
        raise FrameError(f"it speaks protocol {str(protocol)[:20]}, and this is {PROTOCOL}; install the same version")
    names = (gateway, node)
    if not all(isinstance(name, str) and 0 < len(name) <= _NAME_MAX for name in names) or not isinstance(carries, bool):
        raise FrameError("its greeting does not say who it is")
    return Hello(gateway, node, carries)


def beat(said: Beat) -> Frame:
    """A sign of life."""
    return Frame(Control.BEAT, _BEAT.pack(said.carries, said.number))


def read_beat(frame: Frame) -> Beat:
    """Raises:
    FrameError: it is no sign of life.
    """
    if frame.kind != Control.BEAT or len(frame.payload) != _BEAT.size or frame.payload[0] > 1:
        raise FrameError("no sign of life")
    carries, number = _BEAT.unpack(frame.payload)
    return Beat(bool(carries), number)
