"""The stager: from the data plane of the carrier to the twins of the spares, and through takeovers. In virtual time."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from stager_world import Machine
from twin_node import GATEWAY, NORMAL, is_twin, router

import virtual_time
from hotspare.codec.twin_frames import Frame
from hotspare.flows.stage.carrier import LOOKS_SHARE, NEIGHBOURS_EVERY_S
from hotspare.flows.stage.node import FLOWS_EVERY_S
from hotspare.flows.stage.payload import Payload
from hotspare.flows.stage.spare import COMPARE_S
from hotspare.flows.stage.stager import REPEATS_S
from hotspare.model.dataplane import DROP_PARKED, Neighbour
from hotspare.model.errors import RefusedError, TimedOutError
from hotspare.model.stager import Role
from hotspare.model.staging import AddNamespace, SeenPlug
from hotspare.plan.twin.freshness import Score

ONE, TWO, THREE = router("r1", "qr-a", "qg-b"), router("r2", "qr-c", "qg-d"), router("r3", "qr-e")


def story(told: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test in virtual time."""

    @functools.wraps(told)
    def test(*arguments: object, **named: object) -> None:
        virtual_time.run(told(*arguments, **named))

    return test


def machines() -> tuple[Machine, Machine]:
    """net1 carries the gateway with two routers; net2 is a spare, freshly booted."""
    air = {}
    net1, net2 = Machine("net1", air), Machine("net2", air)
    net1.node.flows = {"br-int": frozenset([NORMAL, DROP_PARKED]), "br-ex": frozenset([NORMAL])}
    for made in (ONE, TWO):
        net1.agents_make(made)
    net1.node.carried = GATEWAY
    net1.begin(Role.CARRIER)
    net2.begin()
    return net1, net2


async def until(true: Callable[[], bool], *, within_s: float) -> None:
    end_s = virtual_time.now() + within_s
    while not true():
        assert virtual_time.now() < end_s
        await asyncio.sleep(0.05)


def has_twins(machine: Machine, *routers) -> bool:
    return {one.namespace for one in routers} == machine.node.namespaces.keys() and all(
        one.plugs.keys() <= machine.node.plugs.keys()
        and all(name in machine.node.devices for name in one.devices)
        and is_twin(machine.node, one)
        for one in routers
    )


async def fresh(machine: Machine) -> None:
    await until(lambda: machine.stager.state().score == Score.FRESH, within_s=30)


async def widowed() -> Machine:
    """A spare with a fresh twin, whose carrier sees no instruction any more."""
    net1, net2 = machines()
    await fresh(net2)
    await net1.kill()
    return net2


@story
async def test_a_spare_has_a_silent_twin_of_every_router_and_knows_that_it_is_fresh():
    _net1, net2 = machines()
    assert net2.stager.state().score == Score.COLD
    await fresh(net2)
    assert has_twins(net2, ONE, TWO)
    assert not net2.node.live()
    state = net2.stager.state()
    assert (state.routers, state.cold, state.trouble) == (2, {}, "")


@story
async def test_what_changes_on_the_carrier_is_in_the_twin_within_two_seconds():
    net1, net2 = machines()
    await fresh(net2)
    net1.agents_make(THREE)
    await until(lambda: has_twins(net2, ONE, TWO, THREE), within_s=2)
    net1.agents_remove(ONE)
    await until(lambda: has_twins(net2, TWO, THREE), within_s=2)
    changed = router("r2", "qr-c", "qg-d", last=2)
    net1.agents_make(changed)
    await until(lambda: has_twins(net2, changed, THREE), within_s=2)


@story
async def test_a_twin_of_a_carrier_that_changes_all_the_time_is_as_old_as_it_is_and_no_cold_one():
    """A router that comes while another one is staged is no reason to know nothing any more of those that there are."""
    net1, net2 = machines()
    await fresh(net2)
    ages = []
    for number in range(100):
        (net1.agents_make if number % 2 == 0 else net1.agents_remove)(THREE)
        for _ in range(7):
            await asyncio.sleep(0.01)
            ages.append(net2.stager.state().equal_s)
    assert None not in ages
    await until(lambda: has_twins(net2, ONE, TWO), within_s=2)


@story
async def test_agents_that_change_their_node_all_the_time_have_most_of_it_to_themselves():
    net1, net2 = machines()
    await fresh(net2)
    net1.switch.look_takes_s = 0.15
    for machine in (net1, net2):
        machine.switch.looks.clear()
    begun_s = virtual_time.now()
    while virtual_time.now() < begun_s + 30:
        net1.agents_make(THREE)
        await asyncio.sleep(0.02)
        net1.agents_remove(THREE)
        await asyncio.sleep(0.02)
    assert len(net1.switch.looks) * net1.switch.look_takes_s < 30 * LOOKS_SHARE + 1
    for machine in (net1, net2):
        assert machine.switch.looks.count(True) <= 30 / FLOWS_EVERY_S + 2
    net1.agents_make(THREE)
    net1.node.flows["br-int"] |= {"dl_vlan=7 actions=NORMAL"}
    await until(lambda: has_twins(net2, ONE, TWO, THREE), within_s=2)
    await until(lambda: net2.node.flows["br-int"] == net1.node.flows["br-int"], within_s=4)


@story
async def test_flows_that_come_after_the_ports_are_in_the_twin_too():
    net1, net2 = machines()
    await fresh(net2)
    net1.agents_make(THREE)
    await asyncio.sleep(0.5)
    net1.node.flows["br-int"] |= {"dl_vlan=7 actions=NORMAL"}
    await until(lambda: net2.node.flows["br-int"] == net1.node.flows["br-int"], within_s=3)


@story
async def test_a_spare_whose_carrier_has_died_forwards_for_it_and_says_so_three_times():
    net2 = await widowed()
    await asyncio.sleep(20)
    begun_s = virtual_time.now()
    promoted = await net2.stager.promote(within_s=10)
    assert (promoted.warm, promoted.cold) == (2, {})
    assert net2.node.live() == {"qr-a", "qg-b", "qr-c", "qg-d"}
    net2.node.carried = GATEWAY
    await asyncio.sleep(5)
    at_s = [round(when_s - begun_s) for when_s, _ in net2.announcer.said]
    assert at_s == [0, 1, 3]
    assert {addresses for _, addresses in net2.announcer.said} == {
        frozenset(address.cidr.partition("/")[0] for one in (ONE, TWO) for device in one.devices.values()
                  for address in device.addresses)
    }  # fmt: skip
    assert net2.node.live() == {"qr-a", "qg-b", "qr-c", "qg-d"}
    assert net2.stager.state().score == Score.CARRIES


@story
async def test_a_spare_knows_its_routers_neighbours_when_it_is_promoted_also_one_that_came_later():
    net1, net2 = machines()
    vm = {ONE.namespace: frozenset([Neighbour("qr-a", "10.0.0.5", "fa:16:3e:00:00:55")])}
    net1.namespaces.known |= vm
    await fresh(net2)
    await asyncio.sleep(2 * NEIGHBOURS_EVERY_S)
    assert net2.namespaces.known == vm
    await net2.kill()
    net2.namespaces.known.clear()
    net2.begin()
    await fresh(net2)
    await net1.kill()
    await net2.stager.promote(within_s=10)
    assert net2.namespaces.known == vm


@story
async def test_a_parked_router_knows_whom_the_carriers_knows_and_nobody_else():
    net1, net2 = machines()
    first, second = (Neighbour("qr-a", f"10.0.0.{n}", "fa:16:3e:00:00:55") for n in (5, 6))
    net1.namespaces.known[ONE.namespace] = frozenset([first])
    await fresh(net2)
    await asyncio.sleep(2 * NEIGHBOURS_EVERY_S)
    net2.namespaces.known.clear()
    await asyncio.sleep(COMPARE_S + 5)
    assert net2.namespaces.known == {ONE.namespace: frozenset([first])}, "whatever took it away"
    net1.namespaces.known[ONE.namespace] = frozenset([second])
    await asyncio.sleep(2 * NEIGHBOURS_EVERY_S)
    assert net2.namespaces.known == {ONE.namespace: frozenset([second])}
    assert net2.namespaces.kept[ONE.namespace]
    told_of = net2.namespaces.told_of
    await net1.kill()
    await net2.stager.promote(within_s=10)
    assert net2.namespaces.told_of == told_of, "a promotion has nothing left to tell"
    await asyncio.sleep(10)
    assert not net2.namespaces.kept[ONE.namespace], "what it has no use for it may forget"


@story
async def test_all_is_worked_out_before_a_promotion_once_for_what_is_wanted_and_there():
    net1, net2 = machines()
    await fresh(net2)
    await asyncio.sleep(10)
    assert net2.announcer.prepared == 1
    net1.agents_make(THREE)
    await asyncio.sleep(10)
    assert net2.announcer.prepared == 2
    await net1.kill()
    assert (await net2.stager.promote(within_s=10)).warm == 3
    assert net2.announcer.prepared == 2


@story
async def test_what_was_worked_out_before_does_not_count_where_the_node_is_another_by_now():
    net1, net2 = machines()
    await fresh(net2)
    await asyncio.sleep(10)
    await net1.kill()
    del net2.node.plugs["qr-a"]
    promoted = await net2.stager.promote(within_s=10)
    assert (promoted.warm, list(promoted.cold)) == (1, ["r1"])
    assert net2.node.live() == {"qr-c", "qg-d"}


@story
async def test_a_node_that_is_demoted_says_no_more_where_its_addresses_are():
    net2 = await widowed()
    net2.announcer.takes_s = 0.5
    await net2.stager.promote(within_s=10)
    await asyncio.sleep(1.2)  # it is saying it again
    await net2.stager.demote(within_s=10)
    said = len(net2.announcer.said)
    await asyncio.sleep(10)
    assert len(net2.announcer.said) == said


@story
async def test_what_serves_routers_is_run_when_all_has_been_said_and_not_where_it_is_parked():
    net1, net2 = machines()
    await fresh(net2)
    await net1.kill()
    begun_s = virtual_time.now()
    await net2.stager.promote(within_s=10)
    await asyncio.sleep(10)
    assert [router for _, router in net2.helpers.run_at] == ["r1", "r2"]
    assert all(at_s - begun_s > REPEATS_S[-1] for at_s, _ in net2.helpers.run_at)
    assert net1.helpers.run_at == []


@story
async def test_what_cannot_be_run_is_told_and_the_rest_runs():
    net2 = await widowed()
    net2.helpers.refused = {"r1"}
    await net2.stager.promote(within_s=10)
    await until(lambda: "twin.served" in net2.told, within_s=10)
    assert [router for _, router in net2.helpers.run_at] == ["r2"]
    assert net2.told.count("twin.not_served") == 1


@story
async def test_a_node_that_is_demoted_runs_nothing_more_for_its_routers():
    net2 = await widowed()
    net2.helpers.takes_s = 2.0
    await net2.stager.promote(within_s=10)
    await asyncio.sleep(REPEATS_S[-1] + 3.0)  # it is at the second of the two
    await net2.stager.demote(within_s=10)
    await asyncio.sleep(10)
    assert [router for _, router in net2.helpers.run_at] == ["r1"]


@story
async def test_what_the_carrier_had_removed_is_not_let_go():
    net1, net2 = machines()
    await fresh(net2)
    net1.agents_remove(ONE)
    await asyncio.sleep(0.3)  # told, but not all of it done yet on the spare
    await net1.kill()
    assert (await net2.stager.promote(within_s=10)).warm == 1
    assert net2.node.live() == {"qr-c", "qg-d"}
    assert net2.node.namespaces.keys() == {TWO.namespace}


@story
async def test_a_spare_that_never_heard_of_a_carrier_refuses_and_changes_nothing():
    net2 = Machine("net2", {}).begin()
    await asyncio.sleep(1)
    with pytest.raises(RefusedError, match="not been heard"):
        await net2.stager.promote(within_s=10)
    state = net2.stager.state()
    assert (state.role, state.twin, state.trouble) == (Role.SPARE, "none", ""), "it has only just begun"
    await asyncio.sleep(30)
    assert "no peer says that it carries" in net2.stager.state().trouble


@story
async def test_a_stager_that_was_killed_knows_the_last_word_of_a_carrier_that_is_dead():
    net1, net2 = machines()
    await fresh(net2)
    await asyncio.sleep(2)
    await net2.kill()
    await net1.kill()
    again = Machine("net2", net2.air, net2.node, net2.record).begin()
    await asyncio.sleep(1)
    assert (await again.stager.promote(within_s=10)).warm == 2
    assert again.node.live() == {"qr-a", "qg-b", "qr-c", "qg-d"}


@story
async def test_takeovers_over_and_back_lose_nothing_and_nothing_forwards_twice():
    net1, net2 = machines()
    for _turn in range(5):
        for source, target in ((net1, net2), (net2, net1)):
            await fresh(target)
            await source.stager.demote(within_s=10)
            source.node.carried = ""
            assert not source.node.live()
            await target.stager.promote(within_s=10)
            target.node.carried = GATEWAY
            assert target.node.live() == {"qr-a", "qg-b", "qr-c", "qg-d"}
            await until(lambda source=source: has_twins(source, ONE, TWO), within_s=10)


@story
async def test_what_a_node_has_carried_until_now_is_a_fresh_twin_however_long_it_carried():
    net1, net2 = machines()
    await fresh(net2)
    await net1.stager.demote(within_s=10)
    net1.node.carried = ""
    await net2.stager.promote(within_s=10)
    net2.node.carried = GATEWAY
    await asyncio.sleep(1000)
    net2.node.carried = ""
    await net2.stager.demote(within_s=10)
    state = net2.stager.state()
    assert (state.score, state.equal_s, state.trouble) == (Score.FRESH, 0.0, "")
    await asyncio.sleep(100)
    assert net2.stager.state().score < Score.FRESH, "nobody carries it meanwhile"


@story
async def test_what_somebody_lets_go_on_a_spare_is_parked_again_at_once():
    _net1, net2 = machines()
    await fresh(net2)
    seen = net2.node.plugs["qr-a"]
    net2.node.plugs["qr-a"] = SeenPlug(seen.plug, parked=False, hidden=False, owner=GATEWAY)
    net2._changed(ONE)
    await until(lambda: not net2.node.live(), within_s=0.5)
    await until(lambda: has_twins(net2, ONE, TWO), within_s=2)


@pytest.mark.parametrize("life_s", [0.02 * number for number in range(1, 30)])
@story
async def test_a_stager_killed_at_any_moment_leaves_silence_and_the_next_one_finishes(life_s):
    net1, net2 = machines()
    await asyncio.sleep(life_s)
    await net2.kill()
    assert not net2.node.live()
    again = Machine("net2", net2.air, net2.node, net2.record).begin()
    await until(lambda: has_twins(again, ONE, TWO), within_s=10)
    assert net1.node.live()


@story
async def test_a_switch_that_hangs_is_told_and_staging_goes_on_when_it_answers():
    _net1, net2 = machines()
    net2.switch.hangs = True
    await asyncio.sleep(40)
    assert "does not answer" in net2.stager.state().trouble
    with pytest.raises((TimedOutError, RefusedError)):
        await net2.stager.promote(within_s=10)
    net2.switch.hangs = False
    await fresh(net2)
    assert has_twins(net2, ONE, TWO)


@story
async def test_a_promotion_that_fails_leaves_the_spare_at_its_work():
    net2 = await widowed()
    net2.switch.hangs = True
    with pytest.raises(TimedOutError):
        await net2.stager.promote(within_s=10)
    net2.switch.hangs = False
    assert (await net2.stager.promote(within_s=10)).warm == 2


@story
async def test_where_another_gateway_is_carried_there_is_no_twin_until_it_is_gone():
    _net1, net2 = machines()
    await fresh(net2)
    net2.node.carried = "other"
    await net2.stager.drop(within_s=10)
    assert not net2.node.namespaces
    await asyncio.sleep(10)
    assert not net2.node.namespaces
    assert net2.stager.state().score < Score.FRESH
    net2.node.carried = ""
    await until(lambda: has_twins(net2, ONE, TWO), within_s=10)


@story
async def test_a_router_that_went_to_another_gateway_is_that_ones_as_soon_as_its_twin_is_gone():
    net1, net2 = machines()
    await fresh(net2)
    net1.agents_remove(TWO)
    await until(lambda: has_twins(net2, ONE), within_s=10)
    net2.node.carry_out([AddNamespace(TWO.namespace)])
    net2.namespaces.changed.tell(frozenset([TWO.namespace]))
    await asyncio.sleep(COMPARE_S + 10)
    assert TWO.namespace in net2.node.namespaces


@story
async def test_a_spare_that_is_retired_ends_when_its_twin_is_gone_and_a_carrier_is_not_retired():
    net1, net2 = machines()
    await fresh(net2)
    net2.stager.retire()
    going = net2.stager.state()
    assert (going.twin, going.equal_s, going.trouble) == ("none", None, "the twin is none: it is taken away")
    await until(net2.running.done, within_s=30)
    assert not net2.node.namespaces
    assert not net2.node.plugs
    with pytest.raises(RefusedError, match="carries"):
        net1.stager.retire()


@story
async def test_a_twin_that_cannot_be_taken_away_is_told_and_its_stager_ends_all_the_same():
    _net1, net2 = machines()
    await fresh(net2)
    net2.switch.hangs = True
    net2.stager.retire()
    await until(net2.running.done, within_s=120)
    assert "twin.left" in net2.told


@story
async def test_a_spare_that_lost_a_change_is_not_fresh_and_finds_the_thread_again():
    net1, net2 = machines()
    await fresh(net2)
    net2.wire.hear("net1", Frame(Payload.CHANGE, b"rubbish"))
    net1.agents_make(THREE)
    await until(lambda: net2.stager.state().score < Score.FRESH, within_s=40)
    assert "twin.not_understood" in net2.told
    await until(lambda: has_twins(net2, ONE, TWO, THREE), within_s=90)
    await fresh(net2)
