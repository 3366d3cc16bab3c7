"""How a report's values are said, in the same words on every face."""

from hotspare.model.answer import Answer
from hotspare.model.drill import Fault
from hotspare.model.report import Outage, Report

COLOURS = {Answer.YES: "green", Answer.NO: "red", Answer.CANNOT_TELL: "yellow"}
FAULTS = {Fault.POWEROFF: "powered off", Fault.STANDBY: "put in standby"}


def seconds(value: float | None) -> str:
    """A length, or that it has no end."""
    return "not back" if value is None else f"{value:.2f} s"


def phase(value: float | None) -> str:
    """A phase's length, or that nobody told it."""
    return "not seen" if value is None else f"{value:.2f} s"


def headline(report: Report) -> str:
    """What happened, in one line, verdict first."""
    moved = f"{report.carrier} took over"
    if report.carrier in {None, report.node}:
        moved = "nobody took over"
    elif report.carrier == report.carrier_before:
        moved = f"{report.carrier} went on carrying"
    return (
        f"{str(report.verdict).upper()}: {report.node} {FAULTS[report.fault]}, {moved}: "
        f"{report.routers_back} of {report.routers_total} routers back"
    )


def figures(report: Report) -> str:
    """The outage in one line."""
    found = report.outage
    return (
        f"outage of a floating IP: median {seconds(found.median)}, p95 {seconds(found.p95)}, "
        f"worst {seconds(found.worst)} (each at most {found.error:.2f} s less)"
    )


def longest_first(outages: tuple[Outage, ...]) -> list[Outage]:
    """Those that are not back first, then by length."""
    return sorted(outages, key=lambda one: (one.outage_s is not None, -(one.outage_s or 0.0), one.router))
