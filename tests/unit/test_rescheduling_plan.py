"""What is true of every plan for routers and DHCP networks, whatever the cloud is like and wherever the plan is cut."""

from collections import Counter
from dataclasses import replace
from functools import partial
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from hotspare.model.routing import (
    AgentFacts,
    DhcpAgent,
    DhcpNetwork,
    LeaseChange,
    Leasing,
    RouterFacts,
    Routing,
    Standing,
    Weights,
)
from hotspare.plan.balance import balanced
from hotspare.plan.leasing import served_again
from hotspare.plan.load import cost
from hotspare.plan.placement import drained, moved_to, place, stranded

WEIGHTS = Weights()
HOSTS = tuple(f"net{number}" for number in range(1, 7))
STANDINGS = st.dictionaries(st.sampled_from(HOSTS), st.sampled_from(Standing))
PHYSNETS = tuple(map(frozenset, ([], ["public"], ["public2"], ["public", "public2"])))
MOSTLY = (True, True, True, False)


def shapes(kind, /, **values):
    """Anything that differs in these; one choice of hypothesis for all, since many choices are slow."""
    every = [kind(**dict(zip(values, one, strict=True))) for one in product(*values.values())]
    return st.sampled_from(every)


AGENT = shapes(
    partial(AgentFacts, "", ""), alive=MOSTLY, admin_up=MOSTLY, mode=["legacy", "dvr_snat", "dvr"], physnets=PHYSNETS,
    zone=["east", "west"], internal_only=MOSTLY, switch_alive=MOSTLY,
)  # fmt: skip
ROUTER = shapes(
    partial(RouterFacts, "", ""), ha=[False, False, True], admin_up=[True, False], distributed=[False, False, True],
    zones=[(), ("east",)], physnets=PHYSNETS, gateway=[True, False], floating_ips=[0, 3, 20],
    apart=[frozenset(), frozenset("x"), frozenset("xy")],
)  # fmt: skip
DHCP_AGENT = shapes(
    partial(DhcpAgent, "", ""), alive=MOSTLY, admin_up=MOSTLY, zone=["east", "west"], physnets=PHYSNETS,
)  # fmt: skip
NETWORK = shapes(partial(DhcpNetwork, "", ""), physnet=["", "public", "public2"], zones=[(), ("east",)])
AT = st.integers(0, 6)


def agents_of(shape):
    """Up to six agents, each on a host of its own."""
    found = st.dictionaries(st.sampled_from(HOSTS), shape, min_size=1)
    return found.map(
        lambda hosts: {f"a{host[-1]}": replace(one, id=f"a{host[-1]}", host=host) for host, one in hosts.items()}
    )


def bound_to(agents, at, count):
    """`count` of the agents from the one at `at` on; none where `at` is none."""
    return tuple((sorted(agents) * 2)[at : at + count]) if at < len(agents) else ()


@st.composite
def routings(draw):
    """Agents and routers; each router is bound to none or one of them, a VRRP router to two."""
    agents = draw(agents_of(AGENT))
    found = {f"r{at}": one for at, one in enumerate(draw(st.lists(st.tuples(ROUTER, AT), max_size=12)))}
    routers = {name: replace(router, id=name, name=name) for name, (router, _) in found.items()}
    bindings = {name: bound_to(agents, at, min(len(agents), 1 + router.ha)) for name, (router, at) in found.items()}
    return Routing(agents, routers, bindings)


def able(agent, router):
    """The constraints once more, as plainly as they can be said."""
    return (
        agent.admin_up
        and agent.switch_alive
        and agent.mode in ({"dvr_snat"} if router.distributed else {"legacy", "dvr_snat"})
        and (router.gateway or agent.internal_only)
        and router.physnets <= agent.physnets
        and router.tunnel_types <= agent.tunnel_types
        and (not router.zones or agent.zone in router.zones)
    )


def standing(routing, standings, agent):
    return standings.get(routing.agents[agent].host, Standing.FOREIGN)


def carried_out(routing, moves, *, unbound=()):
    """The cloud after these moves; of those in `unbound` only the first half was done."""
    bindings = dict(routing.bindings)
    bindings |= {move.router: (move.target,) for move in moves}
    bindings |= {move.router: () for move in unbound}
    return replace(routing, bindings=bindings)


def loads(routing):
    found = Counter(dict.fromkeys(routing.agents, 0))
    for router, bound in routing.bindings.items():
        found.update({agent: cost(routing.routers[router], WEIGHTS) for agent in bound})
    return found


def placed_again(routing, standings):
    return place(routing, standings, stranded(routing, standings), WEIGHTS)


def assert_allowed(routing, standings, moves, sources):
    for move in moves:
        router = routing.routers[move.router]
        assert not router.ha
        assert standing(routing, standings, move.target) is Standing.LIVE
        assert able(routing.agents[move.target], router)
        assert routing.bindings[move.router] == ((move.source,) if move.source else ())
        assert move.source is None or standing(routing, standings, move.source) in sources


@given(routings(), STANDINGS)
def test_every_stranded_router_is_placed_once_or_told_why_not(routing, standings):
    lost = stranded(routing, standings)
    plan = placed_again(routing, standings)
    assert sorted([*(m.router for m in plan.moves), *(u.router for u in plan.unplaced)]) == list(lost)
    assert_allowed(routing, standings, plan.moves, {Standing.GONE})


@given(routings(), STANDINGS)
def test_a_router_is_told_off_only_where_no_live_agent_can_serve_it(routing, standings):
    for one in placed_again(routing, standings).unplaced:
        router = routing.routers[one.router]
        assert one.reason
        assert not any(
            able(agent, router) and standing(routing, standings, agent.id) is Standing.LIVE
            for agent in routing.agents.values()
        )


@given(routings(), STANDINGS, st.integers(0, 12))
def test_a_plan_cut_short_is_finished_by_the_next(routing, standings, done):
    """Cut between two moves, and inside of one: between the unbinding and the binding the router is bound nowhere."""
    plan = placed_again(routing, standings)
    for unbound in ((), plan.moves[done : done + 1]):
        half = carried_out(routing, plan.moves[:done], unbound=unbound)
        rest = placed_again(half, standings)
        assert {move.router for move in rest.moves} == {move.router for move in plan.moves[done:]}
        whole = carried_out(half, rest.moves)
        assert not placed_again(whole, standings).moves
        assert set(stranded(whole, standings)) == {one.router for one in plan.unplaced}


@given(routings(), STANDINGS)
def test_the_order_in_which_neutron_lists_things_makes_no_difference(routing, standings):
    turned = Routing(
        *(dict(reversed(mapping.items())) for mapping in (routing.agents, routing.routers, routing.bindings))
    )
    assert placed_again(routing, standings) == placed_again(turned, standings)
    assert balanced(routing, standings, WEIGHTS) == balanced(turned, standings, WEIGHTS)


@given(routings(), STANDINGS, st.sampled_from(HOSTS))
def test_a_drained_host_is_empty_but_for_what_has_a_reason_to_stay(routing, standings, host):
    standings = {**standings, host: Standing.LEAVING}
    plan = drained(routing, standings, host, WEIGHTS)
    assert_allowed(routing, standings, plan.moves, {Standing.LEAVING})
    after = carried_out(routing, plan.moves)
    stay = {
        router
        for router, bound in after.bindings.items()
        if not after.routers[router].ha and any(after.agents[agent].host == host for agent in bound)
    }
    assert stay == {one.router for one in plan.unplaced}
    assert not drained(after, standings, host, WEIGHTS).moves


@given(routings(), STANDINGS)
def test_after_a_rebalance_nothing_is_left_to_rebalance(routing, standings):
    plan = balanced(routing, standings, WEIGHTS)
    assert_allowed(routing, standings, plan.moves, {Standing.LIVE})
    assert len({move.router for move in plan.moves}) == len(plan.moves)
    assert all(move.source != move.target for move in plan.moves)
    assert not balanced(carried_out(routing, plan.moves), standings, WEIGHTS).moves


@given(routings(), STANDINGS)
def test_a_rebalance_makes_the_load_more_even_or_moves_nothing(routing, standings):
    plan = balanced(routing, standings, WEIGHTS)
    before, after = loads(routing), loads(carried_out(routing, plan.moves))
    squares = [sum(load * load for load in found.values()) for found in (before, after)]
    assert squares[1] < squares[0] if plan.moves else squares[1] == squares[0]
    assert max(after.values()) <= max(before.values())


@given(routings(), STANDINGS, st.integers(0, 12))
def test_a_rebalance_cut_short_and_planned_again_ends(routing, standings, done):
    half = carried_out(routing, balanced(routing, standings, WEIGHTS).moves[:done])
    rest = balanced(half, standings, WEIGHTS)
    assert not balanced(carried_out(half, rest.moves), standings, WEIGHTS).moves


@given(st.lists(st.integers(0, 15), min_size=1, max_size=6))
def test_routers_that_are_alike_end_within_one_of_even_with_the_fewest_moves(counts):
    agents = {f"a{at}": AgentFacts(f"a{at}", f"net{at}", alive=True, admin_up=True) for at in range(len(counts))}
    bindings = {f"r{at}-{number}": (f"a{at}",) for at, count in enumerate(counts) for number in range(count)}
    routing = Routing(agents, {router: RouterFacts(router, router) for router in bindings}, bindings)
    plan = balanced(routing, {agent.host: Standing.LIVE for agent in agents.values()}, WEIGHTS)
    after = Counter(dict.fromkeys(agents, 0))
    after.update(agent for bound in carried_out(routing, plan.moves).bindings.values() for agent in bound)
    assert max(after.values()) - min(after.values()) <= 1
    low, more = divmod(sum(counts), len(counts))
    even = [low + 1] * more + [low] * (len(counts) - more)
    fewest = sum(max(0, have - want) for have, want in zip(sorted(counts, reverse=True), even, strict=True))
    assert len(plan.moves) == fewest


@given(routings(), STANDINGS, st.sampled_from(HOSTS), st.lists(st.integers(0, 13)))
def test_each_router_named_is_moved_there_or_told_why_not(routing, standings, host, numbers):
    named = [f"r{number}" for number in numbers]
    plan = moved_to(routing, standings, named, host)
    assert {*(m.router for m in plan.moves), *(u.router for u in plan.unplaced)} == set(named)
    assert len(plan.moves) + len(plan.unplaced) == len(set(named))
    assert all(routing.agents[move.target].host == host for move in plan.moves)
    assert_allowed(routing, standings, plan.moves, {Standing.GONE, Standing.LEAVING, Standing.LIVE})


@st.composite
def leasings(draw):
    agents = draw(agents_of(DHCP_AGENT))
    lists = st.lists(st.tuples(NETWORK, AT, st.integers(1, 3)), max_size=8)
    found = {f"n{at}": one for at, one in enumerate(draw(lists))}
    networks = {name: replace(network, id=name, name=name) for name, (network, _, _) in found.items()}
    bindings = {name: bound_to(agents, at, min(len(agents), count)) for name, (_, at, count) in found.items()}
    return Leasing(agents, networks, bindings)


def leased(leasing, steps):
    bindings = {network: list(bound) for network, bound in leasing.bindings.items()}
    for step in steps:
        if step.change is LeaseChange.ADD:
            bindings[step.network].append(step.agent)
        else:
            bindings[step.network].remove(step.agent)
    return replace(leasing, bindings={network: tuple(bound) for network, bound in bindings.items()})


@given(leasings(), STANDINGS, st.integers(1, 3))
def test_only_networks_with_a_gone_agent_or_none_are_touched(leasing, standings, count):
    plan = served_again(leasing, standings, count)
    for step in plan.steps:
        its = {standing(leasing, standings, agent) for agent in leasing.bindings[step.network]}
        assert not its or Standing.GONE in its
        wanted = Standing.LIVE if step.change is LeaseChange.ADD else Standing.GONE
        assert standing(leasing, standings, step.agent) is wanted


@given(leasings(), STANDINGS, st.integers(1, 3), st.integers(0, 20))
def test_no_network_has_fewer_agents_at_any_step_than_it_had_or_shall_have(leasing, standings, count, done):
    half = leased(leasing, served_again(leasing, standings, count).steps[:done])
    for network, bound in half.bindings.items():
        assert len(set(bound)) == len(bound)
        assert len(bound) >= min(count, len(leasing.bindings[network]))


@given(leasings(), STANDINGS, st.integers(1, 3), st.integers(0, 20))
def test_leases_cut_short_are_finished_by_the_next_plan(leasing, standings, count, done):
    plan = served_again(leasing, standings, count)
    half = leased(leasing, plan.steps[:done])
    whole = leased(half, served_again(half, standings, count).steps)
    again = served_again(whole, standings, count)
    assert not again.steps
    assert {one.network for one in again.unserved} <= {one.network for one in plan.unserved}
