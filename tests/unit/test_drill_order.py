"""From the operator's file and words to a drill: all that is missing is said at once, with what to do."""

import pytest

from hotspare.model.drill import Fault, Gateway, Place, Strategy
from hotspare.model.errors import SpecError
from hotspare.wiring import probing

FILE = """
cluster: {{name: edge}}
nodes:
  net1: {{rings: [172.16.1.122], agent_host: edge-1{fence1}}}
  net2: {{rings: [172.16.1.123]{fence2}}}
{fencing}
neutron: {{cloud: lab}}
gateways:
  neutron-gateway: {{strategy: {strategy}, nodes: [net1, net2]}}
{drill}
"""
FENCE = ", fence: {{agent: fence_ipmilan, ip: 10.0.9.{number}, username: admin, password_file: bmc}}"
DRILL = """drill:
  prober: ext
  inside: [{host: cmp1, netns: vm01}]
  witnesses: [{node: net1, host: local, netns: sw, interface: net1-public}, {node: net2, host: net2, interface: eth3}]
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "bmc").write_text("secret\n")
    (tmp_path / "bmc").chmod(0o600)

    def written(*, drill: str = DRILL, fenced: bool = True, strategy: str = "cold"):
        path = tmp_path / "cluster.yaml"
        fences = [FENCE.format(number=number) if fenced else "" for number in (1, 2)]
        fencing = "" if fenced else "fencing: none"
        path.write_text(
            FILE.format(strategy=strategy, drill=drill, fence1=fences[0], fence2=fences[1], fencing=fencing)
        )
        return path

    return written


def test_a_whole_file_gives_a_whole_order(file):
    order = probing.drill(file(), Fault.STANDBY, node="net2", gateway=None).order
    hosts = {"net1": "neutron-gateway", "net2": "neutron-gateway"}
    assert (order.gateway, order.node) == (Gateway("neutron-gateway", Strategy.COLD, hosts), "net2")
    assert order.inside == (Place("cmp1", "vm01"),)
    assert [cable.direction for cable in order.witnesses] == ["in", "out"]


def test_all_that_is_missing_is_said_at_once(file):
    with pytest.raises(SpecError) as told:
        probing.drill(file(drill="", fenced=False), Fault.POWEROFF, node="net9", gateway="other")
    words = str(told.value)
    assert all(part in words for part in ("prober", "net9", "other"))


def test_power_cannot_be_cut_without_a_fence_device(file):
    with pytest.raises(SpecError, match="drill standby"):
        probing.drill(file(fenced=False), Fault.POWEROFF, node="net2", gateway=None)
    assert probing.drill(file(fenced=False), Fault.STANDBY, node="net2", gateway=None).order.node == "net2"
    assert probing.drill(file(), Fault.POWEROFF, node="net1", gateway=None).order.node == "net1"


def test_only_nodes_of_the_gateway_are_broken_and_asked_for_fence_devices(file):
    path = file(fenced=False)
    path.write_text(path.read_text().replace("fencing: none", "  net3: {rings: [172.16.1.124]}\nfencing: none"))
    with pytest.raises(SpecError, match="net3 is no node of neutron-gateway: choose one of net1, net2"):
        probing.drill(path, Fault.STANDBY, node="net3", gateway=None)
    with pytest.raises(SpecError, match=r"nodes\.net2\.fence") as told:
        probing.drill(path, Fault.POWEROFF, node=None, gateway=None)
    assert "net3" not in str(told.value)


def test_a_pools_nodes_have_hosts_of_their_own_in_neutron(file):
    order = probing.drill(file(strategy="reschedule"), Fault.DRAIN, node=None, gateway=None).order
    hosts = {"net1": "edge-1", "net2": "net2"}
    assert (order.gateway, order.node) == (Gateway("neutron-gateway", Strategy.RESCHEDULE, hosts), None)


def test_a_gateway_that_one_node_carries_is_not_drained_and_says_what_to_do_instead(file):
    with pytest.raises(SpecError, match=r"strategy: cold.*drill standby"):
        probing.drill(file(), Fault.DRAIN, node=None, gateway=None)
