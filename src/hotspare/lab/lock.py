"""One `lab up` or `lab down` of a lab at a time. The kernel gives the lock back however its holder dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from hotspare.lab.layout import Layout
from hotspare.model.errors import RefusedError


@contextmanager
def held(layout: Layout) -> Iterator[None]:
    """Nobody else brings this lab up or takes it down meanwhile.

    Raises:
        RefusedError: somebody does just now.
    """
    handle = _open(layout)
    try:
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        layout.lock.unlink(missing_ok=True)
        os.close(handle)


def _open(layout: Layout) -> int:
    layout.lock.parent.mkdir(parents=True, exist_ok=True)
    while True:
        handle = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 20, 0).decode().strip()
            os.close(handle)
            raise RefusedError(
                f"lab {layout.name} is being brought up or taken down by process {holder}",
                code=1,
                hint="wait for it, or end that process and run: hotspare lab down",
            ) from None
        # Its last holder may have removed the file between our open and our lock: then it is nobody's lock.
        with suppress(FileNotFoundError):
            if layout.lock.stat().st_ino == os.fstat(handle).st_ino:
                return handle
        os.close(handle)
