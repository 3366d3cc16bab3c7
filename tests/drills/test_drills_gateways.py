"""Two gateways of strategy `twin` on three nodes: each is carried by a node of its own, and the third is the spare of
both.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from hotspare.lab import namespace
from hotspare.lab.cluster_file import GATEWAY, cluster_yaml
from hotspare.lab.layout import Choices
from hotspare.lab.openstack.cloud import connect
from hotspare.model.drill import Strategy
from lab_parts import HOTSPARE, Lab, eventually
from lab_routers import NODES, bound
from lab_twin import DRILL_LIMIT_S, FRESH_S

pytestmark = [
    pytest.mark.lab,
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),  # of openstacksdk, about itself
]

OTHER = "west-gateway"
BOTH = (GATEWAY, OTHER)
APPLY_LIMIT_S = 600
PARTS_OF_A_TWIN = (
    "ovs-vsctl --bare --columns=name find Port external_ids:hotspare-gateway={gateway}; "
    "ls /run/hotspare/{gateway}.stager.json 2>/dev/null || :"
)


@dataclass(frozen=True)
class Gateways:
    """Both of them, as `hotspare status` tells."""

    lab: Lab

    def status(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.lab.desk("sh", "-c", f"{HOTSPARE} status --json || :", timeout_s=120))
        return told

    def carriers(self) -> dict[str, str]:
        """Who carries which; waits until all routers are served, and the spare has a fresh twin of each."""
        told: dict[str, Any] = {}

        def well() -> bool:
            told.update(self.status())
            return all(is_whole(line) for line in told["gateways"])

        eventually(well, within_s=FRESH_S, what=lambda: f"both gateways are whole: {told.get('lines')}")
        return {line["name"]: line["carrier"] for line in told["gateways"]}

    def twins(self, gateway: str) -> dict[str, dict[str, Any]]:
        """What is told of the gateway's twins, by node; nothing where a node has no stager of it."""
        line = next(line for line in self.status()["gateways"] if line["name"] == gateway)
        return {twin["name"]: twin["state"] or {} for twin in line["twins"]}

    def spare(self) -> str:
        """The node that carries none."""
        (spare,) = set(NODES) - set(self.carriers().values())
        return spare

    def floating_ips(self, gateway: str) -> list[str]:
        with namespace.entered(self.lab.layout.switch):
            network = connect(self.lab.layout).network
            (agent,) = network.agents(agent_type="L3 agent", host=gateway)
            routers = {router.id for router in network.agent_hosted_routers(agent)}
            return [ip.floating_ip_address for ip in network.ips() if ip.router_id in routers]

    def taken_over(self, gateway: str, node: str) -> dict[str, Any]:
        """The gateway is on the node; what the command said."""
        told: dict[str, Any] = json.loads(self.lab.hotspare("takeover", gateway, "--to", node, "--json"))
        assert told["taken_over"] == "yes"
        return told

    def refusal(self, gateway: str, node: str) -> str:
        """Why the command does nothing."""
        words = f"{HOTSPARE} takeover {gateway} --to {node} 2>&1"
        return " ".join(self.lab.desk("sh", "-c", words, expect=1).split())

    def parts_of_a_twin(self, node: str, gateway: str) -> str:
        """What is on the node of a twin of the gateway, and of who keeps it."""
        return self.lab.ssh(node, PARTS_OF_A_TWIN.format(gateway=gateway)).strip()


@pytest.fixture(scope="module")
def gateways(lab: Lab) -> Iterator[Gateways]:
    """Both have half of the lab's routers; afterwards the lab has one gateway again, as its file says."""
    own = lab.layout.cluster_yaml.read_text()
    lab.layout.cluster_yaml.write_text(of_two(cluster_yaml(lab.layout, Choices(Strategy.TWIN))))
    try:
        lab.hotspare("apply", timeout_s=APPLY_LIMIT_S)
        bound(lab, BOTH)
        yield Gateways(lab)
        bound(lab, (GATEWAY,))
    finally:
        lab.layout.cluster_yaml.write_text(own)
        lab.hotspare("apply", timeout_s=APPLY_LIMIT_S)
        forgotten(lab, OTHER)


def is_whole(line: Mapping[str, Any]) -> bool:
    """Whether the gateway serves all of its routers, its agents run beside it, and a spare has a fresh twin."""
    beside = set(line["agents"].values()) == {line["carrier"]}
    fresh = [twin for twin in line["twins"] if twin["state"] and twin["state"]["twin"].startswith("fresh")]
    return bool(line["carrier"] and beside and line["served"] == line["routers"] and fresh)


def of_two(text: str) -> str:
    """The lab's file with two gateways, each on all three nodes."""
    head, _, tail = text.partition("gateways:\n")
    _, _, tail = tail.partition("\n")
    own = "strategy: twin, nodes: [net1, net2, net3]"
    both = f"  {GATEWAY}: {{{own}}}\n  {OTHER}: {{{own}, stage_port: 5410}}\n"
    return f"{head}gateways:\n{both}{tail}"


def forgotten(lab: Lab, host: str) -> None:
    """Neutron has no agents of that host."""
    with namespace.entered(lab.layout.switch):
        network = connect(lab.layout).network
        for agent in network.agents(host=host):
            network.delete_agent(agent)


@contextmanager
def pinged(lab: Lab, addresses: list[str]) -> Iterator[dict[str, int]]:
    """These are pinged from outside ten times a second; afterwards, how many probes each has lost."""
    begin = "; ".join(f"setsid ping -q -i 0.1 {address} >/run/pinged-{address} 2>&1 & echo $!" for address in addresses)
    pids = lab.ssh("ext", begin).split()
    lost: dict[str, int] = {}
    try:
        yield lost
    finally:
        lab.ssh("ext", f"kill -INT {' '.join(pids)}")
        for address in addresses:
            told = ""

            def ended(address: str = address) -> bool:
                nonlocal told
                told = lab.ssh("ext", f"cat /run/pinged-{address}")
                return "received" in told

            eventually(ended, within_s=10, what=f"the pings to {address} have ended")
            sent, received = map(int, re.findall(r"(\d+) (?:packets transmitted|received)", told))
            lost[address] = sent - received


def undisturbed(lost: Mapping[str, int]) -> bool:
    """Whether no address was silent: one probe that is lost is none of a takeover."""
    return bool(lost) and max(lost.values()) <= 1


def test_each_gateway_has_a_node_of_its_own_and_the_third_keeps_fresh_twins_of_both(gateways):
    carriers, spare = gateways.carriers(), gateways.spare()
    assert len(set(carriers.values())) == len(BOTH)
    for gateway, other in (BOTH, BOTH[::-1]):
        twins = gateways.twins(gateway)
        assert twins[carriers[gateway]]["role"] == "carrier"
        assert twins[spare]["twin"].startswith("fresh")
        assert twins[spare]["routers"] == twins[carriers[gateway]]["routers"] > 0
        assert twins[carriers[other]] == {}
        assert gateways.parts_of_a_twin(carriers[other], gateway) == ""
    told = [line for line in gateways.status()["lines"] if line["name"] in {"twins", "routers", "agents", *BOTH}]
    assert [line["answer"] for line in told] == 4 * len(BOTH) * ["yes"]
    for line, gateway, other in zip(told[3::4], BOTH, BOTH[::-1], strict=True):
        assert f"{carriers[gateway]} carries, " in line["text"]
        assert f"{carriers[other]} carries {other}" in line["text"]
        assert f"{spare} fresh" in line["text"]


def test_a_gateway_is_taken_over_by_the_spare_and_never_by_the_other_ones_carrier(gateways):
    carriers, spare = gateways.carriers(), gateways.spare()
    told = gateways.refusal(GATEWAY, carriers[OTHER])
    assert f"{carriers[OTHER]} carries {OTHER}, and a node carries one at a time" in told
    assert f"take {spare}, which is free" in told
    with pinged(gateways.lab, gateways.floating_ips(OTHER)) as lost:
        gateways.taken_over(GATEWAY, spare)
        now = gateways.carriers()
    assert now == {GATEWAY: spare, OTHER: carriers[OTHER]}
    assert undisturbed(lost), lost
    assert gateways.spare() == carriers[GATEWAY]
    assert gateways.parts_of_a_twin(spare, OTHER) == ""


def test_the_spare_takes_a_dead_nodes_gateway_over_drops_its_other_twin_and_touches_no_other_gateway(
    gateways, tmp_path
):
    carriers, spare = gateways.carriers(), gateways.spare()
    words = ("drill", "poweroff", "--gateway", OTHER, "--yes", "--output", str(tmp_path))
    gateways.lab.hotspare(*words, timeout_s=DRILL_LIMIT_S)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["verdict"] == "yes", report["why"]
    assert {audit["answer"] for audit in report["audits"]} == {"yes"}
    assert (report["node"], report["carrier"]) == (carriers[OTHER], spare)
    assert {one["address"] for one in report["bystanders"]} == set(gateways.floating_ips(GATEWAY))
    assert {one["outage_s"] for one in report["bystanders"]} == {0.0}
    assert gateways.parts_of_a_twin(spare, GATEWAY) == ""
    assert gateways.carriers() == {GATEWAY: carriers[GATEWAY], OTHER: spare}
    for gateway in BOTH:
        assert gateways.twins(gateway)[report["node"]]["twin"].startswith("fresh")
