"""A node dies, is drained, comes back: where its routers are then. Neutron is the stand-in, time is virtual."""

import asyncio
import functools
import itertools
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import virtual_time
from hotspare.model.errors import InvariantError, NotReachableError, RefusedError, TimedOutError
from hotspare.model.routing import Stage
from pool import Killed, Pool
from standin.world import DHCP, L3, Network, Router, World, cloud


def story(told: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test in virtual time."""

    @functools.wraps(told)
    def test(*arguments: object, **named: object) -> None:
        virtual_time.run(told(*arguments, **named))

    return test


async def begun(world: World, **options: float) -> Pool:
    """All is well, and the rescheduler has seen it."""
    pool = Pool(world, **options)
    pool.begin()
    await pool.served(within_s=60)
    return pool


def changes(pool: Pool) -> list[tuple[str, str]]:
    return [(method, path) for method, path in pool.session.calls if method != "GET" and "l3-routers" in path]


def reads(pool: Pool) -> list[str]:
    """Who has this router now?"""
    return [path for method, path in pool.session.calls if method == "GET" and path.endswith("/l3-agents")]


def questions(pool: Pool) -> list[str]:
    """What does this agent have now?"""
    return [path for method, path in pool.session.calls if method == "GET" and path.endswith("/l3-routers")]


def looks_s(pool: Pool) -> list[float]:
    """When all routers are looked at, from now on."""
    found: list[float] = []

    def look(method: str, path: str) -> None:
        if (method, path) == ("GET", "routers"):
            found.append(virtual_time.now())

    pool.session.before = look
    return found


def carriers(pool: Pool) -> set[str]:
    return {agent for router in pool.world.routers for agent in pool.agents_of(router)}


# --- a node dies ------------------------------------------------------------------------------------------------------


@story
async def test_routers_of_a_fenced_node_are_served_by_the_others():
    pool = await begun(cloud(hosts=3, routers=30))
    pool.power_off("net1")
    await pool.until(lambda: bool(pool.astray()))
    await pool.served(within_s=120)
    assert carriers(pool) == {"l3-net2", "l3-net3"}
    assert len(pool.moved()) == 10
    assert len(changes(pool)) == 20, "one unbind and one bind a router"
    assert reads(pool) == [], "their ports tell where they are"


@story
async def test_a_router_that_came_to_a_node_just_before_its_death_does_not_wait_for_the_others():
    """No look had seen it there, and the others' agents take their time. One question is enough to find it."""
    pool = await begun(cloud(hosts=3, routers=9))
    came_to_net1(pool, "router-00001")
    pool.world.wire_s = 150
    pool.session.calls.clear()
    looked_s = looks_s(pool)
    pool.power_off("net1")
    await pool.until(lambda: pool.agents_of("router-00001") not in ((), ("l3-net1",)), within_s=15)
    assert questions(pool) == ["agents/l3-net1/l3-routers"]
    assert looked_s == []
    await pool.served(within_s=600)


def came_to_net1(pool: Pool, router: str) -> None:
    (before,) = pool.agents_of(router)
    pool.world.unbind(router, before)
    pool.world.bind(router, "l3-net1")


@story
async def test_a_router_that_nobody_has_seen_before_its_node_died_is_looked_for_at_once():
    pool = await begun(cloud(hosts=3, routers=9))
    pool.world.add_router(Router("new", "new", outside="public"), networks=["network-0"], agent="l3-net1")
    came_to_net1(pool, "router-00001")
    pool.world.wire_s = 150
    looked_s = looks_s(pool)
    pool.power_off("net1")
    for router in ("new", "router-00001"):
        await pool.until(lambda it=router: pool.agents_of(it) not in ((), ("l3-net1",)), within_s=15)
    assert len(looked_s) == 1
    await pool.served(within_s=600)


@story
async def test_where_neutron_does_not_say_what_the_dead_hold_all_routers_are_looked_at_at_once():
    pool = await begun(cloud(hosts=3, routers=9))
    came_to_net1(pool, "router-00001")
    pool.world.wire_s = 150
    failed: list[str] = []

    def fail_once(_method: str, path: str) -> None:
        if path == "agents/l3-net1/l3-routers" and not failed:
            failed.append(path)
            raise RefusedError("Internal Server Error", code=500)

    pool.session.before = fail_once
    pool.power_off("net1")
    await pool.until(lambda: pool.agents_of("router-00001") not in ((), ("l3-net1",)), within_s=15)
    assert failed
    await pool.served(within_s=600)


@story
async def test_a_router_that_has_left_its_agent_before_that_died_is_not_taken_from_it():
    pool = await begun(cloud(hosts=3, routers=30))
    left = "router-00027"
    pool.world.unbind(left, "l3-net1")
    pool.world.bind(left, "l3-net3")
    pool.session.calls.clear()
    pool.power_off("net1")
    await pool.until(lambda: "l3-net1" not in carriers(pool))
    await pool.served(within_s=60)
    assert ("DELETE", f"agents/l3-net1/l3-routers/{left}") not in changes(pool)
    assert len(changes(pool)) == 18
    assert next(one for one in pool.rescheduler.report(routers=True).routers if one.router == left).host == "net3"


@story
async def test_a_router_that_nobody_has_when_its_agent_dies_may_be_on_somebody_elses_way():
    pool = await begun(cloud(hosts=3, routers=30))
    pool.world.auto_schedule = False
    pool.world.unbind("router-00027", "l3-net1")
    pool.power_off("net1")
    died_s = virtual_time.now()
    await pool.until(lambda: bool(pool.agents_of("router-00027")), within_s=20)
    assert virtual_time.now() - died_s > 8
    await pool.served(within_s=60)


@story
async def test_what_the_dead_hold_says_nothing_of_a_router_that_is_on_its_way():
    pool = await begun(cloud(hosts=3, routers=30))
    pool.session.late_s["agents/l3-net1/l3-routers"] = 30.0
    looked_s = looks_s(pool)
    pool.power_off("net1")
    await pool.until(lambda: len(pool.moved()) == 10, within_s=25)
    await pool.until(lambda: bool(looked_s))
    await pool.served(within_s=60)
    assert len(changes(pool)) == 20, "what was true half a minute ago moves nothing"


@story
async def test_a_router_that_was_unbound_when_that_was_asked_is_not_taken_for_a_lost_one():
    world = cloud(hosts=3, routers=3)
    world.let_go_s, world.wire_s = 20.0, 30.0
    pool = await begun(world)
    pool.cluster.drains["net1"] = "now"
    await pool.until(lambda: not pool.agents_of("router-00000"))
    pool.power_off("net1")
    await pool.until(lambda: any(what == "router.bound" for what, _facts in pool.told))
    assert questions(pool)[-1] == "agents/l3-net1/l3-routers"
    first = pool.rescheduler.report(routers=True).routers[0]
    assert (first.host, first.moving) == ("net1", True)


@story
async def test_a_look_that_comes_anyway_tells_what_the_dead_hold():
    pool = await begun(cloud(hosts=3, routers=9))
    pool.session.calls.clear()
    pool.cluster.quorate = False
    pool.power_off("net1")
    await pool.until(lambda: "waiting" in pool.rescheduler.report(routers=False).doing)
    pool.cluster.quorate = True
    await pool.until(lambda: bool(pool.moved()))
    await pool.served(within_s=60)
    pool.cluster.drains["net1"] = "now"
    await asyncio.sleep(5)
    looks = pool.session.calls.count(("GET", "routers"))
    assert questions(pool).count("agents/l3-net1/l3-routers") == looks


@story
async def test_an_agent_that_nobody_has_seen_before_its_node_died_is_looked_for_at_once():
    world = cloud(hosts=3, routers=9)
    late = world.agents.pop("l3-net1")
    for router in ("router-00000", "router-00003", "router-00006"):
        world.serving[router] = ["l3-net2"]
    pool = Pool(world)
    pool.cluster.nodes = ("net1", *pool.cluster.nodes)
    pool.begin()
    await pool.until(lambda: pool.rescheduler.known.looked_s is not None)
    world.add_agents([late])
    came_to_net1(pool, "router-00000")
    pool.power_off("net1")
    await pool.until(lambda: pool.agents_of("router-00000") not in ((), ("l3-net1",)), within_s=5)


@story
async def test_a_death_after_a_long_time_without_a_look_begins_with_one():
    """A look that takes as long is not made again soon."""
    pool = await begun(cloud(hosts=3, routers=9), latency_s=4.0)
    await asyncio.sleep(190)
    looked_s = looks_s(pool)
    pool.power_off("net1")
    died_s = virtual_time.now()
    await pool.until(lambda: bool(changes(pool)), within_s=30)
    assert looked_s[0] < died_s + 15


@story
async def test_routers_that_move_when_a_second_node_dies_stay_on_their_way():
    """What the dead hold is asked in the middle of it, and their moves know more than the answer."""
    pool = await begun(cloud(hosts=4, routers=40), latency_s=0.5)
    pool.power_off("net1")
    await pool.until(lambda: len(pool.moved()) >= 2)
    pool.power_off("net2")
    await pool.served(within_s=300)
    unbinds = [path for method, path in changes(pool) if method == "DELETE"]
    assert len(set(unbinds)) == len(unbinds) == len(changes(pool)) / 2


@story
async def test_while_moves_are_under_way_no_look_comes_between_and_one_tells_how_it_ended():
    world = cloud(hosts=3, routers=30)
    pool = await begun(world)
    world.wire_s = 30.0
    looked_s = looks_s(pool)
    pool.power_off("net1")
    await pool.until(lambda: len(pool.moved()) == 8, within_s=170)
    assert looked_s == []
    await pool.until(lambda: len(pool.moved()) == 10)
    await pool.served(within_s=10)
    assert len(looked_s) == 1


@story
async def test_what_is_known_gets_no_older_than_three_minutes_however_long_moves_take():
    world = cloud(hosts=2, routers=120)
    pool = await begun(world)
    world.wire_s = 150
    looked_s = looks_s(pool)
    pool.power_off("net1")
    await pool.until(lambda: len(looked_s) == 2)
    assert "l3-net1" in carriers(pool), "it takes longer"
    assert looked_s == pytest.approx([180, 360], abs=2)


@story
async def test_a_port_that_is_administratively_down_is_not_waited_for():
    pool = await begun(cloud(hosts=3, routers=3))
    pool.world.set_port("router-00000-0", admin_up=False)
    pool.power_off("net1")
    await pool.until(lambda: bool(pool.astray()))
    await pool.served(within_s=60)
    (moved,) = pool.moved()
    assert moved["router"] == "router-00000"
    assert not [facts for what, facts in pool.told if what == "router.not_moved"]


@story
async def test_what_is_planned_and_where_a_router_is_bound_is_told_as_it_happens():
    pool = await begun(cloud(hosts=3, routers=9))
    pool.power_off("net1")
    await pool.until(lambda: bool(pool.astray()))
    await pool.served(within_s=120)
    told = [(what, facts) for what, facts in pool.told if what.startswith(("moves.", "router."))]
    assert told[0] == ("moves.planned", {"source": "net1", "routers": 3, "reason": "net1 is gone"})
    bound = [facts for what, facts in told if what == "router.bound"]
    assert [(facts["source"], facts["target"]) for facts in bound] == [
        (facts["source"], facts["target"]) for facts in pool.moved()
    ]
    assert {facts["source"] for facts in bound} == {"net1"}


@story
async def test_a_rescheduler_that_may_begin_begins_at_once():
    """Pacemaker says where it runs only when its start has ended, so every one of them is hindered first."""
    pool = Pool(cloud(hosts=3, routers=9))
    pool.power_off("net1")
    pool.cluster.quorate = False
    pool.begin()
    await pool.until(lambda: "waiting" in pool.rescheduler.report(routers=False).doing)
    pool.cluster.quorate = True
    await pool.until(lambda: "moves.planned" in {what for what, _facts in pool.told}, within_s=4)


@story
async def test_a_node_that_is_not_proved_dead_keeps_its_routers_whatever_neutron_thinks():
    pool = await begun(cloud(hosts=3, routers=9))
    pool.power_off("net1", fenced=False)
    await asyncio.sleep(600)
    assert changes(pool) == []
    pool.cluster.unclean.clear()
    pool.cluster.offline.add("net1")
    await pool.served(within_s=120)


@story
async def test_a_live_node_whose_heartbeats_are_late_keeps_its_routers():
    pool = await begun(cloud(hosts=3, routers=9))
    pool.world.stop("l3-net1")
    await asyncio.sleep(600)
    assert changes(pool) == []


@pytest.mark.parametrize("hindrance", ["no quorum", "runs elsewhere", "pacemaker dead"])
@story
async def test_without_the_clusters_leave_nothing_is_touched(hindrance):
    pool = await begun(cloud(hosts=3, routers=9))
    match hindrance:
        case "no quorum":
            pool.cluster.quorate = False
        case "runs elsewhere":
            pool.cluster.on = "net2"
        case "pacemaker dead":
            pool.cluster.dead = True
    pool.power_off("net1")
    await asyncio.sleep(300)
    assert changes(pool) == []
    report = pool.rescheduler.report(routers=False)
    assert report.trouble
    pool.cluster.quorate, pool.cluster.on, pool.cluster.dead = True, "net3", False
    await pool.served(within_s=120)


@story
async def test_a_vrrp_router_is_left_to_vrrp():
    world = cloud(hosts=3, routers=3)
    world.add_router(Router("vrrp", "vrrp", ha=True), networks=["network-0"], agent="l3-net1")
    pool = await begun(world)
    pool.power_off("net1")
    await pool.until(lambda: len(pool.moved()) == 1)
    assert pool.agents_of("vrrp") == ("l3-net1",)
    assert not any("vrrp" in path for _, path in changes(pool))


@story
async def test_where_vrrp_has_a_router_is_left_to_a_look():
    world = cloud(hosts=3, routers=3)
    world.add_router(Router("vrrp", "vrrp", ha=True), networks=["network-0"], agent="l3-net2")
    pool = await begun(world)
    world.bind("vrrp", "l3-net1")
    world.wire_s = 30
    pool.power_off("net1")
    await pool.until(lambda: any(what == "router.bound" for what, _facts in pool.told))
    assert questions(pool)[-1] == "agents/l3-net1/l3-routers"
    assert pool.rescheduler.report(routers=True).routers[-1].host == "net2"
    assert not any("vrrp" in path for _, path in changes(pool))


@story
async def test_all_but_one_die_one_after_the_other():
    pool = await begun(cloud(hosts=4, routers=24))
    for node in ("net1", "net2", "net3"):
        pool.begin(on="net4")
        pool.power_off(node)
        await asyncio.sleep(2)
    await pool.served(within_s=300)
    assert carriers(pool) == {"l3-net4"}


@story
async def test_a_target_that_dies_in_the_middle_gives_its_routers_on():
    pool = await begun(cloud(hosts=3, routers=30))
    pool.power_off("net1")
    await pool.until(lambda: len(changes(pool)) > 8)
    pool.power_off("net2")
    await pool.served(within_s=300)
    assert carriers(pool) == {"l3-net3"}


@story
async def test_routers_that_are_not_wired_yet_are_moved_again_as_soon_as_their_target_is_fenced():
    world = cloud(hosts=3, routers=9)
    world.wire_s = 30.0
    pool = await begun(world)
    pool.power_off("net1")
    await pool.until(lambda: all(any(agent != "l3-net1" for agent in pool.agents_of(name)) for name in pool.astray()))
    pool.power_off("net2")
    world.wire_s = 1.0
    await pool.until(lambda: carriers(pool) == {"l3-net3"}, within_s=30)
    assert reads(pool) == []
    await pool.served(within_s=180)


@story
async def test_a_drained_agent_that_is_fenced_meanwhile_is_not_waited_for():
    world = cloud(hosts=3, routers=3)
    world.let_go_s = 1e9
    pool = await begun(world)
    pool.cluster.drains["net1"] = "now"
    await pool.until(lambda: not pool.agents_of("router-00000"))
    pool.power_off("net1")
    await pool.until(lambda: bool(pool.agents_of("router-00000")), within_s=10)
    await pool.served(within_s=60)


@story
async def test_a_dead_agents_node_that_comes_back_keeps_what_was_not_taken_yet():
    pool = await begun(cloud(hosts=3, routers=60), latency_s=0.5)
    pool.power_off("net1")
    await pool.until(lambda: len(changes(pool)) > 6)
    for kind in ("l3", "switch"):
        pool.world.start(f"{kind}-net1")
    pool.cluster.offline.clear()
    await pool.served(within_s=300)


@story
async def test_routers_that_nobody_can_take_are_named_with_the_reason_and_placed_when_somebody_can():
    world = cloud(hosts=2, routers=2)
    world.agents["l3-net2"].admin_up = False
    pool = await begun(world)
    pool.power_off("net1")
    await pool.until(lambda: bool(pool.rescheduler.report(routers=False).unplaced))
    ((name, reason),) = pool.rescheduler.report(routers=False).unplaced
    assert name == "router-0"
    assert "net2" in reason
    world.agents["l3-net2"].admin_up = True
    await pool.served(within_s=120)


# --- Neutron has a bad day --------------------------------------------------------------------------------------------


@story
async def test_every_tenth_call_a_500():
    pool = await begun(cloud(hosts=3, routers=30))
    count = iter(range(1, 10_000))

    def fail(_method: str, _path: str) -> None:
        if next(count) % 10 == 0:
            raise RefusedError("Internal Server Error", code=500)

    pool.session.before = fail
    pool.power_off("net1")
    await pool.until(lambda: bool(pool.astray()))
    await pool.served(within_s=300)


@story
async def test_answers_that_do_not_come_though_the_call_had_its_effect():
    pool = await begun(cloud(hosts=3, routers=30))
    count = iter(range(1, 10_000))

    def lose(method: str, _path: str) -> None:
        if method != "GET" and next(count) % 3 == 0:
            raise TimedOutError("no answer")

    pool.session.after = lose
    pool.power_off("net1")
    await pool.until(lambda: bool(pool.astray()))
    await pool.served(within_s=600)
    assert len(changes(pool)) == 20, "nothing was sent twice"


@story
async def test_a_slow_api():
    pool = await begun(cloud(hosts=3, routers=9), latency_s=2.0)
    pool.power_off("net1")
    await pool.until(lambda: bool(pool.astray()))
    await pool.served(within_s=300)


@pytest.mark.parametrize("after_changes", [0, 1, 2, 5])
@story
async def test_an_api_that_is_gone_for_five_minutes_is_waited_for(after_changes):
    pool = await begun(cloud(hosts=3, routers=30))
    gone_s: list[float] = []

    def refuse(method: str, _path: str) -> None:
        if len(changes(pool)) > after_changes and not gone_s:
            gone_s.append(virtual_time.now())
        if gone_s and virtual_time.now() < gone_s[0] + 300:
            raise NotReachableError("connection refused")
        assert method

    pool.session.before = refuse
    pool.power_off("net1")
    await pool.until(lambda: bool(gone_s))
    await pool.until(lambda: bool(pool.rescheduler.report(routers=False).trouble), within_s=60)
    await pool.served(within_s=900)


@story
async def test_while_the_api_is_gone_the_trouble_stands_whatever_else_happens():
    pool = await begun(cloud(hosts=3, routers=9))

    def refuse(_method: str, _path: str) -> None:
        raise NotReachableError("connection refused")

    pool.session.before = refuse
    await pool.until(lambda: bool(pool.rescheduler.report(routers=False).trouble), within_s=120)
    pool.cluster.demoted.add("net1")
    await asyncio.sleep(1.5)
    assert pool.rescheduler.report(routers=False).trouble == "connection refused"


@pytest.mark.parametrize("changing", ["DELETE", "POST"])
@story
async def test_an_api_that_tells_but_cannot_change_is_not_asked_again_and_again(changing):
    pool = await begun(cloud(hosts=3, routers=30))
    well_s = virtual_time.now() + 30

    def refuse(method: str, _path: str) -> None:
        if method == changing and virtual_time.now() < well_s:
            raise NotReachableError("no server is available")

    pool.session.before = refuse
    pool.power_off("net1")
    await pool.until(lambda: virtual_time.now() >= well_s)
    assert len(changes(pool)) <= 10 * 8, "10 routers, and pauses of 0.5, 1, 2, 4, 8 s"
    await pool.served(within_s=15)
    assert not [facts for what, facts in pool.told if what == "router.not_moved"]


@story
async def test_another_agent_that_takes_routers_in_between_may_keep_them():
    world = cloud(hosts=4, routers=40)
    world.steal_every = 2
    pool = await begun(world)
    pool.power_off("net1")
    await pool.until(lambda: bool(pool.astray()))
    await pool.served(within_s=300)


@story
async def test_a_bind_that_says_yes_and_does_nothing_is_seen():
    world = cloud(hosts=4, routers=40)
    world.race_every = 2
    pool = await begun(world)
    pool.power_off("net1")
    await pool.until(lambda: bool(pool.astray()))
    await pool.served(within_s=300)


@story
async def test_a_router_that_another_agent_got_in_spite_of_the_yes_is_known_there_soon_and_stays():
    world = cloud(hosts=3, routers=3)
    pool = await begun(world)
    world.race_every = 1
    pool.power_off("net1")
    await pool.until(lambda: bool(pool.moved()), within_s=15)
    assert pool.agents_of("router-00000") == ("l3-net3",), "which was first"
    assert pool.rescheduler.report(routers=True).routers[0].host == "net3"
    assert [facts["target"] for what, facts in pool.told if what == "router.bound"] == ["net2", "net3"]
    await pool.served(within_s=30)
    assert len(changes(pool)) == 2, "one unbind and one bind"
    assert reads(pool) == ["routers/router-00000/l3-agents"]


def nobody_gets_it(pool: Pool, *, binds: int) -> None:
    """So many binds are answered with yes, and nothing comes of them."""
    left = iter(range(binds))

    def forget(method: str, _path: str) -> None:
        if method == "POST" and next(left, None) is not None:
            pool.world.serving["router-00000"].clear()

    pool.session.after = forget


@story
async def test_a_router_that_nobody_got_in_spite_of_the_yes_is_bound_again():
    pool = await begun(cloud(hosts=3, routers=3))
    nobody_gets_it(pool, binds=1)
    pool.power_off("net1")
    await pool.until(lambda: bool(pool.moved()), within_s=90)
    await pool.served(within_s=30)
    assert [method for method, _path in changes(pool)] == ["DELETE", "POST", "POST"]
    assert [facts["target"] for what, facts in pool.told if what == "router.bound"] == ["net2", "net2"]


@story
async def test_neutron_is_believed_no_more_when_its_yes_was_not_true_once():
    pool = await begun(cloud(hosts=3, routers=3))
    nobody_gets_it(pool, binds=3)
    pool.power_off("net1")
    await pool.until(lambda: bool(pool.moved()), within_s=90)
    await pool.served(within_s=30)
    assert len(reads(pool)) == 4, "when the first one's time was over, and then after each"


@story
async def test_an_agent_that_takes_its_time_is_asked_for_once_and_waited_for():
    world = cloud(hosts=3, routers=3)
    pool = await begun(world)
    world.wire_s = 120
    pool.power_off("net1")
    await pool.until(lambda: bool(pool.moved()), within_s=180)
    assert [method for method, _path in changes(pool)] == ["DELETE", "POST"]
    assert reads(pool) == ["routers/router-00000/l3-agents"]
    assert sum(what == "router.bound" for what, _facts in pool.told) == 1
    stages = [record.stage for record in pool.journals["net3"].lines]
    assert stages == [Stage.PLANNED, Stage.UNBOUND, Stage.BOUND, Stage.FORWARDING]


@story
async def test_an_agent_that_never_wires_a_router_has_no_longer_than_before():
    world = cloud(hosts=3, routers=3)
    pool = await begun(world)
    world.wire_s = 1e6
    pool.power_off("net1")
    await pool.until(lambda: any(what == "router.not_moved" for what, _facts in pool.told), within_s=200)
    assert "not wired after 180 s" in str(pool.told[-1][1]["note"])


@story
async def test_a_port_that_cannot_be_bound_at_the_target_is_told_soon():
    pool = await begun(cloud(hosts=3, routers=3))
    has_no_bridge(pool)
    pool.power_off("net1")
    await pool.until(lambda: any(what == "router.not_moved" for what, _facts in pool.told), within_s=30)
    (note,) = [facts["note"] for what, facts in pool.told if what == "router.not_moved"]
    assert "binding_failed" in str(note)


@pytest.mark.parametrize("bare", ["disabled", "deleted"])
@story
async def test_without_a_port_that_could_prove_it_neutron_is_asked(bare):
    pool = await begun(cloud(hosts=3, routers=3))
    if bare == "disabled":
        for port in pool.world.ports["router-00000"]:
            pool.world.set_port(port.id, admin_up=False)
    else:
        pool.world.ports["router-00000"].clear()
    pool.power_off("net1")
    await pool.until(lambda: bool(pool.moved()), within_s=15)
    assert reads(pool) == ["routers/router-00000/l3-agents"]


@story
async def test_ports_that_were_shown_at_the_target_before_prove_nothing():
    """Its agent lost the router and was not told, so that what Neutron shows there is old."""
    world = cloud(hosts=2, routers=2)
    world.auto_schedule = False
    pool = await begun(world)
    world.serving["router-00001"].clear()
    pool.power_off("net1")
    await pool.served(within_s=180)
    assert "routers/router-00001/l3-agents" in reads(pool)


# --- ours dies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("effected", [True, False], ids=["effected", "not sent"])
@pytest.mark.parametrize("elsewhere", [True, False], ids=["elsewhere", "there again"])
@pytest.mark.parametrize("fault", ["death", "drain"])
def test_a_rescheduler_killed_at_any_call_is_finished_by_the_next(fault, elsewhere, effected):
    """Two routers have to go; the calls that this takes, looks included, are cut one after the other."""

    async def told(at: int) -> bool:
        pool = await begun(cloud(hosts=3, routers=6))
        calls = iter(range(1, 10_000))

        def kill(_method: str, _path: str) -> None:
            if next(calls) == at:
                raise Killed

        if effected:
            pool.session.after = kill
        else:
            pool.session.before = kill
        if fault == "drain":
            pool.cluster.drains["net1"] = "now"
        else:
            pool.power_off("net1")
        killed = await pool.killed_or(lambda: "l3-net1" not in carriers(pool) and pool.is_calm())
        pool.session.before = pool.session.after = lambda _method, _path: None
        pool.begin(on="net2" if elsewhere else "net3")
        await pool.until(lambda: "l3-net1" not in carriers(pool))
        await pool.served(within_s=300)
        return killed

    cut = 0
    while virtual_time.run(told(cut + 1)):
        cut += 1
    assert cut >= 6, "two routers are two calls each, and somebody looks how they get on"


@pytest.mark.parametrize("loop", ["Rescheduler._work", "Watch.run", "Mover.run", "Leases.run"])
@story
async def test_without_one_of_its_parts_a_rescheduler_ends_rather_than_looks_well(loop):
    pool = await begun(cloud(hosts=3, routers=3))
    (part,) = (task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__qualname__", "") == loop)
    part.cancel()
    with pytest.raises(InvariantError):
        await pool.until(lambda: False)


@story
async def test_a_stop_ends_within_five_seconds_and_leaves_no_router_bound_nowhere():
    pool = await begun(cloud(hosts=3, routers=300), latency_s=0.3)
    pool.power_off("net1")
    await pool.until(lambda: len(changes(pool)) > 20)
    began_s = virtual_time.now()
    await pool.rescheduler.stop()
    assert virtual_time.now() - began_s < 5
    await pool.kill()
    assert [router for router in pool.world.routers if not pool.agents_of(router)] == []
    pool.begin(on="net2")
    await pool.served(within_s=600)


@story
async def test_a_stop_waits_only_for_pairs_of_calls_that_were_begun():
    """Those that wait for their turn are not begun, and nobody waits for their end."""
    pool = await begun(cloud(hosts=3, routers=300), latency_s=1.0)
    pool.power_off("net1")
    await pool.until(lambda: len(changes(pool)) > 6)
    began_s = virtual_time.now()
    await pool.rescheduler.stop()
    assert virtual_time.now() - began_s < 3.5
    assert [router for router in pool.world.routers if not pool.agents_of(router)] == []


class Counted(asyncio.Event):
    """How often it was set; too often is a bug, not a hang."""

    times = 0

    def set(self) -> None:
        self.times += 1
        assert self.times < 1000
        super().set()


@story
async def test_a_look_that_is_due_while_it_stops_keeps_it_from_nothing():
    pool = await begun(cloud(hosts=3, routers=3))
    pool.rescheduler.changed = Counted()
    await pool.rescheduler.stop()
    await asyncio.sleep(120)
    assert pool.rescheduler.changed.times < 100


@story
async def test_a_disk_that_gets_full_in_the_middle_leaves_no_router_bound_nowhere():
    pool = await begun(cloud(hosts=3, routers=30))

    def fill(method: str, _path: str) -> None:
        pool.journals["net3"].full |= method == "DELETE"

    pool.session.after = fill
    pool.power_off("net1")
    await pool.until(lambda: any("No space left" in str(facts) for _, facts in pool.told))
    await asyncio.sleep(60)
    pool.session.after = lambda _method, _path: None
    assert [router for router in pool.world.routers if not pool.agents_of(router)] == []
    pool.journals["net3"].full = False
    await pool.served(within_s=300)


@story
async def test_a_full_disk_moves_nothing_and_says_so():
    pool = await begun(cloud(hosts=3, routers=9))
    journal = pool.journals["net3"]
    journal.full = True
    pool.power_off("net1")
    await pool.until(lambda: any("No space left" in str(facts) for _, facts in pool.told))
    assert changes(pool) == []
    journal.full = False
    await pool.served(within_s=300)


@story
async def test_each_move_is_written_down_before_its_first_call_and_after_each():
    pool = await begun(cloud(hosts=3, routers=3))
    pool.power_off("net1")
    await pool.until(lambda: bool(pool.moved()))
    stages = [record.stage for record in pool.journals["net3"].lines]
    assert stages == [Stage.PLANNED, Stage.UNBOUND, Stage.BOUND, Stage.FORWARDING]


# --- routers that nobody has ------------------------------------------------------------------------------------------


@story
async def test_a_router_that_somebody_else_lost_is_found_and_placed():
    pool = await begun(cloud(hosts=3, routers=9))
    pool.world.auto_schedule = False
    pool.world.unbind("router-00000", "l3-net1")
    await pool.until(lambda: pool.agents_of("router-00000") != (), within_s=180)
    await pool.served()


@story
async def test_a_router_that_is_lost_again_later_has_been_lost_only_since_then():
    pool = await begun(cloud(hosts=3, routers=9))
    pool.world.auto_schedule = False
    pool.world.unbind("router-00000", "l3-net1")
    await pool.until(lambda: pool.rescheduler.report(routers=True).routers[0].host is None)
    pool.world.bind("router-00000", "l3-net1")
    await asyncio.sleep(600)
    assert pool.moved() == []
    pool.world.unbind("router-00000", "l3-net1")
    await pool.until(lambda: bool(pool.moved()), within_s=180)
    assert float(str(pool.moved()[0]["outage_s"])) < 60


@story
async def test_a_router_that_was_lost_while_its_agent_does_not_listen_is_not_given_to_another():
    """The agent was never told, and still forwards: a second one would answer for the same addresses."""
    world = cloud(hosts=3, routers=9, bound=1)
    world.auto_schedule = False
    world.let_go_s = 1e9
    pool = await begun(world)
    world.unbind("router-00000", "l3-net1")
    await pool.until(lambda: any("did not let go" in str(facts.get("note")) for _, facts in pool.told))
    assert pool.two_at_once == []
    assert pool.agents_of("router-00000") == ("l3-net1",)


@story
async def test_a_router_without_a_port_is_nobodys_concern():
    world = cloud(hosts=3, routers=3)
    world.add_router(Router("new", "new"), networks=[])
    pool = Pool(world)
    pool.begin()
    await asyncio.sleep(300)
    assert changes(pool) == []


# --- planned ----------------------------------------------------------------------------------------------------------


@story
async def test_a_drained_node_gives_its_routers_away_one_after_the_other_and_gets_none_back():
    pool = await begun(cloud(hosts=3, routers=30))
    pool.cluster.drains["net1"] = "now"
    await pool.until(lambda: "l3-net1" not in carriers(pool))
    await pool.served()
    outages = [float(str(facts["outage_s"])) for facts in pool.moved()]
    assert len(outages) == 10
    assert max(outages) < 12
    assert len(reads(pool)) == 10, "each is confirmed before the next"


@pytest.mark.parametrize("lost", [TimedOutError("no answer"), RefusedError("a bug", code=500)], ids=["answer", "500"])
@story
async def test_a_drained_agent_lets_go_before_another_has_the_router_also_where_the_unbinds_answer_is_lost(lost):
    world = cloud(hosts=3, routers=9)
    world.let_go_s = 5.0
    pool = await begun(world)

    def lose(method: str, _path: str) -> None:
        if method == "DELETE":
            raise lost

    pool.session.after = lose
    pool.cluster.drains["net1"] = "true"
    await pool.until(lambda: "l3-net1" not in carriers(pool))
    await pool.served()
    assert all(facts["outage_s"] for facts in pool.moved())


@story
async def test_a_hung_agent_gets_its_router_back_and_the_drain_says_so():
    world = cloud(hosts=3, routers=3)
    world.let_go_s = 1e9
    pool = await begun(world)
    pool.cluster.drains["net1"] = "now"
    await pool.until(lambda: any("did not let go" in str(facts.get("note")) for _, facts in pool.told))
    assert pool.two_at_once == []
    assert pool.agents_of("router-00000") == ("l3-net1",)


@story
async def test_a_slow_agent_has_time_to_let_go_also_of_a_router_whose_ports_neutron_does_not_show():
    world = cloud(hosts=3, routers=3)
    world.let_go_s = 20.0
    pool = await begun(world)
    (router,) = (one for one, agents in world.serving.items() if agents == ["l3-net1"])
    for port in world.ports[router]:
        port.active = False
    pool.cluster.drains["net1"] = "now"
    await pool.until(lambda: pool.agents_of(router) == ())
    unbound_s = virtual_time.now()
    await pool.until(lambda: pool.agents_of(router) not in ((), ("l3-net1",)))
    assert virtual_time.now() - unbound_s > world.let_go_s


@story
async def test_a_router_that_is_tried_again_and_again_keeps_nobody_from_looking_at_the_others():
    world = cloud(hosts=3, routers=3)
    world.let_go_s = 1e9
    pool = await begun(world)
    looked_s = looks_s(pool)
    pool.cluster.drains["net1"] = "now"
    await asyncio.sleep(1200)
    assert max(after - before for before, after in itertools.pairwise(looked_s)) < 70


@story
async def test_a_router_that_cannot_be_given_back_to_a_hung_agent_is_not_said_to_stay_there():
    world = cloud(hosts=3, routers=3)
    world.let_go_s = 1e9
    world.auto_schedule = False
    pool = await begun(world)

    def refuse(method: str, _path: str) -> None:
        if method == "POST":
            raise NotReachableError("no server is available")

    pool.session.before = refuse
    pool.cluster.drains["net1"] = "now"
    await pool.until(lambda: any("did not let go" in str(facts.get("note")) for _, facts in pool.told))
    note = str(pool.told[-1][1]["note"])
    assert "so it stays there" not in note
    assert "bound nowhere" in note
    assert "no server is available" in note


@story
async def test_a_drain_that_shall_stop_at_the_first_failure_does():
    world = cloud(hosts=3, routers=30)
    world.let_go_s = 1e9
    pool = await begun(world)
    pool.cluster.drains["net1"] = "now stop-on-failure"
    await asyncio.sleep(400)
    failed = [facts for what, facts in pool.told if what == "router.not_moved"]
    assert 1 <= len(failed) <= 2, "the canaries of two targets"
    world.let_go_s = 0.5
    pool.cluster.drains["net1"] = "again"
    await pool.until(lambda: "l3-net1" not in carriers(pool))


@story
async def test_a_death_goes_before_a_drain_that_is_under_way():
    pool = await begun(cloud(hosts=4, routers=80))
    pool.cluster.drains["net1"] = "now"
    await pool.until(lambda: len(pool.moved()) >= 2)
    pool.power_off("net2")
    await pool.until(lambda: "l3-net2" not in carriers(pool), within_s=60)
    assert "l3-net1" in carriers(pool)
    await pool.until(lambda: "l3-net1" not in carriers(pool))
    await pool.served()


@story
async def test_a_rebalance_spreads_the_routers_evenly():
    pool = await begun(cloud(hosts=4, routers=40, bound=1))
    placed = await pool.rescheduler.rebalance(only_plan=True)
    assert changes(pool) == []
    assert len(placed.moves) == 30
    await pool.rescheduler.rebalance(only_plan=False)
    await pool.until(lambda: len(pool.moved()) == 30)
    await pool.served()
    burdens = {burden.node: burden.routers for burden in pool.rescheduler.report(routers=False).burdens}
    assert burdens == {"net1": 10, "net2": 10, "net3": 10, "net4": 10}


@story
async def test_a_takeover_brings_the_routers_named_to_the_node_named():
    pool = await begun(cloud(hosts=3, routers=9))
    await pool.rescheduler.takeover(["router-0", "router-00001"], "net3", only_plan=False)
    await pool.until(lambda: len(pool.moved()) == 2)
    assert pool.agents_of("router-00000") == pool.agents_of("router-00001") == ("l3-net3",)
    await pool.served()
    with pytest.raises(RefusedError, match="knows no router"):
        await pool.rescheduler.takeover(["nothing"], "net3", only_plan=False)
    with pytest.raises(RefusedError, match="no node of edge"):
        await pool.rescheduler.takeover(["router-0"], "net9", only_plan=False)


@story
async def test_routers_may_be_taken_from_a_node_at_which_moves_failed_and_nobody_is_told_to_fence_it():
    pool = await begun(cloud(hosts=3, routers=18))

    def refuse(method: str, path: str) -> None:
        if method == "POST" and path == "agents/l3-net2/l3-routers":
            raise RefusedError("a bug of Neutron's", code=409)

    pool.session.before = refuse
    await pool.rescheduler.takeover([f"router-{number}" for number in (0, 3, 6, 9)], "net2", only_plan=False)
    await pool.until(lambda: sum(what == "router.not_moved" for what, _ in pool.told) >= 3)
    placed = await pool.rescheduler.takeover(["router-1"], "net3", only_plan=True)
    assert [(move.source, move.target) for move in placed.moves] == [("l3-net2", "l3-net3")], placed.unplaced


def may_have_none(pool: Pool) -> None:
    """It is disabled when the moves to it have been planned."""

    def disable(method: str, _path: str) -> None:
        pool.world.agents["l3-net2"].admin_up &= method != "DELETE"

    pool.session.before = disable


def wires_nothing(pool: Pool) -> None:
    pool.world.wire_s = 1e6


def has_no_bridge(pool: Pool) -> None:
    def lose(method: str, _path: str) -> None:
        if method == "DELETE":
            pool.world.agents["switch-net2"].physnets = ()

    pool.session.before = lose


@pytest.mark.parametrize("happens", [may_have_none, wires_nothing, has_no_bridge])
@story
async def test_an_agent_by_whose_fault_moves_fail_gets_no_routers_for_a_while(happens):
    pool = await begun(cloud(hosts=3, routers=18))
    happens(pool)
    assert await failed_on_their_way_to_net2(pool) == {"l3-net2"}


def is_away(pool: Pool) -> None:
    """Neutron changes nothing and tells nothing from the first unbind on."""

    def fail(method: str, path: str) -> None:
        if changes(pool) and "l3-" in path:
            raise NotReachableError("connection refused")
        assert method

    pool.session.before = fail


def does_not_tell_of_ports(pool: Pool) -> None:
    def fail(_method: str, path: str) -> None:
        if path == "ports" and any(method == "POST" for method, _path in changes(pool)):
            raise TimedOutError("no answer")

    pool.session.before = fail


def may_not_be_changed(pool: Pool) -> None:
    def fail(method: str, _path: str) -> None:
        if method == "POST":
            raise RefusedError("this user may not", code=403)

    pool.session.before = fail


def has_routers_no_more(pool: Pool) -> None:
    """They are deleted while their moves are under way."""

    def delete(method: str, path: str) -> None:
        router = path.rpartition("/")[2]
        if method == "DELETE" and router in pool.world.routers:
            pool.world.remove_router(router)

    pool.session.before = delete


def cannot_write(pool: Pool) -> None:
    pool.journals[pool.cluster.on].full = True


@pytest.mark.parametrize(
    "happens", [is_away, does_not_tell_of_ports, may_not_be_changed, has_routers_no_more, cannot_write]
)
@story
async def test_what_is_not_a_targets_fault_is_not_held_against_it(happens):
    pool = await begun(cloud(hosts=3, routers=18))
    happens(pool)
    assert await failed_on_their_way_to_net2(pool) == frozenset()


async def failed_on_their_way_to_net2(pool: Pool) -> frozenset[str]:
    """Agents that get no routers for a while after four moves to net2 have ended."""
    await pool.rescheduler.takeover([f"router-{number}" for number in (0, 3, 6, 9)], "net2", only_plan=False)

    def ended() -> int:
        return sum(what == "router.not_moved" and facts["target"] == "net2" for what, facts in pool.told)

    await pool.until(lambda: ended() >= 4 or bool(pool.rescheduler._ledger.suspects()))
    assert ended() >= 3
    return pool.rescheduler._ledger.suspects()


@story
async def test_where_a_router_is_and_since_when():
    pool = await begun(cloud(hosts=3, routers=3))
    pool.power_off("net1")
    await pool.until(lambda: bool(pool.moved()))
    first, second, _third = pool.rescheduler.report(routers=True).routers
    assert (first.name, first.host, first.moving) == ("router-0", "net2", False)
    assert first.since_s is not None
    assert second.since_s is None


# --- DHCP -------------------------------------------------------------------------------------------------------------


@story
async def test_networks_of_a_dead_node_get_a_dhcp_agent_again():
    world = cloud(hosts=3, routers=3)
    world.bind_network("network-0", "dhcp-net1")
    pool = await begun(world)
    pool.power_off("net1")
    await pool.until(lambda: "dhcp-net1" not in world.leasing["network-0"], within_s=120)
    assert len(world.leasing["network-0"]) == 1
    assert {agent.kind for agent in world.agents.values()} >= {DHCP, L3}


@story
async def test_networks_are_not_looked_at_while_routers_without_service_wait_for_the_server():
    world = cloud(hosts=3, routers=3)
    world.bind_network("network-0", "dhcp-net1")
    pool = await begun(world)
    asked: list[str] = []

    def note(_method: str, path: str) -> None:
        asked.append(path)

    pool.session.before = note
    pool.power_off("net1")
    await pool.until(lambda: bool(pool.moved()))
    assert not any("dhcp-networks" in path for path in asked)
    await pool.until(lambda: "dhcp-net1" not in world.leasing["network-0"], within_s=120)


@story
async def test_networks_of_one_name_are_counted_each():
    world = cloud(hosts=3, routers=3)
    for number in (1, 2):
        world.add_network(Network(f"lan-{number}", "lan", zones=("elsewhere",)))
    pool = Pool(world)
    pool.begin()
    await pool.until(lambda: bool(pool.rescheduler.report(routers=False).trouble), within_s=60)
    assert pool.rescheduler.report(routers=False).trouble.startswith("2 networks lack DHCP agents: lan: ")


@story
async def test_a_daemon_that_begins_looks_as_soon_as_it_may():
    world = cloud(hosts=3, routers=9)
    pool = Pool(world)
    pool.power_off("net1")
    pool.begin()
    await pool.until(lambda: bool(changes(pool)), within_s=5)


@story
async def test_a_takeover_of_a_router_that_is_there_has_nothing_to_do():
    pool = await begun(cloud(hosts=3, routers=3))
    placed = await pool.rescheduler.takeover(["router-0"], "net1", only_plan=False)
    assert (placed.moves, placed.unplaced) == ((), ())


@story
async def test_a_takeover_of_a_router_that_is_leaving_says_so():
    world = cloud(hosts=3, routers=3)
    world.let_go_s = 20.0
    pool = await begun(world)
    await pool.rescheduler.takeover(["router-0"], "net2", only_plan=False)
    placed = await pool.rescheduler.takeover(["router-0"], "net1", only_plan=False)
    assert [(one.router, one.reason) for one in placed.unplaced] == [
        ("router-00000", "it is on its way to net2; ask again when it is there")
    ]
