"""How much at once: calls on the way to Neutron, and routers on their way to one agent.

Both start small, grow while nothing gets slower, and shrink when it does. More than the server can do at once brings
nothing and makes every call slower: above 4 at once 0.2 s a call became 2.1 s on two cores (measured).
"""

from collections import deque
from dataclasses import dataclass
from statistics import median

SLOW = 2.0
"""Calls that take so many times what they take on an idle server are a sign of too many."""

WELL = 1.5
DRIFT = 0.02
"""How fast the idle time follows upwards while one call is on the way at a time: a lucky one must not set the pace for
ever. With more at once it does not follow: a server that is asked too much would pass for an idle one, as one that is
kept busy by others did after some twenty calls at 0.1."""

BEHIND = 2.0
"""An agent that takes so many times what it took at best has enough on its hands: its workers wait for each other."""

SEEN_EVERY_S = 1.0
"""Whether routers forward is looked at so often at most: how long one took to get there is not known more closely."""


@dataclass(frozen=True, slots=True)
class Looking:
    """How often ports are looked at: a look is followed by a pause so many times as long, but for a limit."""

    looks: float
    pause_max_s: float

    def pause_s(self, look_s: float) -> float:
        """Until the next look, when the last one took `look_s`."""
        return min(max(SEEN_EVERY_S, self.looks * look_s), self.pause_max_s)


BRISK = Looking(looks=5.0, pause_max_s=5.0)
"""Routers that are taken from a living agent: bound nowhere, they wait for the look that sees their ports down."""
PATIENT = Looking(looks=20.0, pause_max_s=15.0)
"""Routers that are bound: nothing but the next one waits to hear that they forward. Looking every second at 40 of them
cost Neutron's API 44 % more CPU time than moving them one after the other, on two cores that had nothing to spare, and
with one call on the way at a time the binding of others waited for each look (measured).
"""


class CallPace:
    """How many calls may be on the way at once. Told of every call that ended; the limit is for the next one.

    It begins with one, which tells how long a call takes on an idle server.
    """

    def __init__(self, *, most: int) -> None:
        self._limit = 1.0
        self._most = most
        self._opening = True
        self._idle_s: dict[str, float] = {}
        self._slowness: deque[float] = deque()

    @property
    def limit(self) -> int:
        """Calls that may be on the way at once, at least 1."""
        return int(self._limit)

    def idle_s(self, kind: str) -> float:
        """What a call of this kind takes on an idle server, as far as known; 0 where no one was made."""
        return self._idle_s.get(kind, 0.0)

    def ended(self, kind: str, took_s: float) -> None:
        """A call of this kind was answered."""
        idle_s = self._idle_s.get(kind, took_s)
        if took_s > idle_s and self.limit == 1:
            idle_s += DRIFT * (took_s - idle_s)
        self._idle_s[kind] = min(took_s, idle_s)
        self._slowness.append(took_s / self._idle_s[kind] if self._idle_s[kind] else 1.0)
        if len(self._slowness) < max(4, self.limit):
            return
        slowness = median(self._slowness)
        self._slowness.clear()
        if slowness > SLOW:
            self._opening = False
            self._limit = max(1.0, self._limit * 0.6)
        elif slowness < WELL:
            self._limit = min(float(self._most), self._limit * 2 if self._opening else self._limit + 1)

    def failed(self) -> None:
        """A call was not answered, or the server said that it cannot."""
        self._opening = False
        self._limit = max(1.0, self._limit / 2)


class TargetPace:
    """How many routers may be on their way to one agent at once: the first one goes alone.

    `careful`: the routers come from an agent that serves them, so that each is better late than long without service:
    the first one has to forward before the next, and few go at once.
    """

    def __init__(self, *, careful: bool, opened: int, most: int) -> None:
        self._careful = careful
        self._opened = opened
        self._most = most
        self._best_s: float | None = None
        self.window = 1

    def bound(self) -> None:
        """Neutron has bound a router to the agent, or, where it is without service, says so."""
        if not self._careful and self.window < self._opened and self._best_s is None:
            self.window = self._opened

    def forwarding(self, took_s: float, *, known_to_s: float = SEEN_EVERY_S) -> None:
        """A router's ports are wired, so long after it was bound, as closely as that is known."""
        first = self._best_s is None
        took_s = max(took_s, known_to_s)
        self._best_s = took_s if self._best_s is None else min(self._best_s, took_s)
        if first:
            self.window = max(self.window, self._opened)
        elif took_s <= BEHIND * max(self._best_s, known_to_s):
            self.window = min(self._most, self.window + 1)
        else:
            self.window = max(self._opened // 2, self.window - 1, 1)
