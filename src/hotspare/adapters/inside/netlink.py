"""Netlink by hand: messages and attributes as bytes, dumps, and many changes with one system call.

Source: netlink(7), linux/netlink.h. A socket belongs for good to the network namespace in which its thread was when it
was opened.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

ROUTE, NETFILTER = 0, 12
"""Protocols: linux/netlink.h."""

REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
REPLACE, CREATE = 0x100, 0x400
_DUMP_INTERRUPTED = 0x10
_ERROR, _DONE = 2, 3

_SOL_NETLINK, _CAP_ACK = 270, 10
_SO_NETNS_COOKIE = 71
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_KIND_MASK = 0x3FFF
"""Without the flags NLA_F_NESTED and NLA_F_NET_BYTEORDER."""

_ANSWER_BYTES_MAX = 1 << 16
"""The kernel writes dumps in pieces of at most 32 KiB."""
_BATCH_MAX = 64
"""So many answers fit a receive buffer of the default size, whatever it is accounted with."""
_DUMPS_MAX = 20
"""A dump that something changed under is asked for again."""
_ANSWER_WAIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Request:
    """A change that is asked of the kernel."""

    kind: int
    flags: int
    payload: bytes
    what: str
    """In words, for the one who reads that it failed."""
    fine: frozenset[int] = frozenset()
    """Errors that say that it is done already."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A change that the kernel did not make."""

    what: str
    code: int
    """errno."""

    def __str__(self) -> str:
        return f"{self.what}: {os.strerror(self.code)}"


def attribute(kind: int, payload: bytes) -> bytes:
    """One attribute, padded."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(payload), kind) + payload + bytes(-len(payload) % 4)


def attributes(data: bytes) -> dict[int, bytes]:
    """Kind → payload; of a kind that is there twice the last."""
    found = {}
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            break
        found[kind & _KIND_MASK] = data[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
    return found


class Netlink:
    """A socket of one protocol in the network namespace of the thread that opens it."""

    def __init__(self, protocol: int) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        try:
            self._socket.bind((0, 0))
            self._socket.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
            self._socket.settimeout(_ANSWER_WAIT_S)
        except BaseException:
            self._socket.close()
            raise
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @property
    def cookie(self) -> int | None:
        """The number of the socket's network namespace, which no other one gets before the machine is booted again;
        None where the kernel has no such number (before 5.14).
        """
        try:
            return int.from_bytes(self._socket.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8), "little")
        except OSError:
            return None

    def dump(self, kind: int, payload: bytes) -> list[tuple[int, bytes]]:
        """Kind and payload of all that the kernel has of what is asked for.

        Raises:
            OSError: the kernel refused.
        """
        for _ in range(_DUMPS_MAX):
            found = []
            is_whole = True
            for answer, flags, data in self._ask(kind, REQUEST | DUMP, payload):
                is_whole &= not flags & _DUMP_INTERRUPTED
                if answer != _DONE:
                    found.append((answer, data))
            if is_whole:
                return found
        raise OSError(errno.EAGAIN, "it changes faster than it can be read")

    def ask(self, kind: int, payload: bytes) -> bytes:
        """The payload of the one answer.

        Raises:
            OSError: the kernel refused.
        """
        for _, _, data in self._ask(kind, REQUEST, payload):
            return data
        raise OSError(errno.ENODATA, os.strerror(errno.ENODATA))

    def carry_out(self, requests: Sequence[Request]) -> list[Refusal]:
        """All of it has been asked for, in this order, and what is returned was refused."""
        refusals: list[Refusal] = []
        for first in range(0, len(requests), _BATCH_MAX):
            refusals += self._carry_out(requests[first : first + _BATCH_MAX])
        return refusals

    def _carry_out(self, requests: Sequence[Request]) -> Iterator[Refusal]:
        first = self._sequence + 1
        self._socket.send(b"".join(self._packed(one.kind, one.flags | REQUEST | ACK, one.payload) for one in requests))
        waiting = len(requests)
        while waiting:
            for kind, _, sequence, data in self._received():
                index = sequence - first
                if kind != _ERROR or not 0 <= index < len(requests):
                    continue
                waiting -= 1
                code = -struct.unpack_from("=i", data)[0]
                if code and code not in requests[index].fine:
                    yield Refusal(requests[index].what, code)

    def _ask(self, kind: int, flags: int, payload: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Kind, flags and payload of every answer; of a dump the last one is _DONE."""
        self._socket.send(self._packed(kind, flags, payload))
        asked = self._sequence
        is_open = True
        while is_open:
            for answer, answer_flags, sequence, data in self._received():
                if sequence != asked:
                    continue
                # Both begin with an error number, negative; that of a dump that went well is 0.
                if answer in (_ERROR, _DONE) and (code := -struct.unpack_from("=i", data)[0]):
                    raise OSError(code, os.strerror(code))
                is_open = bool(flags & DUMP) and answer != _DONE
                yield answer, answer_flags, data

    def _packed(self, kind: int, flags: int, payload: bytes) -> bytes:
        self._sequence += 1
        header = _HEADER.pack(_HEADER.size + len(payload), kind, flags, self._sequence, 0)
        return header + payload + bytes(-len(payload) % 4)

    def _received(self) -> Iterator[tuple[int, int, int, bytes]]:
        """Kind, flags, sequence and payload of the messages of one datagram."""
        data = self._socket.recv(_ANSWER_BYTES_MAX)
        at = 0
        while at + _HEADER.size <= len(data):
            length, kind, flags, sequence, _ = _HEADER.unpack_from(data, at)
            yield kind, flags, sequence, data[at + _HEADER.size : at + length]
            at += (length + 3) & ~3
