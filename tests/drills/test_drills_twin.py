"""Drills on a gateway whose spare keeps a twin, and what must never be heard of one."""

import json
from collections.abc import Iterator
from contextlib import suppress

import pytest

from hotspare.lab.cluster_file import GATEWAY
from lab_parts import Lab, eventually
from lab_twin import Twin, drilled, overhearing, silent, twinned

pytestmark = [
    pytest.mark.lab,
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),  # of openstacksdk, about itself
]


@pytest.fixture(scope="module")
def twin(lab: Lab) -> Iterator[Twin]:
    with twinned(lab) as made:
        yield made


def test_the_twin_of_a_node_that_loses_its_power_forwards_and_connections_live_on(twin, tmp_path):
    carrier = twin.carrier()
    report = drilled(twin, tmp_path, "poweroff")
    assert report["node"] == carrier != report["carrier"]
    assert {one["kept"] for one in report["tcp"]} == {"yes"}, report["tcp"]


def test_a_stager_that_is_killed_costs_no_router_and_is_back_with_a_fresh_twin(twin):
    carrier, spare = twin.carrier(), twin.spare()
    agents = f"cat /run/hotspare/{GATEWAY}-*.pid"
    before = twin.lab.ssh(carrier, agents)
    with overhearing(twin.lab, spare) as heard:
        for node in (spare, carrier):
            dead = twin.stager_pid(node)
            twin.kill_stager(node)
            eventually(
                lambda node=node, dead=dead: twin.stager_pid(node) not in ("", dead), within_s=60, what="a new stager"
            )
        twin.fresh()
    assert not heard.frames
    assert twin.carrier() == carrier
    assert twin.lab.ssh(carrier, agents) == before


def test_a_spare_that_loses_its_power_says_nothing_when_it_boots(twin):
    spare = twin.spare()
    with overhearing(twin.lab, spare) as heard:
        twin.lab.lab("power", spare, "off")
        eventually(lambda: twin.is_fenced(spare), within_s=120, what=f"{spare} is fenced, that it is not later")
        twin.lab.lab("power", spare, "on")
        twin.fresh()
        assert silent(twin, spare)
    assert not heard.frames


@pytest.mark.parametrize("end", ["kill -9", "kill"])
def test_a_spare_whose_switch_is_restarted_says_nothing(twin, end):
    spare = twin.spare()
    with overhearing(twin.lab, spare) as heard:
        twin.lab.ssh(spare, f"{end} $(cat /run/openvswitch/ovs-vswitchd.pid); systemctl restart ovs-vswitchd")
        twin.fresh()
        assert silent(twin, spare)
    assert not heard.frames


def test_an_agent_that_somebody_starts_on_a_spare_lets_nothing_go(twin):
    spare = twin.spare()
    with overhearing(twin.lab, spare) as heard:
        twin.lab.ssh(spare, "systemctl start neutron-openvswitch-agent")
        try:
            ready = "ovs-vsctl get-controller br-int | grep -q 6633 && ss -lnt | grep -q 6633 && echo yes || :"
            eventually(lambda: twin.lab.ssh(spare, ready) != "", within_s=90, what="the agent is at work")
            for _look in range(10):
                assert silent(twin, spare)
        finally:
            with suppress(AssertionError):
                twin.lab.ssh(
                    spare,
                    "systemctl kill -s KILL neutron-openvswitch-agent; systemctl stop -f neutron-openvswitch-agent",
                )
        twin.fresh()
    assert not heard.frames


def test_a_takeover_over_and_back_serves_every_router_and_leaves_nothing_behind(twin):
    for _turn in range(2):
        twin.fresh()
        carrier, spare = twin.carrier(), twin.spare()
        planned = json.loads(twin.lab.hotspare("takeover", GATEWAY, "--to", spare, "--plan", "--json"))
        assert (planned["from"], planned["to"], planned["only_by_force"]) == (carrier, spare, [])
        taken = json.loads(twin.lab.hotspare("takeover", GATEWAY, "--to", spare, "--json"))
        assert taken["taken_over"] == "yes"
        assert taken["promoted_s"] <= taken["agents_run_s"]
        with overhearing(twin.lab, carrier) as heard:
            assert "takeover" not in twin.lab.ssh(carrier, "cibadmin --query --scope constraints")
            assert "nothing to do" in twin.lab.hotspare("takeover", GATEWAY, "--to", spare)
            twin.fresh()
            assert silent(twin, carrier)
        assert not heard.frames
        assert twin.carrier() == spare


def test_takeovers_over_and_back_lose_nothing(twin, tmp_path):
    """At the end: by now Open vSwitch was restarted and an agent at work under the twins."""
    carriers = [drilled(twin, tmp_path / str(turn), "standby")["carrier"] for turn in range(2)]
    assert carriers[0] != carriers[1]
