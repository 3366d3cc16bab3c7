"""Cleaning as values: what is a router's, what is planned, when a node is silent."""

import pytest
from hotspare_ocf import preference
from hotspare_ocf.cleaning import (
    KEEPABLE,
    NAMESPACES,
    PORTS,
    is_parked,
    may_forward,
    others,
    plan_cleaning,
    refusals,
    remains,
)
from hotspare_ocf.identity import program
from hotspare_ocf.look import switch_of
from hotspare_ocf.node import (
    AgentProcess,
    Helper,
    Namespace,
    Node,
    Port,
    Resident,
    Switch,
    is_router_device,
    is_router_namespace,
    router_of,
    serves_a_router,
)
from hypothesis import given
from hypothesis import strategies as st

ROUTER = "c46ae2e4-0a3a-4f35-b7dc-9d3a4c4f3f0c"
OTHER = "0ddba11e-0a3a-4f35-b7dc-9d3a4c4f3f0c"
BRIDGE = "b0000000-0000-0000-0000-000000000000"

ports = st.builds(
    Port,
    row=st.uuids().map(str),
    name=st.uuids().map(lambda one: f"qr-{one}"[:14]),
    is_live=st.booleans(),
    in_root=st.booleans(),
    has_device=st.booleans(),
)
namespaces = st.builds(
    Namespace,
    name=st.uuids().map(lambda one: f"qrouter-{one}"),
    inode=st.one_of(st.none(), st.integers(1, 9)),
    has_link_up=st.booleans(),
)
residents = st.builds(
    Resident,
    pid=st.integers(2, 99_999),
    start_ticks=st.integers(1),
    program=st.sampled_from(["haproxy", "radvd", "keepalived", "sh"]),
    inode=st.integers(1, 9),
    namespace=st.one_of(st.none(), st.uuids().map(lambda one: f"qrouter-{one}")),
)
helpers = st.builds(
    Helper, pid=st.integers(2, 99_999), start_ticks=st.integers(1), program=st.just("neutron-keepalived-state-change")
)
keeps = st.frozensets(st.sampled_from(KEEPABLE))
nodes = st.builds(
    Node,
    switch=st.one_of(st.none(), st.builds(Switch, bridge=st.just(BRIDGE), ports=st.lists(ports).map(tuple))),
    switch_trouble=st.just(""),
    namespaces=st.lists(namespaces).map(tuple),
    residents=st.lists(residents).map(tuple),
    helpers=st.lists(helpers).map(tuple),
    files=st.lists(st.just("/var/lib/neutron/external/pids/x")).map(tuple),
    agents=st.just(()),
    started=st.just(()),
    promoted=st.just(()),
)
CLEAN = Node(Switch(BRIDGE, ()), "", (), (), (), (), (), (), ())


def carried_out(node: Node, *, steps: int, keep: frozenset[str] = frozenset()) -> Node:
    """The node after the first steps of its plan: parked and links down, ended, namespaces gone, ports gone, files
    gone.
    """
    plan = plan_cleaning(node, keep)
    switch = node.switch
    if steps > 0:
        node = node._replace(
            namespaces=tuple(
                one._replace(has_link_up=one.has_link_up and one.name not in plan.links_down) for one in node.namespaces
            ),
        )
    if steps > 0 and switch:
        switch = switch._replace(ports=tuple(port._replace(is_live=False) for port in switch.ports))
    if steps > 1:
        node = node._replace(
            residents=tuple(one for one in node.residents if one not in plan.end),
            helpers=tuple(one for one in node.helpers if one not in plan.end),
        )
    if steps > 2:
        node = node._replace(namespaces=tuple(one for one in node.namespaces if one.name not in plan.namespaces))
    if steps > 3 and switch:
        switch = switch._replace(
            ports=tuple(port for port in switch.ports if port.row not in {p.row for p in plan.delete})
        )
    if steps > 4:
        node = node._replace(files=())
    return node._replace(switch=switch)


@given(nodes, st.integers(0, 4), keeps)
def test_a_cleaning_cut_short_is_finished_by_the_next(node, steps, keep):
    half = carried_out(node, steps=steps, keep=keep)
    done = carried_out(half, steps=5, keep=keep)
    assert plan_cleaning(done, keep).is_empty
    assert remains(done, keep) == ()
    assert may_forward(done) is False


@given(nodes)
def test_what_was_kept_is_cleaned_by_a_later_cleaning_that_keeps_nothing(node):
    kept = carried_out(node, steps=5, keep=frozenset(KEEPABLE))
    assert {port.name for port in plan_cleaning(kept).delete} == {
        port.name for port in (node.switch.ports if node.switch else ())
    }
    assert remains(carried_out(kept, steps=5)) == ()


@given(nodes, keeps)
def test_nothing_is_kept_that_is_not_silent(node, keep):
    left = remains(node, keep)
    if node.switch and any(port.is_live for port in node.switch.ports):
        assert "live tag" in left[0]
    if any(namespace.has_link_up for namespace in node.namespaces):
        assert any("namespaces" in words for words in left)
    if node.residents or node.helpers:
        assert left


def test_only_what_is_asked_for_is_kept():
    port = Port("p", "qr-0", is_live=False, in_root=False, has_device=True)
    node = CLEAN._replace(
        switch=Switch(BRIDGE, (port,)), namespaces=(Namespace(f"qrouter-{ROUTER}", 7, has_link_up=False),)
    )
    assert remains(node, frozenset(KEEPABLE)) == ()
    assert remains(node, frozenset({PORTS})) == (f"namespaces: qrouter-{ROUTER}",)
    assert remains(node, frozenset({NAMESPACES})) == ("parked ports: qr-0",)


@given(nodes)
def test_nothing_forwards_once_ports_are_parked(node):
    if node.switch:
        assert may_forward(carried_out(node, steps=1)) is False


@given(nodes)
def test_a_clean_node_has_an_empty_plan_and_only_a_clean_node_has_no_remains(node):
    plan = plan_cleaning(node)
    assert bool(remains(node)) == bool(plan.delete or plan.end or plan.namespaces)
    assert not plan.links_down


def test_without_ovsdb_a_node_with_routers_cannot_be_told():
    blind = CLEAN._replace(switch=None, switch_trouble="no answer")
    assert may_forward(blind) is False
    space = Namespace(f"qrouter-{ROUTER}", 7, has_link_up=True)
    assert may_forward(blind._replace(namespaces=(space,))) is None
    assert may_forward(blind._replace(namespaces=(space._replace(has_link_up=False),))) is False
    assert may_forward(blind._replace(residents=(Resident(7, 1, "haproxy", 5, None),))) is None


def test_rows_that_survived_a_reboot_are_leftovers_that_do_not_forward():
    left = CLEAN._replace(switch=Switch(BRIDGE, (Port("p", "qr-0", is_live=True, in_root=True, has_device=True),)))
    assert may_forward(left) is False
    assert remains(left)


def test_agents_of_other_resources_and_of_none_are_not_ours():
    mine, other, nobodys, bridges = (
        AgentProcess(1, 1, "neutron-l3-agent", "mine", "edge"),
        AgentProcess(2, 1, "neutron-l3-agent", "other", "edge"),
        AgentProcess(3, 1, "neutron-l3-agent", "", None),
        AgentProcess(4, 1, "neutron-openvswitch-agent", "", None),
    )
    node = CLEAN._replace(agents=(mine, other, nobodys, bridges))
    assert others(node, (b"neutron-l3-agent",), lambda agent: agent.resource == "mine") == (other, nobodys)


def test_a_node_is_not_cleaned_by_hand_under_what_runs_there():
    assert refusals(CLEAN) == ()
    (promoted,) = refusals(CLEAN._replace(promoted=("edge",), started=("edge-l3",)))
    assert "gateway edge is promoted" in promoted
    (started,) = refusals(CLEAN._replace(started=("edge-l3",)))
    assert "crm resource stop edge-l3" in started
    (running,) = refusals(CLEAN._replace(agents=(AgentProcess(7, 1, "neutron-l3-agent", "", None),)))
    assert "systemctl stop neutron-l3-agent" in running


@pytest.mark.parametrize(
    "words",
    [
        f"haproxy -f /var/lib/neutron/ns-metadata-proxy/{ROUTER}.conf",
        f"/bin/sh /usr/bin/neutron-keepalived-state-change --router_id {ROUTER} --namespace qrouter-{ROUTER}",
        f"/usr/bin/python3 /usr/bin/neutron-keepalived-state-change --namespace snat-{OTHER}",
        f"sudo neutron-rootwrap /etc/neutron/rootwrap.conf neutron-keepalived-state-change --router_id {ROUTER}",
        f"sudo neutron-rootwrap /etc/neutron/rootwrap.conf ip netns exec qrouter-{ROUTER} arping -U -I qg-1 10.0.0.1",
        f"/usr/bin/python3 /usr/bin/neutron-rootwrap rootwrap.conf ip netns exec qrouter-{OTHER} radvd -C x",
        f"conntrackd -C /var/lib/neutron/ha_confs/{ROUTER}/conntrackd.conf -n",
        f"ip netns exec fip-{OTHER} arping -U -I fg-1 10.0.0.1",
    ],
)
def test_a_routers_helper_is_known_by_program_and_router(words):
    line = words.replace(" ", "\0").encode() + b"\0"
    assert serves_a_router(line, program(line), frozenset({ROUTER}))


@pytest.mark.parametrize(
    "words",
    [
        f"haproxy -f /var/lib/neutron/ns-metadata-proxy/{OTHER}.conf",
        f"vim /var/lib/neutron/ns-metadata-proxy/{ROUTER}.conf",
        f"tail -f /var/log/neutron/neutron-keepalived-state-change-{ROUTER}.log",
        f"sudo tail -f /var/log/neutron/neutron-keepalived-state-change-{ROUTER}.log",
        f"openstack router show {ROUTER}",
        f"ssh net2 ip netns exec qrouter-{ROUTER} ip a",
        f"sudo ip netns exec qdhcp-{ROUTER} dnsmasq",
        "sudo systemctl restart haproxy",
        f"ip netns delete qrouter-{ROUTER}",
        "",
    ],
)
def test_others_processes_are_not_helpers(words):
    line = words.replace(" ", "\0").encode() + b"\0"
    assert not serves_a_router(line, program(line), frozenset({ROUTER}))


@pytest.mark.parametrize(
    "name",
    ["qr-c46ae2e4-0a", "qg-c46ae2e4-0a", "sg-c46ae2e4-0a", "rfp-c46ae2e4-0", "fpr-c46ae2e4-0", "ha-c46ae2e4-0a"],
)
def test_routers_devices_are_known(name):
    assert is_router_device(name)


@pytest.mark.parametrize(
    "name",
    ["tapc46ae2e4-0a", "qvoc46ae2e4-0a", "vhuc46ae2e4-0a", "qr-mine", "qr-zzzzzzzz-zz", "int-br-public", "br-int", ""],
)
def test_others_devices_are_not(name):
    assert not is_router_device(name)


@pytest.mark.parametrize("name", [f"qdhcp-{ROUTER}", "qrouter-mine", "qrouter-", ROUTER, f"qrouter-{ROUTER}-old"])
def test_others_namespaces_are_not_routers(name):
    assert router_of(name) is None
    assert not is_router_namespace(name)


def test_a_namespace_of_floating_ips_bears_a_networks_id():
    assert is_router_namespace(f"fip-{ROUTER}")
    assert router_of(f"fip-{ROUTER}") is None
    assert router_of(f"snat-{ROUTER}") == ROUTER


def row(name, *, tag=5, mode=None, trunks=(), ids=None):
    uuid = f"row-{name}"
    empty = ["set", []]
    port = {
        "_uuid": ["uuid", uuid],
        "name": name,
        "tag": tag if tag is not None else empty,
        "vlan_mode": mode or empty,
        "trunks": ["set", list(trunks)] if len(trunks) != 1 else trunks[0],
    }
    interface = {"name": name, "external_ids": ["map", list((ids or {}).items())], "ofport": 3}
    return port, interface


def seen(*rows):
    tables = {
        "Bridge": [{"_uuid": ["uuid", BRIDGE], "name": "br-int", "ports": ["set", [r[0]["_uuid"] for r in rows]]}],
        "Port": [r[0] for r in rows],
        "Interface": [r[1] for r in rows],
    }
    return {port.name: port for port in switch_of("br-int", tables, frozenset()).ports}


@pytest.mark.parametrize(
    ("tag", "mode", "trunks", "live"),
    [
        (5, None, (), True),
        (None, None, (), True),
        (4095, None, (), False),
        (4095, "access", (), False),
        (4095, "trunk", (4095,), False),
        (4095, "trunk", (), True),
        (4095, "trunk", (4095, 5), True),
        (4095, "native-untagged", (), True),
    ],
)
def test_only_the_dead_vlan_alone_is_silent(tag, mode, trunks, live):
    (port,) = seen(row("qr-c46ae2e4-0a", tag=tag, mode=mode, trunks=trunks)).values()
    assert port.is_live is live


def test_ports_of_others_are_left_out():
    mine = row("qr-c46ae2e4-0a", ids={"iface-id": "c46ae2e4-0a3a-4f35-b7dc-9d3a4c4f3f0c"})
    kept = row("qg-c46ae2e4-0b", ids={"skip_cleanup": "true"})
    others = row("qg-c46ae2e4-0c", ids={"iface-id": ROUTER})
    assert set(seen(mine, kept, others, row("tapc46ae2e4-0d"))) == {"qr-c46ae2e4-0a"}
    assert switch_of("br-int", {"Bridge": [], "Port": [], "Interface": []}, frozenset()) == Switch(None, ())


@given(nodes)
def test_what_is_parked_does_not_forward_whatever_namespaces_are_there(node):
    if is_parked(node):
        assert may_forward(node) is False
        assert not [port for port in node.switch.ports if port.is_live]


def test_a_twin_is_parked_until_a_port_lives_or_a_process_serves_it():
    port = Port("row", "qr-0123456789"[:14], is_live=False, in_root=False, has_device=True)
    space = Namespace(f"qrouter-{ROUTER}", 5, has_link_up=True)
    twin = Node(Switch(BRIDGE, (port,)), "", (space,), (), (), (), (), (), ())
    assert (is_parked(twin), may_forward(twin)) == (True, False)
    loud = twin._replace(switch=Switch(BRIDGE, (port._replace(is_live=True),)))
    assert (is_parked(loud), may_forward(loud)) == (False, True)
    assert not is_parked(twin._replace(residents=(Resident(9, 1, "haproxy", 5, space.name),)))
    assert not is_parked(twin._replace(helpers=(Helper(9, 1, "neutron-keepalived-state-change"),)))
    blind = twin._replace(switch=None)
    assert (is_parked(blind), may_forward(blind)) == (False, None)


@pytest.mark.parametrize(
    ("said", "score"),
    [({"score": 150}, 150), ({"score": 0}, 1), ({"score": 10**6}, 199), ({}, 100), ({"score": "x"}, 100)],
)
def test_a_twins_score_is_never_above_that_of_the_carrier(said, score):
    assert preference.of(said) == score
