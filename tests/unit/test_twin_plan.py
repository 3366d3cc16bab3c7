"""What is true of every plan for a twin, whatever the node has and wherever the plan is cut."""

from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twin_node import GATEWAY, NORMAL, ROOT, Node, is_twin, plane, plug, router, tunnel

from hotspare.model.dataplane import DROP_PARKED, Address
from hotspare.model.staging import SeenPlug
from hotspare.plan.twin.demotion import demotion
from hotspare.plan.twin.differences import differences
from hotspare.plan.twin.observed import observed
from hotspare.plan.twin.promotion import promotion
from hotspare.plan.twin.staged import left_out, plugs

PORTS = ("qr-a", "qr-b", "qg-c", "qg-d")
IDS = ("r1", "r2", "r3")
TUNNELS = (None, (), (tunnel(1),), (tunnel(1), tunnel(2)), (tunnel(2, local="10.9.0.7"),))
FLOWS = ((NORMAL, DROP_PARKED), (NORMAL,), (NORMAL, DROP_PARKED, "dl_vlan=7 actions=NORMAL"))


@pytest.mark.parametrize("state", ["not wired yet", "just removed"])
def test_a_port_that_does_not_forward_is_no_part_of_what_a_carrier_publishes(state):
    """Nor is what goes by its device: a spare that has no device of the name could set nothing of it."""
    made, whole = router("r1", "qr-a"), router("r1", "qr-a", "qg-c")
    node = Node(carried=GATEWAY)
    for one in whole.plugs.values():
        node.agents_plug(whole.namespace, one, addresses=whole.devices[one.name].addresses)
    space = node.namespaces[whole.namespace]
    space.routes, space.sysctls, space.rules = whole.routes, dict(whole.sysctls), dict(whole.rules)
    if state == "not wired yet":
        node.plugs["qg-c"] = replace(node.plugs["qg-c"], parked=True)
    else:
        del node.plugs["qg-c"]
    (seen,) = observed(GATEWAY, node.look()).routers.values()
    assert (seen.plugs, seen.devices, seen.routes, seen.sysctls) == (
        made.plugs, made.devices, made.routes, made.sysctls
    )  # fmt: skip


@st.composite
def planes(draw):
    """Some of three routers, which share four ports in any way that two looks a moment apart could tell."""
    routers = []
    for id_ in draw(st.sets(st.sampled_from(IDS))):
        made = router(id_, *sorted(draw(st.sets(st.sampled_from(PORTS), max_size=3))), last=draw(st.integers(1, 2)))
        match draw(st.integers(0, 7)):
            case 0:
                made = replace(made, unstaged=("QoS of qg-c",))
            case 1:
                kept = dict(list(made.devices.items())[1:])
                gone = made.devices.keys() - kept
                routes = frozenset(route for route in made.routes if route.device in kept)
                sysctls = {path: value for path, value in made.sysctls.items() if not gone & set(path.split("/"))}
                made = replace(made, devices=kept, routes=routes, sysctls=sysctls)
            case 2:
                moved = {name: replace(one, bridge="br-ex") for name, one in made.plugs.items()}
                made = replace(made, plugs=moved)
            case 3:
                made = replace(made, plugs={name: plug(name, tag=9, mac="fa:16:3e:99:99:99") for name in made.plugs})
        routers.append(made)
    return plane(*routers, flows=draw(st.sampled_from(FLOWS)), tunnels=draw(st.sampled_from(TUNNELS)))


def _reboot(node):
    """Namespaces and devices are gone; OVSDB has its rows still, and the bridges have no flows."""
    node.namespaces.clear()
    node.devices.clear()
    node.orphans.clear()
    for name in node.plugs:
        node._plugged(name)
    node.flows = dict.fromkeys(node.flows, frozenset())


def _agents(node):
    """Somebody has Neutron's agents take what is there."""
    for name, seen in node.plugs.items():
        node.plugs[name] = replace(seen, parked=False, hidden=False, owner="")


def _switch_restarted(node):
    """The switch makes its devices anew, outside of the namespaces."""
    for name in node.plugs:
        node._lose(name)
        node._plugged(name)


def _switch_let_go(node):
    """As above, in user space."""
    node.restart_switch()


def _port_lost(node):
    """A row was removed while the switch did not run: its device stays."""
    for name in list(node.plugs)[:1]:
        del node.plugs[name]


def _device_changed(node):
    for name, (place, seen) in list(node.devices.items())[:2]:
        if place != ROOT:
            node.devices[name] = place, replace(seen, up=False, addresses=frozenset([Address("192.0.2.1/24")]))


def _nothing(_node):
    """All is as it was left."""


HAVOC = (_nothing, _reboot, _agents, _switch_restarted, _switch_let_go, _port_lost, _device_changed)


@st.composite
def histories(draw):
    """A node on which earlier twins were staged, each cut somewhere, and something happened in between."""
    node = Node()
    for earlier in draw(st.lists(planes(), max_size=2)):
        node.known |= earlier.routers.keys()
        _cut(node, earlier, draw(st.integers(0, 40)))
        draw(st.sampled_from(HAVOC))(node)
    if any(not seen.owner and node.devices[name][0] == ROOT for name, seen in node.plugs.items()):
        # Nothing tells whose such a port is: the start of a gateway on a node parks them all.
        node.carry_out([demotion(GATEWAY, node.look())])
    return node


@st.composite
def neighbourhoods(draw):
    """A node with others' things beside: another gateway's twin, its router, a stranger's, DHCP, a machine."""
    node = draw(histories())
    if draw(st.booleans()):
        _cut(node, plane(router("o1", "qr-o"), router("r3", "qr-z"), gateway="other"), draw(st.integers(0, 40)))
    if draw(st.booleans()):
        name = draw(st.sampled_from(["qr-y", "qr-b"]))
        node.agents_plug(
            draw(st.sampled_from(["qrouter-o2", "qrouter-r2"])), plug(name), owner=draw(st.sampled_from(["", "other"]))
        )
        node.carried = "other"
    if draw(st.booleans()):
        node.agents_plug("qrouter-s1", plug("qr-s"))
        node.agents_plug("qdhcp-n1", plug("tap-n1"))
        node.agents_plug(ROOT, plug("qvo-m1"), owner=GATEWAY)
        node.files["/var/lib/neutron/ra/s1.radvd.conf"] = "interface qr-s"
    if draw(st.booleans()):
        node.agents_plug("qrouter-o1", plug("qr-a"), owner="other")
    return node


def _cut(node, wanted, steps):
    return node.carry_out(differences(wanted, node.look())[:steps])


def _staged(node, wanted):
    """Planned twice: a device that has lost its port is out of another router's way only after the first."""
    _cut(node, wanted, None)
    _cut(node, wanted, None)


def _is_foreign(node, name):
    """Said here once more, without the plan's own words."""
    owner = node.plugs[name].owner
    return not name.startswith(("qr-", "qg-")) or name == "qr-s" or owner == "other" or (node.carried and not owner)


def _foreign(node):
    """Ports that are not the gateway's, with their devices; and their namespaces, but for our ports in there."""
    names = {name for name in node.plugs if _is_foreign(node, name)}
    devices = {name: node.devices[name] for name in names if name in node.devices}
    insides = {place: node.namespaces[place] for place, _ in devices.values() if place != ROOT}
    return (
        {name: node.plugs[name] for name in names},
        devices,
        {
            place: (space.rules, {route for route in space.routes if route.device in names})
            for place, space in insides.items()
        },
    )


@given(histories(), planes(), st.lists(st.integers(0, 40), max_size=3))
def test_wherever_plans_are_cut_the_next_one_makes_the_twin(node, wanted, cuts):
    for cut in cuts:
        _cut(node, wanted, cut)
    _staged(node, wanted)
    out = left_out(wanted, node.look())
    assert differences(wanted, node.look()) == ()
    assert all(is_twin(node, one) for id_, one in wanted.routers.items() if id_ not in out)
    staged = {plug.name for id_, one in wanted.routers.items() if not one.unstaged for plug in plugs(one)}
    assert node.plugs.keys() <= staged
    assert {name.removeprefix("qrouter-") for name in node.namespaces} <= wanted.routers.keys()
    assert not any(one.namespace in node.namespaces for one in wanted.routers.values() if one.unstaged)


@given(neighbourhoods(), planes())
def test_no_step_lets_a_port_forward_and_the_first_silences_what_does(node, wanted):
    before, foreign = node.forwarding(), set(_foreign(node)[0])
    for step in differences(wanted, node.look()):
        node.carry_out([step])
        assert node.forwarding() - foreign <= before
        assert not node.live() - foreign


@given(neighbourhoods(), planes(), st.integers(0, 40))
def test_nothing_of_others_is_touched(node, wanted, cut):
    node.known |= {"r1", "r2"}
    before = deepcopy(node)
    _cut(node, wanted, cut)
    assert _foreign(node) == _foreign(before)
    assert not node.carried or node.flows == before.flows
    assert {path for path in before.files if "s1" in path} <= node.files.keys()


@given(neighbourhoods(), planes())
def test_a_router_is_a_twin_or_it_is_said_why_not(node, wanted):
    _staged(node, wanted)
    out = left_out(wanted, node.look())
    for id_, one in wanted.routers.items():
        assert out.get(id_) or is_twin(node, one)


@given(histories(), planes(), planes(), st.integers(0, 40))
def test_a_promotion_unparks_what_the_carrier_had_and_all_of_a_router_or_nothing(node, staged, wanted, cut):
    node.known |= staged.routers.keys() | wanted.routers.keys()
    _cut(node, staged, 40)
    _cut(node, wanted, cut)
    found = promotion(wanted, node.look())
    node.carry_out([*found.first, found.unpark])
    warm = {name: wanted.routers[id_].plugs[name] for id_ in found.warm for name in wanted.routers[id_].devices}
    assert {name: node.plugs[name].plug for name in node.live()} == warm
    assert sorted([*found.warm, *found.cold]) == sorted(wanted.routers)
    for id_ in found.warm:
        for name, device in wanted.routers[id_].devices.items():
            place, seen = node.devices[name]
            assert (place, seen.addresses, seen.up) == (f"qrouter-{id_}", device.addresses, True)
    if warm:
        assert wanted.bridges["br-int"].flows <= node.flows["br-int"]
    node.carry_out(found.clear)
    assert node.plugs.keys() == warm.keys()
    assert node.namespaces.keys() <= {f"qrouter-{id_}" for id_ in found.warm}


@given(histories(), planes())
def test_a_whole_twin_is_promoted_without_further_ado(node, wanted):
    _staged(node, wanted)
    found = promotion(wanted, node.look())
    assert (found.first, found.cold) == ((), left_out(wanted, node.look()))
    assert {plug.name for plug in found.unpark.plugs} == {
        plug.name for id_ in found.warm for plug in plugs(wanted.routers[id_])
    }
    served = [(id_, f"qrouter-{id_}", wanted.routers[id_].files) for id_ in found.warm]
    assert [(one.router, one.namespace, {one.file}) for one in found.helpers] == served


@given(histories(), planes())
def test_no_helper_is_run_by_a_file_that_is_another_one_by_now(node, wanted):
    _staged(node, wanted)
    node.files = dict.fromkeys(node.files, "of another time")
    assert promotion(wanted, node.look()).helpers == ()


@given(histories(), planes())
def test_a_demotion_after_a_promotion_is_the_twin_again(node, wanted):
    _staged(node, wanted)
    twin = deepcopy(node)
    found = promotion(wanted, node.look())
    node.carry_out([found.unpark])
    node.carried = GATEWAY
    assert promotion(wanted, node.look()).unpark == found.unpark
    node.carry_out([demotion(GATEWAY, node.look())])
    assert (node.plugs, node.devices, node.live()) == (twin.plugs, twin.devices, set())
    node.carried = ""
    assert differences(wanted, node.look()) == ()
    assert promotion(wanted, node.look()) == found


@given(neighbourhoods())
def test_a_demotion_silences_all_of_the_gateway_and_nobody_else(node):
    before = dict(node.plugs)
    node.carry_out([demotion(GATEWAY, node.look())])
    others = {"", "other"} if node.carried == "other" else {"other"}
    for name, seen in node.plugs.items():
        if before[name].owner in others or not name.startswith(("qr-", "qg-")):
            assert seen == before[name]
        else:
            assert seen == SeenPlug(before[name].plug, parked=True, hidden=True, owner=GATEWAY)
