"""From probes to outages: pure, and honest about what the probes cannot resolve."""

import bisect
import math
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from statistics import median

from hotspare.model.drill import History, Trace
from hotspare.model.report import Gap, Outage, Summary

REPLY_LIMIT_S = 1.0
"""A probe sent less than this before the end of a trace may still be answered: it counts neither way."""
LOST_IN_A_ROW = 2
"""That many unanswered probes in a row are a gap; a single lost one is counted, but is no outage."""

PROBE_EVERY_S, PROBE_EVERY_MAX_S = 0.04, 0.2
"""Between two probes of one address: 25 a second, or so few that how long it was silent is still known."""
PROBES_MAX = 1000
"""A second, of all addresses together, as far as that leaves enough for each. More is a load of its own: 2000 a second
took two thirds of a core of Open vSwitch in user space (measured), which a takeover needs.
"""


def probe_interval_s(addresses: int) -> float:
    """How often each of so many addresses is probed."""
    return min(max(PROBE_EVERY_S, addresses / PROBES_MAX), PROBE_EVERY_MAX_S)


def sent_between(trace: Trace, since_s: float, until_s: float) -> tuple[tuple[int, float], ...]:
    """The rounds sent in [since, until)."""
    times = [at_s for _number, at_s in trace.rounds]
    return trace.rounds[bisect.bisect_left(times, since_s) : bisect.bisect_left(times, until_s)]


def unanswered(trace: Trace, address: str, since_s: float, until_s: float) -> tuple[tuple[int, float], ...]:
    """The probes to `address` sent in [since, until) that no reply ever answered."""
    answered = {number for number, _at_s in trace.replies.get(address, ())}
    return tuple(probe for probe in sent_between(trace, since_s, until_s) if probe[0] not in answered)


def gaps(trace: Trace, address: str, since_s: float, until_s: float) -> tuple[Gap, ...]:
    """The silences of `address` among probes sent in [since, until).

    An answer proves life at the moment it came, however late (a neighbour queue may hold a probe back through the whole
    outage), so silences lie between answers by their receive time. A stretch in which nothing was sent is no silence.
    For the same reason a probe that was answered late shows, as an unanswered one does, that its address was silent
    when a prompt answer was due.
    """
    alive = sorted(at_s for _number, at_s in trace.replies.get(address, ()))
    silent = [at_s for _number, at_s in unanswered(trace, address, since_s, until_s)]
    times = [at_s for _number, at_s in trace.rounds]
    prompt_s = trace.interval_s + _round_trip_s(trace, address)
    found: list[Gap] = []
    for first, last in _runs(silent, alive):
        began_at = bisect.bisect_left(alive, first)
        before_s = alive[began_at - 1] if began_at else since_s
        after_at = bisect.bisect_right(alive, last)
        after_s = alive[after_at] if after_at < len(alive) else None
        upper_s = (until_s if after_s is None else after_s) - before_s
        overdue = 0 if after_s is None else bisect.bisect_right(times, after_s - prompt_s)
        silent_until_s = max(last, times[overdue - 1]) if overdue else last
        found.append(Gap(before_s, after_s, max(0.0, upper_s - (silent_until_s - first))))
    return tuple(found)


def _round_trip_s(trace: Trace, address: str) -> float:
    """What an answer of the address usually takes, in seconds: the median, which a few late ones do not move."""
    sent = dict(trace.rounds)
    took = [at_s - sent[number] for number, at_s in trace.replies.get(address, ()) if number in sent]
    return median(took) if took else 0.0


def _runs(silent: Sequence[float], alive: Sequence[float]) -> Iterable[tuple[float, float]]:
    """First and last send stamp of each run of unanswered probes with no answer between them, long enough to count."""
    run: list[float] = []
    for at_s in silent:
        if run and bisect.bisect_left(alive, at_s) != bisect.bisect_left(alive, run[0]):
            if len(run) >= LOST_IN_A_ROW:
                yield run[0], run[-1]
            run = []
        run.append(at_s)
    if len(run) >= LOST_IN_A_ROW:
        yield run[0], run[-1]


def outage(trace: Trace, address: str, router: tuple[str, str], since_s: float, until_s: float) -> Outage:
    """How long `address` was gone among probes sent in [since, until); `router` is its (id, name)."""
    horizon_s = min(until_s, trace.rounds[-1][1] - REPLY_LIMIT_S if trace.rounds else until_s)
    silences = gaps(trace, address, since_s, horizon_s)
    back = all(gap.ended_s is not None for gap in silences)
    total_s = sum(gap.ended_s - gap.began_s for gap in silences if gap.ended_s is not None)
    return Outage(
        address=address,
        router_id=router[0],
        router=router[1],
        outage_s=round(total_s, 4) if back else None,
        error_s=round(sum(gap.error_s for gap in silences), 4) if silences else round(2 * trace.interval_s, 4),
        gaps=silences,
        lost=len(unanswered(trace, address, since_s, horizon_s)),
        sent=len(sent_between(trace, since_s, horizon_s)),
    )


def outages(history: History, struck: Collection[str]) -> tuple[Outage, ...]:
    """One outage a floating IP of the struck routers, from the fault to the heal, by router's name and address."""
    return _outages(history, struck, history.heal_called_s)


def untouched(history: History, struck: Collection[str]) -> tuple[Outage, ...]:
    """The same of the other routers, from the fault to the end of the probing."""
    others = {router for router in history.targets.values() if router not in struck}
    return _outages(history, others, history.ended_s)


def _outages(history: History, routers: Collection[str], until_s: float) -> tuple[Outage, ...]:
    names = {router.id: router.name for router in history.routers}
    found = (
        outage(history.trace, address, (router, names.get(router, router)), history.called_s, until_s)
        for address, router in history.targets.items()
        if router in routers
    )
    return tuple(sorted(found, key=lambda one: (one.router, one.address)))


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest-rank percentile: always one of the values, so that it is something that did happen."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def summary(found: Sequence[Outage]) -> Summary:
    """Median, p95 and worst; an address that did not come back counts as endless, and reads as None."""
    if not found:
        return Summary(None, None, None, 0.0)
    values = [math.inf if one.outage_s is None else one.outage_s for one in found]
    picked = [percentile(values, share) for share in (0.5, 0.95, 1.0)]
    median, p95, worst = (None if math.isinf(value) else value for value in picked)
    return Summary(median, p95, worst, max(one.error_s for one in found))


def blind_s(trace: Trace, since_s: float, until_s: float) -> float:
    """The longest time in [since, until] in which the prober sent nothing."""
    times = [since_s, *(at_s for _number, at_s in sent_between(trace, since_s, until_s)), until_s]
    return max(later - earlier for earlier, later in pairwise(times))


def steady(trace: Trace, addresses: Iterable[str], since_s: float, until_s: float) -> tuple[str, ...]:
    """The addresses that were not steadily there in [since, until): a gap, or no probe sent at all."""
    if not sent_between(trace, since_s, until_s):
        return tuple(addresses)
    return tuple(
        address
        for address in addresses
        if gaps(trace, address, since_s, until_s) or not _answered_in(trace, address, since_s)
    )


def _answered_in(trace: Trace, address: str, since_s: float) -> bool:
    replies = trace.replies.get(address, ())
    return bool(replies) and replies[-1][1] >= since_s
