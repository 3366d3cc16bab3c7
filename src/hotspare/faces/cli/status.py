"""`hotspare status`: what a person on call asks first."""

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hotspare.codec import rescheduling_json
from hotspare.codec.report_json import stamp
from hotspare.faces.cli.app import app
from hotspare.faces.cli.following import teller
from hotspare.faces.cli.options import EXITS, FILE, File, Json
from hotspare.faces.report import routers as places
from hotspare.faces.report import screen
from hotspare.model.rescheduling import Report
from hotspare.model.status import StatusView

EPILOG = (
    "Example: [bold]hotspare status --routers[/] says of a pool where each router is; [bold]hotspare status --wait "
    "300[/] waits until a change has settled and twins are fresh. Exit status: 0 all is well, 1 something is wrong, "
    "3 cannot tell."
)


@app.command(epilog=EPILOG)
def status(
    file: File = FILE,
    routers: Annotated[
        bool, typer.Option("--routers", help="Where each router is, since when, and what moves (strategy reschedule).")
    ] = False,
    gateway: Annotated[str | None, typer.Option("--gateway", help="With --routers: which gateway, of several.")] = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait, at most, until all is well.")] = 0,
    as_json: Json = False,
) -> None:
    """Quorum, fencing, nodes, who carries the gateway, agents, routers served: on one screen."""
    if gateway and not routers:
        raise typer.BadParameter("--gateway goes with --routers; without that all gateways are shown")
    if wait and routers:
        raise typer.BadParameter("--wait waits for the whole cluster; it does not go with --routers")
    if routers:
        _routers(file, gateway, as_json=as_json)
    from hotspare.wiring import probing  # noqa: PLC0415 (SSH and OpenStack: seconds that no other verb waits for)

    talk = Console(stderr=True, soft_wrap=True)
    with talk.status("asking") as spinner:
        told = teller(spinner.update, talk)
        view = asyncio.run(probing.well(file, within_s=wait, tell=lambda view: told(screen.troubles(view))))
    if as_json:
        print(json.dumps(plain(view), indent=2))
    else:
        Console().print(screen.render(view))
    raise typer.Exit(EXITS[view.answer])


def _routers(file: Path, gateway: str | None, *, as_json: bool) -> None:
    """Every router of a pool, and how loaded its nodes are."""
    from hotspare.wiring import moving  # noqa: PLC0415 (SSH: seconds that no other verb waits for)

    pool = moving.pool(file, gateway=gateway)

    async def asked() -> Report:
        async with pool.opened() as (_marks, dispatcher):
            return await dispatcher.report(routers=True)

    with Console(stderr=True).status("asking the rescheduler"):
        report = asyncio.run(asked())
    if as_json:
        print(json.dumps({"gateway": pool.name, **rescheduling_json.plain(report)}, indent=2))
    else:
        Console().print(places.render(pool.name, report))
    raise typer.Exit(EXITS[report.answer])


def plain(view: StatusView) -> dict[str, object]:
    """The view as plain values."""
    return {**dataclasses.asdict(view), "at": stamp(view.at_s)}
