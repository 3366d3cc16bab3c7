"""What Pacemaker does with a gateway when nodes come into its list in the file, or leave it: its scheduler is asked."""

from itertools import permutations

import pytest
from hotspare_ocf.preference import CARRIES, COLD

from hotspare.codec import spec_yaml
from hotspare.model.spec import Spec
from ocf_node import OcfNode
from simulation import THREE_NODES, begun

pytestmark = pytest.mark.lab

FILE = (
    THREE_NODES
    + """\
gateways: {{gw: {{nodes: [{nodes}]}}}}
"""
)
NODES = ("net1", "net2", "net3")


def spec(nodes: tuple[str, ...]) -> Spec:
    return spec_yaml.spec(*spec_yaml.document(FILE.format(nodes=", ".join(nodes)), "cluster.yaml"))


@pytest.mark.parametrize(("carrier", "other"), list(permutations(NODES, 2)))
def test_a_spare_that_comes_or_goes_moves_nothing(booted_node: OcfNode, carrier: str, other: str) -> None:
    """Asked without parameters that change: of those the scheduler alone does not know that they are reloaded."""
    scores = {node: CARRIES if node == carrier else COLD for node in NODES}
    fewer = tuple(node for node in NODES if node != other)
    now = begun(booted_node, spec(NODES), {"gw": scores})
    for nodes in (fewer, NODES, fewer):
        assert now.status().promoted_on("gw") == (carrier,)
        now.becomes(spec(nodes))
        touched = [order for order in now.orders().splitlines() if "fence-" not in order and other not in order]
        assert not touched
        now.goes_on()
        assert now.status().running_on("gw") == nodes
    assert now.status().promoted_on("gw") == (carrier,)
