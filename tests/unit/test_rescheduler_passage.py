"""A gateway changes its strategy: routers leave the cold identity, or go home to it, with one move each."""

from collections import Counter

from test_rescheduler import carriers, changes, story

from pool import POOL, Pool
from standin.world import L3, SWITCH, Agent, Router, World, cloud

IDENTITY = f"l3-{POOL}"


def with_identity(*, hosts: int = 3, routers: int = 12, on_it: bool) -> World:
    """A pool of nodes and a cold gateway beside it; the routers are on one of the two."""
    world = cloud(hosts=hosts, routers=0 if on_it else routers)
    world.add_agents([Agent(IDENTITY, L3, POOL), Agent(f"switch-{POOL}", SWITCH, POOL)])
    for number in range(routers if on_it else 0):
        world.add_router(
            Router(f"router-{number:05}", f"router-{number}", outside="public", floating_ips=1),
            networks=["network-0"],
            agent=IDENTITY,
        )
    return world


def leaving(world: World) -> Pool:
    """net1 carries the cold gateway still, net2 and net3 are the pool."""
    world.lose_host("net1")
    pool = Pool(world)
    pool.cluster.identity_on = "net1"
    pool.begin()
    return pool


def homeward(world: World) -> Pool:
    """net1 is to carry the cold gateway; net2 and net3 are what is left of the pool."""
    world.lose_host("net1")
    pool = Pool(world)
    pool.cluster.identity_on, pool.cluster.stopped, pool.homeward = "net1", {"net1"}, True
    pool.begin()
    return pool


def identity_burden(pool: Pool) -> tuple[str, int, str]:
    burden = pool.rescheduler.report(routers=False).burdens[-1]
    return burden.host, burden.routers, burden.standing


def moves(pool: Pool) -> Counter[object]:
    return Counter(facts["router"] for facts in pool.moved())


# --- away from the cold gateway ---------------------------------------------------------------------------------------


@story
async def test_every_router_leaves_the_cold_gateway_with_one_short_move_and_none_goes_to_its_node():
    pool = leaving(with_identity(on_it=True))
    await pool.served()
    assert carriers(pool) == {"l3-net2", "l3-net3"}
    assert set(moves(pool).values()) == {1}
    assert len(moves(pool)) == 12
    assert max(float(str(facts["outage_s"])) for facts in pool.moved()) < 12
    assert identity_burden(pool) == (POOL, 0, "leaving")
    report = pool.rescheduler.report(routers=False)
    assert (report.identity, report.homeward) == (POOL, False)


@story
async def test_when_its_carrier_dies_the_rest_is_moved_at_once_but_not_before_that_is_proved():
    pool = leaving(with_identity(routers=40, on_it=True))
    await pool.until(lambda: len(pool.moved()) >= 2)
    pool.world.lose_host(POOL)
    pool.power_off("net1", fenced=False)
    await pool.until(lambda: identity_burden(pool)[2] == "unknown")
    before = len([path for method, path in changes(pool) if method == "DELETE" and IDENTITY in path])
    await pool.until(lambda: any("cannot tell" in str(facts.get("note")) for _, facts in pool.told) or pool.is_calm())
    assert len([path for method, path in changes(pool) if method == "DELETE" and IDENTITY in path]) == before
    pool.cluster.unclean.clear()
    pool.cluster.offline.add("net1")
    await pool.served(within_s=120)
    assert carriers(pool) == {"l3-net2", "l3-net3"}
    assert {facts["reason"] for facts in pool.moved()} == {f"drain of {POOL}", f"{POOL} is gone"}


@story
async def test_a_cold_gateway_that_has_stopped_leaves_nothing_behind_not_even_a_router_without_ports():
    world = with_identity(routers=3, on_it=True)
    world.add_router(Router("bare", "bare"), networks=[], agent=IDENTITY)
    world.lose_host(POOL)
    pool = Pool(world)
    pool.cluster.identity_on, pool.cluster.identity_up = "net1", False
    pool.begin()
    await pool.until(lambda: IDENTITY not in carriers(pool))
    await pool.until(lambda: identity_burden(pool) == (POOL, 0, "gone"))


@story
async def test_a_router_that_neutron_gives_to_the_cold_gateway_meanwhile_is_moved_too():
    pool = leaving(with_identity(routers=3, on_it=True))
    await pool.served()
    pool.world.add_router(Router("late", "late", outside="public"), networks=["network-0"], agent=IDENTITY)
    await pool.until(lambda: pool.agents_of("late") not in {(), (IDENTITY,)}, within_s=30)


@story
async def test_a_router_that_neutron_gives_to_the_cold_gateway_is_seen_while_others_are_on_their_way():
    world = with_identity(routers=100, on_it=True)
    world.let_go_s = 20.0
    pool = leaving(world)
    await pool.until(lambda: len(pool.moved()) >= 2)
    pool.world.add_router(Router("late", "late", outside="public"), networks=["network-0"], agent=IDENTITY)
    await pool.until(
        lambda: "late" in {router.name for router in pool.rescheduler.report(routers=True).routers}, within_s=15
    )


@story
async def test_whether_neutron_still_hears_the_agents_that_are_left_is_told():
    pool = leaving(with_identity(routers=3, on_it=True))
    await pool.served()
    assert pool.rescheduler.report(routers=False).burdens[-1].heard
    pool.world.lose_host(POOL)
    pool.cluster.identity_up = False
    await pool.until(lambda: not pool.rescheduler.report(routers=False).burdens[-1].heard, within_s=100)


@story
async def test_agents_that_neutron_hears_of_late_get_their_routers_soon_however_long_a_look_takes():
    world = with_identity(routers=6, on_it=True)
    world.lose_host("net1")
    pool = Pool(world, latency_s=2.0)
    newcomers = {name: world.agents.pop(name) for name in ("l3-net2", "l3-net3")}
    pool.cluster.identity_on = "net1"
    pool.begin()
    await pool.until(lambda: len(pool.rescheduler.report(routers=False).unplaced) == 6)
    world.agents |= newcomers
    await pool.until(lambda: bool(changes(pool)), within_s=30)
    await pool.served()


@story
async def test_routers_of_an_agent_that_somebody_runs_by_hand_where_the_cluster_runs_none_stay_there():
    world = with_identity(routers=3, on_it=True)
    world.add_router(Router("by-hand", "by-hand", outside="public"), networks=["network-0"], agent="l3-net1")
    pool = Pool(world)
    pool.cluster.identity_on = "net1"
    pool.begin()
    await pool.until(lambda: len(pool.moved()) == 3)
    await pool.until(lambda: "an L3 agent of net1" in pool.rescheduler.report(routers=False).trouble)
    assert pool.agents_of("by-hand") == ("l3-net1",)
    assert not [path for _, path in changes(pool) if "by-hand" in path]
    world.lose_host("net1")
    await pool.until(lambda: pool.agents_of("by-hand") in {("l3-net2",), ("l3-net3",)}, within_s=120)
    await pool.served()


@story
async def test_a_cold_gateway_that_somebody_runs_by_hand_keeps_its_routers_when_the_clusters_own_has_stopped():
    pool = Pool(with_identity(routers=3, on_it=True))
    pool.cluster.identity_on, pool.cluster.identity_up = "net1", False
    pool.begin()
    await pool.until(lambda: "an L3 agent of edge, net1" in pool.rescheduler.report(routers=False).trouble)
    assert changes(pool) == []


@story
async def test_without_a_cold_gateway_in_the_cluster_the_agents_of_that_name_are_somebody_elses():
    pool = Pool(with_identity(on_it=True))
    pool.begin()
    await pool.served()
    assert changes(pool) == []
    assert pool.rescheduler.report(routers=False).identity == ""


# --- and home to it ---------------------------------------------------------------------------------------------------


@story
async def test_every_router_goes_home_with_one_move_those_of_the_carriers_own_agents_first():
    pool = homeward(with_identity(on_it=False))
    await pool.served()
    assert carriers(pool) == {IDENTITY}
    assert set(moves(pool).values()) == {1}
    assert [facts["reason"] for facts in pool.moved()][:4] == ["net1 is gone"] * 4
    report = pool.rescheduler.report(routers=False)
    assert (report.identity, report.homeward, identity_burden(pool)) == (POOL, True, (POOL, 12, "live"))
    assert [(burden.node, burden.routers) for burden in report.burdens[:-1]] == [("net1", 0), ("net2", 0), ("net3", 0)]


@story
async def test_nothing_moves_before_the_cold_gateway_is_up():
    pool = Pool(with_identity(on_it=False))
    pool.cluster.identity_on, pool.cluster.identity_up, pool.homeward = "net1", False, True
    pool.cluster.stopped = {"net1"}
    pool.begin()
    await pool.until(lambda: len(pool.rescheduler.report(routers=False).unplaced) == 12)
    assert changes(pool) == []
    pool.world.lose_host("net1")
    pool.cluster.identity_up = True
    await pool.served()
    assert carriers(pool) == {IDENTITY}


@story
async def test_on_the_way_home_a_change_of_mind_brings_all_back_to_the_pool_even_from_a_dead_carrier():
    pool = homeward(with_identity(routers=30, on_it=False))
    await pool.until(lambda: len(pool.moved()) >= 11)
    pool.world.lose_host(POOL)
    pool.power_off("net1")
    await pool.until(lambda: "no agent of the cluster is live" in pool.rescheduler.report(routers=False).trouble)
    await pool.kill()
    pool.homeward = False
    pool.begin(on="net2")
    await pool.served()
    assert carriers(pool) == {"l3-net2", "l3-net3"}


@story
async def test_on_the_way_home_dhcp_stays_where_it_is():
    world = with_identity(routers=3, on_it=False)
    world.bind_network("network-0", "dhcp-net1")
    pool = homeward(world)
    await pool.served()
    assert world.leasing["network-0"] == ["dhcp-net1"]
