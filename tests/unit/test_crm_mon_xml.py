"""Pacemaker's status is read as it really prints it (2.1.5), and what it means for a file."""

from dataclasses import replace
from pathlib import Path

import pytest
from cluster_world import edge, spec_of

from hotspare.codec import crm_mon_xml
from hotspare.model.cluster import ClusterStatus, Fenced, Role
from hotspare.model.errors import RefusedError
from hotspare.plan import settled

HERE = Path(__file__).parent / "crm_mon"
SPEC = spec_of(edge(gateway=("{gw: {nodes", "{neutron-gateway: {nodes")))


def status(name: str) -> ClusterStatus:
    return crm_mon_xml.read((HERE / f"{name}.xml").read_text())


def test_a_working_cluster_is_read_whole() -> None:
    working = status("working")
    assert working.pacemaker == "2.1.5-a3f44794f94"
    assert (working.dc, working.quorate, working.fencing_enabled) == ("net3", True, True)
    assert working.online == ("net1", "net2", "net3")
    assert working.promoted_on("neutron-gateway") == ("net1",)
    assert working.running_on("neutron-gateway") == ("net1", "net2")
    assert working.running_on("neutron-gateway-l3") == ("net1",)
    assert {found.group for found in working.instances("neutron-gateway-l3")} == {"neutron-gateway-agents"}
    assert {found.clone for found in working.instances("neutron-gateway")} == {"neutron-gateway-clone"}
    assert [(event.target, event.status, event.delegate) for event in working.fencings] == [
        ("net2", Fenced.SUCCESS, "net3"),
        ("net1", Fenced.SUCCESS, "net2"),
    ]
    assert working.settled
    assert settled.missing(SPEC, working) == ()


def test_a_resource_that_is_starting_is_not_running() -> None:
    moving = status("taking_over")
    assert [(found.role, found.pending) for found in moving.instances("neutron-gateway-ovs")] == [
        (Role.UNKNOWN, "Starting")
    ]
    assert moving.running_on("neutron-gateway-ovs") == ()
    assert not moving.settled
    missing = settled.missing(SPEC, moving)
    assert "neutron-gateway-ovs: starting" in missing
    assert any(line.startswith("neutron-gateway-l3: runs on no node") for line in missing)
    assert "net1: not online in the cluster" in missing


def test_where_pacemaker_does_not_run_it_is_an_error_with_its_words() -> None:
    with pytest.raises(RefusedError, match="Connection refused") as refused:
        status("not_running")
    assert refused.value.code == 102


@pytest.mark.parametrize("text", ["", "crm_mon: not found", "<html/>"])
def test_what_is_no_status_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not Pacemaker's status"):
        crm_mon_xml.read(text)


def test_the_words_of_older_pacemakers_mean_the_same() -> None:
    old = (HERE / "working.xml").read_text().replace('"Promoted"', '"Master"').replace('"Unpromoted"', '"Slave"')
    assert crm_mon_xml.read(old.replace("ocf:hotspare:gateway", "ocf::hotspare:gateway")) == status("working")


def test_a_gateway_promoted_twice_is_not_well() -> None:
    working = status("working")
    doubled = tuple(replace(r, role=Role.PROMOTED) if r.role is Role.UNPROMOTED else r for r in working.resources)
    assert any("promoted on net1, net2" in line for line in settled.missing(SPEC, replace(working, resources=doubled)))


def test_a_resource_that_works_but_is_troubled_has_not_failed() -> None:
    told = (
        '<failures><failure op_key="neutron-gateway-l3_monitor_31000" node="net2" exitstatus="OCF_DEGRADED" '
        'exitreason="no connection to the broker" exitcode="190" call="48" status="complete" queued="0" exec="0" '
        'last-rc-change="2026-11-25 10:00:43Z" interval="31000" task="monitor"/></failures>'
    )
    found = crm_mon_xml.read((HERE / "working.xml").read_text().replace("<status ", f"{told}<status "))
    assert [(action.resource, action.node, action.reason) for action in found.degraded] == [
        ("neutron-gateway-l3", "net2", "no connection to the broker")
    ]
    assert found.failures == ()
    assert settled.missing(SPEC, found) == ()


@pytest.mark.parametrize("is_begun_anew", [False, True])
@pytest.mark.parametrize(
    ("results", "told"),
    [
        ([(190, "10:00:43")], 1),
        ([(0, "09:54:55"), (190, "10:00:43")], 1),
        ([(190, "10:00:43"), (0, "10:01:45")], 0),
        ([(191, "10:00:43"), (8, "10:00:43")], 1),
    ],
)
def test_a_trouble_that_is_over_is_not_told_though_pacemaker_still_shows_it(results, told, is_begun_anew) -> None:
    """The history has the last failure of a recurring operation and its last success, in any order. One that was begun
    anew, after a move away and back, has another number.
    """
    operations = "".join(
        f'<operation_history call="{49 if is_begun_anew and code < 10 else 48}" task="monitor" rc="{code}" '
        f'interval="31000ms" '
        f'last-rc-change="Wed Nov 25 {at} 2026"/>'
        for code, at in results
    )
    found = crm_mon_xml.read(
        f'<pacemaker-result><node_history><node name="net2"><resource_history id="x">{operations}</resource_history>'
        '</node></node_history><failures><failure op_key="x_monitor_31000" node="net2" exitcode="190" call="48" '
        'interval="31000" task="monitor"/></failures></pacemaker-result>'
    )
    assert len(found.degraded) == told


@pytest.mark.parametrize(("promoted", "told"), [("10:00:42", 1), ("10:02:00", 0)])
def test_a_spares_trouble_is_over_when_it_is_promoted(promoted: str, told: int) -> None:
    operations = (
        '<operation_history call="12" task="monitor" rc="190" interval="59000ms" '
        'last-rc-change="Wed Nov 25 10:00:43 2026"/>'
        f'<operation_history call="20" task="promote" rc="0" last-rc-change="Wed Nov 25 {promoted} 2026"/>'
    )
    found = crm_mon_xml.read(
        f'<pacemaker-result><node_history><node name="net1"><resource_history id="x">{operations}</resource_history>'
        '</node></node_history><failures><failure op_key="x_monitor_59000" node="net1" exitcode="190" call="12" '
        'interval="59000" task="monitor"/></failures></pacemaker-result>'
    )
    assert len(found.degraded) == told
