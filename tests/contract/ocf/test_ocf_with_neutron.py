"""The resource agents with Neutron's own agents under Pacemaker: what costs no packet, and what comes back."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from hotspare.codec import crm_mon_xml
from hotspare.lab import namespace
from hotspare.lab.openstack.cloud import connect
from hotspare.model.cluster import ClusterStatus
from lab_parts import Lab, eventually

pytestmark = pytest.mark.lab

GATEWAY = "neutron-gateway"
AGENTS = ("ovs", "l3", "metadata")
LEFT = "ip netns list; ovs-vsctl list-ports br-int | grep -E '^q[rg]-' || :"
"""What a router leaves on a node where it is not any more."""

RUN = "/usr/lib/ocf/resource.d/openstack"


@pytest.fixture(scope="module")
def cluster(lab: Lab) -> Lab:
    """The cluster as the lab's file says, every floating IP answering."""
    lab.hotspare("apply", str(lab.state_dir / "cluster.yaml"), timeout_s=300)
    eventually(lambda: all_answer(lab), within_s=180, what="all floating IPs answer")
    return lab


def routers(lab: Lab) -> list[dict[str, str]]:
    return json.loads((lab.state_dir / "topology.json").read_text())["routers"]


def all_answer(lab: Lab) -> bool:
    script = " && ".join(f"ping -qc1 -W1 {router['floating_ip']}" for router in routers(lab))
    return answers(lab, "ext", script)


def answers(lab: Lab, machine: str, script: str) -> bool:
    """Whether a command that asks the network succeeds."""
    return lab.ssh(machine, f"{{ {script}; }} >/dev/null 2>&1 && echo yes || echo no").strip() == "yes"


def carrier(lab: Lab) -> str:
    """The node on which the gateway is promoted."""
    return lab.ssh(
        "net3", f"crm_resource -r {GATEWAY}-clone -W 2>/dev/null | sed -n 's/.*running on: \\(.*\\) Promoted/\\1/p'"
    ).strip()


def seen(lab: Lab) -> ClusterStatus:
    return crm_mon_xml.read(lab.ssh("net3", " ".join(crm_mon_xml.CRM_MON)))


def forget_failures(lab: Lab) -> None:
    """No failure is remembered, and Pacemaker has looked at everything anew: until then it takes what it forgot for
    stopped, and a change at that moment restarts what depends on it.
    """
    lab.ssh("net3", "crm_resource --cleanup; crm_resource --wait --timeout 90s", timeout_s=120)


def pid(lab: Lab, node: str, agent: str) -> str:
    return lab.ssh(node, f"head -1 /run/hotspare/{GATEWAY}-{agent}.pid 2>/dev/null || :").strip()


def lost(lab: Lab, seconds: int) -> str:
    """Packets that the slowest to answer of all floating IPs lost, pinged at 20 Hz: `0`, if none did."""
    script = "; ".join(
        f"ping -q -i 0.05 -w {seconds} {router['floating_ip']} | awk '/transmitted/ {{print $1 - $4}}' &"
        for router in routers(lab)
    ).replace("&;", "&")
    return max(lab.ssh("ext", f"{script} wait", timeout_s=seconds + 30).split(), key=int)


def test_a_parameter_that_needs_no_restart_causes_none_and_a_changed_file_is_told(cluster):
    # Where Pacemaker remembers a failure of the resource, it restarts it for any change (2.1.5); so this comes first.
    node = carrier(cluster)
    before = [pid(cluster, node, agent) for agent in AGENTS]
    cluster.ssh("net3", f"crm resource param {GATEWAY}-l3 set silence_max 600")
    told = "journalctl -t hotspare-ocf --since -5min --no-pager"
    reloaded = f"event=reload-agent.finished resource={GATEWAY}-l3"
    eventually(lambda: reloaded in cluster.ssh(node, told), within_s=60, what="the resource is reloaded")
    cluster.ssh("net3", f"crm resource param {GATEWAY}-l3 delete silence_max; crm_resource --wait --timeout 60s")

    cluster.ssh(node, "touch /etc/neutron/metadata_agent.ini; echo '# a word' >> /etc/neutron/l3_agent.ini")
    changed = f"event=config.changed resource={GATEWAY}-l3 file=/etc/neutron/l3_agent.ini"
    eventually(lambda: changed in cluster.ssh(node, told), within_s=60, what="the changed file is told")
    # Two more monitors say nothing more.
    cluster.ssh("net3", f"crm_resource -r {GATEWAY}-l3 --force-check >/dev/null 2>&1 || :")
    cluster.ssh(node, f"OCF_RESKEY_host={GATEWAY} OCF_RESOURCE_INSTANCE={GATEWAY}-l3 {RUN}/neutron-agent-l3 monitor")
    assert cluster.ssh(node, told).count("event=config.changed") == 1
    assert [pid(cluster, node, agent) for agent in AGENTS] == before
    cluster.ssh(node, "sed -i '/^# a word$/d' /etc/neutron/l3_agent.ini")


def test_agents_that_are_killed_are_restarted_and_cost_no_packet(cluster):
    node = carrier(cluster)
    before = {agent: pid(cluster, node, agent) for agent in AGENTS}
    with ThreadPoolExecutor(1) as pool:
        pinged = pool.submit(lost, cluster, 30)
        cluster.ssh(node, f"kill -9 {' '.join(before.values())}")
        for agent, old in before.items():
            eventually(
                lambda agent=agent, old=old: pid(cluster, node, agent) not in ("", old),
                within_s=90,
                what=f"Pacemaker restarts {agent}",
            )
        # One reply may still be on its way when the pinging ends.
        assert int(pinged.result()) <= 1
    assert carrier(cluster) == node
    forget_failures(cluster)


@pytest.mark.long
def test_a_broker_that_is_away_for_two_minutes_is_told_and_is_no_failure_of_anything(cluster):
    node = carrier(cluster)
    before = [pid(cluster, node, agent) for agent in AGENTS]
    cluster.ssh("ctl", "systemctl stop rabbitmq-server")
    try:
        assert int(lost(cluster, 120)) <= 1
        assert {action.resource for action in seen(cluster).degraded} == {f"{GATEWAY}-{agent}" for agent in AGENTS}
        assert not seen(cluster).failures
    finally:
        cluster.ssh("ctl", "systemctl start rabbitmq-server", timeout_s=120)
    eventually(lambda: not seen(cluster).degraded, within_s=180, what="the agents are connected again")
    assert carrier(cluster) == node
    assert [pid(cluster, node, agent) for agent in AGENTS] == before


def test_an_agent_that_hangs_is_restarted_and_costs_no_packet(cluster):
    node = carrier(cluster)
    before = pid(cluster, node, "l3")
    with ThreadPoolExecutor(1) as pool:
        pinged = pool.submit(lost, cluster, 40)
        cluster.ssh(node, f"kill -STOP {before}")
        eventually(lambda: pid(cluster, node, "l3") not in ("", before), within_s=90, what="Pacemaker restarts it")
        assert int(pinged.result()) <= 1
    assert carrier(cluster) == node
    forget_failures(cluster)


def test_after_the_old_recipes_cleaning_a_failback_still_has_metadata(cluster):
    """Helpers that outlive their namespaces' names would be taken for the new ones: no metadata, no advertisements."""
    first = carrier(cluster)
    second = "net2" if first == "net1" else "net1"
    cluster.ssh(
        first,
        "for port in $(ovs-vsctl list-ports br-int | grep -E '^q[rg]-'); do ovs-vsctl del-port $port; done; "
        "for netns in $(ls /run/netns | grep ^qrouter-); do ip netns delete $netns; done",
    )
    assert len(cluster.ssh(first, "pgrep -x haproxy").split()) >= len(routers(cluster))
    try:
        move(cluster, first, second)
        assert not cluster.ssh(first, "pgrep -x 'haproxy|radvd' || :").strip()
        move(cluster, second, first)
        for router in routers(cluster):
            ask = f"ip netns exec {router['vm']} curl -sfm 5 http://169.254.169.254/latest/meta-data/"
            eventually(lambda ask=ask: answers(cluster, "cmp1", ask), within_s=60, what=f"metadata, {router['vm']}")
    finally:
        cluster.ssh(second, "crm_standby -D")


def test_a_node_is_proved_silent_with_the_controller_away_and_an_agent_that_hangs(cluster):
    """A stop needs neither API nor database nor broker; the takeover that follows waits for them, not for the stop."""
    first = carrier(cluster)
    second = "net2" if first == "net1" else "net1"
    cluster.lab("cut", "ctl", "mgmt")
    try:
        cluster.ssh(first, f"kill -STOP {pid(cluster, first, 'l3')}; crm_standby -v on")
        eventually(lambda: carrier(cluster) == second, within_s=90, what=f"the gateway is promoted on {second}")
        assert not cluster.ssh(first, LEFT).strip()
    finally:
        cluster.lab("heal", "ctl", "mgmt")
    eventually(lambda: all_answer(cluster), within_s=240, what="all floating IPs answer")
    cluster.ssh(first, "crm_standby -D")
    assert not [failure for failure in seen(cluster).failures if failure.task != "monitor"]
    forget_failures(cluster)


def test_a_gateway_whose_open_vswitch_hangs_is_carried_by_another_node(cluster):
    first = carrier(cluster)
    second = "net2" if first == "net1" else "net1"
    eventually(lambda: second in seen(cluster).running_on(GATEWAY), within_s=180, what=f"{second} is a spare")
    cluster.ssh(first, "kill -STOP $(cat /run/openvswitch/ovs-vswitchd.pid)")
    try:
        eventually(lambda: carrier(cluster) == second, within_s=150, what=f"the gateway is promoted on {second}")
        eventually(lambda: all_answer(cluster), within_s=180, what="all floating IPs answer")
    finally:
        cluster.ssh(first, "kill -CONT $(cat /run/openvswitch/ovs-vswitchd.pid)")
    assert not cluster.ssh(first, LEFT).strip()
    forget_failures(cluster)
    eventually(lambda: first in seen(cluster).running_on(GATEWAY), within_s=180, what=f"{first} is a spare again")


DHCP = """
printf '[DEFAULT]\\ninterface_driver = openvswitch\\n' > /etc/neutron/dhcp_agent.ini
for agent in neutron-openvswitch-agent neutron-agent-dhcp; do
    crm configure primitive $agent ocf:openstack:$agent params host=dhcp-edge user=root \
        op start timeout=90s interval=0 op monitor interval=10s
done
crm configure group dhcp neutron-openvswitch-agent neutron-agent-dhcp
crm configure location dhcp-on-net3 dhcp inf: net3
"""


def hosted_by(lab: Lab, host: str) -> set[str]:
    """The kinds of agents that Neutron hears under this identity."""
    with namespace.entered(lab.layout.switch), connect(lab.layout) as cloud:
        return {agent.agent_type for agent in cloud.network.agents(host=host) if agent.is_alive}


@pytest.fixture
def dhcp_network(cluster) -> Iterator[str]:
    """A network with DHCP, for which agents run on net3 under an identity of their own; the network's id."""
    with namespace.entered(cluster.layout.switch), connect(cluster.layout) as cloud:
        network = cloud.network.create_network(name="dhcp")
        cloud.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.77.0.0/24")
    try:
        cluster.ssh("net3", DHCP, timeout_s=120)
        # Neutron gives an agent its networks when it asks, and one that it has just met has asked too early.
        eventually(
            lambda: "DHCP agent" in hosted_by(cluster, "dhcp-edge"), within_s=120, what="Neutron knows the agent"
        )
        cluster.ssh("net3", "crm resource restart neutron-agent-dhcp", timeout_s=120)
        yield network.id
    finally:
        cluster.ssh("net3", "crm --force configure delete dhcp neutron-openvswitch-agent neutron-agent-dhcp; :",
                    timeout_s=120)  # fmt: skip
        with namespace.entered(cluster.layout.switch), connect(cluster.layout) as cloud:
            cloud.network.delete_network(network.id)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # of openstacksdk, about itself
def test_the_dhcp_agents_servers_come_with_it_and_go_with_it(cluster, dhcp_network):
    wired = (
        f"ip netns exec qdhcp-{dhcp_network} pgrep -x dnsmasq && "
        f"tap=$(ip -n qdhcp-{dhcp_network} -brief link | grep -o '^tap[^ ]*') && "
        "[ $(ovs-vsctl get port $tap tag) -lt 4095 ]"
    )
    for _ in range(2):
        eventually(lambda: answers(cluster, "net3", wired), within_s=180, what="the network has a DHCP server")
        cluster.ssh("net3", "crm resource stop dhcp; crm_resource --wait --timeout 90s", timeout_s=100)
        assert not cluster.ssh(
            "net3", "ip netns list; pgrep -x dnsmasq; ovs-vsctl list-ports br-int | grep ^tap; :"
        ).strip()
        cluster.ssh("net3", "crm resource start dhcp")
    assert all_answer(cluster)


def move(lab: Lab, source: str, target: str) -> None:
    """The gateway has moved by standby, every floating IP answers, and nothing of it is left behind."""
    lab.ssh(target, "crm_standby -D")
    lab.ssh(source, "crm_standby -v on")
    eventually(lambda: carrier(lab) == target, within_s=90, what=f"the gateway is promoted on {target}")
    eventually(lambda: all_answer(lab), within_s=180, what="all floating IPs answer")
    assert not lab.ssh(source, LEFT).strip()
