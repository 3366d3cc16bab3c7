"""Where routers are, since when, and how loaded that makes the nodes."""

from collections.abc import Collection, Iterator, Mapping

from hotspare.model.rescheduling import Burden, Residence
from hotspare.model.routing import MoveRecord, Routing, Stage, Standing, Weights
from hotspare.plan.load import burdens as carried

ARRIVED = frozenset({Stage.FORWARDING, Stage.BOUND})


def residences(
    routing: Routing, *, last: Mapping[str, MoveRecord], moving: Collection[str], unplaced: Mapping[str, str]
) -> Iterator[Residence]:
    """Every router by name. `last` is the last of its moves, `unplaced` why no agent can take it."""
    for router, facts in sorted(routing.routers.items(), key=lambda item: (item[1].name, item[0])):
        bound = routing.bindings.get(router, ())
        record = last.get(router)
        came = record is not None and record.stage in ARRIVED and record.move.target in bound
        hosts = (routing.agents[agent].host if agent in routing.agents else agent for agent in bound)
        yield Residence(
            router=router,
            name=facts.name,
            host=", ".join(hosts) or None,
            since_s=record.at_s if record and came else None,
            moving=router in moving,
            note=unplaced.get(router) or (record.note if record else ""),
            ha=facts.ha,
        )


def burdens(
    routing: Routing, standings: Mapping[str, Standing], hosts: Mapping[str, str], weights: Weights
) -> Iterator[Burden]:
    """Every node of the pool, with what its agent carries by Neutron's bindings."""
    agents = {agent.host: agent.id for agent in routing.agents.values()}
    loads = carried(routing, weights)
    for node, host in hosts.items():
        routers, load = loads.get(agents.get(host, ""), (0, 0.0))
        yield Burden(node, host, str(standings.get(host, Standing.UNKNOWN)), routers, load)
