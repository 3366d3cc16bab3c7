"""`hotspare clean` in a lab with the cluster of its file: leftovers on the spare go, the carrier and DHCP stay."""

import json

import pytest

from hotspare.codec import crm_mon_xml
from lab_parts import Lab

pytestmark = pytest.mark.lab

GATEWAY = "neutron-gateway"
ROUTER = "c1ea0000-0000-4000-8000-000000000001"
NETWORK = "c1ea0000-0000-4000-8000-000000000002"
# The port is parked: one that forwards is found by the gateway's own monitor, and Pacemaker has it cleaned.
LEFTOVERS = f"""
set -e
ip netns add qrouter-{ROUTER}
ovs-vsctl add-port br-int qr-c1ea0000-00 tag=4095 -- set interface qr-c1ea0000-00 type=internal
ip link set qr-c1ea0000-00 netns qrouter-{ROUTER}
ip -n qrouter-{ROUTER} link set qr-c1ea0000-00 up
ip -n qrouter-{ROUTER} address add 10.99.0.1/24 dev qr-c1ea0000-00
mkdir -p /var/lib/neutron/external/pids
touch /var/lib/neutron/external/pids/{ROUTER}.pid.haproxy
setsid ip netns exec qrouter-{ROUTER} sleep 3001 >/dev/null 2>&1 </dev/null &
"""
BYSTANDERS = f"""
set -e
ip netns add qdhcp-{NETWORK}
ovs-vsctl add-port br-int tapc1ea0000-00 tag=78 -- set interface tapc1ea0000-00 type=internal
ip link set tapc1ea0000-00 netns qdhcp-{NETWORK}
"""
GONE = f"ip netns delete qdhcp-{NETWORK} 2>/dev/null; ovs-vsctl --if-exists del-port tapc1ea0000-00"


@pytest.fixture(scope="module")
def made(lab: Lab) -> Lab:
    """The lab with the cluster of its file."""
    assert json.loads(lab.hotspare("apply", "--json"))["works"] is True
    return lab


@pytest.fixture
def spare(made: Lab):
    """A node that may carry the gateway and does not, with a DHCP namespace and port on it."""
    node = ({"net1", "net2"} - {carrier(made)}).pop()
    made.ssh(node, BYSTANDERS)
    yield node
    made.ssh(node, GONE)


def carrier(lab: Lab) -> str:
    (node,) = crm_mon_xml.read(lab.ssh("net3", " ".join(crm_mon_xml.CRM_MON))).promoted_on(GATEWAY)
    return node


def states(told: str) -> dict[str, str]:
    return {node["node"]: node["state"] for node in json.loads(told)["nodes"]}


def on(lab: Lab, node: str) -> str:
    """Namespaces, ports and the process of the leftovers, as the node has them."""
    return lab.ssh(node, "ls /run/netns; ovs-vsctl list-ports br-int; pgrep -fa '^sleep 3001' || :")


def still(lab: Lab, node: str, before: str) -> bool:
    """Whether all that was on the node is there. The carrier may be building routers, so more may be."""
    return set(before.split()) <= set(on(lab, node).split())


def test_leftovers_on_the_spare_go_and_the_carrier_and_dhcp_stay(made: Lab, spare: str) -> None:
    works = carrier(made)
    made.ssh(spare, LEFTOVERS)
    carried = on(made, works)
    planned = made.hotspare("clean", "--plan", expect=1)
    for words in ("port qr-c1ea0000-00", f"namespace qrouter-{ROUTER}", "process sleep (pid", f"{ROUTER}.pid.haproxy"):
        assert words in planned
    assert f"{works}: works, left alone" in planned
    assert "sleep 3001" in on(made, spare)
    cleaned = made.hotspare("clean", "--yes", "--gateway", GATEWAY, "--json")
    assert states(cleaned) == {works: "carries", spare: "cleaned"}
    left = on(made, spare)
    assert ROUTER not in left
    assert "qr-c1ea" not in left
    assert "sleep 3001" not in left
    assert f"qdhcp-{NETWORK}" in left
    assert "tapc1ea0000-00" in left
    assert still(made, works, carried)
    assert states(made.hotspare("clean", "--yes", "--json")) == {works: "carries", spare: "clean"}


def test_the_carrier_asked_for_by_name_is_refused_by_us_and_by_itself(made: Lab) -> None:
    node = carrier(made)
    carried = on(made, node)
    said = made.hotspare("clean", node, "--yes", expect=1)
    assert f"gateway {GATEWAY} is promoted on {node}" in said
    said = made.ssh(node, "/usr/lib/ocf/lib/hotspare/clean", expect=1)
    assert f"gateway {GATEWAY} is promoted" in said
    assert still(made, node, carried)


def test_a_node_that_cannot_be_reached_is_told_and_does_not_stop_the_rest(made: Lab, spare: str) -> None:
    """The cluster has its second ring, so nobody is fenced."""
    made.ssh(spare, LEFTOVERS)
    made.lab("cut", "net3", "mgmt")
    try:
        told = made.hotspare("clean", "net3", spare, "--yes", "--json", expect=3)
    finally:
        made.lab("heal", "net3", "mgmt")
    assert states(told) == {"net3": "cannot tell", spare: "cleaned"}


def test_a_gateway_that_is_not_in_the_file_is_refused(made: Lab) -> None:
    made.hotspare("clean", "--gateway", "other", "--yes", expect=2)
