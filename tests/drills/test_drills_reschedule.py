"""One drill of each kind on a pool of three nodes, in a whole lab: its routers go to the other nodes, through Neutron.

Where the lab's own file has a gateway that one node carries, it has a pool for as long as these tests last.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hotspare.lab import namespace
from hotspare.lab.cluster_file import GATEWAY, POOL, Strategy, cluster_yaml
from hotspare.lab.openstack.cloud import connect
from lab_parts import HOTSPARE, Lab, eventually

pytestmark = [
    pytest.mark.lab,
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),  # of openstacksdk, about itself
]

DRILL_LIMIT_S = 900
NODES = ("net1", "net2", "net3")


@pytest.fixture(scope="module")
def pool(lab: Lab) -> Iterator[Lab]:
    """The lab with a pool of its three nodes, each with its share of the routers."""
    own = lab.layout.cluster_yaml.read_text()
    lab.layout.cluster_yaml.write_text(cluster_yaml(lab.layout, Strategy.RESCHEDULE))
    try:
        lab.hotspare("apply", timeout_s=600)
        bound(lab, NODES)
        yield lab
    finally:
        lab.layout.cluster_yaml.write_text(own)
        if f"  {POOL}:" not in own:
            lab.hotspare("apply", timeout_s=600)
            bound(lab, (GATEWAY,))


def bound(lab: Lab, hosts: tuple[str, ...]) -> None:
    """The routers are bound to these hosts in turn, and served there."""
    with namespace.entered(lab.layout.switch):
        network = connect(lab.layout).network
        agents = {agent.host: agent.id for agent in network.agents(agent_type="L3 agent")}
        routers = sorted(network.routers(), key=lambda router: router.name)
        wanted = [(router, agents[hosts[number % len(hosts)]]) for number, router in enumerate(routers)]
        with ThreadPoolExecutor() as at_once:
            tuple(at_once.map(lambda pair: _bind(network, *pair), wanted))
    eventually(lambda: _all_served(lab), within_s=300, what="every router is served where it is bound")


def _all_served(lab: Lab) -> bool:
    told = json.loads(lab.desk("sh", "-c", f"{HOTSPARE} status --json || :"))
    return next(line for line in told["lines"] if line["name"] == "routers")["answer"] == "yes"


def _bind(network: Any, router: Any, agent: str) -> None:
    holders = [holder.id for holder in network.routers_hosting_l3_agents(router)]
    for holder in holders:
        if holder != agent:
            network.remove_router_from_agent(holder, router)
    if agent not in holders:
        network.add_router_to_agent(agent, router)


def drilled(lab: Lab, output: Path, fault: str) -> dict[str, Any]:
    """The report of a drill on the node with the most routers, which said yes to everything."""
    lab.hotspare("drill", fault, "--yes", "--output", str(output), timeout_s=DRILL_LIMIT_S)
    report: dict[str, Any] = json.loads((output / "report.json").read_text())
    assert report["verdict"] == "yes", report["why"]
    assert report["routers"]["back"] == report["routers"]["total"] == len(report["per_router"]) > 0
    assert {audit["answer"] for audit in report["audits"]} == {"yes"}
    assert "bystanders" in {audit["name"] for audit in report["audits"]}
    assert all(length is not None for length in report["phases_s"].values()), report["marks"]
    for one in report["per_router"]:
        assert one["nodes_before"] == [report["node"]]
        assert set(one["nodes_after"]) < set(NODES) - {report["node"]}
    return report


def test_the_routers_of_a_node_that_loses_its_power_go_to_the_others(pool, tmp_path):
    report = drilled(pool, tmp_path, "poweroff")
    assert list(report["phases_s"]) == ["detect", "fence", "decide", "move", "adopt"]
    assert 0 < report["outage_s"]["worst"] < 120
    for name in ("report.html", "outage.svg", "history.json"):
        assert (tmp_path / name).stat().st_size > 0


def test_a_node_in_standby_gives_its_routers_to_the_others(pool, tmp_path):
    assert list(drilled(pool, tmp_path, "standby")["phases_s"]) == ["stop", "decide", "move", "adopt"]


def test_a_drained_node_keeps_its_agents_and_has_no_router(pool, tmp_path):
    report = drilled(pool, tmp_path, "drain")
    assert list(report["phases_s"]) == ["decide", "move", "adopt"]
    assert "hotspare-drain" not in pool.ssh("net1", "cibadmin --query --scope nodes")
