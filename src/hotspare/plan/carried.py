"""Strategies `cold` and `twin`, as a drill sees them: one identity, on one node at a time with all its routers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hotspare.model.drill import (
    NEUTRON,
    Bound,
    ClusterState,
    Fault,
    Gateway,
    History,
    Observation,
    Router,
    Strategy,
)
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
        yield from (f"{sentence}: see `hotspare status`" for sentence in _beside(cluster))
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
        """All of the gateway's, whichever node it is; none of those of the gateways beside it."""
        del node
        its = bound.get(self.gateway.name, ())
        return frozenset(router.id for router in routers if router.id in its)

    def moves(self, history: History, router: str | None) -> int:
        """As often as a node was promoted, for every router alike; never, where it is none of the gateway's."""
        if router is not None and router not in self.struck(history.routers, history.bound, history.node):
            return 0
        promoted = [event for event in history.events if event.action == "promote" and event.subject in self.subjects]
        told = (What.AGENT_FINISHED, What.ACTION_ENDED)
        return max(1, *(sum(event.what is what for event in promoted) for what in told))

    def home(self, router: Router, seen: Observation | None, broken: str) -> Home:
        """The node that carries the gateway that has it."""
        del broken
        if seen is None or seen.cluster is None:
            return Home(unsure="the node that carries the gateway could not be looked at")
        if self.gateway.beside and seen.bound is None:
            return Home(unsure=f"Neutron could not be asked whose it is: {seen.unknown.get(NEUTRON, 'it was not')}")
        name = next((name for name in self.gateway.beside if router.id in (seen.bound or {}).get(name, ())), "")
        on = seen.cluster.beside.get(name, ()) if name else seen.cluster.promoted
        if len(on) != 1 or on[0] not in seen.nodes:
            return Home(unsure=f"the node that carries {name or 'the gateway'} could not be looked at")
        return Home(on[0])

    def allowed(self, seen: Observation) -> Mapping[str, Allowed] | str:
        """Beside the node that carries the gateway nothing, or a twin, or what a gateway beside it has."""
        cluster = seen.cluster
        if cluster is None or cluster.carrier is None:
            return "nobody could say who carries the gateway"
        if seen.bound is None and any(cluster.beside.values()):
            return f"Neutron could not be asked whose routers are whose: {seen.unknown.get(NEUTRON, 'it was not')}"
        spare = Allowed(parked=self.gateway.strategy is Strategy.TWIN)
        return {
            node: Allowed(frozenset((seen.bound or {}).get(other, ())), agents=True)
            if (other := cluster.other(node))
            else spare
            for node in self.gateway.nodes
            if node != cluster.carrier
        }

    def looked_at(self, count: int, seen: Observation) -> str:
        """The gateway's nodes beside the one that carries it."""
        carrier = seen.cluster.carrier if seen.cluster else None
        return f"{count} of the gateway's nodes beside {carrier}" if count else f"beside {carrier} no node is on"

    def trouble(self, cluster: ClusterState) -> Iterator[str]:
        """It is promoted on one node, its agents run there, and each gateway beside it is promoted on one, too."""
        if cluster.carrier is None:
            yield f"{self.gateway.name} is promoted nowhere"
        for agent in self.agents:
            where = cluster.running.get(agent, ())
            if not where:
                yield f"{agent} does not run"
            elif cluster.carrier is not None and where != (cluster.carrier,):
                yield f"{agent} runs on {' and '.join(where)}, the gateway on {cluster.carrier}"
        yield from _beside(cluster)

    def journeys(self, history: History) -> Mapping[str, Journey]:
        """No router goes a way of its own."""
        del history
        return {}


def _beside(cluster: ClusterState) -> Iterator[str]:
    for gateway, on in cluster.beside.items():
        if len(on) != 1:
            yield f"{gateway} is promoted on {' and '.join(on)}" if on else f"{gateway} is promoted nowhere"
