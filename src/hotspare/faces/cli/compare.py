"""`hotspare drill compare`: reports of drills beside one another, in one picture."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from hotspare.adapters import report_files
from hotspare.codec import comparison_json
from hotspare.faces.cli.drill import drill
from hotspare.faces.cli.options import EXITS, Json
from hotspare.faces.report import table
from hotspare.model.answer import together
from hotspare.plan import comparison

OUTPUT = Path("build/compare")
EPILOG = (
    "Example: [bold]hotspare drill compare build/cold build/twin[/] writes beside.svg and beside.html, which links the "
    "reports, to build/compare. Exit status: 0 the verdict of every drill is yes, 1 one is no, 2 a report cannot be "
    "read, 3 cannot tell."
)


@drill.command(epilog=EPILOG)
def compare(
    directories: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR", help="What drills have written (their --output); each drill is named by its own."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where picture and page go.")] = OUTPUT,
    as_json: Json = False,
) -> None:
    """Set the reports of drills beside one another: for every router a bar a drill, on one axis of time."""
    from hotspare.faces.report import page, plot  # noqa: PLC0415 (matplotlib: only where a picture is drawn)

    if not 2 <= len(directories) <= len(plot.BARS):
        raise typer.BadParameter(f"name 2 to {len(plot.BARS)} directories: one picture has room for no more")
    drills = report_files.read(directories, seen_from=output)
    rows = comparison.rows([one.report for one in drills])
    output.mkdir(parents=True, exist_ok=True)
    (output / "beside.svg").write_text(plot.beside(drills, rows), encoding="utf-8")
    (output / "beside.html").write_text(page.beside(drills, rows), encoding="utf-8")
    if as_json:
        print(json.dumps(comparison_json.plain(drills, rows), indent=2))
    else:
        Console().print(table.beside(drills, rows))
    Console(stderr=True).print(f"[dim]{escape(str(output / 'beside.html'))}[/]")
    raise typer.Exit(EXITS[together(one.report.verdict for one in drills)])
