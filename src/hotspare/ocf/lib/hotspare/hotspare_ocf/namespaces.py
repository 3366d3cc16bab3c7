"""Network namespaces: links down inside them, names away. Through the C library, because Python 3.11 has neither setns
nor umount.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterable

from hotspare_ocf.look import NETNS_DIR

_CLONE_NEWNET = 0x40000000  # sched.h
_MNT_DETACH = 2  # sys/mount.h
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914  # linux/sockios.h
_IFF_UP = 1  # net/if.h
_THREADS = 8
"""Detaching a mount waits for an RCU grace period in the kernel; threads wait for it together."""

_libc = ctypes.CDLL(None, use_errno=True)


def links_down(paths: Iterable[str]) -> list[str]:
    """Every link but `lo` is down in the namespaces behind the paths; nothing in them answers any more. Returns what
    failed, in words.

    Addresses and processes stay; a namespace that has gone in the meantime is silent.
    """
    return [f"links cannot be taken down: {failure}" for failure in inside(paths, lambda _path: _all_down())]


def inside(paths: Iterable[str], work: Callable[[str], None]) -> list[str]:
    """The work has been done in each of the namespaces behind the paths, by this thread. Returns what failed, in words
    that begin with the path; a namespace that has gone in the meantime is left out.
    """
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    failures = []
    try:
        for path in paths:
            try:
                _enter_and(path, work)
            except FileNotFoundError:
                continue
            except OSError as error:
                failures.append(f"{path}: {error.strerror or error}")
            finally:
                _setns(home)
    finally:
        os.close(home)
    return failures


def has_link_up(path: str) -> bool:
    """Whether a link other than `lo` is up in the namespace behind the path.

    Raises:
        OSError: the namespace is not there, or cannot be looked at.
    """
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    found: list[bool] = []
    try:
        _enter_and(path, lambda _path: found.append(_any_up()))
    finally:
        _setns(home)
        os.close(home)
    return found[0]


def remove(names: Iterable[str]) -> list[str]:
    """The namespaces have no name any more; without a process in them the kernel frees them. Returns what failed, in
    words.
    """
    return _together(_remove, list(names))


def _remove(name: str) -> None:
    path = f"{NETNS_DIR}/{name}"
    # EINVAL: the name is no mount (any more); ENOENT: somebody else was first. More than one mount may lie on one name.
    while _libc.umount2(path.encode(), _MNT_DETACH) == 0:
        pass
    code = ctypes.get_errno()
    if code not in (errno.EINVAL, errno.ENOENT):
        raise OSError(code, os.strerror(code))
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _together(work: Callable[[str], None], names: list[str]) -> list[str]:
    failures: list[str] = []

    def share(first: int) -> None:
        for name in names[first::_THREADS]:
            try:
                work(name)
            except OSError as error:
                failures.append(f"namespace {name}: {error.strerror}")

    threads = [threading.Thread(target=share, args=(first,)) for first in range(min(_THREADS, len(names)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def _enter_and(path: str, work: Callable[[str], None]) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _setns(descriptor)
    finally:
        os.close(descriptor)
    work(path)


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _all_down() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for name, flags in _links(control):
            fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh22x", name.encode(), flags & ~_IFF_UP))


def _any_up() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        return any(flags & _IFF_UP for _, flags in _links(control))


def _links(control: socket.socket) -> list[tuple[str, int]]:
    """Name and flags of every link but `lo` in the namespace that this thread is in. Source: netdevice(7)."""
    links = []
    for _, name in socket.if_nameindex():
        if name != "lo":
            answer = fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("16sh22x", name.encode(), 0))
            links.append((name, struct.unpack("16sh22x", answer)[1]))
    return links
