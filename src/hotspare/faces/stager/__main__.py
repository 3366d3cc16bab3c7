"""`python -m hotspare.faces.stager SETTINGS.json`: works until it is told to end, or killed: both leave what is."""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

from hotspare.codec import stager_json
from hotspare.faces.daemon_process import descriptors_raised, only_one, teller, told_to_end
from hotspare.faces.stager.desk import desk
from hotspare.model.errors import HotspareError
from hotspare.model.stager import Settings
from hotspare.wiring import staging

EXIT_FAILED, EXIT_USAGE = 1, 2


def main() -> int:
    """The exit status: 0 when it was told to end."""
    if len(sys.argv) != 2:
        print("usage: python -m hotspare.faces.stager SETTINGS.json", file=sys.stderr)
        return EXIT_USAGE
    try:
        settings = stager_json.settings(Path(sys.argv[1]).read_text(encoding="utf-8"))
        lock = only_one(settings.state_dir, f"stager of {settings.gateway}")
        try:
            # Each router's namespace takes two to be watched, one for its connections, and one more while its
            # addresses are announced.
            descriptors_raised()
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
    told = told_to_end()
    tell = teller(staging.log())
    facts = {"gateway": settings.gateway, "node": settings.node}
    async with staging.stager(settings, tell=tell) as working, desk(working, settings.socket).open():
        tell("stager.begins", facts)
        run, end = asyncio.create_task(working.run()), asyncio.create_task(told.wait())
        await asyncio.wait({run, end}, return_when=asyncio.FIRST_COMPLETED)
        run.cancel()
        end.cancel()
        with suppress(asyncio.CancelledError):
            await run
        tell("stager.ends", facts)


if __name__ == "__main__":
    # Threads may be in the middle of a step; whoever comes next finishes it.
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
