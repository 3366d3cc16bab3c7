"""Routers spread evenly again, for as few moves as that takes: every move stops a router for a moment."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from hotspare.model.routing import Move, Placement, Routing, Weights
from hotspare.plan import standing
from hotspare.plan.eligibility import Ask, Candidates, ask, for_router
from hotspare.plan.load import Groups, bound_loads, cost
from hotspare.plan.standing import Standings


def balanced(routing: Routing, standings: Standings, weights: Weights) -> Placement:
    """No move between two live agents pays any more.

    A move pays if the heavier of the two gets lighter by at least half of what the router costs: routers that are alike
    end within one of even, and no router is stopped for a trifle. Each such move makes the sum of the squared loads
    smaller, so there is an end, and from there on nothing moves.

    Routers of one `apart` group are never put together, and where they are together they are the first to go.
    """
    balance = _Balance(routing, standings, weights)
    while balance.has_improved():
        pass
    return Placement(tuple(balance.moves()))


class _Kind(NamedTuple):
    """Routers that may go to the same agents."""

    asked: Ask
    apart: frozenset[str]


@dataclass(slots=True)
class _Shelf:
    """The routers of one kind on one agent."""

    able: frozenset[str]
    """The agents that they may go to."""
    routers: list[tuple[int, str]] = field(default_factory=list)
    """What each costs, and its id; in order."""

    def nearest(self, gap: int) -> list[tuple[int, str]]:
        """Those that cost just less and just more than half of the gap: nothing evens it out better."""
        above = bisect_left(self.routers, (gap // 2, ""))
        below = bisect_left(self.routers, (self.routers[above - 1][0], "")) if above else above
        return [self.routers[at] for at in (below, above) if at < len(self.routers)]


class _Shift(NamedTuple):
    """One move that pays; the greatest is the best."""

    crowded: bool
    gain: int
    """Half of that by which the sum of the squared loads gets smaller."""
    parts: int
    router: str
    target: str


class _Balance:
    def __init__(self, routing: Routing, standings: Standings, weights: Weights) -> None:
        # An agent whose heartbeat is old would be slow to take a router, or to let go of one.
        agents = [agent for agent in standing.live(routing.agents, standings) if agent.alive]
        costs = {router: cost(facts, weights) for router, facts in routing.routers.items()}
        self._candidates = Candidates(agents, for_router)
        self._loads = bound_loads(agents, routing, costs)
        self._groups = Groups(routing)
        self._shelves: dict[str, dict[_Kind, _Shelf]] = {agent.id: {} for agent in agents}
        self._kinds: dict[str, _Kind] = {}
        self._home: dict[str, str] = {}
        self._moved: dict[str, str] = {}
        for parts, router in sorted((costs[router], router) for router in routing.routers):
            facts = routing.routers[router]
            match routing.bindings.get(router, ()):
                case (agent,) if agent in self._shelves and not facts.ha:
                    self._home[router], self._kinds[router] = agent, _Kind(ask(facts), facts.apart)
                    self._shelf(agent, self._kinds[router]).routers.append((parts, router))

    def has_improved(self) -> bool:
        """Every agent, the most loaded first, has given away what pays. False where there was nothing."""
        spent: set[str] = set()
        improved = False
        while source := self._loads.most(without=spent):
            shift = max(self._shifts(source), default=None)
            if shift is None:
                spent.add(source)  # until another agent got lighter, which the next look finds
            else:
                self._carry_out(source, shift)
                improved = True
        return improved

    def moves(self) -> Iterator[Move]:
        """What is to be done in all: of a router that went on from its first target only the last one."""
        for router, target in self._moved.items():
            if target != self._home[router]:
                yield Move(router, self._home[router], target)

    def _shifts(self, source: str) -> Iterator[_Shift]:
        """The best move of each kind of router away from the agent, if any pays."""
        for kind, shelf in self._shelves[source].items():
            target = self._loads.least(shelf.able, self._groups.holders(kind.apart))
            if target is None:
                continue
            gap = self._loads.parts(source) - self._loads.parts(target)
            for parts, router in shelf.nearest(gap):
                if 0 < 3 * parts <= 2 * gap:  # the same as: gap - parts >= parts / 2
                    crowded = self._groups.crowded(kind.apart, source)
                    yield _Shift(crowded, parts * (gap - parts), parts, router, target)

    def _carry_out(self, source: str, shift: _Shift) -> None:
        kind, item = self._kinds[shift.router], (shift.parts, shift.router)
        left = self._shelf(source, kind).routers
        del left[bisect_left(left, item)]
        insort(self._shelf(shift.target, kind).routers, item)
        for agent, sign in ((source, -1), (shift.target, 1)):
            self._loads.change(agent, sign * shift.parts, sign)
            self._groups.change(kind.apart, agent, sign)
        self._moved[shift.router] = shift.target

    def _shelf(self, agent: str, kind: _Kind) -> _Shelf:
        shelves = self._shelves[agent]
        if kind not in shelves:
            shelves[kind] = _Shelf(self._candidates.preferred(kind.asked))
        return shelves[kind]
