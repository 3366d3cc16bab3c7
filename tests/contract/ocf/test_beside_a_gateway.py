"""What Pacemaker does with a gateway when a resource beside it cannot be stopped: its own scheduler is asked."""

import pytest

from hotspare.codec import spec_yaml
from ocf_node import OcfNode
from simulation import THREE_NODES, Simulation, begun

pytestmark = pytest.mark.lab

AGENTS = ("gw-ovs", "gw-l3", "gw-metadata")
FILE = (
    THREE_NODES
    + """\
gateways: {{gw: {{nodes: [net1, net2]}}}}
resources:
  vtep: {{agent: "ocf:heartbeat:IPaddr2", parameters: {{ip: 10.0.0.5}}, with: gw, before: agents, critical: {critical}}}
  natlog: {{script: natlog, with: gw, after: agents}}
"""
)


@pytest.fixture
def running(booted_node: OcfNode, request: pytest.FixtureRequest) -> Simulation:
    """Everything runs, the gateway on net1. The test's parameter says whether `vtep` is critical."""
    spec = spec_yaml.spec(*spec_yaml.document(FILE.format(critical=str(request.param).lower()), "cluster.yaml"))
    simulation = begun(booted_node, spec, {"gw": {"net1": 199, "net2": 198, "net3": 197}})
    whole = simulation.status()
    assert whole.promoted_on("gw") == ("net1",)
    assert {whole.running_on(name) for name in (*AGENTS, "vtep", "natlog")} == {("net1",)}
    return simulation


def started(simulation: Simulation) -> tuple[tuple[str, ...], set[tuple[str, ...]]]:
    """Where the gateway is promoted, and where its agents run."""
    status = simulation.status()
    return status.promoted_on("gw"), {status.running_on(agent) for agent in AGENTS}


@pytest.mark.parametrize("running", [False], indirect=True)
def test_a_resource_that_cannot_be_stopped_stays_behind_and_the_gateway_moves(running: Simulation) -> None:
    running.standby("net1")
    running.goes_on(failing=("vtep_stop_0@net1", "natlog_stop_0@net1"))
    assert started(running) == (("net2",), {("net2",)})
    status = running.status()
    assert [one.id for one in status.resources if one.blocked] == ["vtep", "natlog"]
    assert (status.unclean, status.fencings) == ((), ())


@pytest.mark.parametrize("running", [True], indirect=True)
def test_a_critical_resource_that_cannot_be_stopped_has_its_node_fenced(running: Simulation) -> None:
    running.standby("net1")
    running.goes_on(failing=("vtep_stop_0@net1",))
    node = running.status().node("net1")
    assert node
    assert not node.online
    assert started(running) == (("net2",), {("net2",)})
