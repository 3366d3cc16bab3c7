"""`python -m hotspare.faces.stager SETTINGS.json`: works until it is told to end, or killed: both leave what is."""

import asyncio
from contextlib import suppress

from hotspare.codec import stager_json
from hotspare.faces.daemon_process import descriptors_raised, leave, teller, told_to_end, works_by_its_settings
from hotspare.faces.stager.desk import desk
from hotspare.model.stager import Settings
from hotspare.wiring import staging


def main() -> int:
    """The exit status: 0 when it was told to end."""
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
        tell("stager.ends", facts)


if __name__ == "__main__":
    # Threads may be in the middle of a step; whoever comes next finishes it.
    leave(main())
