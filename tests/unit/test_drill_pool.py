"""A drill on a pool, judged: routers go their own ways, and those of other nodes notice nothing."""

import dataclasses
import json

import pytest
from drill_history import T0, daemons
from pool_history import (
    AFTER,
    AGENTS,
    BEFORE,
    DATA_PLANE,
    HOSTS,
    MOVER,
    ROUTERS,
    bound,
    cluster,
    events,
    history,
    looked,
    sightings,
    trace,
)

from hotspare.codec import report_json
from hotspare.model.answer import Answer
from hotspare.model.drill import Fault, RunningProcess, Sighting
from hotspare.model.event import Event, What
from hotspare.plan import strategies
from hotspare.plan.drill import judge, objections

CARRIAGE = strategies.carriage(history().gateway)


def audit(report, name, when=None):
    return next(one for one in report.audits if one.name == name and when in (None, one.when))


def observed(label, **changes):
    """The observations of a good history, that of `label` changed."""
    return tuple(
        dataclasses.replace(seen, **changes) if seen.label == label else seen for seen in history().observations
    )


def with_node(label, state):
    """The observations of a good history, one node found otherwise in that of `label`."""
    seen = history().observation(label)
    return observed(label, nodes={**seen.nodes, state.node: state})


# --- the whole -------------------------------------------------------------------------------------------------------


def test_routers_that_went_to_the_others_are_a_yes_measured_by_those_that_were_struck():
    report = judge(history(), {})
    assert (report.verdict, report.why) == (Answer.YES, ())
    assert (report.routers_total, report.routers_back) == (2, 2)
    assert [one.router for one in report.outages] == ["router-1", "router-2"]
    assert [one.router for one in report.bystanders] == ["router-3", "router-4"]
    assert [report.outage.median, report.outage.worst] == [pytest.approx(6, abs=0.1), pytest.approx(8, abs=0.1)]


def test_the_phases_of_a_power_loss_end_with_what_cluster_and_rescheduler_told():
    assert judge(history(), {}).phases.lengths == {
        "detect": pytest.approx(2.2, abs=0.1),
        "fence": pytest.approx(0.3, abs=0.1),
        "decide": pytest.approx(0.5, abs=0.1),
        "move": pytest.approx(0.9, abs=0.1),
        "adopt": pytest.approx(4.1, abs=0.1),
    }


def test_a_move_that_nobody_told_is_a_phase_not_seen():
    quiet = tuple(event for event in events() if event.subject != "uuid-2")
    assert judge(history(events=quiet), {}).phases.lengths["move"] is None


def test_a_standby_ends_its_first_phase_when_the_node_says_that_it_is_silent():
    demoted = Event(T0 + 1.5, "net1", What.AGENT_FINISHED, HOSTS["net1"], "demote")
    other = Event(T0 + 0.5, "net1", What.ACTION_ENDED, "edge-local-l3", "stop", "Result of stop operation: ok")
    lengths = judge(history(fault=Fault.STANDBY, events=(other, demoted, *events())), {}).phases.lengths
    assert list(lengths) == ["stop", "decide", "move", "adopt"]
    assert lengths["stop"] == pytest.approx(1.55, abs=0.01)


def test_a_drain_counts_from_the_order_and_each_outage_is_a_handover():
    handed = {1: (4.0, 5.5), 2: (6.0, 8.0)}
    report = judge(history(fault=Fault.DRAIN, trace=trace(handed)), {})
    assert list(report.phases.lengths) == ["decide", "move", "adopt"]
    assert report.t0_s == history().called_s
    assert report.outage.worst == pytest.approx(2, abs=0.1)


def test_each_routers_way_is_in_the_report():
    report = judge(history(), {})
    assert (report.journeys["uuid-1"].before, report.journeys["uuid-1"].after) == (("net1",), ("net2",))
    plain = json.loads(json.dumps(report_json.report(report)))
    assert plain["per_router"][1]["nodes_after"] == ["net3"]
    assert [one["nodes_before"] for one in plain["bystanders"]] == [["net2"], ["net3"]]
    assert json.loads(report_json.history(history()))["bound"]["edge-1"] == ["uuid-1", "uuid-2"]


# --- one owner -------------------------------------------------------------------------------------------------------


def test_a_router_that_answers_from_its_old_node_again_is_two_owners():
    zombie = Sighting("net1", "arp-reply", "10.30.1.1", "fa:16:3e:00:00:01", T0 + 30, T0 + 30)
    found = audit(judge(history(sightings=(*sightings(), zombie)), {}), "one owner")
    assert found.answer is Answer.NO


def test_a_router_of_another_node_that_moves_all_the_same_is_found():
    moved = tuple(dataclasses.replace(seen, last_s=T0 + 5) if seen.node == "net3" else seen for seen in sightings())
    there = Sighting("net2", "echo-reply", "10.30.1.4", "aa", T0 + 9, T0 + 50)
    found = audit(judge(history(sightings=(*moved, there)), {}), "one owner")
    assert (found.answer, found.findings[0]) == (
        Answer.NO,
        "10.30.1.4 changed between net3 → net2, but its router moved 0 times",
    )


def test_a_router_may_move_as_often_as_the_rescheduler_says():
    twice = Event(T0 + 20, "net3", What.ROUTER_BOUND, "uuid-1")
    first = tuple(
        dataclasses.replace(seen, last_s=T0 + 18) if (seen.node, seen.address) == ("net2", "10.30.1.1") else seen
        for seen in sightings()
    )
    then = Sighting("net3", "echo-reply", "10.30.1.1", "aa", T0 + 22, T0 + 50)
    spoiled = {"sightings": (*first, then)}
    assert audit(judge(history(**spoiled), {}), "one owner").answer is Answer.NO
    assert audit(judge(history(**spoiled, events=(*events(), twice)), {}), "one owner").answer is Answer.YES


# --- nothing lost ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("places", "wrong"),
    [
        ({**AFTER, "net2": (3,)}, "router router-1 is bound to no agent of the pool"),
        ({**AFTER, "net3": (4, 2, 1)}, "router router-1 is bound to net2 and net3"),
        ({"net1": (1,), "net2": (3,), "net3": (4, 2)}, "router router-1 is still bound to net1"),
    ],
)
def test_a_router_that_is_not_bound_to_one_live_agent_is_lost(places, wrong):
    report = judge(history(observations=observed("recovered", bound=bound(places))), {})
    found = audit(report, "nothing lost")
    assert (found.answer, found.findings, found.text[:6]) == (Answer.NO, (wrong,), "3 of 4")


def test_a_router_on_a_node_that_may_not_have_any_is_lost():
    standby = cluster("net2", "net3", standby=("net3",))
    found = audit(judge(history(observations=observed("recovered", cluster=standby)), {}), "nothing lost")
    assert "router router-2 is bound to net3, which is not live" in found.findings


def test_a_router_that_is_bound_to_a_node_and_not_served_there_is_lost():
    found = audit(judge(history(observations=with_node("recovered", looked("net2", (3,)))), {}), "nothing lost")
    assert (found.answer, found.findings) == (Answer.NO, ("router router-1 on net2: no namespace",))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {"bound": None, "unknown": {"Neutron": "no answer"}},
            "Neutron could not be asked where the routers are: no a",
        ),
        ({"cluster": None}, "the cluster could not be asked"),
        ({"nodes": {"net2": looked("net2", AFTER["net2"])}}, "net3 could not be looked at"),
    ],
)
def test_where_somebody_could_not_be_asked_nobody_can_tell_whether_anything_is_lost(changes, why):
    found = audit(judge(history(observations=observed("recovered", **changes)), {}), "nothing lost")
    assert found.answer is Answer.CANNOT_TELL
    assert found.findings[0].startswith(why)


# --- bystanders ------------------------------------------------------------------------------------------------------


def test_routers_of_other_nodes_that_lose_no_probe_are_counted():
    found = audit(judge(history(), {}), "bystanders")
    assert found.answer is Answer.YES
    assert found.text.startswith("2 floating IPs of 2 routers on other nodes: none of ")


def test_one_lost_probe_of_a_router_on_another_node_is_a_no():
    lost = {1: (0.0, 6.0), 2: (0.0, 8.0), 4: (25.0, 25.04)}
    report = judge(history(trace=trace(lost)), {})
    found = audit(report, "bystanders")
    assert (found.answer, report.verdict) == (Answer.NO, Answer.NO)
    assert found.findings[0].startswith("10.30.1.4 of router-4 lost 1 probes")


def test_a_probe_lost_while_the_node_comes_back_counts_too():
    lost = {1: (0.0, 6.0), 2: (0.0, 8.0), 3: (50.0, 50.5)}
    report = judge(history(trace=trace(lost)), {})
    assert audit(report, "bystanders").answer is Answer.NO
    assert audit(report, "heal harmless").answer is Answer.YES


def test_bystanders_without_a_floating_ip_cannot_be_told():
    targets = {"10.30.1.1": "uuid-1", "10.30.1.2": "uuid-2"}
    assert audit(judge(history(targets=targets), {}), "bystanders").answer is Answer.CANNOT_TELL


def test_where_the_node_had_all_routers_there_are_no_bystanders():
    whole = bound({"net1": (1, 2, 3, 4), "net2": (), "net3": ()})
    assert "bystanders" not in {one.name for one in judge(history(bound=whole), {}).audits}


# --- clean -----------------------------------------------------------------------------------------------------------


def test_a_router_that_is_left_on_the_node_that_came_back_is_found():
    found = audit(judge(history(observations=with_node("healed", looked("net1", (1,)))), {}), "clean", "healed")
    assert found.answer is Answer.NO
    assert "net1: namespace qrouter-uuid-1" in found.findings
    assert "net1: port qr-port-1-int is live (tag 7)" in found.findings
    assert "net1: haproxy (pid 901) still runs" in found.findings


def test_what_neutron_has_on_a_node_and_the_agents_of_an_active_node_are_no_leftovers():
    report = judge(history(), {})
    for when in ("recovered", "healed"):
        assert audit(report, "clean", when).answer is Answer.YES
    assert audit(report, "clean", "recovered").text.startswith("2 of the pool's 3 nodes: no namespace")


def test_an_agent_on_a_node_in_standby_is_a_leftover():
    idle = cluster("net1", "net2", "net3", active=("net2", "net3"), standby=("net1",))
    seen = history().observation("recovered")
    for agents, answer in ((True, Answer.NO), (False, Answer.YES)):
        nodes = {**seen.nodes, "net1": looked("net1", (), agents=agents)}
        spoiled = history(fault=Fault.STANDBY, observations=observed("recovered", cluster=idle, nodes=nodes))
        assert audit(judge(spoiled, {}), "clean", "recovered").answer is answer


@pytest.mark.parametrize("changes", [{"bound": None}, {"cluster": None}])
def test_without_neutron_or_the_cluster_nobody_can_tell_what_is_left_over(changes):
    report = judge(history(observations=observed("healed", **changes)), {})
    assert audit(report, "clean", "healed").answer is Answer.CANNOT_TELL


# --- healthy ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"quorate": False}, "the cluster has no quorum"),
        ({"promoted": ("net2", "net3")}, f"{DATA_PLANE} is not promoted on net1"),
        ({"running": {**dict.fromkeys(AGENTS, ("net2", "net3")), MOVER: ("net3",)}}, "edge-local-ovs does not run on"),
        ({"running": {**dict.fromkeys(AGENTS, tuple(HOSTS)), MOVER: ()}}, f"{MOVER} runs on no node"),
        (
            {"running": {**dict.fromkeys(AGENTS, tuple(HOSTS)), MOVER: ("net1", "net2")}},
            f"{MOVER} runs on net1 and net2",
        ),
        ({"failures": ("edge-local-l3 start failed on net2",)}, "edge-local-l3 start failed on net2"),
        ({"unclean": ("net3",)}, "net3 is unclean"),
        ({"leaving": ("net1",)}, "net1 is still marked as leaving"),
        ({"online": ("net2", "net3")}, "net1 is offline"),
    ],
)
def test_a_pool_in_trouble_is_not_healthy(changes, wrong):
    sick = dataclasses.replace(history().observation("healed").cluster, **changes)
    found = audit(judge(history(observations=observed("healed", cluster=sick)), {}), "healthy", "healed")
    assert found.answer is Answer.NO
    assert found.findings[0].startswith(wrong)


def test_an_agent_of_another_node_that_was_restarted_is_found():
    again = dataclasses.replace(
        looked("net3", AFTER["net3"]),
        processes=(*daemons("ovs-vswitchd"), RunningProcess(77, 1, 1, "neutron-l3-agent")),
    )
    found = audit(judge(history(observations=with_node("healed", again)), {}), "healthy", "healed")
    assert (found.answer, found.findings[0]) == (
        Answer.NO,
        "net3: neutron-l3-agent (pid 103) is gone or was restarted",
    )


def test_what_an_agent_had_just_forked_is_not_missed():
    recovered = history().observation("recovered").nodes["net3"]
    (agent,) = (process for process in recovered.processes if process.name == "neutron-openvswitch-agent")
    forked = dataclasses.replace(
        recovered, processes=(*recovered.processes, dataclasses.replace(agent, pid=4711, start=1, parent=agent.pid))
    )
    report = judge(history(observations=with_node("recovered", forked)), {})
    assert audit(report, "healthy", "healed").answer is Answer.YES


def test_a_cluster_that_could_not_be_asked_may_be_healthy():
    report = judge(history(observations=observed("healed", cluster=None)), {})
    assert audit(report, "healthy", "healed").answer is Answer.CANNOT_TELL


# --- beginning, and being done ---------------------------------------------------------------------------------------


def test_the_node_with_the_most_routers_is_broken_the_first_of_several():
    whole = cluster(*HOSTS)
    assert CARRIAGE.chosen(whole, bound(BEFORE)) == "net1"
    assert CARRIAGE.chosen(whole, bound({"net1": (1,), "net2": (2, 3), "net3": (4,)})) == "net2"
    assert CARRIAGE.chosen(whole, bound({"net1": (), "net2": (1, 2), "net3": (3, 4)})) == "net2"
    assert CARRIAGE.chosen(whole, bound({"net1": (), "net2": (), "net3": ()})) == ""


def test_a_drill_begins_only_in_a_whole_pool():
    assert objections(CARRIAGE, cluster(*HOSTS), "net1") == ()
    assert "end its drain first" in objections(CARRIAGE, cluster(*HOSTS, leaving=("net2",)), "net1")[0]
    idle = cluster(*HOSTS, active=("net1", "net2"))
    assert objections(CARRIAGE, idle, "net1")[0] == f"{DATA_PLANE} is not promoted on net3: see `hotspare status`"
    assert "no node of the gateway" in objections(CARRIAGE, cluster(*HOSTS), "")[0]


def test_a_takeover_is_done_when_neutron_has_nothing_on_the_node_and_all_runs():
    assert tuple(CARRIAGE.to_come(cluster("net2", "net3"), bound(AFTER), "net1")) == ()
    left = tuple(CARRIAGE.to_come(cluster("net2", "net3"), bound(BEFORE), "net1"))
    assert left == ("2 routers are still bound to net1",)
    nobody = cluster("net2", "net3", running=dict.fromkeys(AGENTS, ("net2", "net3")))
    assert tuple(CARRIAGE.to_come(nobody, bound(AFTER), "net1")) == (f"{MOVER} runs on no node, has to be on one",)


def test_no_fault_is_refused_by_a_pool():
    assert [CARRIAGE.objection(fault) for fault in Fault] == ["", "", ""]
    assert {router.id for router in ROUTERS} == set(CARRIAGE.journeys(history()))
