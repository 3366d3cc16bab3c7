"""Where routers are, since when, and how loaded that makes the nodes."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from hotspare.model.rescheduling import Burden, Kept, Residence
from hotspare.model.routing import MoveRecord, Routing, Stage, Standing, Weights
from hotspare.plan.load import burdens as carried

ARRIVED = frozenset({Stage.FORWARDING, Stage.BOUND})
LEFT = frozenset({Standing.LEAVING, Standing.GONE})
"""Of nodes like that every router has to go elsewhere."""
VRRP = "it is a VRRP router (ha): VRRP moves it"


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
    routing: Routing,
    standings: Mapping[str, Standing],
    hosts: Mapping[str, str],
    weights: Weights,
    *,
    moving: Collection[str],
    keeping: Mapping[str, tuple[str, int]],
) -> Iterator[Burden]:
    """Every node of the pool, with what its agent carries by Neutron's bindings.

    `keeping` says of routers why they are not on their way, and how many moves of them failed.
    """
    agents = {agent.host: agent.id for agent in routing.agents.values()}
    loads = carried(routing, weights)
    held = _held(routing)
    for node, host in hosts.items():
        agent, its = agents.get(host, ""), standings.get(host, Standing.UNKNOWN)
        routers, load = loads.get(agent, (0, 0.0))
        there = held.get(agent, ())
        kept = _kept(routing, (router for router in there if router not in moving), keeping) if its in LEFT else ()
        leaving = sum(router in moving for router in there)
        yield Burden(node, host, str(its), routers, load, moving=leaving, kept=tuple(kept))


def _held(routing: Routing) -> Mapping[str, list[str]]:
    """Agent → the routers that are bound to it."""
    held: defaultdict[str, list[str]] = defaultdict(list)
    for router, bound in routing.bindings.items():
        for agent in bound:
            held[agent].append(router)
    return held


def _kept(routing: Routing, routers: Iterable[str], keeping: Mapping[str, tuple[str, int]]) -> Iterator[Kept]:
    for router in routers:
        facts = routing.routers.get(router)
        name = facts.name if facts else router
        if facts and facts.ha:
            yield Kept(name, VRRP, vrrp=True)
        elif router in keeping:
            yield Kept(name, *keeping[router])
