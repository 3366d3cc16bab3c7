"""An operator drains, rebalances, takes over: asked and followed at the desk of a real rescheduler, in virtual time."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

import virtual_time
from hotspare.flows import drain, rearrange
from hotspare.flows.follow import LOST_MAX_S, STILL_MAX_S
from hotspare.model.answer import Answer
from hotspare.model.errors import NotReachableError, RefusedError
from hotspare.model.moving import Goal, MovePlan, PlannedMove
from hotspare.model.routing import Standing
from hotspare.plan.verdict import STOP_ON_FAILURE
from pool_desk import Operated
from standin.world import Router, World, cloud


def story(told: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test in virtual time."""

    @functools.wraps(told)
    def test(*arguments: object, **named: object) -> None:
        virtual_time.run(told(*arguments, **named))

    return test


async def begun(world: World, run_dir: Path) -> Operated:
    """All is well, and the rescheduler has seen it."""
    pool = Operated(world, run_dir)
    await pool.open()
    await pool.served(within_s=60)
    return pool


def carries(pool: Operated, node: str) -> int:
    return sum(f"l3-{node}" in pool.agents_of(router) for router in pool.world.routers)


# --- a drain ----------------------------------------------------------------------------------------------------------


@story
async def test_a_drain_is_followed_until_the_node_is_empty(tmp_path):
    pool = await begun(cloud(hosts=3, routers=30), tmp_path)
    ending = await pool.follow(await pool.drain("net1"))
    assert ending.answer is Answer.YES
    assert (ending.progress.done, ending.progress.total, ending.stays) == (10, 10, ())
    assert len(ending.progress.outages_s) == 10
    assert 0 < max(ending.progress.outages_s) < 12
    assert carries(pool, "net1") == 0
    done = [progress.done for progress in pool.seen.all]
    assert done == sorted(done)
    assert {progress.total for progress in pool.seen.all if progress.batch} == {10}
    assert pool.marks.set == [ending.goal.order] == ["2025-11-24T16:00:10Z"]


@story
async def test_a_later_drain_does_not_count_what_an_earlier_one_moved(tmp_path):
    pool = await begun(cloud(hosts=3, routers=30), tmp_path)
    await pool.follow(await pool.drain("net1"))
    await drain.end("net1", pool.marks)
    await pool.until(lambda: pool.rescheduler.report(routers=False).burdens[0].standing == Standing.LIVE)
    ending = await pool.follow(await pool.drain("net1"))
    assert (ending.answer, ending.progress.done, ending.progress.total) == (Answer.YES, 0, 0)


@story
async def test_a_plan_changes_nothing(tmp_path):
    pool = await begun(cloud(hosts=3, routers=6), tmp_path)
    planned = await pool.dispatcher.plan_drain("net1")
    assert {(move.router, move.source) for move in planned.moves} == {("router-0", "net1"), ("router-3", "net1")}
    taken = await rearrange.takeover(["router-0"], "net3", pool.dispatcher, only_plan=True)
    assert taken == MovePlan(moves=(PlannedMove("router-0", "net1", "net3"),), unplaced=())
    assert pool.marks.set == []
    assert carries(pool, "net1") == 2


@story
async def test_a_rescheduler_that_dies_is_found_again_elsewhere_and_followed_to_the_end(tmp_path):
    pool = await begun(cloud(hosts=3, routers=30), tmp_path)
    following = asyncio.create_task(pool.follow(await pool.drain("net1")))
    await pool.until(lambda: len(pool.moved()) >= 3)
    await pool.die()
    await asyncio.sleep(20)
    await pool.open(on="net2")
    ending = await following
    assert ending.answer is Answer.YES
    assert pool.seen.daemons == ["net3", "net2"]
    assert pool.seen.troubles
    assert carries(pool, "net1") == 0
    assert ending.progress.done == len(ending.progress.outages_s) == ending.progress.total


@story
async def test_a_second_operator_follows_the_same_drain(tmp_path):
    pool = await begun(cloud(hosts=3, routers=30), tmp_path)
    first = await pool.drain("net1")
    await pool.until(lambda: len(pool.moved()) >= 2)
    second = await pool.drain("net1")
    assert second == first
    assert len(pool.marks.set) == 1
    ending = await pool.follow(second)
    assert (ending.answer, ending.progress.done) == (Answer.YES, 10)


@story
async def test_routers_of_a_hung_agent_are_named_with_the_reason_after_a_second_try(tmp_path):
    world = cloud(hosts=3, routers=3)
    world.let_go_s = 1e9
    pool = await begun(world, tmp_path)
    ending = await pool.follow(await pool.drain("net1"))
    assert ending.answer is Answer.NO
    (kept,) = ending.stays
    assert (kept.name, kept.tries) == ("router-0", 2)
    assert "did not let go" in kept.why
    assert (ending.progress.done, ending.progress.total, ending.progress.left) == (0, 1, 1)


@story
async def test_a_drain_that_the_first_failure_ended_goes_on_when_it_is_asked_for_again(tmp_path):
    world = cloud(hosts=3, routers=30)
    world.let_go_s = 1e9
    pool = await begun(world, tmp_path)
    ending = await pool.follow(await pool.drain("net1", stop_on_failure=True))
    assert ending.answer is Answer.NO
    assert ending.progress.halted
    assert ending.progress.left == 10
    world.let_go_s = 0.5
    again = await pool.drain("net1", stop_on_failure=True)
    assert STOP_ON_FAILURE in again.order != ending.goal.order
    assert (await pool.follow(again)).answer is Answer.YES


@story
async def test_vrrp_routers_are_left_to_vrrp_and_no_failure(tmp_path):
    world = cloud(hosts=3, routers=3)
    world.add_router(Router("vrrp", "vrrp", ha=True), networks=["network-0"], agent="l3-net1")
    pool = await begun(world, tmp_path)
    ending = await pool.follow(await pool.drain("net1"))
    assert ending.answer is Answer.YES
    assert [kept.name for kept in ending.progress.kept] == ["vrrp"]


@story
async def test_routers_that_no_other_agent_can_take_are_named_with_the_reason(tmp_path):
    world = cloud(hosts=2, routers=2)
    world.agents["l3-net2"].admin_up = False
    pool = await begun(world, tmp_path)
    ending = await pool.follow(await pool.drain("net1"))
    assert ending.answer is Answer.NO
    (kept,) = ending.stays
    assert kept.name == "router-0"
    assert "net2" in kept.why


@story
async def test_a_drained_node_that_dies_is_followed_until_its_routers_are_elsewhere(tmp_path):
    pool = await begun(cloud(hosts=3, routers=30), tmp_path)
    following = asyncio.create_task(pool.follow(await pool.drain("net1")))
    await pool.until(lambda: len(pool.moved()) >= 3)
    del pool.cluster.drains["net1"]  # of a node that is offline Pacemaker tells no attributes
    pool.power_off("net1")
    ending = await following
    assert ending.answer is Answer.YES
    assert carries(pool, "net1") == 0


@story
async def test_somebody_else_may_end_the_drain(tmp_path):
    pool = await begun(cloud(hosts=3, routers=60), tmp_path)
    following = asyncio.create_task(pool.follow(await pool.drain("net1")))
    await pool.until(lambda: len(pool.moved()) >= 3)
    await drain.end("net1", pool.marks)
    ending = await following
    assert ending.answer is Answer.NO
    assert ending.progress.taken_back


@story
async def test_the_last_live_node_is_drained_only_by_force(tmp_path):
    pool = await begun(cloud(hosts=2, routers=4), tmp_path)
    pool.power_off("net1")
    await pool.until(lambda: carries(pool, "net1") == 0)
    with pytest.raises(RefusedError, match="last live node"):
        await pool.drain("net2")
    assert pool.marks.set == []
    await pool.drain("net2", force=True)
    assert len(pool.marks.set) == 1


@story
async def test_a_node_that_may_be_dead_is_not_drained(tmp_path):
    pool = await begun(cloud(hosts=3, routers=3), tmp_path)
    pool.power_off("net1", fenced=False)
    await pool.until(lambda: pool.rescheduler.report(routers=False).burdens[0].standing == Standing.UNKNOWN)
    with pytest.raises(RefusedError, match="neither live nor proved dead"):
        await pool.drain("net1")


@story
async def test_a_rescheduler_that_has_seen_nothing_yet_says_so(tmp_path):
    pool = Operated(cloud(hosts=3, routers=3), tmp_path)

    def refuse(_method: str, _path: str) -> None:
        raise NotReachableError("connection refused")

    pool.session.before = refuse
    await pool.open()
    await pool.until(lambda: pool.rescheduler.report(routers=False).trouble == "connection refused")
    with pytest.raises(NotReachableError, match="not seen the routers yet: connection refused"):
        await pool.drain("net1")


@story
async def test_nobody_can_tell_when_the_rescheduler_does_not_come_back(tmp_path):
    pool = await begun(cloud(hosts=3, routers=30), tmp_path)
    following = asyncio.create_task(pool.follow(await pool.drain("net1")))
    await pool.until(lambda: len(pool.moved()) >= 3)
    await pool.die()
    died_s = virtual_time.now()
    ending = await following
    assert ending.answer is Answer.CANNOT_TELL
    assert abs(virtual_time.now() - died_s - LOST_MAX_S) < 10


@story
async def test_nobody_waits_for_ever_for_an_api_that_is_gone(tmp_path):
    pool = await begun(cloud(hosts=3, routers=30), tmp_path)

    def refuse(_method: str, _path: str) -> None:
        raise NotReachableError("connection refused")

    goal = await pool.drain("net1")
    pool.session.before = refuse
    began_s = virtual_time.now()
    ending = await pool.follow(goal)
    assert ending.answer is Answer.CANNOT_TELL
    assert virtual_time.now() - began_s < 2 * STILL_MAX_S


# --- what is asked for ------------------------------------------------------------------------------------------------


@story
async def test_a_rebalance_is_followed_to_its_end(tmp_path):
    pool = await begun(cloud(hosts=4, routers=40, bound=1), tmp_path)
    planned = await rearrange.rebalance(pool.dispatcher, only_plan=True)
    assert isinstance(planned, MovePlan)
    assert len(planned.moves) == 30
    goal = await rearrange.rebalance(pool.dispatcher, only_plan=False)
    assert isinstance(goal, Goal)
    ending = await pool.follow(goal)
    assert (ending.answer, ending.progress.done) == (Answer.YES, 30)
    nothing = await rearrange.rebalance(pool.dispatcher, only_plan=False)
    assert isinstance(nothing, Goal)
    assert (await pool.follow(nothing)).answer is Answer.YES


@story
async def test_a_takeover_names_what_cannot_be_moved(tmp_path):
    world = cloud(hosts=3, routers=9)
    world.add_router(Router("vrrp", "vrrp", ha=True), networks=["network-0"], agent="l3-net1")
    pool = await begun(world, tmp_path)
    goal = await rearrange.takeover(["router-0", "vrrp"], "net3", pool.dispatcher, only_plan=False)
    assert isinstance(goal, Goal)
    ending = await pool.follow(goal)
    assert (ending.answer, ending.progress.done) == (Answer.NO, 1)
    (kept,) = ending.stays
    assert kept.name == "vrrp"
    assert pool.agents_of("router-00000") == ("l3-net3",)
    assert not pool.rescheduler.report(routers=False).trouble, "what an operator may not do is no trouble of the pool"


@story
async def test_what_is_wrong_with_a_request_is_said_by_the_rescheduler(tmp_path):
    pool = await begun(cloud(hosts=3, routers=3), tmp_path)
    with pytest.raises(RefusedError, match="knows no router nothing"):
        await rearrange.takeover(["nothing"], "net3", pool.dispatcher, only_plan=False)


@story
async def test_a_rebalance_is_forgotten_by_the_next_rescheduler_and_that_is_said(tmp_path):
    pool = await begun(cloud(hosts=4, routers=40, bound=1), tmp_path)
    goal = await rearrange.rebalance(pool.dispatcher, only_plan=False)
    assert isinstance(goal, Goal)
    following = asyncio.create_task(pool.follow(goal))
    await pool.until(lambda: len(pool.moved()) >= 3)
    await pool.die()
    await pool.open(on="net2")
    ending = await following
    assert ending.answer is Answer.NO
    assert ending.progress.left > 0
    assert ending.stays == ()


@story
async def test_moves_to_a_node_that_dies_are_told_as_not_begun(tmp_path):
    pool = await begun(cloud(hosts=3, routers=60, bound=1), tmp_path)
    goal = await rearrange.takeover(
        [f"router-{number}" for number in range(20)], "net2", pool.dispatcher, only_plan=False
    )
    assert isinstance(goal, Goal)
    following = asyncio.create_task(pool.follow(goal))
    await pool.until(lambda: len(pool.moved()) >= 2)
    pool.power_off("net2")
    ending = await following
    assert ending.answer is Answer.NO
    assert any("not begun" in kept.why for kept in ending.stays)


@story
async def test_where_routers_are_is_told_with_the_loads(tmp_path):
    pool = await begun(cloud(hosts=3, routers=3), tmp_path)
    report = await pool.dispatcher.report(routers=True)
    assert [(router.name, router.host) for router in report.routers] == [
        ("router-0", "net1"),
        ("router-1", "net2"),
        ("router-2", "net3"),
    ]
    assert [(burden.node, burden.routers) for burden in report.burdens] == [("net1", 1), ("net2", 1), ("net3", 1)]
    assert (await pool.dispatcher.report(routers=False)).routers == ()
    assert report.answer is Answer.YES


@story
async def test_a_rescheduler_whose_socket_is_gone_is_told(tmp_path):
    pool = await begun(cloud(hosts=3, routers=3), tmp_path)
    await pool.die()
    with pytest.raises(NotReachableError, match="nobody answers"):
        await pool.dispatcher.report(routers=True)
