"""Journal lines as Corosync 3.1.7, Pacemaker 2.1.5 and hotspare's agents write them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotspare.codec.journal_json import event, events, merged
from hotspare.model.event import What

AT_S = 1795422031.5


def line(identifier: str, message: object) -> str:
    stamp = str(int(AT_S * 1e6))
    return json.dumps({"SYSLOG_IDENTIFIER": identifier, "MESSAGE": message, "__REALTIME_TIMESTAMP": stamp})


@pytest.mark.parametrize(
    ("identifier", "message", "what", "subject", "action"),
    [
        (
            "corosync",
            "  [TOTEM ] A processor failed, forming new configuration: token timed out (9ms), waiting 9ms.",
            What.TOKEN_LOST,
            "",
            "",
        ),
        (
            "corosync",
            "  [TOTEM ] A new membership (2.12) was formed. Members left: 1",
            What.MEMBERSHIP_FORMED,
            "left: 1",
            "",
        ),
        (
            "corosync",
            "  [TOTEM ] A new membership (1.16) was formed. Members joined: 1",
            What.MEMBERSHIP_FORMED,
            "joined: 1",
            "",
        ),
        (
            "hotspare-rescheduler",
            'event=moves.planned source="net1" routers=4 reason="net1 is gone"',
            What.MOVES_PLANNED,
            "net1",
            "",
        ),
        (
            "hotspare-rescheduler",
            'event=router.bound router="6f5a" source="net1" target="net2"',
            What.ROUTER_BOUND,
            "6f5a",
            "",
        ),
        (
            "hotspare-rescheduler",
            'event=router.moved router="6f5a" source="net1" target="net2" stage="forwarding" outage_s=4.2',
            What.ROUTER_MOVED,
            "6f5a",
            "",
        ),
        ("pacemaker-controld", " notice: Node net1 state is now lost", What.NODE_LOST, "net1", ""),
        ("pacemaker-controld", " notice: Node net1 state is now member", What.NODE_JOINED, "net1", ""),
        (
            "pacemaker-schedulerd",
            " warning: Cluster node net1 will be fenced: peer is no longer part of the cluster",
            What.FENCE_PLANNED,
            "net1",
            "",
        ),
        ("pacemaker-controld", " notice: Requesting fencing (off) of node net1", What.FENCE_CALLED, "net1", "off"),
        (
            "pacemaker-controld",
            " notice: Peer net1 was terminated (off) by net2 on behalf of pacemaker-controld.412@net2: OK",
            What.FENCE_CONFIRMED,
            "net1",
            "off",
        ),
        (
            "pacemaker-controld",
            " notice: Peer net1 was not terminated (off) by <anyone> on behalf of controld.4@net2: Error (none)",
            What.FENCE_FAILED,
            "net1",
            "off",
        ),
        (
            "pacemaker-controld",
            " notice: Initiating promote operation neutron-gateway_promote_0 locally on net2",
            What.ACTION_ORDERED,
            "neutron-gateway",
            "promote",
        ),
        (
            "pacemaker-controld",
            " notice: Initiating start operation neutron-gateway:1_start_0 on net3",
            What.ACTION_ORDERED,
            "neutron-gateway",
            "start",
        ),
        (
            "pacemaker-controld",
            " notice: Result of start operation for neutron-gateway-l3 on net2: ok",
            What.ACTION_ENDED,
            "neutron-gateway-l3",
            "start",
        ),
        (
            "hotspare-ocf",
            "event=promote.finished gateway=neutron-gateway took_s=0.123",
            What.AGENT_FINISHED,
            "neutron-gateway",
            "promote",
        ),
        (
            "hotspare-ocf",
            'event=stop.failed resource=neutron-agent-l3 reason="port qg-1 is \\"live\\""',
            What.AGENT_FAILED,
            "neutron-agent-l3",
            "stop",
        ),
    ],
)
def test_a_known_line_is_an_event(identifier, message, what, subject, action):
    found = event(line(identifier, message), "net2", 0.0)
    assert found is not None
    assert (found.at_s, found.host, found.what, found.subject, found.action) == (AT_S, "net2", what, subject, action)


def test_a_clock_that_is_ahead_is_set_back():
    found = event(line("pacemaker-controld", "Node net1 state is now lost"), "net2", 0.25)
    assert found is not None
    assert found.at_s == pytest.approx(AT_S - 0.25)


@given(st.text() | st.lists(st.integers(0, 255)) | st.none())
def test_any_other_message_is_no_event_and_no_error(message):
    assert event(line("pacemaker-fenced", message), "net2", 0.0) is None


def test_the_same_words_of_another_program_mean_nothing():
    assert event(line("sshd", "Node net1 state is now lost"), "net2", 0.0) is None


def test_a_journal_is_read_around_what_is_no_entry():
    text = "-- No entries --\n" + line("pacemaker-controld", "Node net1 state is now lost") + "\n\n"
    assert [one.what for one in events(text, "net2", 0.0)] == [What.NODE_LOST]


def test_hosts_are_merged_by_time():
    early = events(line("pacemaker-controld", "Node net1 state is now lost"), "net3", 1.0)
    late = events(line("pacemaker-controld", "Node net1 state is now lost"), "net2", 0.0)
    assert [one.host for one in merged([late, early])] == ["net3", "net2"]
