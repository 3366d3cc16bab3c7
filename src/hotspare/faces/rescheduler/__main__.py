"""`python -m hotspare.faces.rescheduler SETTINGS.json`: works until it is told to end, and then ends within 5 s."""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

from hotspare.codec import rescheduling_json
from hotspare.faces.daemon_process import only_one, teller, told_to_end
from hotspare.faces.rescheduler.desk import Desk
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
        lock = only_one(settings.state_dir, f"rescheduler of {settings.pool}")
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


async def _work(settings: Settings) -> None:
    """Until SIGTERM or SIGINT."""
    told = told_to_end()
    tell = teller(rescheduling.log())
    working = rescheduling.rescheduler(settings, tell=tell)
    async with Desk(working, settings).open():
        tell("rescheduler.begins", {"pool": settings.pool, "node": settings.node})
        run, end = asyncio.create_task(working.run()), asyncio.create_task(told.wait())
        await asyncio.wait({run, end}, return_when=asyncio.FIRST_COMPLETED)
        if not run.done():
            await working.stop()
        run.cancel()
        end.cancel()
        with suppress(asyncio.CancelledError):
            await run
        tell("rescheduler.ends", {"pool": settings.pool, "node": settings.node})


if __name__ == "__main__":
    # Threads may wait for a controller that is dead; they hold nothing that would have to be put away.
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
