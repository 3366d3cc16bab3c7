"""Drills beside one another."""

from dataclasses import dataclass

from hotspare.model.report import Outage, Report


@dataclass(frozen=True, slots=True)
class Drilled:
    """A drill among others."""

    name: str
    """By which it is told from the others."""
    report: Report
    page: str = ""
    """A link to its own page from one that shows them all; empty where it has none."""


@dataclass(frozen=True, slots=True)
class Row:
    """One address, and its outage in each of the drills; None in one that did not strike it."""

    router_id: str
    router: str
    address: str
    outages: tuple[Outage | None, ...]
