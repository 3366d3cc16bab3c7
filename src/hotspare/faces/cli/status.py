"""`hotspare status`: what a person on call asks first."""

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hotspare.codec.report_json import stamp
from hotspare.faces.cli.app import EXIT_BAD_STATE, EXIT_CANNOT_TELL, app
from hotspare.faces.report import screen
from hotspare.model.answer import Answer
from hotspare.model.status import StatusView

EXITS = {Answer.YES: 0, Answer.NO: EXIT_BAD_STATE, Answer.CANNOT_TELL: EXIT_CANNOT_TELL}


@app.command()
def status(
    file: Annotated[Path, typer.Option("--file", "-f", envvar="HOTSPARE_FILE", help="The cluster's file.")] = Path(
        "cluster.yaml"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False,
) -> None:
    """Quorum, fencing, nodes, who carries the gateway, agents, routers served: on one screen."""
    from hotspare.wiring import probing  # noqa: PLC0415 (SSH and OpenStack: seconds that no other verb waits for)

    with Console(stderr=True).status("asking"):
        view = asyncio.run(probing.status(file))
    if as_json:
        print(json.dumps(plain(view), indent=2))
    else:
        Console().print(screen.render(view))
    raise typer.Exit(EXITS[view.answer])


def plain(view: StatusView) -> dict[str, object]:
    """The view as plain values."""
    return {**dataclasses.asdict(view), "at": stamp(view.at_s)}
