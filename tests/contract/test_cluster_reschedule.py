"""A pool under the cluster that its file makes: every node active, and what happens to one is no other one's affair."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from hotspare.codec import crm_mon_xml
from hotspare.model.cluster import ClusterStatus
from hotspare.model.routing import Standing
from hotspare.plan.names import agents_of, local, rescheduler
from hotspare.plan.verdict import drains, standings
from lab_parts import HOTSPARE, Lab, eventually
from lab_routers import NODES, pooled

pytestmark = [
    pytest.mark.lab,
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),  # of openstacksdk, about itself
]

POOL = "edge"
HOSTS = {node: node for node in NODES}
SETTLE_LIMIT_S = 200


@pytest.fixture(scope="module")
def made(pool_lab: Lab) -> Lab:
    """The lab with a pool of its nodes, whatever it was before."""
    pooled(pool_lab)
    return pool_lab


@pytest.fixture(scope="module")
def file(made: Lab) -> Path:
    """The file of that pool."""
    return made.layout.cluster_yaml


def apply(lab: Lab, file: Path) -> dict[str, object]:
    told: dict[str, object] = json.loads(lab.hotspare("apply", "--json", str(file), timeout_s=400))
    return told


def status(lab: Lab, node: str = "net1") -> ClusterStatus:
    return crm_mon_xml.read(lab.ssh(node, " ".join(crm_mon_xml.CRM_MON)))


def standing(lab: Lab, node: str = "net1") -> list[Standing]:
    """net1's, net2's and net3's, as the cluster tells them."""
    now = status(lab, node)
    return list(standings(now, HOSTS, POOL, drains(now)).values())


def settled(lab: Lab) -> None:
    lab.ssh("net1", f"crm_resource --wait --timeout {SETTLE_LIMIT_S}s", timeout_s=SETTLE_LIMIT_S + 20)


def pids(lab: Lab, *nodes: str) -> dict[str, str]:
    return {node: lab.ssh(node, "grep -h -m1 . /run/hotspare/edge-local-*.pid") for node in nodes}


def agent_pid(lab: Lab, node: str, agent: str) -> str:
    return lab.ssh(node, f"head -1 /run/hotspare/{local(POOL)}-{agent}.pid 2>/dev/null || true").strip()


def test_the_plan_says_what_apply_does_and_another_apply_does_nothing(made: Lab, file: Path) -> None:
    assert json.loads(made.hotspare("plan", "--json", str(file)))["steps"] == []
    again = apply(made, file)
    assert (again["steps"], again["works"], again["missing"]) == ([], True, [])


def test_every_node_is_active_with_agents_of_its_own_that_neutron_hears(made: Lab, file: Path) -> None:
    now = status(made)
    assert now.promoted_on(local(POOL)) == NODES
    assert {agent: now.running_on(agent) for agent in agents_of(local(POOL))} == dict.fromkeys(
        agents_of(local(POOL)), NODES
    )
    assert len(now.running_on(rescheduler(POOL))) == 1
    assert standing(made) == [Standing.LIVE] * 3
    # A monitor that looked while routers were being built says so until it looks again.
    told: dict[str, Any] = {}

    def well() -> bool:
        told.update(json.loads(made.desk("sh", "-c", f"{HOTSPARE} status --json --file {file} || :")))
        return told["answer"] == "yes"

    eventually(well, within_s=120, what=lambda: f"all is well: {told['lines']}")
    lines = {line["name"]: line for line in told["lines"]}
    assert lines["agents"]["text"] == "9 of 9 run, Neutron hears 9 of 9"
    assert lines["routers"]["answer"] == "yes"
    assert [node["host"] for node in told["pools"][0]["nodes"]] == list(NODES)


def test_what_reaches_neutron_is_roots_alone_and_in_no_configuration_command_line_or_log(made: Lab) -> None:
    clouds = json.loads(made.layout.clouds_yaml.read_text())["clouds"]
    secret = clouds["lab"]["auth"]["password"]
    for node in NODES:
        assert made.ssh(node, "stat -c '%a %U' /etc/hotspare/clouds.yaml").split() == ["600", "root"]
        written = made.ssh(node, "cat /etc/hotspare/clouds.yaml")
        assert secret in written
        assert not [name for name in clouds if name != "lab" and f'"{name}"' in written]
        elsewhere = "cibadmin --query; ps -eo args; cat /run/hotspare/*.json /var/log/hotspare/*; journalctl -b"
        assert secret not in made.ssh(node, f"{elsewhere}; true")


def test_the_daemon_on_another_node_is_the_same_and_its_old_node_keeps_nothing(made: Lab) -> None:
    (before,) = status(made).running_on(rescheduler(POOL))
    agents = pids(made, *NODES)
    made.ssh(before, f"crm resource move {rescheduler(POOL)} force; crm_resource --wait --timeout 120s", timeout_s=140)
    made.ssh(before, f"crm resource clear {rescheduler(POOL)}")
    (after,) = status(made).running_on(rescheduler(POOL))
    assert after != before
    assert json.loads(made.ssh(after, f"cat /run/hotspare/{rescheduler(POOL)}.json"))["node"] == after
    assert rescheduler(POOL) not in made.ssh(before, "ls /run/hotspare; ps -eo args | grep [h]otspare.faces; true")
    assert pids(made, *NODES) == agents


def test_a_daemon_that_hangs_is_replaced_and_nothing_else_is(made: Lab) -> None:
    (node,) = status(made).running_on(rescheduler(POOL))
    agents, daemon = pids(made, *NODES), f"head -1 /run/hotspare/{rescheduler(POOL)}.pid"
    pid = made.ssh(node, daemon).strip()
    made.ssh(node, f"kill -STOP {pid}")
    eventually(
        lambda: any(
            made.ssh(one, f"{daemon} 2>/dev/null || true").strip() not in {"", pid}
            for one in status(made).running_on(rescheduler(POOL))
        ),
        within_s=120,
        what="another daemon",
    )
    settled(made)
    assert pids(made, *NODES) == agents


def router_and_address(lab: Lab) -> tuple[str, str]:
    """A node that has routers, and a floating IP of one of them."""
    node = next(name for name in NODES if lab.ssh(name, "ip netns list | grep qrouter || true"))
    addresses = lab.ssh(node, "ip -all netns exec ip -4 -o address show scope global")
    return node, next(found for found in re.findall(r"qg-\S+\s+inet (\S+)/32", addresses))


def test_an_agent_that_is_killed_costs_no_packet_and_touches_nobody_else(made: Lab) -> None:
    node, address = router_and_address(made)
    others = {name: found for name, found in pids(made, *NODES).items() if name != node}
    promoted = made.ssh(node, f"cat /run/hotspare/{node}.gateway")
    pid = agent_pid(made, node, "l3")
    made.ssh("ext", f"nohup ping -D -i 0.1 {address} >/tmp/ping.log 2>&1 & echo $! >/tmp/ping.pid")
    made.ssh(node, f"kill -9 {pid}")
    eventually(lambda: agent_pid(made, node, "l3") not in {"", pid}, within_s=60, what="another L3 agent")
    settled(made)
    said = made.ssh(
        "ext", "kill -INT $(cat /tmp/ping.pid); tail --pid=$(cat /tmp/ping.pid) -f /dev/null; cat /tmp/ping.log"
    )
    sent, received = re.findall(r"(\d+) packets transmitted, (\d+) received", said)[0]
    assert int(sent) > 50
    assert int(sent) - int(received) <= 1, "the last one may be on its way"
    assert {name: found for name, found in pids(made, *NODES).items() if name != node} == others
    assert made.ssh(node, f"cat /run/hotspare/{node}.gateway") == promoted
    made.ssh("net1", f"crm_resource --cleanup --resource {local(POOL)}-l3")
    settled(made)


def test_a_node_in_standby_is_clean_and_its_neighbours_go_on(made: Lab) -> None:
    before = pids(made, "net1", "net2")
    made.ssh("net1", "crm node standby net3")
    settled(made)
    assert standing(made) == [Standing.LIVE, Standing.LIVE, Standing.GONE]
    assert made.ssh("net3", "ip netns list; ls /run/hotspare | grep -v '^[.]' | grep -v rescheduler || true") == ""
    assert pids(made, "net1", "net2") == before
    made.ssh("net1", "crm node online net3")
    settled(made)
    assert standing(made) == [Standing.LIVE] * 3
    assert pids(made, "net1", "net2") == before


def test_a_node_that_is_marked_as_leaving_stays_at_work(made: Lab) -> None:
    made.ssh("net3", "crm_attribute --node net3 --name hotspare-drain --update true")
    assert standing(made) == [Standing.LIVE, Standing.LIVE, Standing.LEAVING]
    made.ssh("net3", "crm_attribute --node net3 --name hotspare-drain --delete")
    assert standing(made) == [Standing.LIVE] * 3


def test_a_node_that_loses_its_power_is_gone_and_only_that_node(made: Lab) -> None:
    others = ("net1", "net2")
    before = pids(made, *others)
    made.lab("power", "net3", "off")
    eventually(lambda: standing(made)[2] is Standing.GONE, within_s=60, what="net3 is gone")
    assert standing(made) == [Standing.LIVE, Standing.LIVE, Standing.GONE]
    settled(made)
    assert len(status(made).running_on(rescheduler(POOL))) == 1
    made.lab("power", "net3", "on")
    eventually(lambda: status(made).node("net3").online, within_s=120, what="net3 is a member again")  # type: ignore[union-attr]
    eventually(lambda: standing(made) == [Standing.LIVE] * 3, within_s=200, what="net3 is live again")
    assert pids(made, *others) == before


def test_without_the_gateway_in_the_file_nothing_of_it_is_left(made: Lab, file: Path) -> None:
    text = file.read_text()
    without = file.with_name("without.yaml")
    without.write_text(re.sub(r"gateways:\n.*\n", "", text))
    told = apply(made, without)
    assert told["works"] is True
    for node in NODES:
        left = (
            "ls /run/hotspare /etc/hotspare; ip netns list; ps -eo args | grep -E '[n]eutron-|[h]otspare.faces'; true"
        )
        assert not re.search("edge|clouds|qrouter|neutron-|faces", made.ssh(node, left)), node
    assert POOL not in made.ssh("net1", "cibadmin --query --scope configuration")
    without.unlink()
