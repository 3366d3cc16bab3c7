"""`python -m hotspare.faces.rescheduler SETTINGS.json`: works until it is told to end, and then ends within 5 s."""

import asyncio
import fcntl
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from hotspare.codec import rescheduling_json
from hotspare.faces.rescheduler.desk import Desk
from hotspare.flows.reschedule.daemon import Tell
from hotspare.model.errors import HotspareError
from hotspare.model.rescheduling import Settings
from hotspare.wiring import rescheduling

EXIT_FAILED, EXIT_USAGE = 1, 2


def main() -> int:
    """The exit status: 0 when it was told to end."""
    if len(sys.argv) != 2:
        print("usage: python -m hotspare.faces.rescheduler SETTINGS.json", file=sys.stderr)
        return EXIT_USAGE
    try:
        settings = rescheduling_json.settings(Path(sys.argv[1]).read_text(encoding="utf-8"))
        lock = _only_one(settings)
        try:
            asyncio.run(_work(settings))
        finally:
            os.close(lock)
    except HotspareError as error:
        print(f"error: {error.message}\nwhat to do: {error.hint}", file=sys.stderr)
        return EXIT_FAILED
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_FAILED
    return 0


def _only_one(settings: Settings) -> int:
    """This is the only rescheduler of its pool on this machine, for as long as the lock is open.

    Raises:
        OSError: another one runs.
    """
    directory = Path(settings.state_dir)
    directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise OSError(f"another rescheduler of {settings.pool} runs on this node: it holds {directory}/lock") from None
    return lock


async def _work(settings: Settings) -> None:
    """Until SIGTERM or SIGINT."""
    told_to_end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_ in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_, told_to_end.set)
    tell = _teller()
    working = rescheduling.rescheduler(settings, tell=tell)
    async with Desk(working, settings).open():
        tell("rescheduler.begins", {"pool": settings.pool, "node": settings.node})
        run, end = asyncio.create_task(working.run()), asyncio.create_task(told_to_end.wait())
        await asyncio.wait({run, end}, return_when=asyncio.FIRST_COMPLETED)
        if not run.done():
            await working.stop()
        run.cancel()
        end.cancel()
        with suppress(asyncio.CancelledError):
            await run
        tell("rescheduler.ends", {"pool": settings.pool, "node": settings.node})


def _teller() -> Tell:
    """Tells on the standard output and in the machine's log: an event's name and its facts, one line an event."""
    log = rescheduling.log()

    def tell(what: str, facts: Mapping[str, object]) -> None:
        line = " ".join((f"event={what}", *(f"{name}={json.dumps(value)}" for name, value in facts.items())))
        print(line, flush=True)
        log.tell(line)

    return tell


if __name__ == "__main__":
    # Threads may wait for a controller that is dead; they hold nothing that would have to be put away.
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
