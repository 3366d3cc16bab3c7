"""Cleaning a node by hand, on a real Open vSwitch: all that an L3 agent leaves goes, whatever kind of router it was;
what is somebody else's stays.
"""

import json

import pytest

from ocf_node import STATE, OcfNode, Router

pytestmark = pytest.mark.lab

CLEAN = "/usr/lib/ocf/lib/hotspare/clean"
NETWORK = "5a5a5a5a-1111-2222-3333-444444444444"
PUBLIC = "6b6b6b6b-1111-2222-3333-444444444444"


def clean(node: OcfNode, *options: str, code: int = 0) -> dict:
    return json.loads(node.run(CLEAN, "--json", *options, expect=(code,)))


def make_vrrp(node: OcfNode, router: Router) -> None:
    """The router is one of a VRRP pair, as the agent makes it: keepalived inside, its state-change monitor outside."""
    conf = f"{STATE}/ha_confs/{router.id}"
    ha = f"ha-{router.id[:11]}"
    node.shell(f"""
ovs-vsctl add-port br-int {ha} tag=9 -- set interface {ha} type=internal
ip link set {ha} netns {router.namespace}
ip -n {router.namespace} link set {ha} up
ip -n {router.namespace} addr add 169.254.192.7/18 dev {ha}
mkdir -p {conf} {STATE}/lock
touch {STATE}/lock/neutron-iptables-{router.namespace}
cat > {conf}/keepalived.conf <<END
vrrp_instance VR_1 {{
  state BACKUP
  interface {ha}
  virtual_router_id 1
  priority 50
  nopreempt
  virtual_ipaddress {{
    169.254.0.1/24 dev {ha}
  }}
}}
END
ip netns exec {router.namespace} keepalived -P -f {conf}/keepalived.conf -p {conf}.pid.keepalived \\
    -r {conf}.pid.keepalived-vrrp
setsid /opt/openstack/bin/neutron-keepalived-state-change --router_id {router.id} --namespace {router.namespace} \\
    --conf_dir {conf} --log-file {conf}/neutron-keepalived-state-change.log --monitor_interface {ha} \\
    --monitor_cidr 169.254.0.1/24 --state_path {STATE} --user 0 --group 0 \\
    --pid_file {STATE}/external/pids/{router.id}.monitor.pid.neutron-keepalived-state-change-monitor \\
    >/dev/null 2>&1 </dev/null &
""")
    node.wait(lambda: node.processes("ip -o monitor address"), within_s=10, until="the state-change monitor listens")
    node.wait(lambda: len(node.processes("keepalived -P")) == 2, within_s=10, until="keepalived runs with its child")


def make_distributed(node: OcfNode, router: Router) -> None:
    """The router is distributed and this node has its SNAT and floating IPs: two more namespaces, a pair of veths."""
    snat, fip = f"snat-{router.id}", f"fip-{PUBLIC}"
    rfp, fpr = f"rfp-{router.id[:10]}", f"fpr-{router.id[:10]}"
    sg, fg = f"sg-{router.id[:11]}", f"fg-{PUBLIC[:11]}"
    node.shell(f"""
ip netns add {snat}
ip netns add {fip}
ovs-vsctl add-port br-int {sg} tag=9 -- set interface {sg} type=internal -- \\
    add-port br-int {fg} tag=10 -- set interface {fg} type=internal
ip link set {sg} netns {snat}
ip link set {fg} netns {fip}
ip -n {snat} link set {sg} up
ip -n {fip} link set {fg} up
ip -n {fip} addr add 10.30.0.99/16 dev {fg}
ip -n {router.namespace} link add {rfp} type veth peer name {fpr} netns {fip}
ip -n {router.namespace} link set {rfp} up
ip -n {fip} link set {fpr} up
echo {router.id},80000 > {STATE}/fip-priorities
echo {router.id},169.254.64.0/31 > {STATE}/fip-linklocal-networks
mkdir -p {STATE}/lock
touch {STATE}/lock/neutron-iptables-{snat} {STATE}/lock/neutron-iptables-{fip}
setsid ip netns exec {fip} arping -q -U -I {fg} -w 60 10.30.0.99 >/dev/null 2>&1 &
""")
    node.wait(lambda: node.processes("arping -q"), within_s=5, until="a gratuitous ARP is under way")


def make_bystanders(node: OcfNode) -> None:
    """DHCP (of the public network too), VM ports, containers, people who look at routers."""
    node.shell(f"""
for network in {NETWORK} {PUBLIC}; do
    tap=tap${{network%%-*}}-11
    ip netns add qdhcp-$network
    ovs-vsctl add-port br-int $tap tag=7 -- set interface $tap type=internal
    ip link set $tap netns qdhcp-$network
    mkdir -p {STATE}/dhcp/$network {STATE}/external/pids {STATE}/lock
    touch {STATE}/external/pids/$network.pid.haproxy {STATE}/lock/neutron-iptables-qdhcp-$network
done
ip netns add another
ovs-vsctl add-port br-int qvo5a5a5a5a-11 -- set interface qvo5a5a5a5a-11 type=internal
ovs-vsctl add-port br-int vhu5a5a5a5a-11 -- set interface vhu5a5a5a5a-11 type=internal
ovs-vsctl add-port br-int qr-mine -- set interface qr-mine type=internal
ovs-vsctl add-port br-int qr-5a5a5a5a-11 -- set interface qr-5a5a5a5a-11 type=internal external_ids:skip_cleanup=true
setsid ip netns exec qdhcp-{NETWORK} sleep 1001 >/dev/null 2>&1 &
""")
    node.wait(lambda: node.processes("sleep 1001"), within_s=5, until="a process lives in the DHCP namespace")


def make_onlookers(node: OcfNode, router: Router) -> None:
    """Processes of others with the router's id among their arguments: in a container and in the node itself."""
    node.shell(f"""
setsid unshare --net sh -c 'sleep 1002; :' {router.id} >/dev/null 2>&1 &
setsid sh -c 'sleep 1003; :' --router_id {router.id} --namespace {router.namespace} >/dev/null 2>&1 &
setsid unshare --net bash -c "exec -a haproxy sleep 1004" >/dev/null 2>&1 &
""")
    for word in ("sleep 1002", "sleep 1003", "haproxy 1004"):
        node.wait(lambda word=word: node.processes(word), within_s=5, until=f"{word} runs")


def test_routers_of_every_kind_go_and_bystanders_stay(node):
    make_bystanders(node)
    spaces, ports, files = node.namespaces(), node.ports(), set(node.shell(f"find {STATE} -type f").split())
    vrrp, distributed = node.make_routers(2, radvd=True)
    make_vrrp(node, vrrp)
    make_distributed(node, distributed)
    make_onlookers(node, vrrp)
    planned = clean(node, "--plan", code=1)
    assert planned["state"] == "planned"
    assert len(planned["plan"]["ports"]) == 7
    assert {one["program"] for one in planned["plan"]["processes"]} >= {
        "haproxy", "radvd", "keepalived", "neutron-keepalived-state-change", "ip", "arping"}  # fmt: skip
    assert clean(node)["state"] == "cleaned"
    assert (node.namespaces(), node.ports()) == (spaces, ports)
    assert set(node.shell(f"find {STATE} -type f").split()) == files
    for program in ("haproxy -f", "radvd", "keepalived", "ip -o monitor", "arping"):
        assert not node.processes(program)
    for word in ("sleep 1001", "sleep 1002", "sleep 1003", "haproxy 1004"):
        assert node.processes(word)
    assert not [line for line in node.run("ip", "-o", "link").splitlines() if "fp" in line.partition("@")[0]]
    assert clean(node)["state"] == "clean"


def test_a_helper_in_the_nodes_own_namespace_outlives_no_cleaning_and_harms_no_link(node):
    """The monitor of a router that is gone would tell the next agent of it; the node's own links are no router's."""
    (router,) = node.make_routers(1)
    make_vrrp(node, router)
    node.shell("ip link add own type veth peer name other; ip link set own up")
    node.shell("pkill keepalived; pkill haproxy; pkill -9 ovs-vswitchd")
    assert clean(node)["state"] == "cleaned"
    assert not node.processes("state-change")
    assert ",UP" in node.run("ip", "-o", "link", "show", "own")


def links_up(node: OcfNode) -> str:
    return node.shell(
        "for one in $(ls /run/netns | grep qrouter); do ip -n $one -o link show up | grep -v LOOPBACK || :; done"
    )


@pytest.mark.parametrize("trouble", ["", "pkill -9 ovs-vswitchd", "pkill -9 ovsdb-server"])
def test_what_is_kept_is_silent(node, trouble):
    routers = node.make_routers(2)
    node.shell(trouble)
    blind = trouble.endswith("ovsdb-server")
    said = clean(node, "--keep", "ports", "--keep", "namespaces", code=3 if blind else 0)
    assert said["state"] == ("cannot tell" if blind else "cleaned")
    assert {router.namespace for router in routers} == node.namespaces()
    assert not links_up(node)
    assert not node.processes("haproxy")
    if not blind:
        assert {router.qr for router in routers} < node.ports()
        assert node.run("ovs-vsctl", "get", "port", routers[0].qr, "tag", "trunks").split() == ["4095", "[4095]"]
        assert clean(node, "--keep", "ports", "--keep", "namespaces")["state"] == "clean"


@pytest.mark.parametrize("kept", ["ports", "namespaces"])
def test_one_kind_is_kept_without_the_other_until_a_cleaning_that_keeps_nothing(node, kept):
    routers = node.make_routers(2)
    assert clean(node, "--keep", kept)["state"] == "cleaned"
    assert bool(node.namespaces()) == (kept == "namespaces")
    assert ({router.qr for router in routers} < node.ports()) == (kept == "ports")
    assert not links_up(node)
    assert clean(node)["state"] == "cleaned"
    assert not node.namespaces()
    assert not [name for name in node.ports() if name.startswith("q")]


def test_a_node_that_works_is_not_cleaned_by_hand(node):
    node.make_routers(1)
    node.shell("setsid bash -c 'exec -a /usr/bin/neutron-l3-agent sleep 1005' >/dev/null 2>&1 &")
    node.wait(lambda: node.processes("neutron-l3-agent 1005"), within_s=5, until="an agent runs")
    node.shell("mkdir -p /run/hotspare; touch /run/hotspare/edge-l3.conf")
    for options in ((), ("--plan",)):
        said = clean(node, *options, code=1)
        assert said["state"] == "refused"
        for words in ("resource edge-l3", "neutron-l3-agent (pid"):
            assert any(words in why for why in said["why"])
    node.shell("echo promoted > /run/hotspare/edge.gateway")
    assert "gateway edge is promoted" in clean(node, code=1)["why"][0]
    assert len(node.namespaces()) == 1
    assert node.processes("haproxy -f")


def test_without_open_vswitch_a_plan_cannot_tell(node):
    node.make_routers(1)
    node.shell("pkill -9 ovsdb-server")
    said = clean(node, "--plan", code=3)
    assert said["state"] == "cannot tell"
    assert "ovsdb-server" in said["why"][0]
    assert len(said["plan"]["namespaces"]) == 1


def test_one_cleaning_at_a_time_and_a_killed_one_is_in_nobodys_way(node):
    node.make_routers(1)
    node.shell(
        "mkdir -p /run/hotspare; touch /run/hotspare/.cleaning.lock\n"
        "setsid flock /run/hotspare/.cleaning.lock sleep 1006 >/dev/null 2>&1 &"
    )
    node.wait(lambda: node.processes("sleep 1006"), within_s=5, until="the lock is held")
    said = clean(node, "--limit-s", "0.3", code=1)
    assert "another cleaning" in said["why"][0]
    assert node.namespaces()
    node.shell("pkill -9 -f 'sleep 1006'; pkill -9 flock || :")
    assert clean(node)["state"] == "cleaned"


def test_a_cleaning_by_hand_says_what_went(node):
    (router,) = node.make_routers(1)
    said = node.run(CLEAN)
    for words in (f"port {router.qr}", f"namespace {router.namespace}", "process haproxy (pid", f"{router.id}.conf"):
        assert words in said
    assert "no router is here" in node.run(CLEAN)
