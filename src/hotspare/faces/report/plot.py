"""A drill's picture: one bar a floating IP for the time it was gone, over the phases of the takeover."""

import io
from collections.abc import Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from hotspare.faces.report.words import headline, phase, seconds, way
from hotspare.model.answer import Answer
from hotspare.model.report import Outage, Report
from hotspare.plan.phases import MEANING

INK = "#1f2933"
MUTED = "#7b8794"
GRID = "#e4e7eb"
BAR = "#d64545"
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
    "svg.fonttype": "none",
    "svg.hashsalt": "hotspare",
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "xtick.color": MUTED,
    "ytick.color": INK,
}
PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
ROW_INCH = 0.2
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
        edge_s = end_s * (1 + (TAIL_SHARE_WITH_WAYS if report.journeys else TAIL_SHARE))
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
        page = io.StringIO()
        figure.savefig(page, format="svg", metadata={"Date": None, "Title": headline(report)})
    return page.getvalue()


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
    end_s, edge_s = ends_s
    for place, one in enumerate(rows):
        for gap in one.gaps:
            begun_s = gap.began_s - report.t0_s
            ended_s = edge_s if gap.ended_s is None else gap.ended_s - report.t0_s
            lane.barh(place, ended_s - begun_s, left=begun_s, height=0.66, color=BAR, alpha=0.85)
        at_s = _end(one, report)
        told = "   ".join(filter(None, (seconds(one.outage_s), way(report, one.router_id))))
        lane.text(at_s + end_s * 0.008, place, told, va="center", size=7.5, color=MUTED, bbox=PAPER)
    for mark in report.phases.marks:
        lane.axvline(mark.after_s, color=PHASES[mark.name], linewidth=1.0, linestyle=(0, (3, 3)), zorder=0)
    lane.axvline(0, color=INK, linewidth=1.0, zorder=0)
    lane.set_ylim(-0.7, max(4, len(rows)) - 0.3)
    lane.set_yticks(range(len(rows)), [f"{one.router}  {one.address}" for one in rows], size=7.5)
    lane.set_xlabel(
        f"seconds after {'power was cut' if report.fault == 'poweroff' else 'the order'}   (each bar: no answer)"
    )
    lane.grid(axis="x", color=GRID, linewidth=0.8, zorder=0)
    lane.set_axisbelow(True)
    lane.tick_params(length=0)
    for side in ("top", "right", "left"):
        lane.spines[side].set_visible(False)


def legend(report: Report) -> list[tuple[str, str, str]]:
    """(phase, colour, meaning) of what the picture shows."""
    return [(name, PHASES[name], MEANING[name]) for name in report.phases.lengths]
