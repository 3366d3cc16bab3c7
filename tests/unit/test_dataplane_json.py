"""Data planes between nodes: as text, and as what changed."""

import json

import pytest
from hypothesis import given
from test_twin_plan import planes
from twin_node import DROP_PARKED, plane, router, tunnel, tunnel_bridge

from hotspare.codec import dataplane_json
from hotspare.model.dataplane import BridgeChange, PlaneDelta
from hotspare.plan.twin.deltas import applied, delta

PLANE = plane(router("r1", "qr-a"), tunnels=[tunnel(1)])


@given(planes())
def test_a_plane_comes_back_from_its_text_and_the_text_from_the_plane(wanted):
    told = dataplane_json.text(wanted)
    assert dataplane_json.plane(told) == wanted
    assert dataplane_json.text(dataplane_json.plane(told)) == told
    assert "\n" not in told


@given(planes(), planes())
def test_a_change_brings_one_plane_to_the_other_also_over_the_wire(before, after):
    change = dataplane_json.delta(dataplane_json.text(delta(before, after)))
    assert change == delta(before, after)
    assert applied(before, change) == after
    assert (change == PlaneDelta()) == (before == after)


@given(planes(), planes())
def test_equal_planes_have_one_digest_and_others_another(one, other):
    assert (dataplane_json.digest(one) == dataplane_json.digest(other)) == (one == other)


def test_a_text_does_not_depend_on_the_order_in_which_things_were_found():
    two = [router("r1", "qr-a"), router("r2", "qr-b")]
    assert dataplane_json.text(plane(*two)) == dataplane_json.text(plane(*reversed(two)))


def test_a_change_tells_only_what_changed():
    after = plane(router("r1", "qr-a"), router("r2", "qr-b"), flows=[DROP_PARKED, "new"])
    before = plane(router("r1", "qr-a"), flows=[DROP_PARKED, "old"])
    assert delta(before, after) == PlaneDelta(
        routers={"r2": router("r2", "qr-b")},
        bridges={"br-int": BridgeChange(frozenset(["new"]), frozenset(["old"]))},
    )


def test_a_change_tells_all_tunnels_of_a_bridge_and_their_names_are_checked_as_well():
    change = delta(plane(tunnels=[tunnel(1)]), plane(tunnels=[tunnel(1), tunnel(2)]))
    (told,) = change.bridges.values()
    assert told.tunnels == tunnel_bridge(tunnel(1), tunnel(2)).tunnels
    assert len(told.add) == 1
    text = dataplane_json.text(change).replace('"name":"vxlan-0a090002"', '"name":"vxlan-x"')
    with pytest.raises(ValueError, match="'vxlan-x' is filed under 'vxlan-0a090002'"):
        dataplane_json.delta(text)


@pytest.mark.parametrize(
    "change",
    [
        PlaneDelta(routers_gone=frozenset(["r9"])),
        PlaneDelta(bridges_gone=frozenset(["br-9"])),
        PlaneDelta(bridges={"br-int": BridgeChange(remove=frozenset(["flow 9"]))}),
    ],
)
def test_a_change_of_another_plane_is_refused(change):
    with pytest.raises(ValueError, match="9', which is not here"):
        applied(PLANE, change)


def _broken(change):
    told = json.loads(dataplane_json.text(PLANE))
    change(told, told["DataPlane"]["routers"]["r1"])
    return json.dumps(told)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda told, _: told.update(version=1), "version: 1, and this is one that reads 2"),
        (lambda told, _: told.pop("DataPlane"), "DataPlane: is missing"),
        (lambda told, _: told["DataPlane"].update(more=1), "more: not known here"),
        (lambda _, r1: r1.pop("rules"), r"routers\.r1\.rules: is missing"),
        (lambda _, r1: r1["plugs"]["qr-a"].update(qos=1), r"routers\.r1\.plugs\.qr-a\.qos: not known here"),
        (lambda _, r1: r1["plugs"]["qr-a"].update(tag="1"), r"qr-a\.tag: '1' is no whole number"),
        (lambda _, r1: r1["plugs"]["qr-a"].update(tag=True), r"qr-a\.tag: True is no whole number"),
        (lambda _, r1: r1["plugs"]["qr-a"].update(mtu="x"), r"qr-a\.mtu: 'x' is no whole number"),
        (lambda _, r1: r1["plugs"]["qr-a"].update(name="qr-b"), "'qr-b' is filed under 'qr-a'"),
        (lambda _, r1: r1.update(rules={"ipx": ""}), r"routers\.r1\.rules: 'ipx' is not a valid Family"),
        (lambda _, r1: r1.update(routes={}), r"routers\.r1\.routes: {} is no list"),
        (lambda _, r1: r1.update(unstaged=[1]), r"routers\.r1\.unstaged\[0\]: 1 is no text"),
        (lambda _, r1: r1.update(router="r2"), "'r2' is filed under 'r1'"),
        (lambda told, _: told["DataPlane"]["bridges"]["br-ex"].update(name="c"), "'c' is filed under 'br-ex'"),
        (
            lambda told, _: told["DataPlane"]["bridges"]["br-tun"]["tunnels"]["vxlan-0a090001"].update(name="c"),
            r"br-tun\.tunnels\.vxlan-0a090001\.name: 'c' is filed under 'vxlan-0a090001'",
        ),
        (lambda told, _: told["DataPlane"].update(routers=[]), r"routers: \[\] is no object"),
    ],
)
def test_what_is_wrong_with_a_text_is_said(change, words):
    with pytest.raises(ValueError, match=words):
        dataplane_json.plane(_broken(change))


@pytest.mark.parametrize("told", ["", "nonsense", "[]", "3"])
def test_what_is_no_plane_at_all_is_refused(told):
    with pytest.raises(ValueError, match=r"not JSON|is no object"):
        dataplane_json.plane(told)


def test_a_change_is_no_plane_and_its_routers_are_filed_right():
    with pytest.raises(ValueError, match="PlaneDelta: not known here"):
        dataplane_json.plane(dataplane_json.text(PlaneDelta()))
    with pytest.raises(ValueError, match="'r1' is filed under 'r2'"):
        dataplane_json.delta(dataplane_json.text(PlaneDelta(routers={"r2": PLANE.routers["r1"]})))


def test_a_mtu_may_be_the_switchs_to_choose():
    told = json.loads(dataplane_json.text(PLANE))
    told["DataPlane"]["routers"]["r1"]["plugs"]["qr-a"]["mtu"] = None
    assert dataplane_json.plane(json.dumps(told)).routers["r1"].plugs["qr-a"].mtu is None
