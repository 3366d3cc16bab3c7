"""Plans for a twin, case by case."""

from dataclasses import replace

import pytest
from twin_node import GATEWAY, NORMAL, ROOT, Namespace, Node, is_twin, plane, plug, router, tunnel, tunnel_bridge

from hotspare.model.dataplane import DROP_PARKED, Address, Bridge, Device, link_local
from hotspare.model.errors import InvariantError
from hotspare.model.staging import (
    AddNamespace,
    Announcement,
    DropNamespace,
    Outlet,
    Park,
    RemoveFile,
    RemovePlugs,
    SetAddresses,
    SetFlows,
    SetTunnels,
    StagePlugs,
    Unpark,
)
from hotspare.plan.twin.announcements import announcements
from hotspare.plan.twin.demotion import demotion
from hotspare.plan.twin.differences import differences
from hotspare.plan.twin.promotion import promotion
from hotspare.plan.twin.staged import left_out

R1 = router("r1", "qr-a", "qg-c")
R2 = router("r2", "qr-b")


def twin(*routers, **options):
    """A node with a fresh twin of these."""
    node = Node()
    return node.carry_out(differences(plane(*routers, **options), node.look()))


def kinds(steps):
    return [type(step).__name__ for step in steps]


def test_a_new_twin_is_made_kind_by_kind_with_all_ports_at_once():
    steps = differences(plane(R1, R2), Node().look())
    assert kinds(steps) == [
        "SetFlows", "SetFlows", "AddNamespace", "AddNamespace", "StagePlugs", "MoveDevice", "MoveDevice", "MoveDevice",
        "SetSysctls", "SetSysctls", "SetAddresses", "SetAddresses", "SetAddresses", "SetRoutes", "SetRoutes",
        "SetRules", "SetRules", "SetRules", "SetRules", "WriteFile", "WriteFile",
    ]  # fmt: skip
    assert steps[4] == StagePlugs(GATEWAY, (R1.plugs["qg-c"], R1.plugs["qr-a"], R2.plugs["qr-b"]))


def test_a_change_takes_what_it_changes_and_no_more():
    changed = replace(R1, devices=R1.devices | {"qr-a": Device("qr-a", frozenset([Address("10.0.0.2/24")]))})
    assert differences(plane(changed, R2), twin(R1, R2).look()) == (
        SetAddresses("qrouter-r1", "qr-a", (Address("10.0.0.2/24"),), (Address("10.0.0.1/24"),)),
    )


def test_the_drop_of_parked_ports_is_added_where_the_carrier_has_none_and_not_twice():
    bare = differences(plane(R1, flows=[NORMAL]), Node().look())
    assert bare[1] == SetFlows("br-int", frozenset([NORMAL, DROP_PARKED]))
    told = ("table=0, " + DROP_PARKED, NORMAL)
    assert differences(plane(R1, flows=told), Node().look())[1] == SetFlows("br-int", frozenset(told))


def test_a_bridge_drops_what_is_parked_there_though_the_carrier_has_the_port_elsewhere_now():
    on_ex = replace(R2, plugs={"qr-b": plug("qr-b", bridge="br-ex")})
    node = twin(on_ex)
    wanted = plane(replace(R2, unstaged=("QoS of qr-b",)), R1)
    node.carry_out([step for step in differences(wanted, node.look()) if isinstance(step, SetFlows)])
    assert "qr-b" in node.plugs
    assert not node.forwarding()


def test_a_router_that_the_carrier_has_no_more_goes_namespace_first():
    assert differences(plane(R1), twin(R1, R2).look()) == (DropNamespace("qrouter-r2"), RemovePlugs(("qr-b",)))


def test_what_is_left_of_a_known_router_goes_though_nothing_in_it_tells_whose_it_is():
    node = twin(R1)
    node.namespaces["qrouter-r2"] = Namespace()
    file = "/var/lib/neutron/ra/r2.radvd.conf"
    node.files[file] = "interface qr-b"
    assert differences(plane(R1), node.look()) == ()
    node.known = frozenset(["r2"])
    assert differences(plane(R1), node.look()) == (DropNamespace("qrouter-r2"), RemoveFile(file))


def test_a_router_that_is_not_described_is_cleared_away_and_named():
    wanted = plane(R1, replace(R2, unstaged=("QoS of qr-b", "an ip rule")))
    found = twin(R1, R2).look()
    assert left_out(wanted, found) == {"r2": "QoS of qr-b, an ip rule"}
    assert differences(wanted, found) == (
        DropNamespace("qrouter-r2"), RemovePlugs(("qr-b",)), RemoveFile("/var/lib/neutron/ns-metadata-proxy/r2.conf"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        (router("r1", "sg-a"), "its port sg-a is none of a legacy router"),
        (replace(R1, plugs={}), "its device qg-c is no port of the switch"),
        (replace(R1, plugs=R1.plugs | {"qr-b": plug("qr-b")}), "port qr-b is another router's, too"),
    ],
)
def test_a_plane_that_contradicts_itself_is_not_staged(odd, why):
    assert left_out(plane(odd, R2), Node().look())["r1"] == why


def test_a_bridge_that_is_not_there_leaves_all_as_it_is():
    node = twin(R1)
    del node.flows["br-ex"]
    assert left_out(plane(R1, R2), node.look()) == dict.fromkeys(["r1", "r2"], "bridge br-ex is not on this node")
    assert differences(plane(R1, R2), node.look()) == ()
    assert promotion(plane(R1, R2), node.look()).unpark == Unpark(())


def test_what_forwards_on_a_spare_is_parked_before_all_else():
    node = Node()
    node.agents_plug("qrouter-r1", R1.plugs["qr-a"])
    assert differences(plane(R1), node.look())[0] == Park(GATEWAY, (R1.plugs["qr-a"],))


def test_also_before_what_is_gone_is_cleared_away():
    node = twin(R1, R2)
    node.plugs["qr-a"] = replace(node.plugs["qr-a"], parked=False)
    assert kinds(differences(plane(R1), node.look())) == ["Park", "DropNamespace", "RemovePlugs"]


def test_a_device_that_is_set_anew_gets_its_addresses_and_routes_again():
    node = twin(R1)
    _down(node)
    node.carry_out(differences(plane(R1), node.look()))
    assert is_twin(node, R1)


def test_anothers_port_is_not_ours_though_it_is_in_our_routers_namespace():
    node = Node(known=frozenset(["r1"]))
    node.agents_plug("qrouter-r1", plug("qr-x"), owner="other")
    node.agents_plug("qrouter-r1", plug("tap-x"), owner=GATEWAY)
    assert differences(plane(), node.look()) == differences(plane(), Node(plugs=node.plugs).look())
    assert demotion(GATEWAY, node.look()).plugs == ()
    assert node.carry_out(differences(plane(), node.look())).live() == {"qr-x", "tap-x"}
    assert "qrouter-r1" in node.namespaces


def test_a_port_of_nobody_is_silenced_by_a_demotion_and_cleared_by_the_next_plan():
    node = Node()
    node.agents_plug(ROOT, plug("qr-old"))
    del node.namespaces[ROOT]
    assert "Park" not in kinds(differences(plane(), node.look()))
    node.carry_out([demotion(GATEWAY, node.look())])
    assert node.live() == set()
    assert RemovePlugs(("qr-old",)) in differences(plane(), node.look())


def test_what_is_parked_but_neutrons_agents_would_see_is_hidden():
    node = twin(R1)
    node.plugs["qr-a"] = replace(node.plugs["qr-a"], hidden=False)
    assert differences(plane(R1), node.look()) == (Park(GATEWAY, (R1.plugs["qr-a"],)),)


def test_a_port_whose_device_went_with_a_namespace_that_somebody_else_removed_is_plugged_anew():
    node = twin(R1)
    del node.namespaces[R1.namespace]
    node.devices.clear()
    steps = differences(plane(R1), node.look())
    assert RemovePlugs(tuple(sorted(R1.plugs))) in steps
    faulty = replace(node.look(), switch=replace(node.look().switch, faults=dict.fromkeys(R1.plugs, "no such bridge")))
    assert "RemovePlugs" not in kinds(differences(plane(R1), faulty))
    assert is_twin(node.carry_out(steps), R1)
    assert differences(plane(R1), node.look()) == ()


def test_a_spare_that_gateways_share_has_the_drop_and_the_flows_of_none_until_one_is_promoted():
    node = Node()
    node.carry_out(differences(plane(R2, gateway="other"), node.look()))
    node.flows["br-int"] = frozenset(["learned"])
    steps = differences(plane(R1), node.look())
    assert [step for step in steps if isinstance(step, SetFlows)] == [
        SetFlows("br-int", frozenset(["learned", DROP_PARKED]))
    ]
    node.carry_out(steps)
    assert differences(plane(R1), node.look()) == ()
    assert promotion(plane(R1), node.look()).first == (SetFlows("br-int", frozenset([NORMAL, DROP_PARKED])),)


def test_tunnels_come_with_their_bridge_before_any_flow_names_them():
    steps = differences(plane(R1, tunnels=[tunnel(2), tunnel(1)]), Node().look())
    assert kinds(steps)[:5] == ["SetTunnels", "SetFlows", "SetFlows", "SetFlows", "AddNamespace"]
    assert steps[0] == SetTunnels((tunnel(1), tunnel(2)))
    assert steps[3] == SetFlows("br-tun", tunnel_bridge(tunnel(1), tunnel(2)).flows)
    node = Node().carry_out(steps)
    assert promotion(plane(R1, tunnels=[tunnel(2), tunnel(1)]), node.look()).first == ()


def test_a_tunnel_that_came_went_or_changed_is_one_step_and_flows_follow_where_they_differ():
    node = twin(R1, tunnels=[tunnel(1)])
    moved = tunnel(1, local="10.9.0.7")
    assert differences(plane(R1, tunnels=[moved]), node.look()) == (SetTunnels((moved,)),)
    assert differences(plane(R1, tunnels=[]), node.look()) == (
        SetTunnels(()),
        SetFlows("br-tun", tunnel_bridge().flows),
    )
    assert differences(plane(R1), node.look()) == ()


def test_a_spare_that_gateways_share_has_the_tunnels_of_none_until_one_is_promoted():
    node = Node()
    node.carry_out(differences(plane(R2, gateway="other", tunnels=[tunnel(1, local="10.9.0.7")]), node.look()))
    wanted = plane(R1, tunnels=[tunnel(1)])
    node.carry_out(differences(wanted, node.look()))
    assert node.tunnels == {tunnel(1).name: tunnel(1, local="10.9.0.7")}
    assert promotion(wanted, node.look()).first == (SetTunnels((tunnel(1),)),)


def test_where_another_gateway_forwards_its_flows_are_its_agents():
    node = Node(carried="other", flows={"br-int": frozenset([NORMAL]), "br-ex": frozenset([NORMAL])})
    why = "bridge br-int, by which gateway other forwards, does not drop VLAN 4095 yet"
    assert left_out(plane(R1), node.look()) == {"r1": why}
    assert differences(plane(R1), node.look()) == ()
    node.flows["br-int"] |= {DROP_PARKED}
    assert "SetFlows" not in kinds(differences(plane(R1, flows=["mine"]), node.look()))


@pytest.mark.parametrize(("owner", "whose"), [("other", "gateway other"), ("", "an agent that is not the gateway's")])
def test_a_router_that_another_gateway_has_here_is_left_to_it(owner, whose):
    node = Node(carried="other", flows={"br-int": frozenset([DROP_PARKED]), "br-ex": frozenset()})
    node.agents_plug("qrouter-r1", R1.plugs["qr-a"], owner=owner)
    assert left_out(plane(R1), node.look()) == {"r1": f"port qr-a is of {whose}"}
    assert differences(plane(R1), node.look()) == ()
    assert left_out(plane(router("r1", "qr-x")), node.look()) == {
        "r1": f"its namespace has port qr-a, which is of {whose}"
    }


def test_a_namespace_that_may_be_another_gateways_is_left_to_it():
    node = twin(R1)
    node.plugs.clear()
    node.carried = "other"
    assert left_out(plane(R1), node.look()) == {"r1": "its namespace has device qg-c, and may be of gateway other"}


def test_a_port_whose_bridge_changed_is_plugged_anew_with_all_that_goes_by_it():
    there = replace(R1, plugs=R1.plugs | {"qr-a": plug("qr-a", bridge="br-ex")})
    steps = differences(plane(there), twin(R1).look())
    assert steps[0] == RemovePlugs(("qr-a",))
    assert kinds(steps[1:]) == ["SetFlows", "StagePlugs", "MoveDevice", "SetSysctls", "SetAddresses", "SetRoutes"]


def test_a_device_that_lost_its_port_takes_the_namespace_with_it_after_the_ports():
    node = twin(R1)
    del node.plugs["qr-a"]
    assert differences(plane(R1), node.look())[:3] == (
        RemovePlugs(("qg-c",)), DropNamespace("qrouter-r1"), AddNamespace("qrouter-r1"),
    )  # fmt: skip


def test_a_device_that_lost_its_port_is_out_of_another_routers_way_first():
    node = twin(R2)
    del node.plugs["qr-b"]
    node.known = frozenset(["r2"])
    moved = plane(router("r1", "qr-b"))
    assert left_out(moved, node.look()) == {"r1": "a device qr-b that has lost its port is in qrouter-r2"}
    node.carry_out(differences(moved, node.look()))
    assert left_out(moved, node.look()) == {}


def test_a_spare_is_planned_for_and_not_the_node_that_carries():
    with pytest.raises(InvariantError, match="promoted on this node"):
        differences(plane(R1), Node(carried=GATEWAY).look())
    with pytest.raises(InvariantError, match="carries gateway other"):
        promotion(plane(R1), Node(carried="other").look())


def _no_port(node):
    del node.plugs["qr-a"]


def _down(node):
    node.devices["qr-a"] = "qrouter-r1", replace(node.devices["qr-a"][1], up=False)


def _elsewhere(node):
    node.devices["qr-a"] = ROOT, node.devices["qr-a"][1]


def _no_rules(node):
    node.namespaces["qrouter-r1"].rules = dict.fromkeys(R1.rules, "*nat\n:POSTROUTING ACCEPT\nCOMMIT\n")


def _another(node):
    node.plugs["qr-a"] = replace(node.plugs["qr-a"], plug=plug("qr-a", mac="fa:16:3e:99:99:99"))


def _nobodys(node):
    node.plugs["qr-a"] = replace(node.plugs["qr-a"], owner="")


@pytest.mark.parametrize(
    ("lacks", "why"),
    [
        (_no_port, "port qr-a is not in the switch"),
        (_down, "device qr-a is not ready in its namespace"),
        (_elsewhere, "device qr-a is not ready in its namespace"),
        (_no_rules, "its ipv4 rules are not set"),
        (_another, "port qr-a is staged as another one"),
        (_nobodys, "port qr-a is in the switch, but nobody has staged it"),
    ],
)
def test_a_router_that_is_not_whole_goes_the_cold_way_and_leaves_nothing_in_the_agents_way(lacks, why):
    node = twin(R1, R2)
    lacks(node)
    found = promotion(plane(R1, R2), node.look())
    assert (found.cold, found.warm, found.unpark) == ({"r1": why}, ("r2",), Unpark((R2.plugs["qr-b"],)))
    node.carry_out([*found.first, found.unpark, *found.clear])
    assert (node.plugs.keys(), node.namespaces.keys()) == ({"qr-b"}, {"qrouter-r2"})


def test_yesterdays_rules_are_better_than_no_router():
    node = twin(router("r1", "qr-a", "qg-c", last=1))
    node.namespaces["qrouter-r1"].rules = dict.fromkeys(R1.rules, "*nat\n-A OLD\nCOMMIT\n")
    assert promotion(plane(R1), node.look()).warm == ("r1",)


def test_a_local_vlan_and_an_address_are_put_right_before_the_port_forwards():
    node = twin(R1)
    wanted = plane(
        replace(R1, devices=R1.devices | {"qg-c": Device("qg-c", frozenset())}),
        flows=[NORMAL, DROP_PARKED, "dl_vlan=1"],
    )
    assert promotion(wanted, node.look()).first == (
        SetFlows("br-int", frozenset([NORMAL, DROP_PARKED, "dl_vlan=1"])),
        SetAddresses("qrouter-r1", "qg-c", (), (Address("10.1.0.1/24"),)),
    )


def test_a_router_that_forwards_and_that_the_carrier_had_no_more_is_silenced_before():
    node = twin(R1, R2)
    node.carry_out([Unpark((R2.plugs["qr-b"],))])
    node.known = frozenset(["r2"])
    assert promotion(plane(R1), node.look()).first == (Park(GATEWAY, (R2.plugs["qr-b"],)),)


def test_where_the_gateway_is_promoted_already_what_its_agents_made_since_is_left_alone():
    node = twin(R1)
    node.carry_out([promotion(plane(R1), node.look()).unpark])
    node.carried, node.known = GATEWAY, frozenset(["r2"])
    node.agents_plug("qrouter-r2", R2.plugs["qr-b"])
    again = promotion(plane(R1), node.look())
    assert (again.first, again.clear, again.warm) == ((), (), ("r1",))


def test_a_demotion_parks_what_the_agents_plugged_since_the_promotion():
    node = twin(R1)
    node.carry_out([promotion(plane(R1), node.look()).unpark])
    node.carried = GATEWAY
    node.agents_plug("qrouter-new", plug("qr-new"))
    node.agents_plug("snat-new", plug("sg-new"))
    node.agents_plug("qdhcp-n1", plug("tap-n1"))
    parked = demotion(GATEWAY, node.look())
    assert [one.name for one in parked.plugs] == ["qg-c", "qr-a", "qr-new", "sg-new"]
    assert node.carry_out([parked]).live() == {"tap-n1"}


def test_every_address_is_announced_once_outside_ones_first_and_with_ipv6_the_one_that_the_kernel_makes():
    outside = Device("qg-c", frozenset(map(Address, ["203.0.113.9/24", "203.0.113.77/32", "2001:db8::9/64"])))
    inner = Device("qr-a", frozenset([Address("10.0.0.1/24"), Address("fe80::1/64", 253), Address("127.1.1.1/8", 254)]))
    found = announcements([replace(R1, devices={"qg-c": outside, "qr-a": inner})], {})
    only_ipv4 = Device("qr-a", frozenset([Address("10.0.0.1/24")]))
    assert [one.address for one in announcements([replace(R1, devices={"qr-a": only_ipv4})], {})] == ["10.0.0.1"]
    mac, inner_mac = R1.plugs["qg-c"].mac, R1.plugs["qr-a"].mac
    assert found == (
        Announcement("qrouter-r1", "qg-c", mac, "2001:db8::9"),
        Announcement("qrouter-r1", "qg-c", mac, "203.0.113.77"),
        Announcement("qrouter-r1", "qg-c", mac, "203.0.113.9"),
        Announcement("qrouter-r1", "qg-c", mac, str(link_local(mac))),
        Announcement("qrouter-r1", "qr-a", inner_mac, "10.0.0.1"),
        Announcement("qrouter-r1", "qr-a", inner_mac, "fe80::1"),
        Announcement("qrouter-r1", "qr-a", inner_mac, str(link_local(inner_mac))),
    )


def test_outside_addresses_are_announced_where_their_network_leaves_for_the_wire():
    vlan = R1.plugs["qg-c"].tag
    to_wire = f'priority=4,in_port="phy-br-ex",dl_vlan={vlan} actions=pop_vlan,NORMAL'
    others = [
        f'priority=4,in_port="phy-br-ex",dl_vlan={vlan + 1} actions=set_field:4441->vlan_vid,NORMAL',
        'priority=2,in_port="phy-br-ex" actions=drop',
        NORMAL,
    ]
    wanted = plane(R1, R2)
    bridges = {**wanted.bridges, "br-ex": Bridge("br-ex", frozenset([to_wire, *others]))}
    node = twin(R1, R2)
    found = promotion(replace(wanted, bridges=bridges), node.look()).announcements
    outlet = Outlet("br-ex", "phy-br-ex", vlan)
    assert {one.device: one.outlet for one in found if one.namespace == "qrouter-r1"} == {"qg-c": outlet, "qr-a": None}
    assert {one.outlet for one in promotion(wanted, node.look()).announcements} == {None}


def test_only_what_is_unparked_is_announced():
    found = promotion(plane(R1, R2), twin(R1).look())
    assert {one.namespace for one in found.announcements} == {"qrouter-r1"}


def test_flows_of_a_bridge_without_router_ports_are_the_carriers_too():
    wanted = replace(plane(R1), bridges=plane().bridges | {"br-ex": Bridge("br-ex", frozenset(["x"]))})
    assert differences(wanted, twin(R1).look()) == (SetFlows("br-ex", frozenset(["x"])),)


def test_a_namespace_with_a_port_of_a_router_that_is_left_as_it_is_is_no_twin_until_that_one_has_it():
    node = twin(router("r2", "qr-b"))
    claimed = plane(router("r1", "qr-b", unstaged=("QoS of qr-b",)), router("r2"), router("r3", "qr-b"))
    node.carry_out(differences(claimed, node.look()))
    out = left_out(claimed, node.look())
    assert out["r2"] == "its namespace has port qr-b of router r3, which is left as it is"
    assert not node.live()
    settled = plane(router("r2"), router("r3", "qr-b"))
    for _ in range(2):
        node.carry_out(differences(settled, node.look()))
    assert left_out(settled, node.look()) == {}
    assert is_twin(node, settled.routers["r2"])
    assert is_twin(node, settled.routers["r3"])
