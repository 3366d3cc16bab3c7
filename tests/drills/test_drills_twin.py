"""Drills on a gateway whose spare keeps a twin, and what must never be heard of one."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hotspare.lab.cluster_file import GATEWAY
from lab_parts import Lab, eventually
from lab_twin import FRESH_S, MARKER, WITNESS, Twin, drilled, overhearing, silent, twinned

pytestmark = [
    pytest.mark.lab,
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),  # of openstacksdk, about itself
]

AGENTS = f"cat /run/hotspare/{GATEWAY}-*.pid"
TAKEOVERS = 10
IPV6_VM = "vm04"
"""Behind the first router that has IPv6: see lab/plan_of_routers.py."""


@pytest.fixture(scope="module")
def twin(lab: Lab) -> Iterator[Twin]:
    with twinned(lab) as made:
        yield made


@contextmanager
def cut(twin: Twin, node: str, *networks: str) -> Iterator[None]:
    """The node's cables to these networks are cut, and healed afterwards."""
    try:
        for network in networks:
            twin.lab.lab("cut", node, network)
        yield
    finally:
        for network in networks:
            twin.lab.lab("heal", node, network)


def all_well(twin: Twin, carrier: str, spare: str) -> None:
    """Every router is served, by this node alone and with its agents, and the other one has a fresh and silent twin.

    Sooner told than by `Twin.fresh`: what a monitor in depth said meanwhile stands for a minute.
    """
    twin.served_by(carrier, with_agents=True)
    eventually(lambda: twin.is_fresh(spare), within_s=FRESH_S, what=f"{spare} has a fresh twin")
    assert silent(twin, spare)


def fenced(twin: Twin, node: str) -> None:
    """The cluster has proved the node off, and does not do so later, when it has its power again."""
    eventually(lambda: twin.is_fenced(node), within_s=120, what=f"{node} is fenced")


def back(twin: Twin, node: str, *, carrier: str) -> None:
    """A node that was fenced has its power again, and keeps a twin."""
    twin.lab.lab("power", node, "on")
    all_well(twin, carrier, node)


def test_the_twin_of_a_node_that_loses_its_power_forwards_and_connections_live_on(twin, tmp_path):
    carrier, spare = twin.carrier(), twin.spare()
    report = drilled(twin, tmp_path, "poweroff")
    assert (report["node"], report["carrier"]) == (carrier, spare)
    assert {one["kept"] for one in report["tcp"]} == {"yes"}, report["tcp"]
    eventually(
        lambda: twin.adopted(spare) == twin.routers().keys(),
        within_s=FRESH_S,
        what="the L3 agent has come to every router",
    )
    before, after = twin.proxies_around_l3(spare)
    assert (before, after) == (len(twin.routers()), 0), "the agent has haproxies of its own, or has lost some"


def test_a_stager_that_is_killed_costs_no_router_and_is_back_with_a_fresh_twin(twin):
    carrier, spare = twin.carrier(), twin.spare()
    before = twin.lab.ssh(carrier, AGENTS)
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
    assert twin.lab.ssh(carrier, AGENTS) == before


def test_prometheus_hears_who_carries_and_how_old_the_twin_is(twin):
    twin.fresh()
    families = text_string_to_metric_families(twin.lab.hotspare("metrics"))
    told = {(sample.name, sample.labels.get("node")): sample.value for family in families for sample in family.samples}
    carrier, spare = twin.carrier(), twin.spare()
    assert (told["hotspare_gateway_carrier", carrier], told["hotspare_gateway_carrier", spare]) == (1, 0)
    assert 0 <= told["hotspare_twin_age_seconds", spare] < 60
    assert told["hotspare_twin_routers", spare] == told["hotspare_gateway_routers_served", None] > 0


def test_a_spare_that_loses_its_power_says_nothing_when_it_boots(twin):
    spare = twin.spare()
    with overhearing(twin.lab, spare) as heard:
        twin.lab.lab("power", spare, "off")
        fenced(twin, spare)
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


@pytest.mark.long
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


def test_a_takeover_tells_of_every_ipv6_address_three_times_and_vms_go_on_reaching_them(twin):
    carrier, spare = twin.carrier(), twin.spare()
    expected = twin.ipv6(carrier)
    links = {address for address in expected if address.startswith("fe80:")}
    assert links, "a router of the lab has IPv6"
    assert expected - links
    with overhearing(twin.lab, carrier, spare) as heard:
        twin.lab.hotspare("takeover", GATEWAY, "--to", spare)
    for address in expected:
        told = heard.advertisements(address)
        assert {node for _, node in told} == {spare}, told
        first_s, second_s, third_s = (at_s for at_s, _ in told)
        assert second_s - first_s > 0.9
        assert third_s - first_s > 2.9
    vm = f"ip netns exec {IPV6_VM}"
    hop = twin.lab.ssh("cmp1", f"{vm} ip -6 route show default | grep -o 'via [^ ]* dev [^ ]*'").split()
    assert hop[1] in links
    for target in (*(expected - links), f"{hop[1]}%{hop[3]}"):
        reached = f"{vm} ping -q -6 -c 1 -W 1 {target} >/dev/null && echo yes || :"
        eventually(lambda asked=reached: twin.lab.ssh("cmp1", asked) != "", within_s=30, what=f"{target} answers")


def test_a_carrier_without_its_public_or_its_tenant_network_keeps_the_gateway_and_says_of_the_first(twin):
    """Another node may be no better off, and no restart would bring an uplink back: that is told, and is no failure."""
    carrier, spare = twin.standing()
    before = twin.lab.ssh(carrier, AGENTS)
    uplink_is_missed = lambda: "does not answer" in str(twin.lines())  # noqa: E731
    with overhearing(twin.lab, spare) as heard:
        with cut(twin, carrier, "public"):
            eventually(uplink_is_missed, within_s=120, what="the monitor tells of its uplink")
            assert twin.promoted() == [carrier]
        with cut(twin, carrier, "tenant"):
            # The monitor that has found the uplink well again has run without the tenant network.
            eventually(lambda: not uplink_is_missed(), within_s=120, what="the monitor has looked again")
            assert twin.promoted() == [carrier]
        all_well(twin, carrier, spare)
    assert not heard.frames
    assert twin.lab.ssh(carrier, AGENTS) == before


@pytest.mark.parametrize("network", ["mgmt", "ring2"])
def test_a_carrier_that_loses_one_ring_loses_nothing_and_its_twin_follows_on_the_other(twin, network):
    carrier, spare = twin.standing()
    before = twin.lab.ssh(carrier, AGENTS)
    other = str(twin.lab.layout.machine(carrier).address("ring2" if network == "mgmt" else "mgmt"))
    reached_by = lambda: str(twin.state(spare).get("peers", {}).get(carrier))  # noqa: E731
    with overhearing(twin.lab, spare) as heard:
        with cut(twin, carrier, network):
            links = lambda: twin.lab.ssh(WITNESS, "corosync-cfgtool -s")  # noqa: E731
            eventually(lambda: "disconnected" in links(), within_s=60, what="Corosync misses a link")
            eventually(lambda: reached_by().startswith(other), within_s=60, what=lambda: f"by {other}: {reached_by()}")
            twin.served_by(carrier)
        all_well(twin, carrier, spare)
    assert not heard.frames
    assert twin.lab.ssh(carrier, AGENTS) == before


@pytest.mark.long
def test_a_carrier_that_loses_both_rings_is_fenced_and_its_twin_takes_over(twin):
    old, new = twin.standing()
    with overhearing(twin.lab, old, new) as heard:
        twin.served_by(old)  # it has to be heard before: an idle router may say nothing for seconds
        with cut(twin, old, "ring2", "mgmt"):
            twin.served_by(new)
            fenced(twin, old)
        back(twin, old, carrier=new)
    assert heard.turns() == [old, new]


@pytest.mark.long
def test_a_node_that_dies_while_it_is_promoted_leaves_all_routers_to_the_one_that_gave_them_up(twin):
    old, new = twin.standing()
    with overhearing(twin.lab, old, new) as heard:
        twin.standby(old)
        try:
            twin.lab.ssh(new, f"until grep -qx -e promoting -e promoted {MARKER}; do :; done", timeout_s=60)
            twin.lab.lab("power", new, "off")
            assert not twin.has_started_l3(new), "the power was cut too late: the agents had adopted the routers"
        finally:
            twin.online(old)
        twin.served_by(old)
        fenced(twin, new)
        back(twin, new, carrier=old)
    assert heard.turns() in ([old], [old, new, old])


@pytest.mark.long
def test_a_node_that_dies_while_it_is_demoted_leaves_all_routers_to_its_twin(twin):
    """Its stager hangs, so that the demotion takes long enough to be met."""
    old, new = twin.standing()
    with overhearing(twin.lab, old, new) as heard:
        twin.served_by(old)
        twin.lab.ssh(old, f"kill -STOP {twin.stager_pid(old)}")
        twin.standby(old)
        try:
            twin.lab.ssh(old, "until pgrep -f 'hotspare/[g]ateway demote' >/dev/null; do :; done", timeout_s=60)
            twin.lab.lab("power", old, "off")
            assert twin.promoted() != [new]
        finally:
            twin.online(old)
        twin.served_by(new)
        fenced(twin, old)
        back(twin, old, carrier=new)
    assert heard.turns() == [old, new]


@pytest.mark.long
def test_ten_takeovers_in_a_row_lose_no_router_and_never_have_two_nodes_speak(twin):
    nodes = twin.standing()
    begun = twin.lab.ssh(WITNESS, "date +%s").strip()
    with overhearing(twin.lab, *nodes) as heard:
        twin.served_by(nodes[0])
        for turn in range(TAKEOVERS):
            old, new = nodes[turn % 2], nodes[1 - turn % 2]
            twin.standby(old)
            try:
                twin.served_by(new)
            finally:
                twin.online(old)
            eventually(lambda old=old: twin.is_fresh(old), within_s=120, what=f"{old} has a fresh twin")
        all_well(twin, nodes[TAKEOVERS % 2], nodes[1 - TAKEOVERS % 2])
    assert heard.turns() == [nodes[turn % 2] for turn in range(TAKEOVERS + 1)]
    said = [twin.lab.ssh(node, f"journalctl -q -o cat --since @{begun} -t hotspare-stager") for node in nodes]
    promotions = [line for text in said for line in text.splitlines() if "event=twin.promoted" in line]
    assert len(promotions) == TAKEOVERS, said
    assert all(" cold=0 " in line for line in promotions), promotions


@pytest.mark.long
def test_takeovers_over_and_back_lose_nothing(twin, tmp_path):
    """At the end: by now Open vSwitch was restarted and an agent at work under the twins."""
    carriers = [drilled(twin, tmp_path / str(turn), "standby")["carrier"] for turn in range(2)]
    assert carriers[0] != carriers[1]
