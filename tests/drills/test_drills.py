"""One drill of each kind on a whole lab: real Neutron routers, real Pacemaker, power cut through the BMC.

Each test leaves the lab as it found it but for who carries the gateway; failing over and back is the second.
"""

import json
from pathlib import Path

import pytest

from lab_parts import HOTSPARE, Lab, eventually

pytestmark = pytest.mark.lab

DRILL_LIMIT_S = 900


def drilled(lab: Lab, output: Path, *words: str) -> dict:
    """The report of a drill that said yes."""
    lab.hotspare("drill", *words, "--yes", "--output", str(output), timeout_s=DRILL_LIMIT_S)
    return json.loads((output / "report.json").read_text())


def status(lab: Lab) -> dict:
    return json.loads(lab.desk("sh", "-c", f"{HOTSPARE} status --json || :"))


@pytest.fixture(scope="module")
def cluster(lab: Lab) -> Lab:
    """The lab with the cluster of its file, every router served."""
    lab.hotspare("apply", timeout_s=600)
    return lab


def all_hold(report: dict) -> None:
    assert report["verdict"] == "yes", report["why"]
    assert report["routers"]["back"] == report["routers"]["total"] > 0
    assert {audit["answer"] for audit in report["audits"]} == {"yes"}


def test_the_routers_of_a_node_that_loses_its_power_come_back_elsewhere(cluster, tmp_path):
    report = drilled(cluster, tmp_path, "poweroff")
    all_hold(report)
    assert report["carrier"] != report["node"]
    assert all(length is not None for length in report["phases_s"].values()), report["marks"]
    assert 0 < report["outage_s"]["worst"] < 120
    for name in ("report.html", "outage.svg", "history.json"):
        assert (tmp_path / name).stat().st_size > 0


@pytest.mark.long
def test_nodes_in_standby_hand_their_routers_over_and_back_and_keep_nothing(cluster, tmp_path):
    carriers = []
    for turn in range(3):
        report = drilled(cluster, tmp_path / str(turn), "standby")
        all_hold(report)
        assert list(report["phases_s"]) == ["stop", "promote", "start", "adopt"]
        carriers.append(report["carrier"])
    assert carriers[0] == carriers[2] != carriers[1]
    # A monitor that looked while routers were being built says so until it looks again.
    eventually(lambda: status(cluster)["answer"] == "yes", within_s=200, what="all is well")
