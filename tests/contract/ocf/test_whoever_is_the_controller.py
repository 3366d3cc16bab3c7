"""Where Pacemaker promotes a gateway when a node is the cluster's controller (DC), and that it moves none when another
one becomes it: its own scheduler is asked.
"""

import pytest

from hotspare.codec import spec_yaml
from ocf_node import OcfNode
from simulation import THREE_NODES, Simulation, begun

pytestmark = pytest.mark.lab

NODES = ("net1", "net2", "net3")
FILE = (
    THREE_NODES
    + """\
gateways: {{gw: {{strategy: {strategy}, nodes: [net1, net2, net3]}}}}
"""
)
SPARE = {"cold": 100, "twin": 180}


def cluster(node: OcfNode, strategy: str, scores: tuple[int, ...], controller: int) -> Simulation:
    """All nodes are up; their scores, in order, and the number of the one that is the controller."""
    spec = spec_yaml.spec(*spec_yaml.document(FILE.format(strategy=strategy), "cluster.yaml"))
    return begun(node, spec, {"gw": dict(zip(NODES, scores, strict=True))}, controller=controller)


def carrier(simulation: Simulation) -> str:
    (node,) = simulation.status().promoted_on("gw")
    return node


@pytest.mark.parametrize("controller", [1, 2, 3])
def test_of_equals_one_is_promoted_that_is_not_the_controller(booted_node: OcfNode, controller: int) -> None:
    now = cluster(booted_node, "cold", (100, 100, 100), controller)
    assert carrier(now) != f"net{controller}"


def test_a_better_twin_is_promoted_though_it_is_the_controllers(booted_node: OcfNode) -> None:
    assert carrier(cluster(booted_node, "twin", (140, 180, 100), 2)) == "net2"
    assert carrier(cluster(booted_node, "twin", (120, 100, 100), 1)) == "net1"


@pytest.mark.parametrize("strategy", SPARE)
def test_nothing_moves_whoever_becomes_the_controller(booted_node: OcfNode, strategy: str) -> None:
    spare = SPARE[strategy]
    now = cluster(booted_node, strategy, (199, spare, spare), 3)
    assert (carrier(now), now.orders()) == ("net1", "")
    for controller in (1, 2, 3, 1):
        now.controller(controller)
        assert now.orders() == ""
        now.goes_on()
        assert carrier(now) == "net1"


def test_a_carrier_with_no_more_than_a_spares_score_would_be_moved(booted_node: OcfNode) -> None:
    """Why it has a score of its own from its promotion on: stickiness has no say in who is promoted."""
    now = cluster(booted_node, "cold", (100, 100, 100), 3)
    first = carrier(now)
    now.controller(int(first.removeprefix("net")))
    assert "Promote" in now.orders()


def test_the_takeover_from_a_controller_goes_to_a_node_that_did_not_become_one(booted_node: OcfNode) -> None:
    for controller, heir in ((2, "net3"), (3, "net2")):
        now = cluster(booted_node, "twin", (199, 180, 180), 1)
        now.controller(controller)
        now.goes_on("--node-fail", "net1")
        assert carrier(now) == heir
