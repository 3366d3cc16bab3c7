"""Where Pacemaker promotes two gateways that share three nodes: its own scheduler is asked."""

from collections.abc import Mapping

import pytest
from hotspare_ocf.preference import CARRIES, ELSEWHERE

from hotspare.codec import spec_yaml
from ocf_node import OcfNode
from simulation import THREE_NODES, Simulation, begun

pytestmark = pytest.mark.lab

FILE = (
    THREE_NODES
    + """\
gateways:
  east: {{strategy: {strategy}, nodes: [net1, net2, net3], {east}}}
  west: {{strategy: {strategy}, nodes: [net1, net2, net3], {west}}}
"""
)
PORTS = {"twin": {"east": "stage_port: 5409", "west": "stage_port: 5410"}, "cold": {"east": "", "west": ""}}
SPARE = {"cold": 100, "twin": 180}


def cluster(node: OcfNode, strategy: str, scores: Mapping[str, tuple[int, int, int]], controller: int) -> Simulation:
    spec = spec_yaml.spec(*spec_yaml.document(FILE.format(strategy=strategy, **PORTS[strategy]), "cluster.yaml"))
    nodes = ("net1", "net2", "net3")
    by_node = {gateway: dict(zip(nodes, its, strict=True)) for gateway, its in scores.items()}
    return begun(node, spec, by_node, controller=controller)


def carriers(simulation: Simulation) -> dict[str, tuple[str, ...]]:
    status = simulation.status()
    return {gateway: status.promoted_on(gateway) for gateway in ("east", "west")}


def carried(node: OcfNode, strategy: str, controller: int) -> Simulation:
    """east on net1, west on net2, and net3 is free."""
    spare = SPARE[strategy]
    scores = {"east": (CARRIES, ELSEWHERE, spare), "west": (ELSEWHERE, CARRIES, spare)}
    now = cluster(node, strategy, scores, controller)
    assert carriers(now) == {"east": ("net1",), "west": ("net2",)}
    return now


@pytest.mark.parametrize("controller", [1, 2, 3])
def test_gateways_begin_on_nodes_of_their_own(booted_node: OcfNode, controller: int) -> None:
    now = cluster(booted_node, "cold", {"east": (100, 100, 100), "west": (100, 100, 100)}, controller)
    on = carriers(now)
    assert len(on["east"]) == len(on["west"]) == 1
    assert on["east"] != on["west"]


@pytest.mark.parametrize("strategy", SPARE)
@pytest.mark.parametrize(("dead", "struck", "other"), [("net1", "east", "west"), ("net2", "west", "east")])
@pytest.mark.parametrize("heir", [1, 2, 3])
def test_a_dead_nodes_gateway_goes_to_the_free_one_and_the_other_stays(
    booted_node: OcfNode, strategy: str, dead: str, struck: str, other: str, heir: int
) -> None:
    """Whoever is the controller after it."""
    now = carried(booted_node, strategy, int(dead.removeprefix("net")))
    before = carriers(now)[other]
    now.controller(heir)
    disturbed = [
        order for order in now.orders("--node-fail", dead).splitlines() if other in order and dead not in order
    ]
    assert not disturbed
    now.goes_on("--node-fail", dead)
    assert carriers(now) == {struck: ("net3",), other: before}


@pytest.mark.parametrize("strategy", SPARE)
@pytest.mark.parametrize(("dead", "other"), [("net1", "west"), ("net2", "east")])
def test_where_no_node_is_free_the_gateway_that_lives_stays(
    booted_node: OcfNode, strategy: str, dead: str, other: str
) -> None:
    now = carried(booted_node, strategy, 3)
    before = carriers(now)
    now.goes_on("--node-fail", "net3", "--quorum", "true")
    assert carriers(now) == before
    now.goes_on("--node-fail", dead, "--quorum", "true")
    assert carriers(now) == {"east": (), "west": (), other: before[other]}


def test_a_carrier_with_a_spares_score_for_the_other_gateway_would_be_given_that_one(booted_node: OcfNode) -> None:
    """Why it has one of its own: what keeps gateways apart decides between two nodes, and moves the second gateway."""
    now = cluster(booted_node, "cold", {"east": (CARRIES, 100, 100), "west": (100, CARRIES, 100)}, 1)
    now.controller(3)
    assert "Demote     west" in now.orders("--node-fail", "net1")


@pytest.mark.parametrize("strategy", SPARE)
def test_nothing_moves_whoever_becomes_the_controller(booted_node: OcfNode, strategy: str) -> None:
    now = carried(booted_node, strategy, 3)
    for controller in (1, 2, 3, 1):
        now.controller(controller)
        assert now.orders() == ""
