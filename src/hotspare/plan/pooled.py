"""Strategy `reschedule`, as a drill sees it: every node carries routers of its own, and they are moved one by one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hotspare.model.drill import NEUTRON, Bound, ClusterState, Fault, Gateway, History, Observation, Router
from hotspare.model.event import What
from hotspare.model.report import Journey
from hotspare.plan.carriage import Allowed, Home
from hotspare.plan.names import agents_of, local, rescheduler

PHASES = {
    Fault.POWEROFF: ("detect", "fence", "decide", "move", "adopt"),
    Fault.STANDBY: ("stop", "decide", "move", "adopt"),
    Fault.DRAIN: ("decide", "move", "adopt"),
}


@dataclass(frozen=True, slots=True)
class Pooled:
    """A pool, whose nodes are all active."""

    gateway: Gateway
    mover = "router"

    @property
    def data_plane(self) -> str:
        """One on each node."""
        return local(self.gateway.name)

    @property
    def agents(self) -> tuple[str, ...]:
        """Beside each node's data plane."""
        return agents_of(local(self.gateway.name))

    @property
    def resources(self) -> tuple[str, ...]:
        """The agents, and what moves routers."""
        return (*self.agents, rescheduler(self.gateway.name))

    @property
    def subjects(self) -> frozenset[str]:
        """Pacemaker calls it by the resource, the data plane itself by the node's identity."""
        return frozenset({self.data_plane, *self.gateway.hosts.values()})

    def objection(self, fault: Fault) -> str:
        """None: a pool can be struck by each of them."""
        del fault
        return ""

    def phases(self, fault: Fault) -> tuple[str, ...]:
        """The rescheduler decides, and moves routers to agents that run."""
        return PHASES[fault]

    def chosen(self, cluster: ClusterState, bound: Bound) -> str:
        """The node with the most routers, the first by name where there are several."""
        del cluster
        counts = {node: len(bound.get(host, ())) for node, host in self.gateway.hosts.items()}
        most = max(counts.values(), default=0)
        return min((node for node, count in counts.items() if count == most > 0), default="")

    def not_whole(self, cluster: ClusterState) -> Iterator[str]:
        """All of it runs, and no node is leaving."""
        yield from (f"{sentence}: see `hotspare status`" for sentence in self.trouble(cluster))
        yield from (f"{node} is marked as leaving: end its drain first" for node in self._leaving(cluster))

    def to_come(self, cluster: ClusterState, bound: Bound, node: str) -> Iterator[str]:
        """The node's routers are bound to nobody there any more, and all runs on the others."""
        left = bound.get(self.gateway.hosts[node], ())
        if left:
            yield f"{len(left)} routers are still bound to {node}"
        yield from self.trouble(cluster)

    def struck(self, routers: Sequence[Router], bound: Bound, node: str) -> frozenset[str]:
        """Those that Neutron has on the node."""
        there = frozenset(bound.get(self.gateway.hosts.get(node, ""), ()))
        return frozenset(router.id for router in routers if router.id in there)

    def moves(self, history: History, router: str | None) -> int:
        """As often as the rescheduler says that it moved it; once at least, where it was struck."""
        struck = self.struck(history.routers, history.bound, history.node)
        told = sum(event.what is What.ROUTER_BOUND and event.subject == router for event in history.events)
        return max(told, 1 if router is None or router in struck else 0)

    def home(self, router: Router, seen: Observation | None, broken: str) -> Home:
        """The node of the one agent to which it is bound, which has to be another than the broken one, and live."""
        if seen is None or seen.bound is None or seen.cluster is None:
            return Home(unsure=_unasked(seen))
        nodes = self._bound_on(seen.bound, router.id)
        if len(nodes) != 1:
            where = " and ".join(nodes)
            return Home(wrong=f"is bound to {where}" if nodes else "is bound to no agent of the pool")
        [node] = nodes
        if node == broken:
            return Home(wrong=f"is still bound to {node}")
        if node not in self._live(seen.cluster):
            return Home(wrong=f"is bound to {node}, which is not live")
        if node not in seen.nodes:
            return Home(unsure=f"{node} could not be looked at")
        return Home(node)

    def allowed(self, seen: Observation) -> Mapping[str, Allowed] | str:
        """On every node what Neutron has there, and the agents where the data plane is promoted."""
        if seen.bound is None or seen.cluster is None:
            return _unasked(seen)
        return {
            node: Allowed(frozenset(seen.bound.get(host, ())), agents=node in seen.cluster.promoted)
            for node, host in self.gateway.hosts.items()
        }

    def looked_at(self, count: int, seen: Observation) -> str:
        """All nodes that are on."""
        del seen
        return f"{count} of the pool's {len(self.gateway.nodes)} nodes"

    def trouble(self, cluster: ClusterState) -> Iterator[str]:
        """Every node that is online is active with all of its agents, and one node moves routers."""
        able = [node for node in self.gateway.nodes if node in cluster.online and node not in cluster.standby]
        yield from (f"{self.data_plane} is not promoted on {node}" for node in able if node not in cluster.promoted)
        for agent in self.agents:
            where = cluster.running.get(agent, ())
            yield from (f"{agent} does not run on {node}" for node in able if node not in where)
        movers = cluster.running.get(rescheduler(self.gateway.name), ())
        if len(movers) != 1:
            yield f"{rescheduler(self.gateway.name)} runs on {' and '.join(movers) or 'no node'}, has to be on one"

    def journeys(self, history: History) -> Mapping[str, Journey]:
        """Where Neutron had each router when the drill began, and after the takeover."""
        seen = history.observation("recovered")
        after = None if seen is None else seen.bound
        return {
            router.id: Journey(
                self._bound_on(history.bound, router.id),
                None if after is None else self._bound_on(after, router.id),
            )
            for router in history.routers
        }

    def _bound_on(self, bound: Bound, router: str) -> tuple[str, ...]:
        """The nodes on which Neutron has the router."""
        return tuple(node for node, host in self.gateway.hosts.items() if router in bound.get(host, ()))

    def _leaving(self, cluster: ClusterState) -> tuple[str, ...]:
        return tuple(node for node in self.gateway.nodes if node in cluster.leaving)

    def _live(self, cluster: ClusterState) -> frozenset[str]:
        """The nodes that may get routers."""
        away = {*cluster.standby, *cluster.unclean, *cluster.leaving}
        return frozenset(node for node in cluster.promoted if node in cluster.online and node not in away)


def _unasked(seen: Observation | None) -> str:
    if seen is None:
        return "the nodes were not looked at after the takeover"
    if seen.cluster is None:
        return "the cluster could not be asked"
    return f"Neutron could not be asked where the routers are: {seen.unknown.get(NEUTRON, 'it was not')}"
