"""The switch of a node, as the stager sees and changes it: real Open vSwitch, its userspace datapath."""

from dataclasses import replace

import pytest

from hotspare.codec import announcement
from hotspare.model.dataplane import PARKED_TAG
from hotspare.model.staging import Announcement, Park, RemovePlugs, SetFlows, SetTunnels, StagePlugs, Unpark
from ocf_node import OcfNode
from switch_node import RefusedThereError, SwitchNode, plugs, tunnels

pytestmark = pytest.mark.lab

NEUTRONS_FLOWS = """
table=0,priority=0,actions=resubmit(,58)
table=0,priority=65535,dl_vlan=4095,actions=drop
table=0,priority=3,in_port=int-br-ex,vlan_tci=0x0000/0x1fff,actions=push_vlan:0x8100,set_field:4099->vlan_vid,resubmit(,58)
table=0,priority=3,in_port=int-br-ex,dl_vlan=101,actions=set_field:4098->vlan_vid,resubmit(,58)
table=0,priority=2,in_port=int-br-ex,actions=drop
table=23,priority=0,actions=drop
table=58,priority=0,actions=resubmit(,59)
table=59,priority=0,actions=resubmit(,60)
table=60,priority=1,actions=NORMAL
table=60,priority=90,in_port={trusted},actions=resubmit(,62)
table=62,priority=3,actions=output:{trusted},output:9,output:int-br-ex
table=10,priority=1,actions=learn(table=20,hard_timeout=300,priority=1,cookie=0xdd,NXM_OF_VLAN_TCI[0..11],\
NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[],output:OXM_OF_IN_PORT[]),output:int-br-ex
table=20,hard_timeout=300,dl_vlan=3,actions=strip_vlan,output:int-br-ex
"""


@pytest.fixture
def switch(node: OcfNode) -> SwitchNode:
    return SwitchNode(node)


def test_parking_and_unparking_is_one_transaction_and_gives_neutron_back_what_it_had(switch: SwitchNode) -> None:
    neutrons = plugs(200)
    names = {plug.name for plug in neutrons}
    switch.add_as_neutron(neutrons)
    before, ids = switch.rows(names), {row["_uuid"][1] for row in switch.rows(names)[:200]}
    look = switch.look()
    assert {name: seen.plug for name, seen in look.plugs.items()} == {plug.name: plug for plug in neutrons}
    assert not any(seen.parked or seen.hidden or seen.owner for seen in look.plugs.values())
    transactions = len(switch.transactions())

    switch.carry_out(Park("gw", neutrons))
    parked = switch.look()
    assert {name: seen.plug for name, seen in parked.plugs.items()} == {plug.name: plug for plug in neutrons}
    assert all(seen.parked and seen.hidden and seen.owner == "gw" for seen in parked.plugs.values())
    assert switch.transactions()[transactions:] == [ids]

    switch.carry_out(Unpark(neutrons))
    assert switch.rows(names) == before
    assert switch.transactions()[transactions:] == [ids, ids]
    switch.carry_out(Unpark(neutrons))
    assert switch.rows(names) == before
    assert switch.transactions()[transactions:] == [ids, ids]


def test_what_is_another_one_since_the_last_look_is_let_go_as_it_is_now(switch: SwitchNode) -> None:
    wanted = plugs(2)
    switch.carry_out(StagePlugs("gw", wanted))
    switch.look_and_then(RemovePlugs(tuple(plug.name for plug in wanted)), StagePlugs("gw", wanted), Unpark(wanted))
    seen = {name: (one.plug, one.parked, one.hidden) for name, one in switch.look().plugs.items()}
    assert seen == {plug.name: (plug, False, False) for plug in wanted}


def test_staged_ports_are_as_neutrons_once_they_are_unparked(switch: SwitchNode) -> None:
    wanted = plugs(200)
    names = {plug.name for plug in wanted}
    unlike = {"_uuid", "ofport"}
    switch.add_as_neutron(wanted)
    neutrons = [{name: row[name] for name in row.keys() - unlike} for row in switch.rows(names)]
    switch.carry_out(RemovePlugs(tuple(names)))
    assert switch.look().plugs == {}

    transactions = len(switch.transactions())
    switch.carry_out(StagePlugs("gw", wanted))
    look = switch.look()
    assert {name: seen.plug for name, seen in look.plugs.items()} == {plug.name: plug for plug in wanted}
    assert all(seen.parked and seen.hidden and seen.owner == "gw" for seen in look.plugs.values())
    assert look.faults == {}
    assert len(switch.transactions()) == transactions + 1
    switch.carry_out(StagePlugs("gw", wanted))
    assert len(switch.transactions()) == transactions + 1

    changed = tuple(
        replace(plug, tag=plug.tag + 1, mtu=1400, other_config={**plug.other_config, "tag": str(plug.tag + 1)})
        for plug in wanted
    )
    switch.carry_out(StagePlugs("gw", changed))
    assert {name: seen.plug for name, seen in switch.look().plugs.items()} == {plug.name: plug for plug in changed}
    switch.carry_out(StagePlugs("gw", wanted))
    switch.carry_out(Unpark(wanted))
    assert [{name: row[name] for name in row.keys() - unlike} for row in switch.rows(names)] == neutrons


def test_with_one_port_missing_nothing_is_changed(switch: SwitchNode) -> None:
    there, gone = plugs(3), plugs(1, first=3)
    names = {plug.name for plug in there}
    switch.add_as_neutron(there)
    before = switch.rows(names)
    with pytest.raises(RefusedThereError, match=f"RefusedError.*{gone[0].name}"):
        switch.carry_out(Park("gw", (*there, *gone)))
    assert switch.rows(names) == before
    switch.carry_out(Park("gw", there))
    parked = switch.rows(names)
    with pytest.raises(RefusedThereError, match=f"RefusedError.*{gone[0].name}"):
        switch.carry_out(Unpark((*there, *gone)))
    assert switch.rows(names) == parked


def test_what_agents_have_is_neither_staged_nor_unparked(switch: SwitchNode) -> None:
    neutrons, ours = plugs(1), plugs(1, first=1)
    switch.add_as_neutron(neutrons)
    names = {neutrons[0].name}
    before = switch.rows(names)
    with pytest.raises(RefusedThereError, match="not staged by hotspare"):
        switch.carry_out(StagePlugs("gw", (*neutrons, *ours)))
    assert switch.look().plugs.keys() == names
    dead = ["tag=4095", "vlan_mode=trunk", "trunks=4095"]
    switch.node.run("ovs-vsctl", "set", "port", neutrons[0].name, *dead)
    with pytest.raises(RefusedThereError, match="not staged by hotspare"):
        switch.carry_out(Unpark(neutrons))
    words = ["--", "set", "port", neutrons[0].name, "tag=1", "--", "clear", "port", neutrons[0].name]
    switch.node.run("ovs-vsctl", *words, "vlan_mode", "trunks")
    assert switch.rows(names) == before


def test_a_port_that_no_agent_has_wired_stays_dead_and_is_seen_by_them_again(switch: SwitchNode) -> None:
    (plug,) = (replace(one, tag=PARKED_TAG, other_config={}) for one in plugs(1))
    switch.add_as_neutron([plug])
    switch.node.run("ovs-vsctl", "set", "port", plug.name, "vlan_mode=trunk", "trunks=4095")
    before = switch.rows({plug.name})
    assert switch.look().plugs[plug.name].plug == plug
    switch.carry_out(Park("gw", (plug,)))
    switch.carry_out(Unpark((plug,)))
    assert switch.rows({plug.name}) == before


def test_staging_that_was_cut_is_whole_or_has_not_begun(switch: SwitchNode) -> None:
    wanted = plugs(100)
    found = set()
    for life_ms in range(20, 420, 40):
        switch.carry_out_for(StagePlugs("gw", wanted), life_ms / 1000)
        seen = switch.look().plugs
        assert len(seen) in {0, 100}
        assert all(one.parked and one.hidden for one in seen.values())
        found.add(len(seen))
        switch.carry_out(StagePlugs("gw", wanted))
        assert {name: one.plug for name, one in switch.look().plugs.items()} == {plug.name: plug for plug in wanted}
        switch.carry_out(RemovePlugs(tuple(plug.name for plug in wanted)))
    assert 0 in found


def test_routers_ports_of_other_kinds_and_ports_without_a_device_are_told(switch: SwitchNode) -> None:
    switch.node.run("ovs-vsctl", "add-port", "br-int", "sg-1234", "--", "set", "interface", "sg-1234", "type=internal")
    switch.node.run("ovs-vsctl", "add-port", "br-int", "tapdhcp", "--", "set", "interface", "tapdhcp", "type=internal")
    switch.node.run("ovs-vsctl", "add-port", "br-int", "qr-nowhere")
    look = switch.look()
    assert (set(look.plugs), set(look.faults)) == ({"qr-nowhere", "sg-1234"}, {"qr-nowhere"})


def test_nothing_is_changed_while_ovs_vswitchd_hangs_without_being_told(switch: SwitchNode) -> None:
    neutrons = plugs(2)
    switch.add_as_neutron(neutrons)
    switch.node.run("kill", "-STOP", str(switch.node.pid("ovs-vswitchd")))
    with pytest.raises(RefusedThereError, match="TimedOutError"):
        switch.carry_out(Park("gw", neutrons), within_s=1.0)
    switch.node.run("kill", "-CONT", str(switch.node.pid("ovs-vswitchd")))
    switch.carry_out(Park("gw", neutrons))
    assert all(seen.parked for seen in switch.look().plugs.values())


def test_flows_by_name_are_the_same_on_a_bridge_with_other_numbers(switch: SwitchNode) -> None:
    first, second = plugs(2)
    _two_bridges(switch)
    switch.carry_out(SetFlows("br-ex", frozenset()))
    patch = "ovs-vsctl add-port br-int int-br-ex -- set interface int-br-ex type=patch options:peer=phy-br-ex"
    switch.node.shell(patch)
    switch.add_as_neutron([first, second])
    flows = NEUTRONS_FLOWS.format(trusted=first.name)
    switch.node.run("ovs-ofctl", "--names", "-O", "OpenFlow14", "replace-flows", "br-int", "-", stdin=flows)
    carried = switch.look(flows=True).bridges["br-int"]
    assert len(carried.flows) == flows.count(",actions=") - 1
    assert not [line for line in carried.flows if "cookie" in line or "output:9" in line]

    switch.node.reset()
    _two_bridges(switch)
    switch.carry_out(StagePlugs("gw", (second, first)))
    switch.carry_out(SetFlows("br-int", carried.flows))
    look = switch.look(flows=True)
    assert look.bridges["br-int"] == carried
    assert switch.node.ports() == {first.name, second.name, "int-br-ex"}
    bridge = "ovs-vsctl get bridge br-int fail_mode protocols other_config:disable-in-band"
    said = switch.node.run(*bridge.split()).split("\n")
    assert said[:3] == ["secure", "[OpenFlow10, OpenFlow13, OpenFlow14]", '"true"']
    assert switch.node.run("ovs-vsctl", "get-controller", "br-int").split() == ["tcp:127.0.0.1:6633"]
    switch.carry_out(SetFlows("br-int", carried.flows))
    assert switch.look(flows=True).bridges["br-int"] == carried


def test_frames_are_put_out_as_if_they_came_from_the_routers_bridge(switch: SwitchNode) -> None:
    _two_bridges(switch)
    switch.node.shell(
        "ovs-vsctl add-port br-int int-br-ex -- set interface int-br-ex type=patch options:peer=phy-br-ex"
    )
    switch.node.shell("ovs-vsctl add-port br-ex phy-br-ex -- set interface phy-br-ex type=patch options:peer=int-br-ex")
    flows = (
        "priority=4,in_port=phy-br-ex,dl_vlan=7 actions=pop_vlan,NORMAL\npriority=2,in_port=phy-br-ex actions=drop\n"
        "priority=0 actions=NORMAL\n"
    )
    switch.node.run("ovs-ofctl", "--names", "-O", "OpenFlow14", "replace-flows", "br-ex", "-", stdin=flows)
    ours, strangers = (
        list(announcement.frames(Announcement("", "", mac, "203.0.113.9")))
        for mac in ("fa:16:3e:00:00:07", "fa:16:3e:00:00:08")
    )
    told = [(frame, 7) for frame in ours] + [(frame, 8) for frame in strangers]
    switch.put_out("br-ex", [("phy-br-ex", announcement.tagged(frame, vlan)) for frame, vlan in told])
    known = switch.node.run("ovs-appctl", "fdb/show", "br-ex")
    assert "fa:16:3e:00:00:07" in known
    assert "fa:16:3e:00:00:08" not in known
    with pytest.raises(RefusedThereError, match="RefusedError"):
        switch.put_out("br-ex", [("nowhere", announcement.tagged(ours[0], 7))])
    with pytest.raises(RefusedThereError, match="RefusedError"):
        switch.put_out("br-none", [("phy-br-ex", announcement.tagged(ours[0], 7))])


def test_the_switch_learns_from_a_lesson_which_reaches_nobody(switch: SwitchNode) -> None:
    one, other = plugs(2)
    switch.carry_out(SetFlows("br-int", frozenset({"priority=0 actions=NORMAL"})))
    switch.add_as_neutron([one, replace(other, tag=one.tag)])
    for plug in (one, other):
        switch.node.shell(f"sysctl -qw net/ipv6/conf/{plug.name}/disable_ipv6=1; ip link set {plug.name} up")
    before = _received(switch, other.name)
    say = "import socket, sys; socket.socket(17, 3).sendto(bytes.fromhex(sys.argv[2]), (sys.argv[1], 0))"  # AF_PACKET
    switch.node.run("python3", "-c", say, one.name, announcement.lesson(one.mac).hex())
    switch.node.wait(
        lambda: one.mac in switch.node.run("ovs-appctl", "fdb/show", "br-int"), within_s=20, until="the mac is learnt"
    )
    assert _received(switch, other.name) == before


def _received(switch: SwitchNode, device: str) -> int:
    """Frames of no known protocol are counted as dropped, and are received all the same."""
    return int(switch.node.run("cat", f"/sys/class/net/{device}/statistics/rx_packets"))


def test_every_bridge_drops_parked_frames_and_a_look_does_not_tell_what_was_added(switch: SwitchNode) -> None:
    normal = frozenset({"priority=0 actions=NORMAL"})
    _two_bridges(switch)
    switch.carry_out(SetFlows("br-ex", normal))
    assert switch.look(flows=True).bridges["br-ex"].flows == normal
    switch.carry_out(StagePlugs("gw", plugs(1)))
    for bridge in ("br-ex", "br-int"):
        assert "actions=drop" in switch.node.run("ovs-ofctl", "dump-flows", bridge, "table=0,dl_vlan=4095")


def test_tunnels_are_made_with_their_bridge_and_flows_name_them(switch: SwitchNode) -> None:
    wanted = tunnels(3)
    flows = frozenset(
        {f'priority=1,in_port="{one.name}" actions=output:"patch-int"' for one in wanted} | {"priority=0 actions=drop"}
    )
    for _ in range(2):
        switch.carry_out(SetTunnels(wanted))
        switch.carry_out(SetFlows("br-tun", flows))
        bridge = switch.look(flows=True).bridges["br-tun"]
        assert (bridge.tunnels, bridge.flows) == ({one.name: one for one in wanted}, flows)
    said = switch.node.run("ovs-vsctl", "get", "bridge", "br-tun", "fail_mode", "datapath_type")
    assert said.split() == ["secure", "netdev"]
    assert switch.node.run("ovs-vsctl", "get", "interface", "patch-int", "options:peer").strip() == "patch-tun"

    numbers = {row["name"]: row["ofport"] for row in switch.rows([one.name for one in wanted])[3:]}
    moved = tuple(replace(one, options={**one.options, "local_ip": "10.9.0.7"}) for one in wanted[1:])
    switch.carry_out(SetTunnels(moved))
    assert switch.look(flows=True).bridges["br-tun"].tunnels == {one.name: one for one in moved}
    for row in switch.rows([one.name for one in moved])[2:]:
        assert row["ofport"] == numbers[row["name"]], "a flow goes by it"


def test_two_tunnels_to_one_node_are_refused_by_the_switch_and_named(switch: SwitchNode) -> None:
    (one,) = tunnels(1)
    with pytest.raises(RefusedThereError, match=r"RefusedError.*made no device of vxlan-"):
        switch.carry_out(SetTunnels((one, replace(one, name="vxlan-again"))))
    (there,) = switch.look(flows=True).bridges["br-tun"].tunnels
    assert there in {one.name, "vxlan-again"}


def test_flows_of_ports_that_are_missing_are_refused_and_named(switch: SwitchNode) -> None:
    flows = frozenset({'priority=1,in_port="vxlan-0a000001" actions=drop', "priority=0 actions=NORMAL"})
    with pytest.raises(RefusedThereError, match=r"RefusedError.*vxlan-0a000001"):
        switch.carry_out(SetFlows("br-int", flows))
    with pytest.raises(RefusedThereError, match="no bridge br-none"):
        switch.carry_out(SetFlows("br-none", flows))


def test_changes_of_others_are_told_and_so_are_restarts(switch: SwitchNode) -> None:
    node = switch.node
    plug, other = plugs(2)
    switch.add_as_neutron([plug])
    switch.watch()
    assert switch.changes()[0].restarted
    node.run("ovs-vsctl", "add-port", "br-int", "tapdhcp", "--", "set", "interface", "tapdhcp", "type=internal")
    node.run("ovs-vsctl", "set", "port", plug.name, "tag=77")
    _told(switch, plug.name)
    seen = len(switch.changes())
    switch.add_as_neutron([other])
    _told(switch, other.name, since=seen)
    seen = len(switch.changes())
    node.run("ovs-vsctl", "set", "interface", plug.name, "external_ids:iface-status=inactive")
    _told(switch, plug.name, since=seen)
    seen = len(switch.changes())
    node.run("ovs-vsctl", "del-port", plug.name)
    _told(switch, plug.name, since=seen)
    assert {name for change in switch.changes() for name in change.names} == {plug.name, other.name}

    node.run("kill", "-KILL", str(node.pid("ovs-vswitchd")))
    _restarted(switch, "ovs-vswitchd is lost")
    node.run("ovs-vswitchd", "--disable-system", "--pidfile", "--detach", "-vconsole:off")
    _restarted(switch, "ovs-vswitchd is back")
    node.run("kill", "-KILL", str(node.pid("ovsdb-server")))
    _restarted(switch, "ovsdb-server is lost")
    began = sum("watched" in change.restarted for change in switch.changes())
    node.run("ovsdb-server", "--remote=punix:/run/openvswitch/db.sock", "--pidfile", "--detach", "-vconsole:off")
    node.wait(
        lambda: sum("watched" in change.restarted for change in switch.changes()) > began,
        within_s=20,
        until="the watch goes on",
    )
    seen = len(switch.changes())
    node.run("ovs-vsctl", "set", "port", other.name, "tag=78")
    _told(switch, other.name, since=seen)


def _two_bridges(switch: SwitchNode) -> None:
    switch.node.run("ovs-vsctl", "add-br", "br-ex", "--", "set", "bridge", "br-ex", "datapath_type=netdev")


def _told(switch: SwitchNode, name: str, *, since: int = 1) -> None:
    told = lambda: any(name in change.names for change in switch.changes()[since:])  # noqa: E731
    switch.node.wait(told, within_s=20, until=f"{name} is told")


def _restarted(switch: SwitchNode, words: str) -> None:
    told = lambda: any(words in change.restarted for change in switch.changes())  # noqa: E731
    switch.node.wait(told, within_s=30, until=words)
