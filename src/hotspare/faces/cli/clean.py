"""`hotspare clean`: nodes that should have no router have none."""

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.prompt import Confirm

from hotspare.codec import cleaning_json
from hotspare.faces.cli.app import EXIT_BAD_STATE, app
from hotspare.faces.cli.options import EXITS, FILE, File, Json, Yes
from hotspare.faces.report import cleaning as report
from hotspare.flows import clean as flow
from hotspare.model.cleaning import Cleaning

if TYPE_CHECKING:
    from hotspare.wiring import cleaning as wiring

Nodes = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NODE]...", help="The nodes to clean; all that may carry a gateway if none is given."),
]
OnlyPlan = Annotated[bool, typer.Option("--plan", help="Say what would go; change nothing.")]
Gateway = Annotated[str | None, typer.Option("--gateway", help="Only nodes that may carry this gateway.")]
Twins = Annotated[bool, typer.Option("--twins", help="Remove the twins of spares, too; they are made anew.")]

EPILOG = (
    "Example: [bold]hotspare clean net2 --plan[/] shows what a dead agent left on net2. Exit status: 0 no router is "
    "left, 1 something is left (with --plan: would go) or it was refused, 3 cannot tell."
)


@app.command(epilog=EPILOG)
def clean(
    nodes: Nodes = None,
    file: File = FILE,
    only_plan: OnlyPlan = False,
    gateway: Gateway = None,
    twins: Twins = False,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Remove what is left of routers on nodes that carry none: ports, namespaces, processes, files.

    DHCP and VMs stay. Works with Neutron's API, broker and database down. A node that carries a gateway, or on which an
    agent of Neutron runs, is never touched; a spare's twin is left alone.
    """
    from hotspare.wiring import cleaning as wiring  # noqa: PLC0415 (SSH: seconds that no other verb waits for)

    talk = Console(stderr=True, highlight=False, soft_wrap=True)
    if not (only_plan or yes or sys.stdin.isatty()):
        raise typer.BadParameter("there is no terminal to ask on: say --yes, or --plan")
    wired = wiring.cleaning(file, nodes or (), gateway, twins=twins)
    result = asyncio.run(_cleaned(wired, talk, only_plan=only_plan, yes=yes))
    if as_json:
        print(json.dumps(cleaning_json.plain(result), indent=2))
    else:
        _show(result, Console(highlight=False, soft_wrap=True))
    raise typer.Exit(EXITS[result.answer])


async def _cleaned(wired: "wiring.Cleaning", talk: Console, *, only_plan: bool, yes: bool) -> Cleaning:
    """Plan, ask where somebody is to be asked, clean."""
    async with wired.opened() as site:
        with talk.status(f"looking at {', '.join(wired.order.nodes)}"):
            planned = await flow.clean(wired.order, site, only_plan=True)
        found = [node.node for node in flow.dirty(planned)]
        if only_plan or not found:
            return planned
        if not yes:
            _show(planned, talk)
            if not Confirm.ask(f"Clean {', '.join(found)}?", console=talk, default=False):
                raise typer.Exit(EXIT_BAD_STATE)
        with talk.status(f"cleaning {', '.join(found)}"):
            return await flow.finish(wired.order, planned, site)


def _show(cleaning: Cleaning, console: Console) -> None:
    for line in report.lines(cleaning):
        console.print(line)
