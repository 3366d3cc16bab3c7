"""What daemons on a node have in common as processes: one of a kind, told to end by a signal, telling in lines."""

import asyncio
import fcntl
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

from hotspare.adapters.machine_log import MachineLog
from hotspare.model.errors import HotspareError
from hotspare.ports import Tell

EXIT_FAILED, EXIT_USAGE = 1, 2
DYING_S, POLL_S = 3.0, 0.05
S = TypeVar("S")


def works_by_its_settings(
    module: str,
    *,
    read: Callable[[str], S],
    whose: Callable[[S], tuple[str, str]],
    work: Callable[[S], Coroutine[Any, Any, None]],
) -> int:
    """The daemon works by the settings in the file that its command line names. The exit status: 0 when it was told to
    end.

    `read` makes settings of the file's text (ValueError: it cannot); `whose` gives their directory and what it is a
    daemon of, so that there is only one.
    """
    if len(sys.argv) != 2:
        print(f"usage: python -m {module} SETTINGS.json", file=sys.stderr)
        return EXIT_USAGE
    try:
        settings = read(Path(sys.argv[1]).read_text(encoding="utf-8"))
        lock = only_one(*whose(settings))
        try:
            asyncio.run(work(settings))
        finally:
            os.close(lock)
    except HotspareError as error:
        print(f"error: {error.message}\nwhat to do: {error.hint}", file=sys.stderr)
        return EXIT_FAILED
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_FAILED
    return 0


def leave(code: int) -> None:
    """The process ends at once, whatever its threads are in the middle of."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def only_one(state_dir: str, what: str) -> int:
    """This is the only daemon with this directory on this machine, for as long as the descriptor is open.

    One that was killed is waited for: its threads may hold the lock for a moment after it counts as dead.

    Raises:
        OSError: another one runs; `what` says of what.
    """
    directory = Path(state_dir)
    directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until_s = time.monotonic() + DYING_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < until_s:
                time.sleep(POLL_S)
                continue
            os.close(lock)
            raise OSError(f"another {what} runs on this node: it holds {directory}/lock") from None
        return lock


def descriptors_raised() -> int:
    """This process may have as many files open as it can be allowed to; how many that is.

    The limit of a session, 1024, is a warning to programs that use select(2), and asyncio does not. Source:
    systemd.exec(5), LimitNOFILE=.
    """
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def told_to_end() -> asyncio.Event:
    """Set by SIGTERM or SIGINT; for a running event loop."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_ in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_, told.set)
    return told


def teller(log: MachineLog) -> Tell:
    """Tells on the standard output and in the machine's log: an event's name and its facts, one line an event."""

    def tell(what: str, facts: Mapping[str, object]) -> None:
        line = " ".join((f"event={what}", *(f"{name}={json.dumps(value)}" for name, value in facts.items())))
        print(line, flush=True)
        log.tell(line)

    return tell
