"""Changes in routers' namespaces, told by the kernel; nothing is asked meanwhile.

A namespace has two sockets that belong to the multicast groups of what it is made of. What they receive is not read:
a namespace in which anything changed is looked at whole, so nothing is lost with a message that was.
"""

import asyncio
import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterable
from functools import partial
from typing import Self

from hotspare.adapters import netns
from hotspare.adapters.daemon_threads import DaemonThreads
from hotspare.adapters.inside.netlink import NETFILTER, ROUTE
from hotspare.model.errors import NotReachableError

_ROUTE_GROUPS = (1, 4, 5, 7, 8, 9, 11, 19, 24, 25)
"""linux/rtnetlink.h, RTNLGRP_*: links, queueing, addresses, routes and rules of both families, and what of sysctls is
told (forwarding).
"""
_NETFILTER_GROUPS = (7,)
"""linux/netfilter/nfnetlink.h, NFNLGRP_NFTABLES."""

_CREATED, _DELETED, _MOVED_FROM, _MOVED_TO = 0x100, 0x200, 0x40, 0x80  # sys/inotify.h
_OVERFLOW, _IGNORED, _ONLY_DIRECTORY = 0x4000, 0x8000, 0x1000000
_EVENT = struct.Struct("=iIII")
_EVENTS_BYTES_MAX = 1 << 16

_TRIES_MAX = 10
_TRY_AGAIN_S = 0.01
"""A name comes before its namespace is mounted on it, of which nothing tells; doubled with every try, 10 s in all."""

_libc = ctypes.CDLL(None, use_errno=True)

Sockets = tuple[socket.socket, ...]


class Watch:
    """All routers' namespaces, from when the first `next` has returned until it is closed; for one event loop.

    Each takes two descriptors; whoever runs it sees to it that there may be so many (faces/stager).
    """

    def __init__(self, threads: DaemonThreads) -> None:
        self._threads = threads
        self._loop = asyncio.get_running_loop()
        self._awake = asyncio.Event()
        self._listening: dict[str, Sockets] = {}
        self._unopened: dict[str, int] = {}
        """Names that are to be listened to, with how often that was tried."""
        self._opening: set[str] = set()
        self._changed: set[str] = set()
        self._is_blind = False
        self._scratch = bytearray(1)
        netns.prepare()
        self._directory = _directory_events()
        self._loop.add_reader(self._directory, self._hear_directory)
        self._unopened |= dict.fromkeys(netns.listed(), 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.remove_reader(self._directory)
        os.close(self._directory)
        for name in list(self._listening):
            self._forget(name)

    async def first(self) -> frozenset[str]:
        """All namespaces that there are, none of whose changes from now on is missed."""
        await self._open()
        return self._taken()

    async def next(self) -> frozenset[str]:
        """Names of those in which something changed, and that came or went.

        Raises:
            NotReachableError: the namespaces cannot be watched (any more).
        """
        while not self._changed:
            await self._awake.wait()
            self._awake.clear()
            if self._is_blind:
                raise NotReachableError(f"{netns.DIRECTORY} is not there any more")
            await self._open()
        return self._taken()

    def _taken(self) -> frozenset[str]:
        changed, self._changed = frozenset(self._changed), set()
        return changed

    async def _open(self) -> None:
        while self._unopened:
            tries, self._unopened = self._unopened, {}
            self._opening = set(tries)
            opened = await self._threads.run(partial(netns.together, _listen, tuple(tries)))
            failures = [self._opened(name, found, tries[name]) for name, found in opened.items()]
            if failure := next(filter(None, failures), None):
                raise NotReachableError(f"the namespaces of routers cannot be watched: {failure}")

    def _opened(self, name: str, found: Sockets | OSError, tries: int) -> OSError | None:
        if isinstance(found, OSError):
            if found.errno == errno.EINVAL and tries < _TRIES_MAX:
                self._loop.call_later(_TRY_AGAIN_S * 2**tries, self._listen_to, name, tries + 1)
            return None if found.errno in (errno.EINVAL, errno.ENOENT) else found
        if name not in self._opening:  # it went meanwhile
            _close(found)
            return None
        self._forget(name)
        self._listening[name] = found
        for one in found:
            self._loop.add_reader(one, self._hear, name, one)
        self._changed.add(name)
        return None

    def _listen_to(self, name: str, tries: int) -> None:
        self._unopened[name] = tries
        self._awake.set()

    def _hear(self, name: str, heard: socket.socket) -> None:
        while True:
            try:
                heard.recv_into(self._scratch)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:  # more changed than there was room for
                    raise
        self._changed.add(name)
        self._awake.set()

    def _hear_directory(self) -> None:
        try:
            events = os.read(self._directory, _EVENTS_BYTES_MAX)
        except BlockingIOError:
            return
        at = 0
        while at < len(events):
            _, mask, _, length = _EVENT.unpack_from(events, at)
            at += _EVENT.size + length
            self._happened(mask, os.fsdecode(events[at - length : at].rstrip(b"\0")))
        self._awake.set()

    def _happened(self, mask: int, name: str) -> None:
        if mask & _OVERFLOW:
            for one in list(self._listening):
                self._went(one)
            self._unopened |= dict.fromkeys(netns.listed(), 0)
        elif mask & _IGNORED:
            self._is_blind = True
        elif name.startswith(netns.PREFIX):
            self._went(name)
            if mask & (_CREATED | _MOVED_TO):
                self._unopened[name] = 0

    def _went(self, name: str) -> None:
        """At once, since a socket keeps the namespace that it belongs to."""
        self._opening.discard(name)
        self._unopened.pop(name, None)
        if name in self._listening:
            self._forget(name)
        self._changed.add(name)

    def _forget(self, name: str) -> None:
        sockets = self._listening.pop(name, ())
        for one in sockets:
            self._loop.remove_reader(one)
        _close(sockets)


def _directory_events() -> int:
    descriptor: int = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    mask = _CREATED | _DELETED | _MOVED_FROM | _MOVED_TO | _ONLY_DIRECTORY
    if descriptor < 0 or _libc.inotify_add_watch(descriptor, os.fsencode(netns.DIRECTORY), mask) < 0:
        code = ctypes.get_errno()
        if descriptor >= 0:
            os.close(descriptor)
        raise NotReachableError(f"{netns.DIRECTORY} cannot be watched: {os.strerror(code)}")
    return descriptor


def _listen(name: str) -> Sockets | OSError:
    """Sockets of the namespace, or why there are none."""
    sockets: list[socket.socket] = []
    try:
        with netns.entered(name):
            for protocol, groups in ((ROUTE, _ROUTE_GROUPS), (NETFILTER, _NETFILTER_GROUPS)):
                sockets.append(_socket(protocol))
                sockets[-1].bind((0, _bits(groups)))
    except OSError as error:
        _close(sockets)
        return error
    return tuple(sockets)


def _socket(protocol: int) -> socket.socket:
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    return socket.socket(socket.AF_NETLINK, kind, protocol)


def _bits(groups: Iterable[int]) -> int:
    return sum(1 << (group - 1) for group in groups)


def _close(sockets: Iterable[socket.socket]) -> None:
    for one in sockets:
        one.close()
