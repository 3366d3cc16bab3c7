"""The status screen: what is well, what is wrong, what cannot be told."""

import dataclasses
import json

import pytest
from drill_history import AGENTS, GATEWAY, ROUTERS, carrying, spare
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from hotspare.faces.report import screen
from hotspare.model.answer import Answer
from hotspare.model.cluster import ClusterStatus, FailedAction, Fenced, FenceEvent, NodeState, Resource, Role
from hotspare.model.status import AgentReport
from hotspare.plan.seen import Seen
from hotspare.plan.status import Wanted, view

NODES = ("net1", "net2", "net3")
WANTED = Wanted(
    "edge",
    NODES,
    fenced=True,
    fenced_nodes=NODES,
    vips=("failover",),
    gateways={GATEWAY: ("net1", "net2")},
    resources=(),
)


def node(name: str, **changes: object) -> NodeState:
    whole = NodeState(
        name=name, id=name[-1], online=True, unclean=False, standby=False, maintenance=False, pending=False,
        shutdown=False, is_dc=name == "net3", resources_running=1,
    )  # fmt: skip
    return dataclasses.replace(whole, **changes)


def resource(name: str, agent: str, on: str, role: Role = Role.STARTED, **changes: object) -> Resource:
    whole = Resource(
        id=name, agent=agent, role=role, target_role=None, active=True, failed=False, blocked=False, managed=True,
        orphaned=False, pending=None, nodes=(on,), clone=None, group=None,
    )  # fmt: skip
    return dataclasses.replace(whole, **changes)


def cluster(**changes: object) -> ClusterStatus:
    whole = ClusterStatus(
        pacemaker="2.1.5",
        dc="net3",
        quorate=True,
        fencing_enabled=True,
        maintenance=False,
        no_quorum_policy="stop",
        last_change="",
        nodes=tuple(node(name) for name in NODES),
        resources=(
            *(resource(f"fence-{name}", "stonith:fence_ipmilan", "net3") for name in NODES),
            resource("failover", "ocf:heartbeat:IPaddr2", "net1"),
            resource(GATEWAY, "ocf:hotspare:gateway", "net2", Role.PROMOTED),
            resource(GATEWAY, "ocf:hotspare:gateway", "net1", Role.UNPROMOTED),
            *(resource(agent, "ocf:openstack:x", "net2") for agent in AGENTS),
        ),
        failures=(),
        degraded=(),
        fail_counts=(),
        fencings=(FenceEvent("net1", "off", Fenced.SUCCESS, "net2", "pacemaker-controld.1", "net2", "10:00", ""),),
        bans=(),
    )
    return dataclasses.replace(whole, **changes)


def seen(**changes: object) -> Seen:
    whole = Seen(
        at_s=1000.0,
        asked="net3",
        status=cluster(),
        nodes={"net1": spare("net1"), "net2": carrying("net2")},
        routers={GATEWAY: ROUTERS},
        agents={GATEWAY: (AgentReport("L3 agent", GATEWAY, alive=True, admin_up=True, heartbeat="10:00"),)},
    )
    return dataclasses.replace(whole, **changes)


def line(found, name):
    return next(one for one in found.lines if one.name == name)


def test_all_is_well():
    found = view(WANTED, seen())
    assert found.answer is Answer.YES
    assert {one.answer for one in found.lines} == {Answer.YES}
    assert line(found, "routers").text == "3 of 3 served"
    assert next(one for one in found.nodes if one.name == "net2").carries == (GATEWAY,)


@pytest.mark.parametrize(
    ("action", "status", "delegate", "told"),
    [
        ("reboot", Fenced.SUCCESS, "net3", "net1 fenced (off) by net3 10:00"),
        ("off", Fenced.SUCCESS, "net3", "net1 fenced (off) by net3 10:00"),
        ("on", Fenced.SUCCESS, "net3", "net1 powered on by net3 10:00"),
        ("reboot", Fenced.FAILED, None, "fencing of net1 (off) failed 10:00"),
    ],
)
def test_what_fencing_did_is_told_not_what_was_wished_for(
    action: str, status: Fenced, delegate: str | None, told: str
) -> None:
    event = FenceEvent("net1", action, status, delegate, "", "net2", "10:00", "")
    wanted = dataclasses.replace(WANTED, reboot_actions={"net1": "off", "net2": "reboot"})
    text = line(view(wanted, seen(status=cluster(fencings=(event,)))), "fencing").text
    assert text == f"armed, 3 of 3 devices run, last: {told}"


@pytest.mark.parametrize("target", ["net2", "net9"])
def test_a_node_that_is_rebooted_or_that_the_file_does_not_know_was_fenced_as_pacemaker_says(target: str) -> None:
    event = FenceEvent(target, "reboot", Fenced.SUCCESS, "net3", "", "net2", None, "")
    wanted = dataclasses.replace(WANTED, reboot_actions={"net1": "off", "net2": "reboot"})
    assert line(view(wanted, seen(status=cluster(fencings=(event,)))), "fencing").text.endswith(
        f"last: {target} fenced (reboot) by net3"
    )


TROUBLED = (node("net1", attributes={f"hotspare-trouble-{GATEWAY}": "the twin is stale"}), node("net2"), node("net3"))
"""As the gateway's resource agent tells it there."""


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"quorate": False}, "quorum"),
        ({"nodes": (node("net1", online=False), node("net2"), node("net3"))}, "quorum"),
        ({"fencing_enabled": False}, "fencing"),
        ({"resources": cluster().resources[1:]}, "fencing"),
        ({"resources": cluster().resources[3:]}, "fencing"),
        ({"nodes": (node("net1", unclean=True), node("net2"), node("net3"))}, "fencing"),
        ({"fencings": (FenceEvent("net1", "off", Fenced.FAILED, None, "", "net2", "10:00", "no device"),)}, "fencing"),
        ({"resources": tuple(r for r in cluster().resources if r.id != GATEWAY)}, GATEWAY),
        ({"resources": tuple(r for r in cluster().resources if r.id != AGENTS[1])}, "agents"),
        ({"resources": tuple(r for r in cluster().resources if r.id != "failover")}, "addresses"),
        ({"failures": (FailedAction("x", "start", "net1", 1, "error", "no bridge", "complete", "10:00"),)}, "failures"),
        ({"degraded": (FailedAction("x", "monitor", "net1", 190, "", "no broker", "complete", "10:00"),)}, "degraded"),
        ({"nodes": TROUBLED}, "degraded"),
        ({"maintenance": True}, "failures"),
    ],
)
def test_what_is_wrong_is_bad_in_its_own_line(change, name):
    found = view(WANTED, seen(status=cluster(**change)))
    assert line(found, name).answer is Answer.NO
    assert found.answer is Answer.NO


def test_a_gateways_trouble_is_told_with_its_node():
    found = line(view(WANTED, seen(status=cluster(nodes=TROUBLED))), "degraded")
    assert found.details == (f"{GATEWAY} on net1: the twin is stale",)


def test_a_file_that_no_agent_has_read_yet_is_told_and_is_nothing_wrong():
    newer = dataclasses.replace(carrying("net2"), outdated=((AGENTS[1], "/etc/neutron/l3_agent.ini"),))
    found = view(WANTED, seen(nodes={"net1": spare("net1"), "net2": newer}))
    assert found.answer is Answer.YES
    (detail,) = line(found, "configuration").details
    assert f"crm resource restart {AGENTS[1]}" in detail


def test_a_fence_device_that_does_not_run_is_named():
    lame = (resource("fence-net1", "stonith:fence_ipmilan", "", active=False, nodes=()), *cluster().resources[1:])
    assert "fence-net1 does not run" in line(view(WANTED, seen(status=cluster(resources=lame))), "fencing").details


def test_a_gateway_that_is_promoted_twice_is_carried_by_nobody():
    twice = (*cluster().resources, resource(GATEWAY, "ocf:hotspare:gateway", "net1", Role.PROMOTED))
    found = view(WANTED, seen(status=cluster(resources=twice)))
    assert line(found, GATEWAY).text == "promoted on net1 and net2"


def test_a_router_that_is_not_served_is_named():
    lame = dataclasses.replace(carrying("net2"), namespaces=("qrouter-uuid-1", "qrouter-uuid-2"))
    found = line(view(WANTED, seen(nodes={"net2": lame})), "routers")
    assert (found.answer, found.text) == (Answer.NO, "2 of 3 served")
    assert found.details[0].startswith("router-3")


def test_without_neutron_it_is_not_known_which_routers_there_should_be():
    found = view(WANTED, seen(routers={GATEWAY: "no answer"}, agents={GATEWAY: "no answer"}))
    assert found.answer is Answer.CANNOT_TELL
    assert line(found, "routers").text.startswith("3 on net2")
    assert line(found, "quorum").answer is Answer.YES


def test_an_agent_that_neutron_does_not_hear_is_bad():
    dead = AgentReport("L3 agent", GATEWAY, alive=False, admin_up=False, heartbeat="09:00")
    assert len(line(view(WANTED, seen(agents={GATEWAY: (dead,)})), "agents").details) == 2


def test_without_any_node_nothing_can_be_told():
    found = view(WANTED, seen(asked=None, status="no answer", nodes={"net1": "no answer", "net2": "no answer"}))
    assert found.answer is Answer.CANNOT_TELL
    assert found.nodes == ()


@given(
    st.booleans(), st.booleans(), st.booleans(),
    st.sampled_from([cluster(), cluster(quorate=False), cluster(resources=()), "no answer"]),
)  # fmt: skip
def test_whatever_is_missing_every_screen_can_be_shown_and_is_json(has_routers, has_agents, has_nodes, status):
    found = view(
        WANTED,
        seen(
            status=status,
            routers={GATEWAY: ROUTERS} if has_routers else {},
            agents={} if has_agents else {GATEWAY: "no"},
            nodes={"net2": carrying("net2")} if has_nodes else {},
        ),
    )
    console = Console(width=100, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as shown:
        console.print(screen.render(found))
    assert "edge:" in shown.get()
    assert found.answer is not Answer.YES or has_routers
    json.dumps(dataclasses.asdict(found))
