"""Which routers have to go elsewhere, and where to: the least moved, the least loaded first."""

from collections.abc import Collection, Iterable

from hotspare.model.routing import (
    AgentFacts,
    Move,
    Placement,
    RouterFacts,
    Routing,
    Standing,
    Unplaced,
    Weights,
)
from hotspare.plan import standing
from hotspare.plan.eligibility import Candidates, ask, for_router, lack
from hotspare.plan.load import Groups, bound_loads, cost
from hotspare.plan.standing import Standings

_LET_GO = frozenset({Standing.GONE, Standing.LEAVING})
"""Where routers are taken from without being asked for by name."""


def stranded(routing: Routing, standings: Standings) -> tuple[str, ...]:
    """The routers that nobody serves: bound nowhere, or only to agents that are gone. VRRP routers are VRRP's.

    A router that is administratively down is among them, bound nowhere or not. It misses nothing now, but a move of it
    that was cut short looks just like that and has to be finished; and once it is enabled it is on an agent that can
    serve it, where Neutron would have chosen without looking at bridges and zones. It waits for all the others.
    """
    of = standing.by_agent(routing.agents, standings)
    return tuple(
        router
        for router, facts in sorted(routing.routers.items())
        if not facts.ha and all(of.get(agent) is Standing.GONE for agent in routing.bindings.get(router, ()))
    )


def place(routing: Routing, standings: Standings, routers: Iterable[str], weights: Weights) -> Placement:
    """Each of the routers goes to the live agent that can serve it and carries least, or it is said why none can.

    Two routers of one `apart` group go to different agents while there are such: a router that is down is worse than
    two that may go down together. The heaviest goes first, because light ones fill what is left; a router that is
    administratively down goes last.
    """
    live = standing.live(routing.agents, standings)
    candidates, groups = Candidates(live, for_router), Groups(routing)
    costs = {router: cost(facts, weights) for router, facts in routing.routers.items()}
    loads = bound_loads(live, routing, costs)
    moves, unplaced = [], []
    wanted = [routing.routers[router] for router in dict.fromkeys(routers)]
    for facts in sorted(wanted, key=lambda one: _urgency(one, costs[one.id])):
        able = candidates.preferred(ask(facts))
        if held := _held(routing, standings, facts, _LET_GO):
            unplaced.append(Unplaced(facts.id, held))
        elif not (target := loads.least(able, groups.holders(facts.apart)) or loads.least(able)):
            reason = candidates.why_none(ask(facts)) if live else standing.nobody_lives(routing.agents, standings)
            unplaced.append(Unplaced(facts.id, reason))
        else:
            moves.append(Move(facts.id, _source(routing, facts.id), target))
            loads.change(target, costs[facts.id], 1)
            groups.change(facts.apart, target, 1)
    return Placement(tuple(moves), tuple(unplaced))


def drained(routing: Routing, standings: Standings, host: str, weights: Weights) -> Placement:
    """Every router of a host that is LEAVING goes elsewhere, but for VRRP routers."""
    leaving = {agent.id for agent in routing.agents.values() if agent.host == host}
    found = (
        router
        for router, bound in routing.bindings.items()
        if not leaving.isdisjoint(bound) and router in routing.routers and not routing.routers[router].ha
    )
    return place(routing, standings, found, weights)


def moved_to(routing: Routing, standings: Standings, routers: Iterable[str], host: str) -> Placement:
    """The routers that a person has named go to the host that the person has named, or it is said of each why not.

    The person's word goes before what is only preferred: a router's `apart`, and the heartbeat of the agent.
    """
    moves, unplaced = [], []
    names = dict.fromkeys(routers)
    target = next((agent for _, agent in sorted(routing.agents.items()) if agent.host == host), None)
    if target is None:
        return Placement(unplaced=tuple(Unplaced(router, f"there is no L3 agent on {host}") for router in names))
    for router in names:
        if reason := _refusal(routing, standings, router, target):
            unplaced.append(Unplaced(router, reason))
        else:
            moves.append(Move(router, _source(routing, router), target.id))
    return Placement(tuple(moves), tuple(unplaced))


def _refusal(routing: Routing, standings: Standings, router: str, target: AgentFacts) -> str:
    """Why the router cannot go there, or nothing."""
    facts = routing.routers.get(router)
    if facts is None:
        return "Neutron has no such router"
    if target.id in routing.bindings.get(router, ()):
        return f"it is on {target.host} already"
    its = standing.of_agent(routing.agents, standings, target.id)
    if its is not Standing.LIVE:
        return f"{target.host} is {its}: only a live agent gets routers"
    if held := _held(routing, standings, facts, {*_LET_GO, Standing.LIVE}):
        return held
    lacking = lack(target, for_router(ask(facts)))
    return f"the agent on {target.host} cannot serve it: {lacking}" if lacking else ""


def _held(routing: Routing, standings: Standings, router: RouterFacts, let_go: Collection[Standing]) -> str:
    """Why the router may not be taken from where it is, or nothing."""
    if router.ha:
        return "it is a VRRP router (ha): VRRP moves it"
    for agent in routing.bindings.get(router.id, ()):
        its = standing.of_agent(routing.agents, standings, agent)
        if its not in let_go:
            where = routing.agents[agent].host if agent in routing.agents else f"agent {agent}"
            return f"it is on {where}, which is {its}: {_WHY_KEPT[its]}"
    return ""


_WHY_KEPT = {
    Standing.LIVE: "it is served there",
    Standing.UNKNOWN: "it may still be forwarded there, so fence that node or bring it back",
    Standing.FOREIGN: "that is not of this cluster",
}


def _source(routing: Routing, router: str) -> str | None:
    """The agent to unbind it from. A router without VRRP has no second one: (router, binding_index) is unique."""
    return next(iter(routing.bindings.get(router, ())), None)


def _urgency(router: RouterFacts, parts: int) -> tuple[bool, int, int, str]:
    return not router.admin_up, -parts, -router.floating_ips, router.id
