"""Where the seconds of an outage go: what the file gives reason to expect, part by part, and what a drill measured."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

SLACK_S = 0.05
"""Stamps of journals are no better than that: a part that took this much longer took as long."""


class Basis(StrEnum):
    """How the seconds of a part are known."""

    COMPUTED = "computed"
    """From the file, by the rules of Corosync, Pacemaker and the fence agent."""
    MEASURED = "measured"
    """In this project's lab. Another cluster's are its own; a drill there tells them."""
    BOTH = "computed and measured"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an outage. None: nobody knows."""

    name: str
    expected_s: float | None
    worst_s: float | None
    """The most that the file's settings allow, or that was measured, where all works; never a timeout."""
    basis: Basis
    source: str
    """What it was computed from, or where and how it was measured."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The parts of an outage, one after the other."""

    parts: tuple[Part, ...]

    @property
    def expected_s(self) -> float | None:
        """Of all parts; None where one of them is not known."""
        return total(part.expected_s for part in self.parts)

    @property
    def worst_s(self) -> float | None:
        """Of all parts; None where one of them is not known."""
        return total(part.worst_s for part in self.parts)

    def until(self, last: str) -> "Budget":
        """The parts up to this one; all of them where there is none of that name."""
        names = [part.name for part in self.parts]
        return Budget(self.parts[: names.index(last) + 1]) if last in names else self


@dataclass(frozen=True, slots=True)
class Spent:
    """A part of the budget, and how long a drill saw it take; None where nobody told."""

    part: Part
    measured_s: float | None

    @property
    def is_over(self) -> bool:
        """Whether it took longer than it may where all works."""
        worst_s = self.part.worst_s
        return self.measured_s is not None and worst_s is not None and self.measured_s > worst_s + SLACK_S


def total(lengths_s: Iterable[float | None]) -> float | None:
    """The sum; None where one of them is not known."""
    known: list[float] = []
    for length_s in lengths_s:
        if length_s is None:
            return None
        known.append(length_s)
    return round(sum(known), 3)
