"""`make bench NAME=planner`: where routers go, planned for a large cloud, beside a plain planner in the same run.

Every run is a process of its own, so that its peak of memory is its own. `planner.py CASE PLANNER` is one such run.
"""

import gc
import json
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import figures
from hotspare.model.routing import AgentFacts, Move, RouterFacts, Routing, Standing, Weights
from hotspare.plan.balance import balanced
from hotspare.plan.load import PARTS, cost
from hotspare.plan.placement import place, stranded

ROUTERS = 10_000
AGENTS = 100
RUNS = 5
ALIKE = Weights(router=1, gateway=0, interface=0, floating_ip=0)
MIXED = Weights()

Standings = Mapping[str, Standing]
Plan = Callable[[Routing, Standings], tuple[Move, ...]]


@dataclass(frozen=True)
class Case:
    """A cloud, which of its first agents have died, and which of its first agents have all the routers."""

    what: str
    weights: Weights
    dead: int = 0
    crowded: int = AGENTS
    cpu_s_max: float | None = None


PLACED = {
    "one": Case("10,000 routers of one dead agent placed on 99", MIXED, dead=1, crowded=1, cpu_s_max=0.2),
    "half": Case("half of 100 agents die: 5,000 of 10,000 routers placed", MIXED, dead=50, cpu_s_max=0.2),
}
BALANCED = {
    "alike": Case("20 of 100 agents are back: 10,000 alike rebalanced", ALIKE, crowded=80, cpu_s_max=1.0),
    "mixed": Case("20 of 100 agents are back: 10,000 of all sizes rebalanced", MIXED, crowded=80, cpu_s_max=1.0),
    "worst": Case("10,000 routers of all sizes on one of 100 agents: rebalanced", MIXED, crowded=1, cpu_s_max=1.0),
}


def cloud(case: Case) -> tuple[Routing, Standings]:
    """Two kinds of agents, three zones, twelve kinds of routers; alike ones ask for nothing."""
    agents = {
        f"a{at:03}": AgentFacts(
            f"a{at:03}", f"net{at:03}", alive=True, admin_up=True, zone=f"az{at % 3}",
            physnets=frozenset({"public", "public2"} if at % 2 else {"public"}), tunnel_types=frozenset({"vxlan"}),
        )
        for at in range(AGENTS)
    }  # fmt: skip
    routers = {f"r{at:05}": RouterFacts(f"r{at:05}", f"router-{at}") for at in range(ROUTERS)}
    if case.weights is MIXED:
        routers = {name: _mixed(router, at) for at, (name, router) in enumerate(routers.items())}
    bindings = {name: (f"a{at % case.crowded:03}",) for at, name in enumerate(routers)}
    standings = dict.fromkeys((agent.host for agent in agents.values()), Standing.LIVE)
    standings |= dict.fromkeys(list(standings)[: case.dead], Standing.GONE)
    return Routing(agents, routers, bindings), standings


def _mixed(router: RouterFacts, at: int) -> RouterFacts:
    return replace(
        router, gateway=at % 5 > 0, interfaces=at % 4, floating_ips=at * at % 11, tunnel_types=frozenset({"vxlan"}),
        physnets=frozenset(({"public"}, {"public2"}, set())[at % 3]), zones=("az1",) if at % 7 == 0 else (),
    )  # fmt: skip


def ours_placed(case: Case) -> Plan:
    return lambda routing, standings: place(routing, standings, stranded(routing, standings), case.weights).moves


def ours_balanced(case: Case) -> Plan:
    return lambda routing, standings: balanced(routing, standings, case.weights).moves


def plain_placed(case: Case) -> Plan:
    """Every router looks at every agent, with the same constraints and weights."""

    def plan(routing: Routing, standings: Standings) -> tuple[Move, ...]:
        live = [agent for agent in routing.agents.values() if standings[agent.host] is Standing.LIVE]
        ids = {agent.id for agent in live}
        costs = {name: cost(router, case.weights) for name, router in routing.routers.items()}
        load = _loads({name: agent for name, (agent,) in routing.bindings.items() if agent in ids}, costs)
        moves = []
        for name, (source,) in sorted(routing.bindings.items()):
            if source not in ids:
                able = [agent.id for agent in live if _able(agent, routing.routers[name])]
                target = min(able, key=lambda agent: (load[agent], agent))
                load[target] += costs[name]
                moves.append(Move(name, source, target))
        return tuple(moves)

    return plan


def plain_balanced(_case: Case) -> Plan:
    """The agent with most routers gives one to the agent with fewest that can take it; it only counts routers."""

    def plan(routing: Routing, _standings: Standings) -> tuple[Move, ...]:
        has: dict[str, list[str]] = {agent: [] for agent in routing.agents}
        for name, (agent,) in routing.bindings.items():
            has[agent].append(name)
        moves = []
        while (move := _helpful(routing, has)) is not None:
            has[move.source or ""].remove(move.router)
            has[move.target].append(move.router)
            moves.append(move)
        return tuple(moves)

    return plan


def _helpful(routing: Routing, has: dict[str, list[str]]) -> Move | None:
    source = max(has, key=lambda agent: (len(has[agent]), agent))
    for target in sorted(has, key=lambda agent: (len(has[agent]), agent)):
        if len(has[source]) - len(has[target]) < 2:
            return None
        for router in has[source]:
            if _able(routing.agents[target], routing.routers[router]):
                return Move(router, source, target)
    return None


def _able(agent: AgentFacts, router: RouterFacts) -> bool:
    return (
        agent.admin_up
        and agent.switch_alive
        and router.physnets <= agent.physnets
        and router.tunnel_types <= agent.tunnel_types
        and (not router.zones or agent.zone in router.zones)
    )


def one_run(name: str, planner: str) -> dict[str, float]:
    """A cloud planned once: CPU time, peak of memory, and what came of it."""
    case = (PLACED | BALANCED)[name]
    planners = {
        "ours": ours_placed if name in PLACED else ours_balanced,
        "plain": plain_placed if name in PLACED else plain_balanced,
    }
    routing, standings = cloud(case)
    plan = planners[planner](case)
    gc.collect()
    begun_s = time.process_time()
    moves = plan(routing, standings)
    took_s = time.process_time() - begun_s
    return {
        "cpu_s": took_s,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "moves": len(moves),
        "spread": _spread(case, routing, standings, moves),
    }


def _spread(case: Case, routing: Routing, standings: Standings, moves: tuple[Move, ...]) -> float:
    """What the most loaded live agent carries more than the least loaded one after the moves, in parts."""
    live = [agent.id for agent in routing.agents.values() if standings[agent.host] is Standing.LIVE]
    costs = {name: cost(router, case.weights) for name, router in routing.routers.items()}
    after = {name: bound[0] for name, bound in routing.bindings.items()} | {move.router: move.target for move in moves}
    load = _loads(after, costs)
    return (max(load[agent] for agent in live) - min(load[agent] for agent in live)) / PARTS


def _loads(bound: Mapping[str, str], costs: Mapping[str, int]) -> Counter[str]:
    found: Counter[str] = Counter()
    for name, agent in bound.items():
        found[agent] += costs[name]
    return found


def measured(name: str, case: Case) -> list[figures.Figure]:
    """The figures of one case; ours and the plain planner take turns."""
    ours, plain = [], []
    for _ in range(RUNS):
        ours.append(_fresh(name, "ours"))
        plain.append(_fresh(name, "plain"))

    def figure(key: str, unit: str, value_max: float | None = None) -> figures.Figure:
        runs = (tuple(run[key] for run in runs) for runs in (ours, plain))
        return figures.Figure(f"{case.what}: {key.partition('_')[0]}", unit, *runs, value_max=value_max)

    return [
        figure("cpu_s", "s CPU", case.cpu_s_max),
        figure("rss_mb", "MB peak", 200.0),
        figure("moves", "moves"),
        figure("spread", "parts", 1.0 if case.weights is ALIKE else None),
    ]


def _fresh(name: str, planner: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, name, planner], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> int:
    """0: all that is asked holds. 1: a figure is missed."""
    if sys.argv[1:]:
        print(json.dumps(one_run(*sys.argv[1:])))
        return 0
    found = [figure for name, case in (PLACED | BALANCED).items() for figure in measured(name, case)]
    notes = [
        "cpu: of the planning alone, the cloud is in memory; rss: of the whole process, with interpreter and cloud.",
        "spread: what the most loaded live agent carries more than the least loaded; alike, a router is one part.",
        "peer: plain planners that look at every agent for every router; the one that rebalances only counts routers.",
    ]
    return 0 if figures.tell("planner", found, notes) else 1


sys.exit(main())
