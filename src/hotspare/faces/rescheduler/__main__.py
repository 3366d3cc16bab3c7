"""`python -m hotspare.faces.rescheduler SETTINGS.json`: works until it is told to end, and then ends within 5 s."""

import asyncio
from contextlib import suppress

from hotspare.codec import rescheduling_json
from hotspare.faces.daemon_process import leave, teller, told_to_end, works_by_its_settings
from hotspare.faces.rescheduler.desk import Desk
from hotspare.model.rescheduling import Settings
from hotspare.wiring import rescheduling


def main() -> int:
    """The exit status: 0 when it was told to end."""
    return works_by_its_settings(
        "hotspare.faces.rescheduler", read=rescheduling_json.settings, whose=_whose, work=_work
    )


def _whose(settings: Settings) -> tuple[str, str]:
    return settings.state_dir, f"rescheduler of {settings.pool}"


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
    leave(main())
