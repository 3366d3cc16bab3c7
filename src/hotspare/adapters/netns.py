"""Named network namespaces: which there are, and to be in one for a moment."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAMED = Path("/run/netns")
"""Where iproute2 keeps a bind mount for each named network namespace. Source: ip-netns(8)."""

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


def identity(name: str) -> int | None:
    """What tells the namespace from one that was made later by the same name; None where there is none.

    A namespace whose making was cut short is a plain file.
    """
    try:
        at, beside = os.stat(NAMED / name), os.stat(NAMED)  # noqa: PTH116 (asked once a second for each router)
    except OSError:
        return None
    return None if at.st_dev == beside.st_dev else at.st_ino


@contextmanager
def entered(name: str) -> Iterator[None]:
    """The calling thread is in the namespace; afterwards it is where it was.

    Raises:
        OSError: there is no such namespace, or no right to enter it.
    """
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(NAMED / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _enter(home)
    finally:
        os.close(home)


def _enter(handle: int) -> None:
    if _LIBC.setns(handle, _CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
