"""`hotspare drill`: a real fault, measured and judged."""

import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.prompt import Confirm

from hotspare import __version__
from hotspare.codec import report_json
from hotspare.faces.cli.app import EXIT_BAD_STATE, app
from hotspare.faces.cli.following import teller
from hotspare.faces.cli.options import EXITS, FILE, File, Gateway, Json, Yes
from hotspare.faces.report import table
from hotspare.model.drill import Fault, History
from hotspare.model.errors import HotspareError
from hotspare.model.report import Report
from hotspare.model.spec import Spec
from hotspare.plan.drill import judge

if TYPE_CHECKING:
    from hotspare.wiring.probing import Drill

WARNINGS = {
    Fault.POWEROFF: "This cuts the power of {node}. Its routers are gone until another node has taken over.",
    Fault.STANDBY: "This puts {node} in standby. Its routers are gone until another node has taken over.",
    Fault.DRAIN: "This has the routers of {node} moved to other nodes. Each is gone for some seconds on its way.",
}

drill = typer.Typer(
    help="Break a node on purpose, measure the outage of every router, judge, heal; set drills beside one another.",
    no_args_is_help=True,
)
app.add_typer(drill, name="drill")

Node = Annotated[
    str | None,
    typer.Argument(help="The node to break; if not given, the one that carries the gateway, or most of its routers."),
]
Output = Annotated[Path, typer.Option("--output", "-o", help="Where the report goes.")]

OUTPUT = Path("build/drill")
EPILOG = (
    "Example: [bold]hotspare drill {verb} net1 --yes[/] measures and heals, and writes report.html to build/drill. "
    "Exit status: 0 every router is back and every audit holds, 1 not so or not begun, 3 cannot tell."
)


@drill.command(epilog=EPILOG.format(verb="poweroff"))
def poweroff(
    node: Node = None,
    file: File = FILE,
    output: Output = OUTPUT,
    gateway: Gateway = None,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Cut a node's power with its own fence device, without telling the cluster."""
    _run(Fault.POWEROFF, node, file, output, gateway, as_json=as_json, yes=yes)


@drill.command(epilog=EPILOG.format(verb="standby"))
def standby(
    node: Node = None,
    file: File = FILE,
    output: Output = OUTPUT,
    gateway: Gateway = None,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Put a node in standby: the planned way of the same takeover."""
    _run(Fault.STANDBY, node, file, output, gateway, as_json=as_json, yes=yes)


@drill.command(epilog=EPILOG.format(verb="drain"))
def drain(
    node: Node = None,
    file: File = FILE,
    output: Output = OUTPUT,
    gateway: Gateway = None,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Have a node's routers moved to the others, one by one; for `strategy: reschedule`."""
    _run(Fault.DRAIN, node, file, output, gateway, as_json=as_json, yes=yes)


def _run(
    fault: Fault, node: str | None, file: Path, output: Path, gateway: str | None, *, as_json: bool, yes: bool
) -> None:
    talk = Console(stderr=True)
    from hotspare.wiring import probing  # noqa: PLC0415 (SSH and OpenStack: seconds that no other verb waits for)

    wired = probing.drill(file, fault, node=node, gateway=gateway)
    if not yes:
        _ask(fault, node, talk)
    output.mkdir(parents=True, exist_ok=True)  # a report that cannot be written is said before anything breaks
    report, history = asyncio.run(_drilled(wired, wired.file.spec, talk))
    _written(report, history, output)
    if as_json:
        print(json.dumps(report_json.report(report), indent=2))
    else:
        table.show(report, Console())
    talk.print(f"[dim]{escape(str(output / 'report.html'))}[/]")
    raise typer.Exit(EXITS[report.verdict])


def _ask(fault: Fault, node: str | None, talk: Console) -> None:
    """Go on only after a yes; where nobody can be asked, only `--yes` says it."""
    talk.print(WARNINGS[fault].format(node=node or "the node that carries the gateway, or most of its routers"))
    if not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal to ask on: say --yes")
    if not Confirm.ask("Begin?", console=talk, default=False):
        raise typer.Exit(EXIT_BAD_STATE)


async def _drilled(wired: "Drill", spec: Spec | None, talk: Console) -> tuple[Report, History]:
    """Run it; gives the judgement, with the budget where the spec is known, and the record."""
    with talk.status("beginning") as status:
        async with wired.opened(tell=teller(status.update, talk)) as run:
            try:
                history = await run.run()
            except BaseException:  # above all Ctrl-C: a node that was not healed is named where it stays on the screen
                for trouble in run.troubles:
                    talk.print(f"[bold red]{escape(trouble)}[/]", soft_wrap=True)
                raise
            versions = {"hotspare": __version__}
            with suppress(HotspareError):  # the record of what happened is worth more than this
                versions |= await run.site.versions()
    return judge(history, versions, spec), history


def _written(report: Report, history: History, output: Path) -> None:
    """The record, and the report in three forms."""
    from hotspare.faces.report import page, plot  # noqa: PLC0415 (matplotlib: only where a picture is drawn)

    (output / "history.json").write_text(report_json.history(history))
    (output / "report.json").write_text(json.dumps(report_json.report(report), indent=2) + "\n")
    (output / "outage.svg").write_text(plot.svg(report))
    (output / "report.html").write_text(page.html(report))
