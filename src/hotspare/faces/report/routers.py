"""Where routers are, as tables. Pure: a report in, a renderable out."""

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from hotspare.faces.report.moving import length
from hotspare.model.rescheduling import Report, Residence
from hotspare.model.routing import Standing

COLOURS = {
    Standing.LIVE: "green",
    Standing.LEAVING: "yellow",
    Standing.GONE: "red",
    Standing.UNKNOWN: "red",
}
WORDS = {
    Standing.LIVE: "live",
    Standing.LEAVING: "drained",
    Standing.GONE: "gone",
    Standing.UNKNOWN: "unknown",
}


def render(pool: str, report: Report) -> RenderableType:
    """What the rescheduler does, its nodes, and every router."""
    parts: list[RenderableType] = [Text.assemble((pool, "bold"), f": the rescheduler on {report.node}: {report.doing}")]
    if report.trouble:
        parts.append(Text(report.trouble, style="bold red"))
    seen = "not yet" if report.looked_s is None else f"{length(max(0.0, report.at_s - report.looked_s))} ago"
    parts += [Text(f"routers as Neutron had them {seen}", style="dim"), "", _nodes(report), "", _routers(report)]
    return Group(*parts)


def _nodes(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("node")
    table.add_column("stands")
    table.add_column("routers", justify="right")
    table.add_column("weight", justify="right")
    table.add_column("")
    for burden in report.burdens:
        its = Standing(burden.standing)
        note = f"{burden.moving} on their way to others" if burden.moving else ""
        if burden.halted:
            note = "the drain has ended with a failure"
        stands = f"[{COLOURS[its]}]{WORDS[its]}[/]"
        table.add_row(escape(burden.node), stands, str(burden.routers), f"{burden.load:.1f}", note)
    return table


def _routers(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("router", overflow="fold")
    table.add_column("on", overflow="fold")
    table.add_column("since", justify="right")
    table.add_column("", overflow="fold")
    for router in report.routers:
        on = escape(router.host) if router.host else "[red]nowhere[/]"
        table.add_row(escape(router.name), on, _since(router, report.at_s), escape(_note(router)))
    return table


def _since(router: Residence, at_s: float) -> str:
    return "" if router.since_s is None else f"{length(max(0.0, at_s - router.since_s))} ago"


def _note(router: Residence) -> str:
    parts = ["moving"] if router.moving else []
    parts += ["VRRP"] if router.ha else []
    return "; ".join((*parts, *filter(None, (router.note,))))
