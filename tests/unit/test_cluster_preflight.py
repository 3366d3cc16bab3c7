"""What is wrong with the machines is said at once, before anything is changed."""

from dataclasses import replace

from cluster_world import World, edge, spec_of

from hotspare.model.observed import NodeFacts, UnitFact
from hotspare.plan import preflight

SPEC = spec_of(edge())


def whole() -> dict[str, NodeFacts]:
    """Nodes on which nothing is wrong."""
    facts = World(SPEC).facts()
    return {
        name: replace(
            node,
            users=("root",),
            addresses={**dict.fromkeys(SPEC.nodes[name].rings, "eth0"), "127.0.0.1": "lo"},
            interfaces=("lo", "eth0"),
            macs=(f"02:00:00:00:00:0{number}",),
        )
        for number, (name, node) in enumerate(facts.items())
    }


def said(facts: dict[str, NodeFacts]) -> list[str]:
    return [str(problem) for problem in preflight.problems(SPEC, facts)]


def test_nothing_is_said_of_whole_machines() -> None:
    assert said(whole()) == []


def test_what_is_missing_on_several_nodes_is_said_together_with_the_remedy() -> None:
    facts = whole()
    facts["net1"] = replace(facts["net1"], absent=("ipmitool",), users=())
    facts["net3"] = replace(facts["net3"], interfaces=("lo",), addresses={"172.16.1.3": "eth7"})
    assert said(facts) == [
        "net1: ipmitool: not there; apt-get install ipmitool",
        "net1: neutron.user: there is no user root; the agents cannot run as it",
        "net3: rings[1]: the node does not have 172.16.2.3; it has 172.16.1.3. Correct one of the two",
        "net3: eth0: there is no such interface, and 172.16.1.100 shall be on it",
    ]


def test_an_address_that_a_stranger_answers_for_is_occupied() -> None:
    facts = whole()
    facts["net2"] = replace(facts["net2"], answers={"172.16.1.100": ("02:ff:ff:ff:ff:ff",)})
    (line,) = said(facts)
    assert line.startswith("eth0: vips.failover: 172.16.1.100 is in use by 02:ff:ff:ff:ff:ff")


def test_an_address_that_the_cluster_itself_holds_is_not_occupied() -> None:
    world = World(SPEC)
    world.carry_out_all()
    facts = whole()
    facts["net1"] = replace(facts["net1"], cib=world.cib, addresses={**facts["net1"].addresses, "172.16.1.100": "eth0"})
    facts["net2"] = replace(facts["net2"], answers={"172.16.1.100": facts["net1"].macs})
    assert said(facts) == []


def test_an_address_put_on_a_node_by_hand_is_said() -> None:
    facts = whole()
    facts["net1"] = replace(facts["net1"], addresses={**facts["net1"].addresses, "172.16.1.100": "eth0"})
    (line,) = said(facts)
    assert "not by the cluster" in line


def test_an_agent_that_systemd_runs_is_said() -> None:
    facts = whole()
    unit = "neutron-l3-agent.service"
    facts["net1"] = replace(facts["net1"], units={**facts["net1"].units, unit: UnitFact(True, True, False)})
    (line,) = said(facts)
    assert f"systemctl disable --now {unit}" in line
