"""DHCP where an agent is gone: a network may have several agents, so the next one comes before the last one goes."""

from collections.abc import Iterator, Sequence

from hotspare.model.routing import DhcpAgent, LeaseChange, LeasePlan, LeaseStep, Leasing, Standing, Unserved
from hotspare.plan import standing
from hotspare.plan.eligibility import Candidates, ask_of_network, for_network
from hotspare.plan.load import Loads
from hotspare.plan.standing import Standings


def served_again(leasing: Leasing, standings: Standings, agents_per_network: int) -> LeasePlan:
    """Every network with an agent that is gone, or with none at all, has that many others; then the gone ones are off.

    Networks that nobody serves come first. Other networks stay as they are: that one has fewer is somebody's choice. A
    gone agent that cannot be replaced stays bound, so that its return mends what nothing else does.
    """
    lending = _Lending(leasing, standings)
    steps: list[LeaseStep] = []
    unserved: list[Unserved] = []
    for network, kept, gone in _lacking(leasing, standings):
        added = tuple(lending.additions(network, kept, agents_per_network - len(kept)))
        missing = max(0, agents_per_network - len(kept) - len(added))
        removed = gone[: max(0, len(gone) - missing)]
        steps += (LeaseStep(LeaseChange.ADD, network, agent) for agent in added)
        steps += (LeaseStep(LeaseChange.REMOVE, network, agent) for agent in removed)
        if missing:
            have = f"{agents_per_network - missing} of {agents_per_network} DHCP agents"
            unserved.append(Unserved(network, f"it has {have}: {lending.why_no_more(network)}"))
    return LeasePlan(tuple(steps), tuple(unserved))


def _lacking(leasing: Leasing, standings: Standings) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """The networks to be looked after, each with its agents: those that are not gone, and those that are."""
    of = standing.by_agent(leasing.agents, standings)
    found = []
    for network in leasing.networks:
        bound = sorted(leasing.bindings.get(network, ()))
        gone = tuple(agent for agent in bound if of.get(agent) is Standing.GONE)
        if gone or not bound:
            found.append((network, tuple(agent for agent in bound if agent not in gone), gone))
    yield from sorted(found, key=lambda one: (len(one[1]), one[0]))


class _Lending:
    """The live DHCP agents, and what they serve so far."""

    def __init__(self, leasing: Leasing, standings: Standings) -> None:
        self._leasing = leasing
        self._standings = standings
        self._live = standing.live(leasing.agents, standings)
        self._candidates = Candidates(self._live, for_network)
        self._loads = Loads(self._live)
        for bound in leasing.bindings.values():
            for agent in bound:
                self._loads.change(agent, 1, 1)

    def additions(self, network: str, kept: Sequence[str], wanted: int) -> Iterator[str]:
        """Up to so many agents that the network gets beside those that it keeps, the least loaded first."""
        able = self._candidates.able(ask_of_network(self._leasing.networks[network]))
        serving = list(kept)
        for _ in range(wanted):
            among = self._preferred([agent for agent in able if agent.id not in serving], serving)
            if (agent := self._loads.least(among)) is None:
                return
            self._loads.change(agent, 1, 1)
            serving.append(agent)
            yield agent

    def why_no_more(self, network: str) -> str:
        """The reason, where fewer were found than wanted."""
        asked = ask_of_network(self._leasing.networks[network])
        if not self._live:
            return standing.nobody_lives(self._leasing.agents, self._standings)
        if not self._candidates.able(asked):
            return self._candidates.why_none(asked)
        return "no other live agent can serve it"

    def _preferred(self, able: Sequence[DhcpAgent], serving: Sequence[str]) -> frozenset[str]:
        """Those with a heartbeat, if any; of these those in a zone that does not serve the network yet, if any.

        Neutron's own scheduler spreads a network over zones as well (AZAwareWeightScheduler).
        """
        zones = {self._leasing.agents[agent].zone for agent in serving if agent in self._leasing.agents}
        heard = [agent for agent in able if agent.alive] or able
        spread = [agent for agent in heard if agent.zone not in zones] or heard
        return frozenset(agent.id for agent in spread)
