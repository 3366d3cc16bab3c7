"""Strategies `cold` and `twin`, as a drill sees them: one identity, on one node at a time with all its routers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hotspare.model.drill import Bound, ClusterState, Fault, Gateway, History, Observation, Router, Strategy
from hotspare.model.event import What
from hotspare.model.report import Journey
from hotspare.plan.carriage import Allowed, Home
from hotspare.plan.names import agents_of

PHASES = {
    Fault.POWEROFF: ("detect", "fence", "promote", "start", "adopt"),
    Fault.STANDBY: ("stop", "promote", "start", "adopt"),
}


@dataclass(frozen=True, slots=True)
class Carried:
    """A gateway that one node carries at a time."""

    gateway: Gateway
    mover = "gateway"

    @property
    def data_plane(self) -> str:
        """It has the gateway's own name."""
        return self.gateway.name

    @property
    def agents(self) -> tuple[str, ...]:
        """Beside the data plane."""
        return agents_of(self.gateway.name)

    @property
    def resources(self) -> tuple[str, ...]:
        """Nothing but the agents."""
        return self.agents

    @property
    def subjects(self) -> frozenset[str]:
        """Resource and identity have one name."""
        return frozenset({self.gateway.name})

    def objection(self, fault: Fault) -> str:
        """Its routers move together or not at all."""
        if fault in PHASES:
            return ""
        return (
            f"{self.gateway.name} has `strategy: {self.gateway.strategy}`: one node carries all of its routers, and "
            "they leave it together; try: hotspare drill standby"
        )

    def phases(self, fault: Fault) -> tuple[str, ...]:
        """Another node is promoted, and its agents start."""
        return PHASES[fault]

    def chosen(self, cluster: ClusterState, bound: Bound) -> str:
        """The node that carries the gateway, whatever Neutron says."""
        del bound
        return cluster.carrier or ""

    def not_whole(self, cluster: ClusterState) -> Iterator[str]:
        """It is promoted on one node, and its agents run."""
        if cluster.carrier is None:
            yield "the gateway is promoted nowhere: see `hotspare status`"
        yield from (
            f"{agent} does not run: see `hotspare status`" for agent in self.agents if not cluster.running.get(agent)
        )

    def to_come(self, cluster: ClusterState, bound: Bound, node: str) -> Iterator[str]:
        """Another node carries the gateway and runs all its agents; its routers stay bound to its identity."""
        del bound
        if cluster.carrier in {None, node}:
            yield f"another node carries {self.gateway.name}"
        yield from self.trouble(cluster)

    def struck(self, routers: Sequence[Router], bound: Bound, node: str) -> frozenset[str]:
        """All of them, whichever node it is."""
        del bound, node
        return frozenset(router.id for router in routers)

    def moves(self, history: History, router: str | None) -> int:
        """As often as a node was promoted, for every router alike."""
        del router
        promoted = [event for event in history.events if event.action == "promote" and event.subject in self.subjects]
        told = (What.AGENT_FINISHED, What.ACTION_ENDED)
        return max(1, *(sum(event.what is what for event in promoted) for what in told))

    def home(self, router: Router, seen: Observation | None, broken: str) -> Home:
        """The node that carries the gateway."""
        del router, broken
        carrier = seen.cluster.carrier if seen and seen.cluster else None
        if seen is None or carrier not in seen.nodes:
            return Home(unsure="the node that carries the gateway could not be looked at")
        return Home(carrier or "")

    def allowed(self, seen: Observation) -> Mapping[str, Allowed] | str:
        """Beside the node that carries the gateway nothing, or a twin."""
        carrier = seen.cluster.carrier if seen.cluster else None
        if carrier is None:
            return "nobody could say who carries the gateway"
        parked = self.gateway.strategy is Strategy.TWIN
        return {node: Allowed(parked=parked) for node in self.gateway.nodes if node != carrier}

    def looked_at(self, count: int, seen: Observation) -> str:
        """The gateway's nodes beside the one that carries it."""
        carrier = seen.cluster.carrier if seen.cluster else None
        return f"{count} of the gateway's nodes beside {carrier}" if count else f"beside {carrier} no node is on"

    def trouble(self, cluster: ClusterState) -> Iterator[str]:
        """It is promoted on one node, and its agents run there."""
        if cluster.carrier is None:
            yield f"{self.gateway.name} is promoted nowhere"
        for agent in self.agents:
            where = cluster.running.get(agent, ())
            if not where:
                yield f"{agent} does not run"
            elif cluster.carrier is not None and where != (cluster.carrier,):
                yield f"{agent} runs on {' and '.join(where)}, the gateway on {cluster.carrier}"

    def journeys(self, history: History) -> Mapping[str, Journey]:
        """No router goes a way of its own."""
        del history
        return {}
