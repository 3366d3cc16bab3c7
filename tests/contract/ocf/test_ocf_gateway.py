"""ocf:hotspare:gateway on a node with a real Open vSwitch, real namespaces and real helpers."""

import pytest

from ocf_node import STATE, VSWITCHD, OcfNode

pytestmark = pytest.mark.lab

AGENT = "hotspare/gateway"
NETWORK = "5a5a5a5a-1111-2222-3333-444444444444"


def gateway(node: OcfNode, action: str, **more):
    return node.ocf(AGENT, action, gateway="edge", **more)


def carry(node: OcfNode, count: int, **more):
    assert gateway(node, "start").code == 0
    assert gateway(node, "promote").code == 0
    return node.make_routers(count, **more)


def assert_clean(node: OcfNode) -> None:
    assert not [name for name in node.namespaces() if name.startswith("qrouter-")]
    assert not [name for name in node.ports() if name.startswith(("qr-", "qg-"))]
    assert not node.processes("haproxy")
    assert not node.processes("radvd")
    assert not node.shell(f"find {STATE}/external {STATE}/ns-metadata-proxy {STATE}/ra -type f 2>/dev/null || :")


def test_a_gateway_goes_through_its_roles(node):
    assert gateway(node, "monitor", probe=True).code == 7
    assert gateway(node, "start").code == 0
    assert gateway(node, "monitor").code == 0
    assert gateway(node, "promote").code == 0
    node.make_routers(3, radvd=True)
    assert gateway(node, "monitor").code == 8
    demoted = gateway(node, "demote")
    assert (demoted.code, demoted.err) == (0, "")
    assert_clean(node)
    assert gateway(node, "monitor", probe=True).code == 0
    assert gateway(node, "stop").code == 0
    assert gateway(node, "stop").code == 0
    assert gateway(node, "monitor", probe=True).code == 7


def test_cleaning_leaves_the_bystanders(node):
    node.shell(f"""
ip netns add qdhcp-{NETWORK}
ovs-vsctl add-port br-int tap5a5a5a5a-11 tag=7 -- set interface tap5a5a5a5a-11 type=internal
ip link set tap5a5a5a5a-11 netns qdhcp-{NETWORK}
ovs-vsctl add-port br-int qvo5a5a5a5a-11 -- set interface qvo5a5a5a5a-11 type=internal
ovs-vsctl add-port br-int vhu5a5a5a5a-11 -- set interface vhu5a5a5a5a-11 type=internal
ovs-vsctl add-port br-int qr-mine -- set interface qr-mine type=internal
ovs-vsctl add-port br-int qr-5a5a5a5a-11 -- set interface qr-5a5a5a5a-11 type=internal external_ids:skip_cleanup=true
mkdir -p {STATE}/dhcp/{NETWORK} {STATE}/external/pids
touch {STATE}/external/pids/{NETWORK}.pid.haproxy
setsid ip netns exec qdhcp-{NETWORK} sleep 1001 >/dev/null 2>&1 &
setsid unshare --net sleep 1002 {NETWORK} >/dev/null 2>&1 &
""")
    node.wait(lambda: node.processes("sleep 1001"), within_s=5, until="a process lives in the DHCP namespace")
    before = node.ports()
    carry(node, 2)
    assert gateway(node, "demote").code == 0
    assert node.ports() == before
    assert f"qdhcp-{NETWORK}" in node.namespaces()
    assert node.processes("sleep 1001")
    assert node.shell(f"ls {STATE}/external/pids").split() == [f"{NETWORK}.pid.haproxy"]


def test_helpers_orphaned_by_the_old_recipe_are_found_and_ended(node):
    """`ip netns delete` leaves haproxy and radvd alive without a name; the next agent would take them for its own."""
    routers = carry(node, 2, radvd=True)
    for router in routers:
        node.run("ovs-vsctl", "del-port", router.qr, "--", "del-port", router.qg)
        node.run("ip", "netns", "delete", router.namespace)
    assert len(node.processes("haproxy -f")) == 2
    assert node.processes("radvd -C")
    assert gateway(node, "stop").code == 0
    assert_clean(node)


def test_a_namespace_that_lost_its_name_with_its_ports_in_it_is_cleaned(node):
    """The ports are live and nobody's name leads to them; a shell without a router's id in its arguments keeps them."""
    (router,) = carry(node, 1)
    node.shell(f"setsid ip netns exec {router.namespace} sleep 1003 >/dev/null 2>&1 &")
    node.wait(lambda: node.processes("sleep 1003"), within_s=5, until="a process lives in the router's namespace")
    node.shell(f"pkill haproxy; rm -r {STATE}/*; ip netns delete {router.namespace}")
    node.wait(lambda: not node.processes("haproxy"), within_s=5, until="haproxy has ended")
    node.shell("rm /run/hotspare/edge.gateway")
    probed = gateway(node, "monitor", probe=True)
    assert (probed.code, "forward" in probed.reason) == (9, True)
    assert gateway(node, "stop").code == 0
    assert not node.processes("sleep 1003")
    assert_clean(node)


def test_routers_that_forward_without_a_promotion_are_a_failure(node):
    assert gateway(node, "start").code == 0
    node.make_routers(1)
    monitored = gateway(node, "monitor")
    assert monitored.code == 9
    assert "not promoted" in monitored.reason


def test_what_a_reboot_leaves_is_not_running_and_is_cleaned_by_start(node):
    """OVSDB's rows survive with their tags; the devices come back in the node's own namespace, without addresses."""
    carry(node, 2)
    node.shell("pkill -9 haproxy; pkill -9 ovs; rm -rf /run/hotspare /run/openvswitch")
    node.shell("for netns in /run/netns/*; do umount $netns; rm $netns; done")
    node.wait(lambda: not node.processes("ovs-vswitchd"), within_s=5, until="Open vSwitch has ended")
    node.start_ovs()
    assert len([name for name in node.ports() if name.startswith(("qr-", "qg-"))]) == 4
    assert gateway(node, "monitor", probe=True).code == 7
    assert gateway(node, "start").code == 0
    assert_clean(node)


def test_routers_that_do_not_forward_are_told_and_only_a_dead_switch_is_a_failure(node):
    """At OCF_CHECK_LEVEL 20, with an upstream router that answers for the gateways of all."""
    first, second = carry(node, 2)
    node.shell(f"""
ovs-ofctl add-flow br-int actions=NORMAL
ovs-vsctl add-port br-int upstream tag=4000 -- set interface upstream type=internal
ip address add 10.30.255.254/16 dev upstream
ip link set upstream up
for netns in {first.namespace} {second.namespace}; do ip -n $netns route add default via 10.30.255.254; done
""")
    deep = {"level": 20, "timeout_s": 20}
    well = gateway(node, "monitor", **deep)
    assert (well.code, well.reason) == (8, "")

    node.run("ovs-vsctl", "set", "port", first.qr, "tag=4095", "vlan_mode=trunk", "trunks=4095")
    parked = gateway(node, "monitor", **deep)
    assert (parked.code, f"1 of 2 routers do not forward: {first.namespace}: {first.qr}" in parked.reason) == (8, True)
    node.run("ovs-vsctl", "set", "port", first.qr, "tag=1", "--", "clear", "port", first.qr, "vlan_mode", "trunks")

    node.run("ip", "link", "set", "upstream", "down")
    lonely = gateway(node, "monitor", **deep)
    assert (lonely.code, lonely.reason.count("its gateway 10.30.255.254 does not answer")) == (8, 2)
    node.run("ip", "link", "set", "upstream", "up")
    well = gateway(node, "monitor", **deep)
    assert (well.code, well.reason) == (8, "")

    node.shell("kill -STOP $(cat /run/openvswitch/ovs-vswitchd.pid)")
    dead = gateway(node, "monitor", **deep)
    assert (dead.code, "ovs-vswitchd" in dead.reason) == (9, True)
    assert gateway(node, "stop", timeout_s=30).code == 0


def test_a_switch_that_was_restarted_in_user_space_and_holds_no_router_has_the_gateway_moved(node):
    first, second = carry(node, 2)
    node.shell("kill -9 $(cat /run/openvswitch/ovs-vswitchd.pid)")
    node.wait(lambda: not node.processes("ovs-vswitchd"), within_s=10, until="ovs-vswitchd has ended")
    node.shell(VSWITCHD)
    for device in (first.qr, second.qg):
        node.shell(f"ovs-vsctl --timeout=20 wait-until interface {device} 'ofport>0'")
    node.wait(lambda: gateway(node, "monitor", level=20).code == 9, within_s=20, until="the carrier knows it")
    assert "does not hold any of the routers' 4 devices" in gateway(node, "monitor", level=20).reason
    assert gateway(node, "monitor", level=0).code == 8
    assert gateway(node, "stop", timeout_s=30).code == 0


def test_a_spare_whose_open_vswitch_is_dead_says_so_and_is_not_promoted(node):
    assert gateway(node, "start").code == 0
    assert gateway(node, "monitor", level=20).code == 0
    node.shell("pkill -9 ovs-vswitchd")
    told = gateway(node, "monitor", level=20)
    assert (told.code, "this node could not carry gateway edge" in told.reason) == (0, True)
    promoted = gateway(node, "promote", timeout_s=20)
    assert (promoted.code, "cannot carry gateway edge" in promoted.reason) == (1, True)
    assert gateway(node, "stop", timeout_s=30).code == 0


@pytest.mark.parametrize(
    "trouble",
    ["pkill -STOP ovs-vswitchd", "pkill -9 ovs-vswitchd", "pkill -9 ovsdb-server", "pkill -STOP ovsdb-server"],
)
def test_stop_proves_silence_whatever_open_vswitch_is_in(node, trouble):
    routers = carry(node, 3)
    node.shell(trouble)
    stopped = gateway(node, "stop", timeout_s=30)
    assert (stopped.code, stopped.reason) == (0, "")
    assert stopped.took_s < 20
    assert not node.namespaces()
    assert not node.processes("haproxy")
    for router in routers:
        assert not node.shell(f"ip -o addr show | grep -c -e {router.qr} -e {router.qg} || :").strip("0\n")


def test_a_probe_that_cannot_ask_open_vswitch_says_stopped_only_without_namespaces(node):
    node.shell("pkill -9 ovsdb-server")
    assert gateway(node, "monitor", probe=True).code == 7
    node.reset()
    node.make_routers(1)
    node.shell("pkill -9 ovsdb-server")
    probed = gateway(node, "monitor", probe=True)
    assert probed.code == 1
    assert "cannot tell" in probed.reason


def test_a_strangers_agent_keeps_its_routers_and_bars_the_gateway(node):
    node.make_routers(1)
    node.shell("setsid bash -c 'exec -a /usr/bin/neutron-l3-agent sleep 1004' >/dev/null 2>&1 &")
    node.wait(lambda: node.processes("neutron-l3-agent 1004"), within_s=5, until="the stranger runs")
    assert gateway(node, "monitor", probe=True).code == 7
    started = gateway(node, "start")
    assert started.code == 5
    assert "neutron-l3-agent" in started.reason
    assert gateway(node, "stop").code == 0
    assert len(node.namespaces()) == 1
    assert len(node.processes("haproxy -f")) == 1


def test_a_gateway_leaves_the_routers_of_another_resource_of_the_cluster(node):
    """The recipe's L3 agent, which owns its routers itself, on a node that may also carry a gateway."""
    node.make_routers(1)
    node.shell(
        "mkdir -p /run/hotspare; printf '[DEFAULT]\nhost = other\n' > /run/hotspare/recipe.conf\n"
        'setsid bash -c \'exec -a /usr/bin/neutron-l3-agent python3 -c "import time; time.sleep(1006)" '
        "--config-file /run/hotspare/recipe.conf' >/dev/null 2>&1 &"
    )
    node.wait(lambda: node.processes("neutron-l3-agent"), within_s=5, until="the other resource's agent runs")
    started = gateway(node, "start")
    assert (started.code, "crm resource stop recipe" in started.reason) == (5, True)
    assert gateway(node, "stop").code == 0
    assert node.processes("neutron-l3-agent")
    assert len(node.namespaces()) == 1


def test_a_stop_under_a_strangers_agent_fails_and_says_what_to_do(node):
    carry(node, 1)
    node.shell("setsid bash -c 'exec -a /usr/bin/neutron-l3-agent sleep 1005' >/dev/null 2>&1 &")
    node.wait(lambda: node.processes("neutron-l3-agent 1005"), within_s=5, until="the stranger runs")
    stopped = gateway(node, "stop")
    assert stopped.code != 0
    assert "systemctl disable --now neutron-l3-agent" in stopped.reason


def test_a_node_carries_one_gateway_at_a_time(node):
    carry(node, 1)
    assert node.ocf(AGENT, "start", gateway="other").code == 0
    assert node.ocf(AGENT, "promote", gateway="other").code == 1
    assert node.ocf(AGENT, "stop", gateway="other").code == 0
    assert gateway(node, "monitor").code == 8
    assert len(node.namespaces()) == 1


def test_a_stop_cut_at_any_point_is_finished_by_the_next(node):
    carry(node, 4)
    node.shell(
        "OCF_RESKEY_gateway=edge /usr/lib/ocf/resource.d/hotspare/gateway stop & "
        "while [ $(ip netns | wc -l) -eq 4 ] && kill -0 $!; do :; done; kill -9 $! 2>/dev/null || :"
    )
    assert gateway(node, "stop").code == 0
    assert_clean(node)


def test_bad_parameters_are_named(node):
    assert "gateway is required" in node.ocf(AGENT, "start").reason
    assert node.ocf(AGENT, "start").code == 6
    assert node.ocf(AGENT, "start", gateway="../etc").code == 6
    assert node.ocf(AGENT, "validate-all", gateway="edge", strategy="warm").code == 6
    assert node.ocf(AGENT, "stop").code == 0
