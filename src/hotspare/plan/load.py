"""How much each agent carries, and who carries least."""

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from hotspare.model.routing import RouterFacts, Routing, Weights
from hotspare.plan.standing import Placed

PARTS = 1000
"""Costs are whole numbers of thousandths: sums of them do not depend on the order, so equal loads are equal."""


def cost(router: RouterFacts, weights: Weights) -> int:
    """What the router costs its agent, in thousandths of a part."""
    parts = (
        weights.router
        + weights.gateway * router.gateway
        + weights.interface * router.interfaces
        + weights.floating_ip * router.floating_ips
    )
    return round(PARTS * parts)


class Load(NamedTuple):
    """What an agent carries; the lesser of two is the better target. Host and id only make the choice certain."""

    parts: int
    routers: int
    host: str
    agent: str


class Loads:
    """The load of every agent, in order.

    One sorted list for all: an agent that suits is mostly among the first, so to walk along it is quicker than to keep
    a heap for everything that may be asked.
    """

    def __init__(self, agents: Iterable[Placed]) -> None:
        self._of = {agent.id: Load(0, 0, agent.host, agent.id) for agent in agents}
        self._ordered = sorted(self._of.values())

    def parts(self, agent: str) -> int:
        """What the agent carries, in thousandths of a part."""
        return self._of[agent].parts

    def routers(self, agent: str) -> int:
        """How many routers the agent carries."""
        return self._of[agent].routers

    def least(self, among: Collection[str], without: Collection[str] = ()) -> str | None:
        """Of the agents in `among` but not in `without` the one that carries least; None where that is nobody."""
        for load in self._ordered:
            if load.agent in among and load.agent not in without:
                return load.agent
        return None

    def most(self, without: Collection[str]) -> str | None:
        """Of the agents that are not in `without` the one that carries most."""
        return next((load.agent for load in reversed(self._ordered) if load.agent not in without), None)

    def change(self, agent: str, parts: int, routers: int) -> None:
        """The agent carries that much more; agents that are not looked at are passed over."""
        old = self._of.get(agent)
        if old is None:
            return
        new = Load(old.parts + parts, old.routers + routers, old.host, agent)
        del self._ordered[bisect_left(self._ordered, old)]
        insort(self._ordered, new)
        self._of[agent] = new


class Groups:
    """Which agents have a router of which group."""

    def __init__(self, routing: Routing) -> None:
        self._agents: dict[str, Counter[str]] = defaultdict(Counter)
        for router, facts in routing.routers.items():
            for agent in routing.bindings.get(router, ()):
                self.change(facts.apart, agent, 1)

    def holders(self, apart: frozenset[str]) -> frozenset[str]:
        """The agents that have a router of one of these groups."""
        if not apart:
            return frozenset()
        return frozenset(agent for group in apart for agent, count in self._agents[group].items() if count)

    def crowded(self, apart: frozenset[str], agent: str) -> bool:
        """Whether two of one of these groups are on the agent."""
        return any(self._agents[group][agent] > 1 for group in apart)

    def change(self, apart: frozenset[str], agent: str, count: int) -> None:
        """The agent has that many more of each of these groups."""
        for group in apart:
            self._agents[group][agent] += count


def burdens(routing: Routing, weights: Weights) -> dict[str, tuple[int, float]]:
    """Agent → how many routers it has by Neutron's bindings, and what they weigh."""
    costs = {router: cost(facts, weights) for router, facts in routing.routers.items()}
    loads = bound_loads(routing.agents.values(), routing, costs)
    return {agent: (loads.routers(agent), loads.parts(agent) / PARTS) for agent in routing.agents}


def bound_loads(agents: Iterable[Placed], routing: Routing, costs: Mapping[str, int]) -> Loads:
    """What the agents carry by Neutron's bindings: what an agent says of itself is old, and stays when it is dead."""
    parts: Counter[str] = Counter()
    routers: Counter[str] = Counter()
    for router, bound in routing.bindings.items():
        for agent in bound:
            parts[agent] += costs.get(router, 0)
            routers[agent] += 1
    loads = Loads(agents)
    for agent in routers:
        loads.change(agent, parts[agent], routers[agent])
    return loads
