"""`hotspare takeover GATEWAY`: asked for, followed, told."""

import asyncio
import json
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, NoReturn

import typer
from rich.console import Console
from rich.text import Text

from hotspare.codec import moving_json
from hotspare.faces.cli.app import EXIT_CANNOT_TELL
from hotspare.faces.cli.following import teller
from hotspare.faces.cli.options import EXITS
from hotspare.faces.report import handover as report
from hotspare.flows import takeover as flow
from hotspare.model.takeover import Handover, Taken

if TYPE_CHECKING:
    from hotspare.wiring.handover import Ordered


def run(wired: "Ordered", *, only_plan: bool, force: bool, as_json: bool) -> NoReturn:
    """Look, take over unless only the plan is wanted, tell, exit."""
    talk = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        told = asyncio.run(_done(wired, talk, only_plan=only_plan, force=force))
    except KeyboardInterrupt:
        _print(report.left_alone(wired.order), talk)
        raise typer.Exit(EXIT_CANNOT_TELL) from None
    match told:
        case Handover():
            lines, plain = report.plan(told), moving_json.handover(told)
        case Taken():
            lines, plain = report.ending(told), moving_json.taken(told)
    if as_json:
        print(json.dumps(plain, indent=2))
    else:
        _print(lines, Console(highlight=False, soft_wrap=True))
    raise typer.Exit(EXITS[told.answer])


async def _done(wired: "Ordered", talk: Console, *, only_plan: bool, force: bool) -> Handover | Taken:
    with talk.status("looking at the cluster") as status:
        async with wired.opened() as (site, stagers):
            planned = await flow.plan(wired.order, site, stagers)
            if only_plan:
                return planned
            if force:
                _print(report.forced(planned), talk)
            tell = teller(status.update, talk)
            return await flow.takeover(planned, site, force=force, tell=tell, now=time.monotonic)


def _print(lines: Iterable[Text], console: Console) -> None:
    for line in lines:
        console.print(line)
