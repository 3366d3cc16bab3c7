"""What Pacemaker does with a gateway when a resource beside it cannot be stopped: its own scheduler is asked.

crm_simulate takes the configuration of a file, carries out in thought what the scheduler orders, and lets actions fail;
there is no cluster.
"""

from dataclasses import dataclass

import pytest

from hotspare.codec import cib_xml, crm_mon_xml, spec_yaml
from hotspare.model.cib import Element, element
from hotspare.model.cluster import ClusterStatus
from hotspare.plan import configuration, reconcile
from ocf_node import OcfNode

pytestmark = pytest.mark.lab

CIB = "/run/simulated.xml"
AGENTS = ("gw-ovs", "gw-l3", "gw-metadata")
FILE = """\
cluster: {{name: edge}}
nodes:
  net1: {{rings: [10.9.0.1], fence: {{agent: fence_ipmilan, ip: 10.8.0.1, username: admin, password_file: bmc}}}}
  net2: {{rings: [10.9.0.2], fence: {{agent: fence_ipmilan, ip: 10.8.0.2, username: admin, password_file: bmc}}}}
  net3: {{rings: [10.9.0.3], fence: {{agent: fence_ipmilan, ip: 10.8.0.3, username: admin, password_file: bmc}}}}
neutron: {{cloud: lab}}
gateways: {{gw: {{nodes: [net1, net2]}}}}
resources:
  vtep: {{agent: "ocf:heartbeat:IPaddr2", parameters: {{ip: 10.0.0.5}}, with: gw, before: agents, critical: {critical}}}
  natlog: {{script: natlog, with: gw, after: agents}}
"""


@dataclass(frozen=True)
class Simulation:
    """A cluster that is only thought of, kept in a file on the node."""

    node: OcfNode

    def goes_on(self, *options: str, failing: tuple[str, ...] = ()) -> None:
        """All that the scheduler orders has been done, until nothing is left to do; these actions failed."""
        fail = [word for action in failing for word in ("--op-fail", f"{action}=1")]
        for more in (options, (), (), ()):
            self.node.run("crm_simulate", "--simulate", "--xml-file", CIB, "--save-output", CIB, *more, *fail)

    def status(self) -> ClusterStatus:
        return crm_mon_xml.read(self.node.run("env", f"CIB_file={CIB}", *crm_mon_xml.CRM_MON))

    def standby(self, name: str) -> None:
        self.node.run("env", f"CIB_file={CIB}", "crm_standby", "--node", name, "--update", "on")


@pytest.fixture
def running(booted_node: OcfNode, request: pytest.FixtureRequest) -> Simulation:
    """Everything runs, the gateway on net1. The test's parameter says whether `vtep` is critical."""
    spec = spec_yaml.spec(*spec_yaml.document(FILE.format(critical=str(request.param).lower()), "cluster.yaml"))
    sections = (Element(tag) for tag in ("crm_config", "nodes", "resources", "constraints"))
    empty = Element("cib", (), (Element("configuration", (), tuple(sections)),))
    cib = reconcile.reconciled(empty, configuration.wanted(spec))
    booted_node.run("tee", CIB, stdin=cib_xml.write(with_nodes(cib)))
    simulation = Simulation(booted_node)
    up = [word for name in spec.nodes for word in ("--node-up", name)]
    simulation.goes_on(*up, "--quorum", "true")
    whole = simulation.status()
    assert whole.promoted_on("gw") == ("net1",)
    assert {whole.running_on(name) for name in (*AGENTS, "vtep", "natlog")} == {("net1",)}
    return simulation


def with_nodes(cib: Element) -> Element:
    """The configuration as a whole CIB of three nodes; net1 would do best as the promoted one."""

    def scored(number: int) -> Element:
        pair = {"id": f"score-{number}", "name": "master-gw", "value": str(200 - number)}
        scores = element("instance_attributes", element("nvpair", attributes=pair), attributes={"id": f"of-{number}"})
        return element("node", scores, attributes={"id": str(number), "uname": f"net{number}"})

    (top,) = cib.children
    nodes = Element("nodes", (), tuple(map(scored, (1, 2, 3))))
    children = tuple(nodes if child.tag == "nodes" else child for child in top.children)
    version = {"validate-with": "pacemaker-3.7", "admin_epoch": "0", "epoch": "1", "num_updates": "0"}
    return element("cib", Element(top.tag, top.attributes, children), Element("status"), attributes=version)


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
