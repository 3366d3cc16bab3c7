"""A cluster that is only thought of: Pacemaker's own scheduler, asked on a node.

crm_simulate takes the configuration of a file, carries out in thought what the scheduler orders, and lets actions fail;
there is no cluster.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hotspare.codec import cib_xml, crm_mon_xml
from hotspare.model.cib import Element, element
from hotspare.model.cluster import ClusterStatus
from hotspare.model.spec import Spec
from hotspare.plan import configuration, reconcile
from ocf_node import OcfNode

CIB = "/run/simulated.xml"
THREE_NODES = """\
cluster: {{name: edge}}
nodes:
  net1: {{rings: [10.9.0.1], fence: {{agent: fence_ipmilan, ip: 10.8.0.1, username: admin, password_file: bmc}}}}
  net2: {{rings: [10.9.0.2], fence: {{agent: fence_ipmilan, ip: 10.8.0.2, username: admin, password_file: bmc}}}}
  net3: {{rings: [10.9.0.3], fence: {{agent: fence_ipmilan, ip: 10.8.0.3, username: admin, password_file: bmc}}}}
neutron: {{cloud: lab}}
"""
"""The beginning of a cluster's file, to be formatted with what follows it."""


@dataclass(frozen=True)
class Simulation:
    """The cluster, kept in a file on the node."""

    node: OcfNode

    def goes_on(self, *options: str, failing: tuple[str, ...] = ()) -> None:
        """All that the scheduler orders has been done, until nothing is left to do; these actions failed."""
        fail = [word for action in failing for word in ("--op-fail", f"{action}=1")]
        for more in (options, (), (), ()):
            self.node.run("crm_simulate", "--simulate", "--xml-file", CIB, "--save-output", CIB, *more, *fail)

    def status(self) -> ClusterStatus:
        return crm_mon_xml.read(self.node.run("env", f"CIB_file={CIB}", *crm_mon_xml.CRM_MON))

    def becomes(self, spec: Spec) -> None:
        """The configuration is that of this file now, as `hotspare apply` makes it."""
        cib = cib_xml.read(self.node.run("cat", CIB))
        self.node.run("tee", CIB, stdin=cib_xml.write(reconcile.reconciled(cib, configuration.wanted(spec))))

    def standby(self, name: str) -> None:
        self.node.run("env", f"CIB_file={CIB}", "crm_standby", "--node", name, "--update", "on")

    def orders(self, *options: str) -> str:
        """What the scheduler would do now, with what it looks at left out."""
        told = self.node.run("crm_simulate", "--simulate", "--xml-file", CIB, *options)
        return "\n".join(re.findall(r"\* (?:Promote|Demote|Move|Start|Stop|Restart|Recover|Fence) .*", told))

    def controller(self, number: int) -> None:
        """The node of this number is the cluster's controller from now on."""
        text = self.node.run("cat", CIB)
        text = re.sub(r' dc-uuid="[^"]*"', "", text, count=1)
        self.node.run("tee", CIB, stdin=text.replace("<cib ", f'<cib dc-uuid="{number}" ', 1))


def begun(node: OcfNode, spec: Spec, scores: Mapping[str, Mapping[str, int]], *, controller: int = 0) -> Simulation:
    """The cluster of the file with all that it runs. Of each gateway its nodes have these promotion scores."""
    sections = (Element(tag) for tag in ("crm_config", "nodes", "resources", "constraints"))
    empty = Element("cib", (), (Element("configuration", (), tuple(sections)),))
    cib = _with_nodes(reconcile.reconciled(empty, configuration.wanted(spec)), tuple(spec.nodes), scores)
    node.run("tee", CIB, stdin=cib_xml.write(cib))
    simulation = Simulation(node)
    if controller:
        simulation.controller(controller)
    up = [word for name in spec.nodes for word in ("--node-up", name)]
    simulation.goes_on(*up, "--quorum", "true")
    return simulation


def _with_nodes(cib: Element, nodes: Sequence[str], scores: Mapping[str, Mapping[str, int]]) -> Element:
    """The configuration as a whole CIB. Scores are permanent here, which is the same to the scheduler."""

    def scored(number: int, name: str) -> Element:
        pairs = (
            element("nvpair", attributes=_named(f"{gateway}-{number}", gateway, its[name]))
            for gateway, its in scores.items()
        )
        own = element("instance_attributes", *pairs, attributes={"id": f"of-{number}"})
        return element("node", own, attributes={"id": str(number), "uname": name})

    (top,) = cib.children
    whole = Element("nodes", (), tuple(scored(number, name) for number, name in enumerate(nodes, 1)))
    children = tuple(whole if child.tag == "nodes" else child for child in top.children)
    version = {"validate-with": "pacemaker-3.7", "admin_epoch": "0", "epoch": "1", "num_updates": "0"}
    return element("cib", Element(top.tag, top.attributes, children), Element("status"), attributes=version)


def _named(id_: str, gateway: str, score: int) -> dict[str, str]:
    return {"id": f"score-{id_}", "name": f"master-{gateway}", "value": str(score)}
