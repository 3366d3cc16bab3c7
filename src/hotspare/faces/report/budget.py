"""A budget in words: what to expect of a power-off by the file, and beside it what a drill measured. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hotspare.codec.report_json import part
from hotspare.faces.report.words import phase, share
from hotspare.model.budget import Budget, Spent, total
from hotspare.model.spec import Spec
from hotspare.plan.budget import MEANING, slowest


@dataclass(frozen=True, slots=True)
class Row:
    """A part as a table shows it, in the order of its columns; the last row has all of them."""

    part: str
    expected: str
    worst: str
    measured: str
    meaning: str
    source: str
    is_over: bool


def rows(spent: Sequence[Spent]) -> tuple[Row, ...]:
    """The parts, then their sum. Where a drill did not see the end of one, it does not see the sum either."""
    whole = Budget(tuple(one.part for one in spent))
    measured_s = total(one.measured_s for one in spent)
    parts = (
        Row(
            one.part.name,
            share(one.part.expected_s),
            share(one.part.worst_s),
            phase(one.measured_s),
            MEANING[one.part.name],
            f"{one.part.basis}: {one.part.source}",
            one.is_over,
        )
        for one in spent
    )
    last = Row("all", share(whole.expected_s), share(whole.worst_s), phase(measured_s), "", "", is_over=False)
    return (*parts, last)


def sentences(spec: Spec) -> Iterator[str]:
    """One for each gateway: when a dead node is noticed, off, and replaced."""
    for name in spec.gateways:
        whole = slowest(spec, name)
        said = f"{name}: a dead node is noticed after {_span(whole.until('consensus'))}"
        if spec.fenced:
            said += f" and off after {_span(whole.until('fence'))}"
        if name in spec.pools:
            yield f"{said}; then its routers are moved to other nodes"
        elif name in spec.twins:
            yield f"{said}; a fresh twin forwards after {_span(whole)}"
        else:
            yield f"{said}; agents run on another node after {_span(whole.until('start'))}, then routers are built"


def plain(spec: Spec) -> dict[str, list[dict[str, object]]]:
    """The parts for `--json`, gateway by gateway."""
    return {name: [part(one) for one in slowest(spec, name).parts] for name in spec.gateways}


def _span(whole: Budget) -> str:
    """Expected to at most."""
    if whole.expected_s is None or whole.worst_s is None:
        return "a time that nobody has measured"
    expected, worst = f"{whole.expected_s:.1f}", f"{whole.worst_s:.1f}"
    return f"{expected} s" if expected == worst else f"{expected} to {worst} s"
