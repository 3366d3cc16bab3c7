"""A drill's history judged: phases, audits, verdict. One thing is spoiled at a time."""

import dataclasses
import json

import pytest
from drill_history import (
    AGENTS,
    END,
    GATEWAY,
    ROUTERS,
    T0,
    carrying,
    cluster,
    daemons,
    history,
    sightings,
    spare,
    trace,
)

from hotspare.adapters.site import script
from hotspare.codec import report_json
from hotspare.model.answer import Answer
from hotspare.model.drill import (
    Fault,
    Gateway,
    Get,
    Observation,
    RunningProcess,
    Sighting,
    Strategy,
    StreamFact,
    SwitchPort,
    Trace,
)
from hotspare.model.event import Event, What
from hotspare.plan import strategies
from hotspare.plan.drill import judge, objections
from hotspare.plan.inside import GIVEN_UP, answers


def audit(report, name, when=None):
    return next(one for one in report.audits if one.name == name and when in (None, one.when))


def observed(label, **changes):
    """The observations of a good history, that of `label` changed."""
    return tuple(
        dataclasses.replace(seen, **changes) if seen.label == label else seen for seen in history().observations
    )


def test_a_whole_takeover_is_a_yes_with_its_figures():
    report = judge(history(), {})
    assert (report.verdict, report.why) == (Answer.YES, ())
    assert (report.routers_total, report.routers_back, report.carrier) == (3, 3, "net2")
    assert [report.outage.median, report.outage.worst] == [pytest.approx(12, abs=0.1), pytest.approx(14, abs=0.1)]
    assert report.phases.lengths == {
        "detect": pytest.approx(2.2, abs=0.1),
        "fence": pytest.approx(0.3, abs=0.1),
        "promote": pytest.approx(0.2, abs=0.1),
        "start": pytest.approx(2.3, abs=0.1),
        "adopt": pytest.approx(9.0, abs=0.1),
    }


def test_the_report_and_the_history_are_json():
    plain = json.loads(json.dumps(report_json.report(judge(history(), {"pacemaker": "2.1.5"}))))
    assert plain["verdict"] == "yes"
    assert set(plain["outage_s"]) == {"median", "p95", "worst", "error"}
    assert json.loads(report_json.history(history()))["node"] == "net1"


def test_an_address_that_does_not_come_back_is_a_no_and_named():
    whole = trace()
    replies = {**whole.replies, "10.30.1.2": tuple(r for r in whole.replies["10.30.1.2"] if r[1] < T0)}
    report = judge(history(trace=Trace(0.04, whole.rounds, replies)), {})
    assert report.verdict is Answer.NO
    assert report.routers_back == 2
    assert "10.30.1.2" in report.why[0]


def test_a_probe_lost_before_the_fault_makes_it_cannot_tell():
    whole = trace()
    replies = {**whole.replies, "10.30.1.2": tuple(r for r in whole.replies["10.30.1.2"] if not 998 < r[1] < 998.05)}
    report = judge(history(trace=Trace(0.04, whole.rounds, replies)), {})
    assert report.verdict is Answer.CANNOT_TELL
    assert "before the fault" in report.why[0]


def test_a_starved_prober_makes_it_cannot_tell():
    whole = trace()
    rounds = tuple(probe for probe in whole.rounds if not T0 + 30 < probe[1] < T0 + 35)
    report = judge(history(trace=Trace(0.04, rounds, whole.replies)), {})
    assert report.verdict is Answer.CANNOT_TELL


def test_two_owners_at_once_are_a_no():
    zombie = Sighting("net1", "arp-reply", "10.30.1.2", "fa:16:3e:00:00:01", T0 + 30, T0 + 30)
    report = judge(history(sightings=(*sightings(), zombie)), {})
    found = audit(report, "one owner")
    assert found.answer is Answer.NO
    assert "10.30.1.2" in found.findings[0]
    assert report.verdict is Answer.NO


def test_a_second_owner_between_two_frames_of_the_first_is_found():
    seen = (
        Sighting("net1", "arp-reply", "10.30.1.2", "aa", 10.0, 10.0),
        Sighting("net2", "arp-reply", "10.30.1.2", "bb", 10.1, 10.1),
        Sighting("net1", "arp-reply", "10.30.1.2", "aa", 10.2, 10.2),
    )
    assert audit(judge(history(sightings=seen), {}), "one owner").answer is Answer.NO


def test_moving_back_later_is_no_second_owner():
    promoted = Event(T0 + 40, "net1", What.AGENT_FINISHED, "neutron-gateway", "promote")
    seen = (
        *(s for s in sightings() if s.node == "net1" or s.kind == "garp"),
        *(dataclasses.replace(s, last_s=T0 + 38) for s in sightings() if s.node == "net2" and s.kind == "echo-reply"),
        *(Sighting("net1", "echo-reply", r.floating_ips[0], "aa", T0 + 42, END) for r in ROUTERS),
    )
    report = judge(history(sightings=seen, events=(*history().events, promoted)), {})
    assert audit(report, "one owner").answer is Answer.YES


@pytest.mark.parametrize(
    "spoiled", [{"witnessed": ("net1",)}, {"frames_lost": 3}, {"sightings": ()}, {"witnessed": (), "sightings": ()}]
)
def test_without_a_full_capture_nobody_can_tell_who_owned_what(spoiled):
    report = judge(history(**spoiled), {})
    assert audit(report, "one owner").answer is Answer.CANNOT_TELL
    assert report.verdict is Answer.CANNOT_TELL


def test_a_router_without_namespace_is_lost():
    lame = dataclasses.replace(carrying("net2"), namespaces=("qrouter-uuid-1", "qrouter-uuid-2"))
    report = judge(history(observations=observed("recovered", nodes={"net2": lame})), {})
    found = audit(report, "nothing lost")
    assert (found.answer, found.text[:6]) == (Answer.NO, "2 of 3")
    assert "router-3" in found.findings[0]


def test_a_router_whose_port_is_still_parked_is_lost():
    whole = carrying("net2")
    ports = (dataclasses.replace(whole.ports[0], tag=4095, parked=True), *whole.ports[1:])
    parked = dataclasses.replace(whole, ports=ports)
    report = judge(history(observations=observed("recovered", nodes={"net2": parked})), {})
    assert audit(report, "nothing lost").findings == ("router router-1 on net2: port port-1-int is not forwarding",)


def test_snat_that_does_not_work_again_is_a_loss():
    dead = (
        StreamFact(991.0, "connected", "vm"),
        StreamFact(T0 + 1, "stalled", "vm"),
        StreamFact(T0 + 30, "refused", "vm"),
    )
    assert audit(judge(history(streams=dead), {}), "nothing lost").answer is Answer.NO


@pytest.mark.parametrize(("why", "works"), [(GIVEN_UP, Answer.YES), ("ECONNRESET", Answer.NO)])
def test_a_session_that_ends_last_tells_whether_others_work_by_its_reason(why, works):
    story = (
        StreamFact(991.0, "connected", "vm"),
        StreamFact(T0 + 1, "stalled", "vm"),
        StreamFact(T0 + 12, "fresh", "vm"),
        StreamFact(T0 + 32, "lost", "vm", why=why),
    )
    told = judge(history(streams=story), {}).sessions[0]
    assert (told.works, told.kept) == (works, Answer.NO)


def test_the_probes_own_reason_for_giving_up_is_known_by_its_words():
    assert f'why="{GIVEN_UP}"'.encode() in script("tcp_stream.py")


def test_a_session_that_only_stalled_was_kept():
    story = (
        StreamFact(991.0, "connected", "vm"),
        StreamFact(T0 + 1, "stalled", "vm"),
        StreamFact(T0 + 9, "resumed", "vm", stall_s=8.9),
    )
    told = judge(history(streams=story), {}).sessions[0]
    assert (told.kept, told.stall_s) == (Answer.YES, 8.9)


def test_metadata_that_stays_silent_is_a_loss():
    gets = tuple(Get(990.0 + n, 0.01, 200 if n < 10 else None, "vm", "timed out") for n in range(60))
    assert audit(judge(history(gets=gets), {}), "nothing lost").answer is Answer.NO


def test_a_request_for_metadata_that_the_fault_cut_off_is_an_outage_and_no_doubt():
    cut_off = Get(999.8, 0.5, 502, "vm", "")
    gets = (Get(999.0, 0.1, 200, "vm", ""), cut_off, *(Get(1001.0 + n, 0.1, 200, "vm", "") for n in range(9)))
    answer = answers("vm", gets, called_s=1000.0)
    assert (answer.answered, answer.failed, answer.outage_s) == (Answer.YES, 1, 2.0)


def test_metadata_outage_reaches_from_answer_to_answer():
    told = judge(history(), {}).metadata[0]
    assert told.outage_s == pytest.approx(15.5, abs=0.1)


@pytest.mark.parametrize(
    "left",
    [
        {"namespaces": ("qrouter-uuid-1",)},
        {"ports": (SwitchPort("qg-1", 3, parked=False, iface_id="p"),)},
        {"processes": (*daemons(), RunningProcess(77, 1, 1, "haproxy", router="uuid-1"))},
        {"processes": (*daemons(), RunningProcess(77, 1, 1, "neutron-l3-agent"))},
        {"processes": (*daemons(), RunningProcess(77, 1, 1, "iptables-restore", namespace="qrouter-uuid-1"))},
    ],
)
def test_what_is_left_where_the_gateway_is_not_is_found(left):
    dirty = dataclasses.replace(spare("net1", "boot-2"), **left)
    report = judge(history(observations=observed("healed", nodes={"net1": dirty, "net2": carrying("net2")})), {})
    assert audit(report, "clean", "healed").answer is Answer.NO
    assert audit(report, "clean", "recovered").answer is Answer.YES


def test_a_parked_port_on_a_spare_is_a_twin_and_clean():
    twin = dataclasses.replace(spare("net1", "boot-2"), ports=(SwitchPort("qg-1", 4095, parked=True, iface_id="p"),))
    report = judge(history(observations=observed("healed", nodes={"net1": twin, "net2": carrying("net2")})), {})
    assert audit(report, "clean", "healed").answer is Answer.YES


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        ({}, Answer.YES),
        ({"ports": (SwitchPort("qg-1", 3, parked=False, iface_id="p"),)}, Answer.NO),
        ({"processes": (*daemons(), RunningProcess(77, 1, 1, "haproxy", router="uuid-1"))}, Answer.NO),
        ({"processes": (RunningProcess(77, 1, 1, "ip6tables-restore", namespace="qrouter-uuid-1"),)}, Answer.YES),
        ({"processes": (RunningProcess(77, 1, 1, "hotspare.faces.stager", namespace="qrouter-uuid-1"),)}, Answer.YES),
        ({"processes": (RunningProcess(77, 1, 1, "tcpdump", namespace="qrouter-uuid-1"),)}, Answer.NO),
    ],
)
def test_a_twin_is_namespaces_and_parked_ports_and_nothing_that_lives(left, expected):
    twin = dataclasses.replace(
        spare("net1", "boot-2"),
        **{
            "namespaces": ("qrouter-uuid-1",),
            "ports": (SwitchPort("qg-1", 4095, parked=True, iface_id=""),),
            **left,
        },
    )
    gateway = Gateway(GATEWAY, Strategy.TWIN, dict.fromkeys(("net1", "net2"), GATEWAY))
    seen = observed("healed", nodes={"net1": twin, "net2": carrying("net2")})
    report = judge(history(gateway=gateway, observations=seen), {})
    assert audit(report, "clean", "healed").answer is expected


def test_a_node_that_could_not_be_looked_at_after_the_heal_makes_it_cannot_tell():
    report = judge(
        history(observations=observed("healed", nodes={"net2": carrying("net2")}, unknown={"net1": "timeout"})), {}
    )
    assert audit(report, "clean", "healed").answer is Answer.CANNOT_TELL


@pytest.mark.parametrize(
    "change",
    [
        {"quorate": False},
        {"promoted": ()},
        {"running": dict.fromkeys(AGENTS[:2], ("net2",))},
        {"running": dict.fromkeys(AGENTS, ("net3",))},
        {"failures": ("neutron-gateway-l3 start on net2: error",)},
        {"unclean": ("net3",)},
        {"standby": ("net1",)},
        {"online": ("net2", "net3")},
    ],
)
def test_a_cluster_in_trouble_is_not_healthy(change):
    sick = dataclasses.replace(cluster("net2"), **change)
    report = judge(history(observations=observed("healed", cluster=sick)), {})
    assert audit(report, "healthy", "healed").answer is Answer.NO


def test_a_restarted_daemon_on_an_untouched_node_is_found():
    other = dataclasses.replace(spare("net3"), processes=(RunningProcess(4, 4, 1, "corosync"),))
    seen = [dataclasses.replace(one, nodes={**one.nodes, "net3": spare("net3")}) for one in history().observations]
    seen[2] = dataclasses.replace(seen[2], nodes={**seen[2].nodes, "net3": other})
    report = judge(history(observations=tuple(seen)), {})
    assert audit(report, "healthy", "healed").answer is Answer.NO
    assert audit(report, "healthy", "recovered").answer is Answer.YES


def test_what_nobody_looked_at_cannot_be_told():
    report = judge(history(observations=history().observations[:1]), {})
    assert {one.answer for one in report.audits if one.name in {"clean", "healthy"}} == {Answer.CANNOT_TELL}
    assert report.verdict is Answer.CANNOT_TELL


def test_trouble_in_the_drill_itself_makes_it_cannot_tell():
    report = judge(history(troubles=("the witness of net1 ended",)), {})
    assert (report.verdict, report.why) == (Answer.CANNOT_TELL, ("the witness of net1 ended",))


def test_a_phase_that_nobody_told_is_none_and_not_guessed():
    quiet = tuple(event for event in history().events if event.what is not What.FENCE_CONFIRMED)
    lengths = judge(history(events=quiet), {}).phases.lengths
    assert (lengths["fence"], lengths["promote"]) == (None, None)
    assert lengths["detect"] is not None
    assert lengths["start"] == pytest.approx(2.3, abs=0.1)


def test_standby_counts_from_the_order():
    stopped = Event(T0 + 0.5, "net1", What.AGENT_FINISHED, "neutron-gateway", "demote")
    report = judge(history(fault=Fault.STANDBY, events=(stopped, *history().events)), {})
    assert report.t0_s == history().called_s
    assert list(report.phases.lengths) == ["stop", "promote", "start", "adopt"]


def test_a_drill_begins_only_in_a_whole_cluster():
    carriage = strategies.carriage(history().gateway)
    assert objections(carriage, cluster("net1"), "net1") == ()
    sick = dataclasses.replace(
        cluster("net1", online=("net1",)),
        quorate=False,
        promoted=(),
        unclean=("net2",),
        running={},
        failures=("x failed",),
    )
    assert len(objections(carriage, sick, "net1")) == 8
    assert objections(carriage, cluster("net1"), "net9")[0].startswith("net9 is no node")


def test_an_observation_is_found_by_its_name():
    assert history().observation("before").label == "before"
    assert history().observation("never") is None
    assert Observation("x", 0.0, None, {}).unknown == {}


def test_an_address_that_goes_silent_while_the_node_comes_back_is_a_no():
    whole = trace()
    replies = {
        **whole.replies,
        "10.30.1.2": tuple(r for r in whole.replies["10.30.1.2"] if not T0 + 45 < r[1] < T0 + 48),
    }
    report = judge(history(trace=Trace(0.04, whole.rounds, replies)), {})
    assert audit(report, "heal harmless").answer is Answer.NO
    assert report.outage.worst == pytest.approx(14, abs=0.1)


def test_a_blip_after_the_takeover_adds_to_the_outage_but_not_to_its_end():
    whole = trace()
    replies = {
        **whole.replies,
        "10.30.1.2": tuple(r for r in whole.replies["10.30.1.2"] if not T0 + 30 < r[1] < T0 + 30.3),
    }
    one = judge(history(trace=Trace(0.04, whole.rounds, replies)), {}).outages[1]
    assert len(one.gaps) == 2
    assert one.outage_s == pytest.approx(14.3, abs=0.1)
    assert one.back_s == pytest.approx(T0 + 14, abs=0.1)


def test_where_the_agent_told_nothing_pacemaker_tells_the_promotion():
    done = Event(T0 + 2.9, "net2", What.ACTION_ENDED, "neutron-gateway", "promote", "Result of promote operation: ok")
    told = tuple(event for event in history().events if event.what is not What.AGENT_FINISHED)
    assert judge(history(events=(*told, done)), {}).phases.lengths["promote"] == pytest.approx(0.4, abs=0.1)
