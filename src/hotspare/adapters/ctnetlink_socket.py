"""Sockets to the kernel's connection tracking of one network namespace.

A socket belongs to the namespace in which it was opened, and keeps it alive, with its devices, until it is closed. None
ever blocks: the kernel works while `send` lasts, and what it answers can be read at once.
"""

import ctypes
import errno
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from hotspare.adapters import netns
from hotspare.codec import ctnetlink
from hotspare.codec.ctnetlink import Kind
from hotspare.model.connection import Connection, Key

AT_ONCE = 200
"""Requests in one datagram: some 40 kB, below the send buffer's default size."""
AT_MOST = 10_000
"""Events of one namespace at a time, so that others have their turn too."""

_EVENTS = Path("/proc/sys/net/netfilter/nf_conntrack_events")
_UPDATE, _DESTROY = 1 << 1, 1 << 2
"""Groups NFNLGRP_CONNTRACK_{UPDATE,DESTROY}. NEW is the first packet, which has no answer yet: nobody listens, so the
kernel makes no message of it.
"""
_ATTACH_FILTER, _RECEIVE_BUFFER_FORCE = 26, 33
_NETFILTER = 12
_NETLINK, _CAP_ACK = 270, 10
_DATAGRAM = 1 << 16

Request = Callable[[int], bytes]
"""Makes a message of a sequence number."""


def events(namespace: str, *, receive_buffer: int) -> socket.socket:
    """A socket that hears changes and ends of connections that have seen a reply.

    Raises:
        OSError: there is no such namespace, or no connection tracking in this kernel.
    """
    made = _open(namespace, receive_buffer)
    try:
        _filter(made)
        made.bind((0, _UPDATE | _DESTROY))
    except BaseException:
        made.close()
        raise
    return made


def requests(namespace: str) -> socket.socket:
    """A socket to ask and to change.

    Raises:
        OSError: as above.
    """
    return _open(namespace, AT_ONCE * 4096)


class Heard:
    """What waits in an event socket, at most `AT_MOST` of it; afterwards `lost` says whether the kernel dropped any."""

    def __init__(self, listening: socket.socket) -> None:
        self.lost = False
        self._listening = listening

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(AT_MOST):
            try:
                yield self._listening.recv(_DATAGRAM)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.lost = True


def dumped(asking: socket.socket) -> list[Connection]:
    """All connections of the namespace that have seen a reply (older kernels: all).

    Raises:
        OSError: the kernel refused, or fell silent.
    """
    _drained(asking)
    asking.send(ctnetlink.dump(0))
    found: list[Connection] = []
    while True:
        for message in ctnetlink.read(asking.recv(_DATAGRAM)):
            if message.connection is not None:
                found.append(message.connection)
            elif message.kind is Kind.REFUSED:
                raise OSError(message.code, "the kernel does not list connections")
            elif message.kind is Kind.DONE:
                return found


def carried_out(asking: socket.socket, wanted: Sequence[Request]) -> dict[int, int]:
    """The requests have been made, in their order; which were refused (by index), and the errno of each.

    Raises:
        OSError: the socket itself failed.
    """
    refused: dict[int, int] = {}
    for begin in range(0, len(wanted), AT_ONCE):
        _drained(asking)
        numbered = enumerate(wanted[begin : begin + AT_ONCE], begin)
        asking.send(b"".join(make(index) for index, make in numbered))
        for message in _drained(asking):
            if message.kind is Kind.REFUSED:
                refused[message.sequence] = message.code
    return refused


def asked(asking: socket.socket, keys: Sequence[Key]) -> dict[Key, Connection | None]:
    """What the kernel says of these connections; None: there is none.

    A dump reads the table of all namespaces, which costs 10 ms however few connections there are.

    Raises:
        OSError: the socket itself failed.
    """
    found: dict[Key, Connection | None] = {}
    for begin in range(0, len(keys), AT_ONCE):
        some = keys[begin : begin + AT_ONCE]
        _drained(asking)
        asking.send(b"".join(ctnetlink.get(key, index) for index, key in enumerate(some)))
        for message in _drained(asking):
            if message.connection is not None:
                found[some[message.sequence]] = message.connection
            elif message.kind is Kind.REFUSED and message.code == errno.ENOENT:
                found[some[message.sequence]] = None
    return found


def _open(namespace: str, receive_buffer: int) -> socket.socket:
    with netns.entered(namespace):
        # By default a connection has events only if somebody listened when it began: then the first minutes of a
        # carrier, and all that a spare was given before it became one, would end without a word.
        if _EVENTS.read_text(encoding="ascii").strip() != "1":
            _EVENTS.write_text("1", encoding="ascii")
        made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, _RECEIVE_BUFFER_FORCE, receive_buffer)
        made.setsockopt(_NETLINK, _CAP_ACK, 1)
    except BaseException:
        made.close()
        raise
    return made


def _filter(listening: socket.socket) -> None:
    program = ctnetlink.only_kept_states()
    lines = ctypes.create_string_buffer(_packed(program))
    header = struct.pack("@HP", len(program), ctypes.addressof(lines))
    listening.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, header)


def _packed(program: Iterable[tuple[int, int, int, int]]) -> bytes:
    return b"".join(struct.pack("=HBBI", *line) for line in program)


def _drained(asking: socket.socket) -> list[ctnetlink.Message]:
    found: list[ctnetlink.Message] = []
    while True:
        try:
            found += ctnetlink.read(asking.recv(_DATAGRAM))
        except BlockingIOError:
            return found
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
