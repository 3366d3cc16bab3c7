"""A drill's result: what was judged from a history."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hotspare.model.answer import Answer
from hotspare.model.budget import Spent
from hotspare.model.drill import Fault, Strategy

BLIP_S = 1.0
"""A silence shorter than this is not what keeps a takeover from being over."""


@dataclass(frozen=True, slots=True)
class Gap:
    """An address did not answer: from its last answer before to its first after (wall clock); None: not again.

    The true silence is at most `ended_s - began_s`, and shorter by at most `error_s`: the probes' spacing.
    """

    began_s: float
    ended_s: float | None
    error_s: float


@dataclass(frozen=True, slots=True)
class Outage:
    """How long one address was gone. `outage_s` is the sum of its gaps, None where it did not come back."""

    address: str
    router_id: str
    router: str
    outage_s: float | None
    error_s: float
    gaps: tuple[Gap, ...]
    lost: int
    """Probes without an answer, single ones included (a gap takes two in a row)."""
    sent: int

    @property
    def back_s(self) -> float | None:
        """When it answered again for good; None where it did not, or was never gone.

        A blip of a few probes long after a takeover is part of `outage_s`, but is not the takeover's end.
        """
        if self.outage_s is None or not self.gaps:
            return None
        lengths = {gap: (gap.ended_s or 0.0) - gap.began_s for gap in self.gaps}
        long = [gap for gap in self.gaps if lengths[gap] >= BLIP_S]
        return (long[-1] if long else max(self.gaps, key=lambda gap: lengths[gap])).ended_s


@dataclass(frozen=True, slots=True)
class Journey:
    """The nodes on which Neutron had a router when the drill began and after the takeover: one each if all is well."""

    before: tuple[str, ...]
    after: tuple[str, ...] | None
    """None where Neutron could not be asked."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Median, 95th percentile (nearest rank) and worst over all addresses; None where that one did not come back."""

    median: float | None
    p95: float | None
    worst: float | None
    error: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment on the way of a takeover, in seconds after T0, and who told it."""

    name: str
    after_s: float
    source: str


@dataclass(frozen=True, slots=True)
class Phases:
    """The way of a takeover. `marks` are moments; `lengths` the time from one to the next, None where not seen."""

    t0_s: float
    marks: tuple[Mark, ...]
    lengths: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Audit:
    """One invariant, when it was looked at, and what was found."""

    name: str
    when: str
    answer: Answer
    text: str
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sessions:
    """What became of the long-lived TCP connection through the shared SNAT."""

    inside: str
    works: Answer
    """Whether connections through SNAT work after the fault, the old one or a fresh one."""
    kept: Answer
    """Whether the old connection lived on."""
    stall_s: float | None
    """Its longest silence, where it lived on."""
    fresh_after_s: float | None
    """A new connection worked this long after T0."""
    text: str


@dataclass(frozen=True, slots=True)
class Metadata:
    """What metadata requests from inside met."""

    inside: str
    answered: Answer
    asked: int
    failed: int
    outage_s: float | None
    """From the last answer before to the first after the fault."""
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """The result of one drill."""

    verdict: Answer
    why: tuple[str, ...]
    """What keeps the verdict from being yes."""
    fault: Fault
    gateway: str
    strategy: Strategy
    node: str
    carrier_before: str | None
    carrier: str | None
    """Where the gateway was afterwards, where one node has all of it."""
    began_s: float
    t0_s: float
    routers_total: int
    """Those that the fault struck."""
    routers_back: int
    outages: tuple[Outage, ...]
    """Of their addresses."""
    outage: Summary
    phases: Phases
    audits: tuple[Audit, ...]
    sessions: tuple[Sessions, ...]
    metadata: tuple[Metadata, ...]
    probe_interval_s: float
    probe_error_s: float
    clock_error_s: float
    versions: Mapping[str, str]
    journeys: Mapping[str, Journey] = field(default_factory=dict)
    """Router's id → its way, where routers go their own: those that were struck, and the bystanders."""
    bystanders: tuple[Outage, ...] = ()
    """Of the addresses of routers on other nodes, to the end of the probing."""
    budget: tuple[Spent, ...] = ()
    """Where the seconds went, and were expected to go; empty without the file, or where no power was cut."""
