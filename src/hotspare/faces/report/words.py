"""How a report's values are said, in the same words on every face."""

from collections import Counter
from collections.abc import Sequence

from hotspare.model.answer import Answer
from hotspare.model.comparison import Drilled
from hotspare.model.drill import Fault
from hotspare.model.report import Outage, Report

COLOURS = {Answer.YES: "green", Answer.NO: "red", Answer.CANNOT_TELL: "yellow"}
FAULTS = {Fault.POWEROFF: "powered off", Fault.STANDBY: "put in standby", Fault.DRAIN: "drained"}


def seconds(value: float | None) -> str:
    """A length, or that it has no end."""
    return "not back" if value is None else f"{value:.2f} s"


def phase(value: float | None) -> str:
    """A phase's length, or that nobody told it."""
    return "not seen" if value is None else f"{value:.2f} s"


def share(value: float | None) -> str:
    """A part of a budget, or that nobody can tell it."""
    return "?" if value is None else f"{value:.2f} s"


def headline(report: Report) -> str:
    """What happened, in one line, verdict first."""
    moved = _spread(report) if report.journeys else _taken_over(report)
    return (
        f"{str(report.verdict).upper()}: {report.node} {FAULTS[report.fault]}, {moved}: "
        f"{report.routers_back} of {report.routers_total} routers back"
    )


def _taken_over(report: Report) -> str:
    if report.carrier in {None, report.node}:
        return "nobody took over"
    if report.carrier == report.carrier_before:
        return f"{report.carrier} went on carrying"
    return f"{report.carrier} took over"


def _spread(report: Report) -> str:
    """How many of the node's routers went where."""
    ways = [journey.after for journey in report.journeys.values() if report.node in journey.before]
    counts = Counter(node for after in ways for node in after or () if node != report.node)
    where = [f"{count} to {node}" for node, count in sorted(counts.items())]
    return f"its routers moved ({', '.join(where)})" if where else "no router moved"


def way(report: Report, router: str) -> str:
    """From where to where the router went; empty where routers go no way of their own."""
    journey = report.journeys.get(router)
    if journey is None:
        return ""
    before, after = (", ".join(nodes) or "nowhere" for nodes in (journey.before, journey.after or ()))
    return f"{before} → {'?' if journey.after is None else after}"


def figures(report: Report) -> str:
    """The outage in one line."""
    found = report.outage
    return (
        f"outage of a floating IP: median {seconds(found.median)}, p95 {seconds(found.p95)}, "
        f"worst {seconds(found.worst)} (each at most {found.error:.2f} s less)"
    )


def typical(report: Report) -> str:
    """The outage in half a line."""
    return f"median {seconds(report.outage.median)} · worst {seconds(report.outage.worst)}"


def medians(drills: Sequence[Drilled]) -> str:
    """What drills beside one another came to, in one line."""
    told = (f"{one.name} {seconds(one.report.outage.median)}" for one in drills)
    return f"Median outage of a floating IP: {', '.join(told)}"


def lengths(drills: Sequence[Drilled]) -> list[tuple[str, list[str]]]:
    """Each phase that one of the drills has, and how long it took in each; empty in one that has it not."""
    of_each = [drilled.report.phases.lengths for drilled in drills]
    names = dict.fromkeys(name for lengths_s in of_each for name in lengths_s)
    return [(name, [phase(told[name]) if name in told else "" for told in of_each]) for name in names]


def longest_first(outages: tuple[Outage, ...]) -> list[Outage]:
    """Those that are not back first, then by length."""
    return sorted(outages, key=lambda one: (one.outage_s is not None, -(one.outage_s or 0.0), one.router))
