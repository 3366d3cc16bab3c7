"""A drill's picture: one bar a floating IP for the time it was gone, over the takeover's phases. And one of several."""

import io
from collections.abc import Collection, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from hotspare.faces.report.words import headline, medians, phase, seconds, typical, way
from hotspare.model.answer import Answer
from hotspare.model.comparison import Drilled, Row
from hotspare.model.drill import Fault
from hotspare.model.report import Outage, Report
from hotspare.plan.phases import MEANING

INK = "#1f2933"
MUTED = "#7b8794"
GRID = "#e4e7eb"
BAR = "#d64545"
BARS = (BAR, "#2680c2", "#e9a820", "#3ebd93", "#8e5cc4", "#7b8794")
"""One for each drill beside the others; so many fit into one picture."""
VERDICTS = {Answer.YES: "#2f8132", Answer.NO: "#ba2525", Answer.CANNOT_TELL: "#b44d12"}
PHASES = {
    "detect": "#627d98",
    "fence": "#e12d39",
    "stop": "#e12d39",
    "promote": "#f0b429",
    "start": "#2bb0ed",
    "decide": "#f0b429",
    "move": "#2bb0ed",
    "adopt": "#3ebd93",
}
STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "text.parse_math": False,  # a dollar in a router's name is one
    "svg.fonttype": "none",
    "svg.hashsalt": "hotspare",
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "xtick.color": MUTED,
    "ytick.color": INK,
}
PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 0.3}
ROW_INCH = 0.2
BESIDE_INCH, CAPTION_INCH = 0.11, 0.46
"""Where drills are beside one another: a bar, and the two lines above that are each one's."""
WIDTH_INCH = 10.0
LEAD_SHARE = 0.04
"""How much of the time axis is shown before T0."""
TAIL_SHARE, TAIL_SHARE_WITH_WAYS = 0.08, 0.22
"""How much of it is left for the words after the longest bar: its length, and where routers go their own ways, that."""


def svg(report: Report) -> str:
    """The picture as an SVG document. Equal reports give equal pictures."""
    rows = sorted(report.outages, key=lambda one: (_end(one, report), one.address), reverse=True)
    height_inch = 2.6 + ROW_INCH * max(4, len(rows))
    with rc_context(STYLE):  # type: ignore[arg-type]  # its key type is a closed list of literals
        figure = Figure(figsize=(WIDTH_INCH, height_inch), facecolor="white")
        FigureCanvasSVG(figure)
        shares = [1.0, max(4, len(rows)) * ROW_INCH / 0.62]
        lanes = figure.subplots(2, 1, sharex=True, height_ratios=shares)
        end_s = max([1.0, *(mark.after_s for mark in report.phases.marks), *(_end(one, report) for one in rows)])
        edge_s = end_s * (1 + _tail([report]))
        _phases(lanes[0], report)
        _outages(lanes[1], report, rows, (end_s, edge_s))
        lanes[1].set_xlim(-end_s * LEAD_SHARE, edge_s)
        top = 1 - 0.7 / height_inch
        figure.subplots_adjust(
            left=0.2, right=0.975, top=top - 0.34 / height_inch, bottom=0.62 / height_inch, hspace=0.08
        )
        figure.text(
            0.02, top + 0.33 / height_inch, headline(report), size=13, weight="bold", color=VERDICTS[report.verdict]
        )
        found = report.outage
        line = f"outage: median {seconds(found.median)} · p95 {seconds(found.p95)} · worst {seconds(found.worst)}"
        figure.text(0.02, top + 0.1 / height_inch, line, size=10, color=INK)
        keys = [
            Patch(color=PHASES[name], label=f"{name} {phase(took_s)}") for name, took_s in report.phases.lengths.items()
        ]
        figure.legend(
            handles=keys,
            loc="upper left",
            bbox_to_anchor=(0.195, top - 0.02 / height_inch),
            ncols=len(keys),
            frameon=False,
            fontsize=8.5,
            handlelength=0.9,
            handleheight=0.9,
            columnspacing=1.6,
            borderpad=0,
        )
        return _saved(figure, headline(report))


def beside(drills: Sequence[Drilled], rows: Sequence[Row]) -> str:
    """Drills in one picture, as an SVG document: for each address a bar a drill, on one axis of time.

    As many as `BARS` has colours, at most. Equal reports give equal pictures.
    """
    count = len(drills)
    head_inch, foot_inch = 0.25 + CAPTION_INCH * count, 0.62
    lanes_inch = BESIDE_INCH * (count + 1) * max(4, len(rows))
    height_inch = head_inch + lanes_inch + foot_inch
    with rc_context(STYLE):  # type: ignore[arg-type]  # its key type is a closed list of literals
        figure = Figure(figsize=(WIDTH_INCH, height_inch), facecolor="white")
        FigureCanvasSVG(figure)
        lane = figure.subplots()
        figure.subplots_adjust(left=0.2, right=0.975, top=1 - head_inch / height_inch, bottom=foot_inch / height_inch)
        ends_s = [_end(one, drilled.report) for drilled in drills for one in drilled.report.outages]
        end_s = max([1.0, *ends_s])
        edge_s = end_s * (1 + _tail([drilled.report for drilled in drills]))
        for number, row in enumerate(rows):
            for place, (drilled, one) in enumerate(zip(drills, row.outages, strict=True)):
                if one is not None:
                    at = number * (count + 1) + place
                    _bars(lane, one, drilled.report, (at, 0.9, 6.5), (end_s, edge_s), BARS[place])
        lane.set_xlim(-end_s * LEAD_SHARE, edge_s)
        lane.set_ylim(max(4, len(rows)) * (count + 1) - 0.5, -1)
        middles = [number * (count + 1) + (count - 1) / 2 for number in range(len(rows))]
        lane.set_yticks(middles, [f"{row.router}  {row.address}" for row in rows], size=7.5)
        _dressed(lane, {drilled.report.fault for drilled in drills})
        for place, drilled in enumerate(drills):
            _caption(figure, drilled, 1 - (0.2 + CAPTION_INCH * place) / height_inch, BARS[place])
        return _saved(figure, medians(drills))


def _caption(figure: Figure, drilled: Drilled, top: float, colour: str) -> None:
    """What a drill came to, and what it was, each on a line; `top` is a share of the figure's height."""
    line = 1 / figure.get_figheight()
    report = drilled.report
    figure.add_artist(Rectangle((0.02, top - 0.16 * line), 0.013, 0.13 * line, color=colour))
    told = f"{drilled.name}: {typical(report)}"
    figure.text(0.04, top, told, size=12, weight="bold", color=INK, va="top")
    figure.text(0.04, top - 0.21 * line, headline(report), size=8.5, color=VERDICTS[report.verdict], va="top")


def _saved(figure: Figure, title: str) -> str:
    page = io.StringIO()
    figure.savefig(page, format="svg", metadata={"Date": None, "Title": title})
    return page.getvalue()


def _tail(reports: Sequence[Report]) -> float:
    """The share of the time axis that words after bars take."""
    return TAIL_SHARE_WITH_WAYS if any(report.journeys for report in reports) else TAIL_SHARE


def _end(one: Outage, report: Report) -> float:
    """When it was back, in seconds after T0; one that is not back ends the record."""
    if not one.gaps:
        return 0.0
    ends = [gap.ended_s for gap in one.gaps]
    known = [end_s - report.t0_s for end_s in ends if end_s is not None]
    begun = [gap.began_s - report.t0_s for gap in one.gaps]
    return max([*known, *begun])


def _phases(lane: Axes, report: Report) -> None:
    """The way of the takeover as one row of blocks, each named."""
    lane.set_ylim(0, 1)
    lane.set_yticks([0.5], ["takeover"], size=9)
    lane.tick_params(length=0, labelbottom=False)
    for side in ("top", "right", "left", "bottom"):
        lane.spines[side].set_visible(False)
    begun_s = 0.0
    for mark in report.phases.marks:
        length_s = max(0.0, mark.after_s - begun_s)
        lane.barh(0.5, length_s, left=begun_s, height=0.62, color=PHASES[mark.name], edgecolor="white", linewidth=1.0)
        begun_s = max(begun_s, mark.after_s)


def _outages(lane: Axes, report: Report, rows: Sequence[Outage], ends_s: tuple[float, float]) -> None:
    """One row a floating IP: a bar where it did not answer, its length beside it. `ends_s` of bars and axis."""
    for place, one in enumerate(rows):
        _bars(lane, one, report, (place, 0.66, 7.5), ends_s, BAR)
    for mark in report.phases.marks:
        lane.axvline(mark.after_s, color=PHASES[mark.name], linewidth=1.0, linestyle=(0, (3, 3)), zorder=0)
    lane.axvline(0, color=INK, linewidth=1.0, zorder=0)
    lane.set_ylim(-0.7, max(4, len(rows)) - 0.3)
    lane.set_yticks(range(len(rows)), [f"{one.router}  {one.address}" for one in rows], size=7.5)
    _dressed(lane, {report.fault})


def _bars(
    lane: Axes, one: Outage, report: Report, row: tuple[float, float, float], ends_s: tuple[float, float], colour: str
) -> None:
    """A bar where the address did not answer, its length beside it; `row` is where, how high, and the words' size."""
    (place, height, size), (end_s, edge_s) = row, ends_s
    for gap in one.gaps:
        begun_s = gap.began_s - report.t0_s
        ended_s = edge_s if gap.ended_s is None else gap.ended_s - report.t0_s
        lane.barh(place, ended_s - begun_s, left=begun_s, height=height, color=colour, alpha=0.85)
    told = "   ".join(filter(None, (seconds(one.outage_s), way(report, one.router_id))))
    lane.text(_end(one, report) + end_s * 0.008, place, told, va="center", size=size, color=MUTED, bbox=PAPER)


def _dressed(lane: Axes, faults: Collection[Fault]) -> None:
    """What the axis of time counts from, and its grid."""
    zeros = {"power was cut" if fault is Fault.POWEROFF else "the order" for fault in faults}
    lane.set_xlabel(f"seconds after {' or '.join(sorted(zeros, reverse=True))}   (each bar: no answer)")
    lane.grid(axis="x", color=GRID, linewidth=0.8, zorder=0)
    lane.set_axisbelow(True)
    lane.tick_params(length=0)
    for side in ("top", "right", "left"):
        lane.spines[side].set_visible(False)


def legend(report: Report) -> list[tuple[str, str, str]]:
    """(phase, colour, meaning) of what the picture shows."""
    return [(name, PHASES[name], MEANING[name]) for name in report.phases.lengths]
