"""The status on one screen. Pure: a view in, a renderable out."""

from datetime import datetime

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from hotspare.faces.report.words import COLOURS
from hotspare.model.answer import Answer
from hotspare.model.status import NodeLine, StatusView

SIGNS = {Answer.YES: "ok", Answer.NO: "BAD", Answer.CANNOT_TELL: "?"}
SUMMARIES = {
    Answer.YES: "all is well",
    Answer.NO: "something is wrong",
    Answer.CANNOT_TELL: "cannot tell whether all is well",
}


def troubles(view: StatusView) -> str:
    """What is not well, in one line."""
    return "; ".join(f"{line.name}: {line.text}" for line in view.lines if line.answer is not Answer.YES)


def render(view: StatusView) -> RenderableType:
    """The whole screen."""
    colour = COLOURS[view.answer]
    at = datetime.fromtimestamp(view.at_s).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    told = f"as {view.asked} sees it" if view.asked else "no node could be asked"
    head = Text.assemble((f"{view.cluster}: {SUMMARIES[view.answer]}", f"bold {colour}"), (f"   {at}, {told}", "dim"))
    parts: list[RenderableType] = [head, "", _lines(view)]
    if view.nodes:
        parts += ["", _nodes(view)]
    return Group(*parts)


def _lines(view: StatusView) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for name in ("name", "answer", "text"):
        table.add_column(name, overflow="fold")
    for line in view.lines:
        colour = COLOURS[line.answer]
        table.add_row(f"[bold]{escape(line.name)}[/]", f"[{colour}]{SIGNS[line.answer]}[/]", escape(line.text))
        for detail in line.details:
            table.add_row("", "", f"[{colour}]{escape(detail)}[/]")
    return table


def _nodes(view: StatusView) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("node", "state", "carries"):
        table.add_column(name)
    for node in view.nodes:
        table.add_row(node.name + (" (DC)" if node.controller else ""), _state(node), ", ".join(node.carries))
    return table


def _state(node: NodeLine) -> str:
    if node.unclean:
        return "[red]unclean[/]"
    if not node.online:
        return "[red]offline[/]"
    return "[yellow]standby[/]" if node.standby else "[green]online[/]"
