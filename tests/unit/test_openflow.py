"""Flows of Open vSwitch as text that is the same on every node."""

from hypothesis import given
from hypothesis import strategies as st

from hotspare.codec import openflow

DUMP = """\
 cookie=0x12ab, priority=65535,dl_vlan=4095 actions=drop
 cookie=0x12ab, priority=3,in_port="int-br-ex",vlan_tci=0x0000/0x1fff actions=push_vlan:0x8100,set_field:4099->vlan_vid,resubmit(,58)
 priority=0 actions=resubmit(,58)
 table=10, priority=1 actions=learn(table=20,hard_timeout=300,priority=1,cookie=0xdd,NXM_OF_VLAN_TCI[0..11],output:OXM_OF_IN_PORT[]),output:"int-br-ex"
 table=20, hard_timeout=300, dl_vlan=3 actions=pop_vlan,output:"vxlan-0a000001"
 table=20, idle_timeout=5, dl_vlan=4 actions=drop
 table=22, dl_vlan=3 actions=pop_vlan,output:"vxlan-0a000001",output:17
 table=23, dl_vlan=3 actions=output:17
 table=60, priority=9,in_port=17 actions=drop
 table=60, priority=9,in_port=LOCAL actions=output:patch_tun
 table=60, send_flow_rem importance=5, dl_vlan=4 actions=pop_vlan,LOCAL
 cookie=0x0, table=61, reset_counts priority=1 actions=NORMAL
 reset_counts priority=2 actions=NORMAL
"""  # noqa: E501


def test_cookies_what_was_learned_and_numbered_ports_are_no_part_of_a_flow() -> None:
    assert openflow.flows(DUMP) == {
        "priority=65535,dl_vlan=4095 actions=drop",
        (
            'priority=3,in_port="int-br-ex",vlan_tci=0x0000/0x1fff '
            "actions=push_vlan:0x8100,set_field:4099->vlan_vid,resubmit(,58)"
        ),
        "priority=0 actions=resubmit(,58)",
        (
            "table=10, priority=1 actions=learn(table=20,hard_timeout=300,priority=1,NXM_OF_VLAN_TCI[0..11],"
            'output:OXM_OF_IN_PORT[]),output:"int-br-ex"'
        ),
        'table=22, dl_vlan=3 actions=pop_vlan,output:"vxlan-0a000001"',
        "table=23, dl_vlan=3 actions=drop",
        "table=60, priority=9,in_port=LOCAL actions=output:patch_tun",
        "table=60, send_flow_rem importance=5, dl_vlan=4 actions=pop_vlan,LOCAL",
        "table=61, priority=1 actions=NORMAL",
        "priority=2 actions=NORMAL",
    }


def test_ports_that_flows_need_are_those_of_the_bridge_itself_left_out() -> None:
    assert openflow.ports(openflow.flows(DUMP)) == {"int-br-ex", "vxlan-0a000001", "patch_tun"}


def test_a_file_drops_parked_frames_and_what_was_added_for_that_is_not_read_back() -> None:
    added = openflow.file({"priority=0 actions=NORMAL"})
    assert added == f"cookie=0x686f74737061, {openflow.DROP_PARKED}\npriority=0 actions=NORMAL\n"
    assert openflow.flows(added) == {"priority=0 actions=NORMAL"}
    assert openflow.ADD_DROP_PARKED == "cookie=0x686f74737061,table=0,priority=65535,dl_vlan=4095,actions=drop"


@given(st.sets(st.sampled_from(DUMP.splitlines())))
def test_what_a_file_says_is_read_back_as_it_was(lines: set[str]) -> None:
    wanted = openflow.flows("\n".join(lines))
    text = openflow.file(wanted)
    assert openflow.flows(text) == wanted
    assert text.count("dl_vlan=4095 actions=drop") == 1
