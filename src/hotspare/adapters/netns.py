"""Names of network namespaces in /run/netns, made, entered and dropped as ip-netns(8) does.

Through the C library, because Python 3.11 has neither setns, unshare nor mount. A thread that enters a namespace is one
that ends with its work: see `together`.
"""

import ctypes
import errno
import os
import queue
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from hotspare.model.errors import RefusedError

DIRECTORY = Path("/run/netns")
PREFIX = "qrouter-"
"""Source: neutron's agent/l3/namespaces.py, NS_PREFIX."""

_OWN = "/proc/thread-self/ns/net"
_CLONE_NEWNET = 0x40000000  # sched.h
_MS_BIND, _MS_REC, _MS_SHARED = 0x1000, 0x4000, 0x100000  # sys/mount.h
_MNT_DETACH = 2  # sys/mount.h
THREADS_MAX = 4
"""Python's own work is done by one of them at a time; the others wait for the kernel."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_void_p)

T = TypeVar("T")


def listed() -> frozenset[str]:
    """Names of routers' namespaces, also half-made ones."""
    try:
        return frozenset(path.name for path in DIRECTORY.iterdir() if path.name.startswith(PREFIX))
    except FileNotFoundError:
        return frozenset()


def is_namespace(name: str) -> bool:
    """Whether there is a namespace behind the name; a plain file is what is left of one, or what will be one."""
    try:
        return (DIRECTORY / name).stat().st_dev != DIRECTORY.stat().st_dev
    except FileNotFoundError:
        return False


def identity(name: str) -> int | None:
    """What tells the namespace from one that was made later by the same name; None where there is none."""
    try:
        at, beside = os.stat(DIRECTORY / name), os.stat(DIRECTORY)  # noqa: PTH116 (asked once a second for each router)
    except OSError:
        return None
    return None if at.st_dev == beside.st_dev else at.st_ino


@contextmanager
def entered(name: str, directory: Path = DIRECTORY) -> Iterator[int]:
    """This thread is in the namespace, and afterwards where it was; meanwhile there is a descriptor of the namespace.

    Raises:
        OSError: ENOENT without such a name, EINVAL where no namespace is behind it.
    """
    home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(directory / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _checked(_libc.setns(there, _CLONE_NEWNET))
            try:
                yield there
            finally:
                _checked(_libc.setns(home, _CLONE_NEWNET))
        finally:
            os.close(there)
    finally:
        os.close(home)


def add(name: str) -> None:
    """The name has a namespace.

    Raises:
        OSError: it cannot be made.
    """
    path = DIRECTORY / name
    prepare()
    if is_namespace(name):
        return
    # What a cut left is made anew, so that whoever watches the directory sees a name come.
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0))
    home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _checked(_libc.unshare(_CLONE_NEWNET))
        try:
            _mount(_OWN, path, _MS_BIND)
        finally:
            _checked(_libc.setns(home, _CLONE_NEWNET))
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(home)


def drop(name: str) -> None:
    """There is no such name; the kernel frees the namespace with the last process and socket in it.

    Raises:
        OSError: it cannot be unmounted.
    """
    path = DIRECTORY / name
    # EINVAL: the name is no mount (any more); ENOENT: somebody else was first. More than one mount may lie on one name.
    while _libc.umount2(os.fsencode(path), _MNT_DETACH) == 0:
        pass
    if (code := ctypes.get_errno()) not in (errno.EINVAL, errno.ENOENT):
        raise OSError(code, os.strerror(code))
    path.unlink(missing_ok=True)


def prepare() -> None:
    """The directory is there, and a mount that is shared: a namespace dropped here is then dropped in the mount
    namespaces of all processes, and does not live on in one. Source: ip-netns(8), iproute2's ipnetns.c.
    """
    DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
    try:
        _mount("", DIRECTORY, _MS_SHARED | _MS_REC)
    except OSError as error:
        if error.errno != errno.EINVAL:  # it is no mount yet
            raise
        _mount(str(DIRECTORY), DIRECTORY, _MS_BIND | _MS_REC)
        _mount("", DIRECTORY, _MS_SHARED | _MS_REC)


def checked(name: str) -> str:
    """The name, if it can only be a router's: names come from other nodes.

    Raises:
        RefusedError: it is another one.
    """
    if not name.startswith(PREFIX) or "/" in name or "\0" in name:
        raise RefusedError(f"{name!r} is no router's namespace", code=errno.EPERM)
    return name


def together(work: Callable[[str], T], names: Collection[str], *, threads_max: int = THREADS_MAX) -> dict[str, T]:
    """Name → what the work on it returned. In a few threads, which end with it: none comes back from a foreign
    namespace to other work.

    Raises:
        BaseException: what the work on one of them raised; the others have been worked on nevertheless.
    """
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for name in names:
        waiting.put(name)
    done: dict[str, T] = {}
    failed: list[BaseException] = []

    def share() -> None:
        while True:
            try:
                name = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done[name] = work(name)
            except BaseException as error:  # noqa: BLE001 (it is raised where the threads are joined)
                failed.append(error)

    threads = [threading.Thread(target=share, daemon=True) for _ in range(min(threads_max, len(names)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return done


def _mount(source: str, target: Path, flags: int) -> None:
    _checked(_libc.mount(source.encode(), os.fsencode(target), b"none", flags, None))


def _checked(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
