"""`python -m hotspare.faces.stager SETTINGS.json`: works until it is told to end, or killed: both leave what is; or
until it was retired, and has taken its twin away.
"""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

from hotspare.codec import stager_json
from hotspare.faces.daemon_process import descriptors_raised, leave, teller, told_to_end, works_by_its_settings
from hotspare.faces.stager.desk import desk
from hotspare.model.stager import Settings
from hotspare.wiring import staging


def main() -> int:
    """The exit status: 0 when it was told to end, or was retired."""
    return works_by_its_settings("hotspare.faces.stager", read=stager_json.settings, whose=_whose, work=_work)


def _whose(settings: Settings) -> tuple[str, str]:
    return settings.state_dir, f"stager of {settings.gateway}"


async def _work(settings: Settings) -> None:
    # Each router's namespace takes two to be watched, one for its connections, and one more while its addresses are
    # announced.
    descriptors_raised()
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
        if not told.is_set():
            _forgotten()
        tell("stager.ends", facts)


def _forgotten() -> None:
    """The node has no such stager any more: by their settings its stagers are known."""
    Path(sys.argv[1]).unlink()


if __name__ == "__main__":
    # Threads may be in the middle of a step; whoever comes next finishes it.
    leave(main())
