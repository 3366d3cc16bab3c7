"""One drill of each kind on a pool of three nodes in a lab: its routers go to the other nodes, through Neutron."""

import json
from pathlib import Path
from typing import Any

import pytest

from lab_parts import Lab
from lab_routers import NODES, pooled

pytestmark = [
    pytest.mark.lab,
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),  # of openstacksdk, about itself
]

DRILL_LIMIT_S = 900


@pytest.fixture(scope="module")
def pool(pool_lab: Lab) -> Lab:
    """The lab with a pool of its three nodes, each with its share of the routers."""
    pooled(pool_lab)
    return pool_lab


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


@pytest.mark.long
def test_a_node_in_standby_gives_its_routers_to_the_others(pool, tmp_path):
    assert list(drilled(pool, tmp_path, "standby")["phases_s"]) == ["stop", "decide", "move", "adopt"]


def test_a_drained_node_keeps_its_agents_and_has_no_router(pool, tmp_path):
    report = drilled(pool, tmp_path, "drain")
    assert list(report["phases_s"]) == ["decide", "move", "adopt"]
    assert "hotspare-drain" not in pool.ssh("net1", "cibadmin --query --scope nodes")
