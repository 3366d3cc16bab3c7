"""A gateway under the cluster that the lab's file makes: on one node, moved by an operator's commands only."""

import json
import time

import pytest

from hotspare.codec import crm_mon_xml
from hotspare.model.cluster import ClusterStatus
from hotspare.plan.names import TROUBLE
from lab_parts import Lab, eventually

pytestmark = pytest.mark.lab

GATEWAY = "neutron-gateway"
AGENTS = tuple(f"{GATEWAY}-{agent}" for agent in ("ovs", "l3", "metadata"))
NODES = ("net1", "net2")
WITNESS = "net3"
UNCONFIRMED_S = 80
"""Less than Pacemaker 2.1.5 waits for an action whose end it does not hear of: its timeout and 60 s, measured 90. A
takeover of the lab's few routers takes 10.
"""


@pytest.fixture(scope="module")
def made(lab: Lab) -> Lab:
    """The lab with the cluster of its file."""
    assert json.loads(lab.hotspare("apply", "--json"))["works"] is True
    return lab


def status(lab: Lab, node: str = "net3") -> ClusterStatus:
    return crm_mon_xml.read(lab.ssh(node, " ".join(crm_mon_xml.CRM_MON)))


def carrier(lab: Lab) -> str:
    (node,) = status(lab).promoted_on(GATEWAY)
    return node


def agent_pids(lab: Lab, node: str) -> str:
    return lab.ssh(node, "cat /run/hotspare/*.pid")


def test_the_agents_are_where_the_gateway_is_and_nowhere_else(made: Lab) -> None:
    now = status(made)
    assert len(now.promoted_on(GATEWAY)) == 1
    assert {agent: now.running_on(agent) for agent in AGENTS} == dict.fromkeys(AGENTS, now.promoted_on(GATEWAY))
    assert now.running_on(GATEWAY) == NODES
    assert now.failures == ()


def test_another_apply_changes_nothing_and_a_changed_address_touches_no_agent(made: Lab) -> None:
    node = carrier(made)
    pids = agent_pids(made, node)
    assert json.loads(made.hotspare("apply", "--json"))["steps"] == []
    file = made.state_dir / "vip.yaml"
    file.write_text(made.layout.cluster_yaml.read_text().replace("172.16.1.100", "172.16.1.99"))
    told = json.loads(made.hotspare("apply", "--json", str(file)))
    assert (told["works"], len(told["steps"])) == (True, 1)
    made.hotspare("apply")
    file.unlink()
    assert (carrier(made), agent_pids(made, node)) == (node, pids)


def test_an_operators_standby_moves_the_gateway_and_nothing_moves_it_back(made: Lab) -> None:
    first = carrier(made)
    other = next(node for node in NODES if node != first)
    made.ssh("net3", f"crm node standby {first}")
    settled(made)
    assert carrier(made) == other
    made.ssh("net3", f"crm node online {first}")
    settled(made)
    now = status(made)
    assert now.promoted_on(GATEWAY) == (other,)
    assert now.running_on(GATEWAY) == NODES
    assert now.failures == ()


def test_nothing_would_move_whoever_became_the_clusters_controller(made: Lab) -> None:
    """It takes 10 off the node's promotion score: Pacemaker's scheduler is asked, with this cluster's state."""
    settled(made)
    made.ssh("net3", "cibadmin --query >/run/cib.xml")
    for number in (1, 2, 3):
        told = made.ssh(
            "net3",
            f'sed -i \'s/dc-uuid="[0-9]*"/dc-uuid="{number}"/\' /run/cib.xml; '
            "crm_simulate --simulate --xml-file /run/cib.xml",
        )
        assert "Transition Summary" in told
        assert [word for word in ("Promote ", "Demote ", "Move ", "Restart ", "Stop ") if word in told] == []


def test_no_fence_device_has_to_be_moved_when_the_carrier_dies(made: Lab) -> None:
    """Pacemaker would start it elsewhere before it fences."""
    devices = [f"fence-{node}" for node in ("net1", "net2", "net3")]
    node = carrier(made)
    eventually(
        lambda: all(status(made).running_on(device) not in {(), (node,)} for device in devices),
        within_s=60,
        what=f"fence devices away from {node}",
    )


def settled(lab: Lab) -> None:
    """Nothing is left to do; standby of the carrier takes as long as its agents need to stop and start."""
    lab.ssh("net3", "crm_resource --wait --timeout 150s", timeout_s=170)


def controlled_where_carried(lab: Lab) -> str:
    """The node that carries the gateway and is the cluster's controller (DC) at the same time."""
    if status(lab).dc == WITNESS:
        lab.ssh(WITNESS, "systemctl stop pacemaker && systemctl start pacemaker")
        eventually(lambda: status(lab).dc in NODES, within_s=60, what=f"another controller than {WITNESS}")
        settled(lab)
    node = status(lab).dc
    assert node in NODES
    lab.hotspare("takeover", GATEWAY, "--to", node, "--force")
    settled(lab)
    assert (carrier(lab), status(lab).dc) == (node, node)
    return node


def test_a_spare_in_trouble_takes_over_at_once_from_a_controller_that_dies(made: Lab) -> None:
    """The new controller has to cancel the spare's monitors, which the dead one began; docs/decisions/0016."""
    dead = controlled_where_carried(made)
    (spare,) = set(NODES) - {dead}

    def trouble() -> str:
        found = status(made, WITNESS).node(spare)
        return found.attributes.get(TROUBLE + GATEWAY, "") if found else ""

    made.ssh(spare, "kill -STOP $(cat /run/openvswitch/ovs-vswitchd.pid)")
    try:
        eventually(lambda: "could not carry" in trouble(), within_s=150, what=f"the trouble of {spare}")
    finally:
        made.ssh(spare, "kill -CONT $(cat /run/openvswitch/ovs-vswitchd.pid)")
    assert f"{GATEWAY} on {spare}: " in made.hotspare("status", expect=1)
    assert status(made).failures == ()
    died_s = time.monotonic()
    made.lab("power", dead, "off")
    eventually(lambda: status(made).promoted_on(GATEWAY) == (spare,), within_s=150, what=f"{spare} carries")
    assert time.monotonic() - died_s < UNCONFIRMED_S
    eventually(lambda: trouble() == "", within_s=30, what="the trouble of another role is void")
    made.lab("power", dead, "on")
    eventually(lambda: status(made).running_on(GATEWAY) == NODES, within_s=240, what=f"{dead} is a spare")
