"""A drill's report, or several beside one another, as tables on a terminal."""

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from hotspare.faces.report import budget
from hotspare.faces.report.words import (
    COLOURS,
    figures,
    headline,
    lengths,
    longest_first,
    medians,
    phase,
    seconds,
    typical,
    way,
)
from hotspare.model.comparison import Drilled, Row
from hotspare.model.report import Report
from hotspare.plan.phases import MEANING


def render(report: Report) -> RenderableType:
    """The whole report: verdict, outage, phases, sessions, audits, routers."""
    colour = COLOURS[report.verdict]
    parts: list[RenderableType] = [Text(headline(report), style=f"bold {colour}"), Text(figures(report))]
    parts += [Text(f"  {reason}", style=colour) for reason in report.why]
    parts += [
        "",
        _phases(report),
        *(("", _budget(report)) if report.budget else ()),
        "",
        _inside(report),
        "",
        _audits(report),
        "",
        _routers(report),
    ]
    return Group(*parts)


def _phases(report: Report) -> Table:
    table = Table(title="Phases", title_justify="left", box=None, pad_edge=False)
    table.add_column("phase")
    table.add_column("took", justify="right")
    table.add_column("done after", justify="right")
    table.add_column("what it is", style="dim")
    after = {mark.name: mark.after_s for mark in report.phases.marks}
    for name, length_s in report.phases.lengths.items():
        done = f"{after[name]:.2f} s" if name in after else ""
        table.add_row(name, phase(length_s), done, MEANING[name])
    return table


def _budget(report: Report) -> Table:
    table = Table(title="Budget: where each second went", title_justify="left", box=None, pad_edge=False)
    table.add_column("part")
    for name in ("expected", "at most", "measured"):
        table.add_column(name, justify="right")
    table.add_column("what it is", style="dim")
    for row in budget.rows(report.budget):
        measured = Text(row.measured, style="yellow" if row.is_over else "")
        table.add_row(row.part, row.expected, row.worst, measured, row.meaning)
    return table


def _inside(report: Report) -> Table:
    table = Table(title="Seen from inside", title_justify="left", box=None, pad_edge=False)
    table.add_column("from")
    table.add_column("what")
    table.add_column("how it went")
    for session in report.sessions:
        table.add_row(session.inside, "TCP through SNAT", escape(session.text))
    for answer in report.metadata:
        table.add_row(answer.inside, "metadata", escape(answer.text))
    return table


def _audits(report: Report) -> Table:
    table = Table(title="Audits", title_justify="left", box=None, pad_edge=False)
    table.add_column("invariant")
    table.add_column("when")
    table.add_column("holds")
    table.add_column("found", overflow="fold")
    for audit in report.audits:
        colour = COLOURS[audit.answer]
        table.add_row(audit.name, audit.when, f"[{colour}]{audit.answer}[/]", escape(audit.text))
        for finding in audit.findings:
            table.add_row("", "", "", f"[dim]{escape(finding)}[/]")
    return table


def _routers(report: Report) -> Table:
    table = Table(title="Routers, longest outage first", title_justify="left", box=None, pad_edge=False)
    table.add_column("router")
    table.add_column("floating IP")
    if report.journeys:
        table.add_column("moved")
    table.add_column("outage", justify="right")
    table.add_column("at most less", justify="right", style="dim")
    table.add_column("lost probes", justify="right", style="dim")
    for one in longest_first(report.outages):
        style = "red" if one.outage_s is None else ""
        moved = (way(report, one.router_id),) if report.journeys else ()
        measured = (seconds(one.outage_s), f"{one.error_s:.2f} s", f"{one.lost} of {one.sent}")
        table.add_row(escape(one.router), one.address, *moved, *measured, style=style)
    return table


def beside(drills: Sequence[Drilled], rows: Sequence[Row]) -> RenderableType:
    """Drills beside one another: what each came to and why, phases, routers."""
    parts: list[RenderableType] = [Text(medians(drills), style="bold")]
    for one in drills:
        report = one.report
        colour = COLOURS[report.verdict]
        parts.append(Text.assemble((one.name, "bold"), f": {typical(report)}, strategy {report.strategy}"))
        parts += [Text(f"  {said}", style=colour) for said in (headline(report), *report.why)]
    return Group(*parts, "", _lengths(drills), "", _rows(drills, rows))


def _lengths(drills: Sequence[Drilled]) -> Table:
    table = Table(title="Phases", title_justify="left", box=None, pad_edge=False)
    table.add_column("phase")
    for one in drills:
        table.add_column(escape(one.name), justify="right")
    for name, told in lengths(drills):
        table.add_row(name, *told)
    return table


def _rows(drills: Sequence[Drilled], rows: Sequence[Row]) -> Table:
    table = Table(title="Routers, longest outage first", title_justify="left", box=None, pad_edge=False)
    table.add_column("router")
    table.add_column("floating IP")
    for one in drills:
        table.add_column(escape(one.name), justify="right")
    for row in rows:
        told = ("" if one is None else seconds(one.outage_s) for one in row.outages)
        table.add_row(escape(row.router), row.address, *told)
    return table


def show(report: Report, console: Console) -> None:
    """Print it."""
    console.print(render(report))
