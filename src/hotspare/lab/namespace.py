"""Network namespaces by name: enter one, and name the ones that are there."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hotspare.model.errors import RefusedError

NAMED = Path("/run/netns")
"""Where iproute2 keeps a bind mount for each named network namespace. Source: ip-netns(8)."""

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


def exists(name: str) -> bool:
    """The name is there and a namespace is mounted on it (a creation cut short leaves a plain file)."""
    return inode(name) is not None


def inode(name: str) -> int | None:
    """The namespace's identity as /proc/PID/ns/net shows it; None where there is no such namespace."""
    try:
        at = (NAMED / name).stat()
        plain = NAMED.stat().st_dev == at.st_dev
    except FileNotFoundError:
        return None
    return None if plain else at.st_ino


def _enter(path: Path | str) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _LIBC.setns(handle, _CLONE_NEWNET) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(path))
    finally:
        os.close(handle)


@contextmanager
def entered(name: str) -> Iterator[None]:
    """The calling thread, and what it starts meanwhile, is in the namespace; afterwards it is where it was.

    Raises:
        RefusedError: there is no such namespace.
    """
    if not exists(name):
        raise RefusedError(f"no network namespace {name}", code=1, hint="bring the lab up: hotspare lab up")
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _enter(NAMED / name)
        try:
            yield
        finally:
            _enter(f"/proc/self/fd/{home}")
    finally:
        os.close(home)


def enter(name: str) -> None:
    """The calling thread is in the namespace from now on."""
    _enter(NAMED / name)
