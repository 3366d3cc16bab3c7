"""The resource agents with Neutron's own agents under Pacemaker: what costs no packet, and what comes back."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab_parts import Lab, eventually

pytestmark = pytest.mark.lab

GATEWAY = "neutron-gateway"
AGENTS = ("ovs", "l3", "metadata")


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


def failures(lab: Lab) -> str:
    return lab.ssh("net3", "crm_mon --one-shot --output-as=xml | grep -E '<failure |failed=\"true\"' || :").strip()


def pid(lab: Lab, node: str, agent: str) -> str:
    return lab.ssh(node, f"head -1 /run/hotspare/{GATEWAY}-{agent}.pid 2>/dev/null || :").strip()


def lost(lab: Lab, seconds: int) -> str:
    """Packets that the slowest to answer of all floating IPs lost, pinged at 20 Hz: `0`, if none did."""
    script = "; ".join(
        f"ping -q -i 0.05 -w {seconds} {router['floating_ip']} | awk '/transmitted/ {{print $1 - $4}}' &"
        for router in routers(lab)
    ).replace("&;", "&")
    return max(lab.ssh("ext", f"{script} wait", timeout_s=seconds + 30).split(), key=int)


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
    cluster.ssh("net3", f"for agent in {' '.join(AGENTS)}; do crm_resource --cleanup -r {GATEWAY}-$agent; done")


def test_a_broker_that_restarts_is_no_failure_of_anything(cluster):
    node = carrier(cluster)
    before = [pid(cluster, node, agent) for agent in AGENTS]
    cluster.ssh("ctl", "systemctl stop rabbitmq-server")
    try:
        # Longer than two monitors of every resource.
        assert int(lost(cluster, 25)) <= 1
        assert not failures(cluster)
    finally:
        cluster.ssh("ctl", "systemctl start rabbitmq-server", timeout_s=120)
    assert carrier(cluster) == node
    assert [pid(cluster, node, agent) for agent in AGENTS] == before


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


def move(lab: Lab, source: str, target: str) -> None:
    """The gateway has moved by standby, every floating IP answers, and nothing of it is left behind."""
    lab.ssh(target, "crm_standby -D")
    lab.ssh(source, "crm_standby -v on")
    eventually(lambda: carrier(lab) == target, within_s=90, what=f"the gateway is promoted on {target}")
    eventually(lambda: all_answer(lab), within_s=180, what="all floating IPs answer")
    assert not lab.ssh(source, "ip netns list; ovs-vsctl list-ports br-int | grep -E '^q[rg]-' || :").strip()
