"""`hotspare status` and Neutron's adapter against a whole lab, whole and with parts of it missing."""

import asyncio
import json

import pytest

from hotspare.adapters.neutron import NeutronApi
from hotspare.lab import namespace
from hotspare.model.errors import NotReachableError, RefusedError, TimedOutError
from lab_parts import HOTSPARE, Lab, eventually

pytestmark = [
    pytest.mark.lab,
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),  # of openstacksdk, about itself
]
GATEWAY = "neutron-gateway"


@pytest.fixture(scope="module")
def cluster(lab: Lab) -> Lab:
    """The lab with the cluster of its file, and all well."""
    lab.hotspare("apply", timeout_s=600)
    asked = ("sh", "-c", f"{HOTSPARE} status >/dev/null; echo $?")
    eventually(lambda: lab.desk(*asked).strip() == "0", within_s=300, what="all is well")
    return lab


def lines(told: str) -> dict[str, dict]:
    return {line["name"]: line for line in json.loads(told)["lines"]}


def test_a_whole_cluster_is_well_and_names_its_routers(cluster):
    told = json.loads(cluster.hotspare("status", "--json"))
    assert told["answer"] == "yes"
    [gateway] = told["gateways"]
    assert gateway["served"] == gateway["routers"] > 0
    assert gateway["carrier"] in {"net1", "net2"}
    assert "all is well" in cluster.hotspare("status")


def test_without_neutron_the_cluster_is_told_and_the_rest_cannot_be(cluster):
    cluster.lab("cut", "ctl", "mgmt")
    try:
        found = lines(cluster.hotspare("status", "--json", expect=3))
    finally:
        cluster.lab("heal", "ctl", "mgmt")
    assert found["quorum"]["answer"] == "yes"
    assert found["routers"]["answer"] == "cannot tell"


def test_with_one_node_off_the_others_tell(cluster):
    """net1 carries the gateway or may; net3 only has a vote, so its power costs no router anything."""
    cluster.lab("power", "net3", "off")
    asked = ("sh", "-c", f"{HOTSPARE} status >/dev/null; echo $?")
    try:
        eventually(lambda: cluster.desk(*asked).strip() == "1", within_s=200, what="the others miss net3")
        found = lines(cluster.hotspare("status", "--json", expect=1))
        assert found["quorum"]["details"][0].startswith("net3")
        assert found["routers"]["answer"] == "yes"
    finally:
        cluster.lab("power", "net3", "on")
    eventually(lambda: cluster.desk(*asked).strip() == "0", within_s=300, what="net3 is a member again")


def test_neutron_says_what_the_gateway_has(cluster, monkeypatch):
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(cluster.layout.clouds_yaml))
    with namespace.entered(cluster.layout.switch):
        routers = asyncio.run(NeutronApi("lab").routers(GATEWAY))
        agents = asyncio.run(NeutronApi("lab").agents(GATEWAY))
    assert routers
    assert all(len(router.port_ids) >= 2 and router.floating_ips for router in routers)
    assert {agent.kind for agent in agents} == {"L3 agent", "Metadata agent", "Open vSwitch agent"}


def test_neutron_that_refuses_or_is_away_is_a_typed_error(cluster, monkeypatch):
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(cluster.layout.clouds_yaml))
    with namespace.entered(cluster.layout.switch), pytest.raises(RefusedError, match="no L3 agent"):
        asyncio.run(NeutronApi("lab").routers("nobody"))
    with pytest.raises(RefusedError, match="no-such-cloud"):
        asyncio.run(NeutronApi("no-such-cloud").routers(GATEWAY))
    cluster.lab("cut", "ctl", "mgmt")
    try:
        with namespace.entered(cluster.layout.switch), pytest.raises((NotReachableError, TimedOutError)):
            asyncio.run(NeutronApi("lab").routers(GATEWAY))
    finally:
        cluster.lab("heal", "ctl", "mgmt")
