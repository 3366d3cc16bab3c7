"""How good a twin is, in words and as a promotion score."""

from dataclasses import dataclass
from enum import IntEnum

AGAIN = 0.5
"""A twin that was stale is fresh again once it was equal to the carrier within half of the time after which it is
stale: an age that hovers changes nothing, so that the cluster is not told twice a minute.
"""
SOUND = 0.9
"""A twin with a lower share of warm routers is a partial one."""


class Score(IntEnum):
    """What Pacemaker is told. The carrier's is above all, or a fresh spare would have the gateway moved to it."""

    COLD = 100
    """As of a spare of strategy `cold`: nothing is ready."""
    PARTIAL = 120
    STALE = 140
    FRESH = 180
    CARRIES = 199


@dataclass(frozen=True, slots=True)
class Freshness:
    """A spare's twin as it is now."""

    equal_s: float | None
    """Seconds since it was known to be equal to the carrier; None: it never was."""
    routers: int
    """Of the gateway."""
    cold: int = 0
    """Those of them that the agents would have to build."""


def score(twin: Freshness, before: int, *, stale_after_s: float) -> Score:
    """The promotion score of a spare whose score was `before`."""
    if twin.equal_s is None or (twin.routers and twin.cold == twin.routers):
        return Score.COLD
    if twin.routers - twin.cold < SOUND * twin.routers:
        return Score.PARTIAL
    fresh_s = stale_after_s if before == Score.FRESH else AGAIN * stale_after_s
    return Score.FRESH if twin.equal_s <= fresh_s else Score.STALE


def words(twin: Freshness, told: Score) -> str:
    """What is behind the score that was told: `fresh (2 s), 40 routers`; `partial (2 s), 20 of 40 routers`; `none`."""
    if twin.equal_s is None:
        return word(twin, told)
    routers = f"{twin.routers} router{'s' * (twin.routers != 1)}"
    if twin.cold:
        routers = f"{twin.routers - twin.cold} of {routers}"
    return f"{word(twin, told)} ({_age(twin.equal_s)}), {routers}"


def word(twin: Freshness, told: Score) -> str:
    """The same without what changes from second to second."""
    return "none" if twin.equal_s is None else told.name.lower()


def _age(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
