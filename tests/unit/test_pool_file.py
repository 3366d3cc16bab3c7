"""A gateway whose nodes are all active, in the file: what it may say, and what it may not."""

import pytest
from cluster_world import edge, spec_of
from test_spec_yaml import said

POOL = "gateways: {edge: {strategy: reschedule, nodes: [net1, net2, net3]}}"


def pool(nodes: int = 3, **changes: tuple[str, str]) -> str:
    """A file like the lab's, with a pool in the gateway's place."""
    names = ", ".join(f"net{number}" for number in range(1, nodes + 1))
    text = edge(nodes, gateway=("gateways: {gw: {nodes: [net1, net2]}}", POOL.replace("net1, net2, net3", names)))
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    return text


def test_each_node_has_its_own_host_and_that_is_its_name_unless_the_file_says_another() -> None:
    spec = spec_of(pool(change=("  net2: {", "  net2: {agent_host: net2.example.org, ")))
    assert spec.hosts("edge") == {"net1": "net1", "net2": "net2.example.org", "net3": "net3"}
    assert (list(spec.pools), list(spec.carried)) == (["edge"], [])


def test_a_pool_may_say_what_a_router_costs_and_how_many_dhcp_agents_there_are() -> None:
    spec = spec_of(pool(change=("nodes: [net1,", "dhcp_agents_per_network: 2, weights: {gateway: 2}, nodes: [net1,")))
    assert spec.gateways["edge"].dhcp_agents_per_network == 2
    assert spec.gateways["edge"].weights.model_dump() == {
        "router": 1.0, "gateway": 2.0, "interface": 0.25, "floating_ip": 0.1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("nodes: [net1, net2, net3]", "nodes: [net1]"), "gateways.edge.nodes: only one node: nobody could take"),
        (("nodes: [net1, net2, net3]", "nodes: [net1, net9]"), "there is no node net9"),
        (("gateways: {", "gateways: {gw: {nodes: [net2]}, "), "gateways.edge.nodes[1]: net2 is a node of gw already"),
        (("net3]}}", "net3]}, gw: {nodes: [net3]}}"), "gateways.gw.nodes[0]: net3 is a node of edge already"),
        (("strategy: reschedule", "weights: {router: 2}"), "gateways.edge.weights: means something only with"),
        (("strategy: reschedule", "dhcp_agents_per_network: 2"), "dhcp_agents_per_network: means something only with"),
        (("nodes: [net1,", "weights: {router: -1}, nodes: [net1,"), "weights.router: input should be greater than"),
        (("nodes: [net1,", "weights: {memory: 1}, nodes: [net1,"), "weights.memory: unknown key"),
        (("nodes: [net1,", "dhcp_agents_per_network: 0, nodes: [net1,"), "greater than or equal to 1"),
        (("  net2: {", "  net2: {agent_host: net1, "), "nodes.net2.agent_host: net1 is the host of net1's agents"),
        (("  net2: {", "  net2: {agent_host: edge, "), "nodes.net2.agent_host: edge is a gateway's name"),
        (("  net2: {", "  net2: {agent_host: 'a b', "), "nodes.net2.agent_host: not a host"),
        (("gateways: {edge:", "gateways: {net1:"), "nodes.net1: net1 is a gateway's name"),
        (("cloud: lab", "cloud: lab, python: python3"), "neutron.python"),
        (("vips: {failover:", "vips: {edge-local-ovs:"), "edge-local-ovs is the name of a resource of gateway edge"),
        (("vips: {failover:", "vips: {edge-local-on-net1:"), "may be the name of a part of a resource of gateway edge"),
        (("gateways:", "resources: {x: {agent: 'lsb:x', with: edge}}\ngateways:"), "edge is on several nodes at once"),
        (("nodes: [net1, net2, net3]", "nodes: [{}, net2]"), "gateways.edge.nodes[0]: not a text"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_said_with_what_to_do(change: tuple[str, str], expected: str) -> None:
    lines = said(pool(change=change))
    assert any(expected in line for line in lines), lines


def test_the_same_names_are_no_trouble_where_no_node_is_active_by_itself() -> None:
    assert spec_of(edge(gateway=("{gw: {nodes", "{net1: {nodes"))).hosts("net1") == {"net1": "net1", "net2": "net2"}


def test_two_pools_have_nodes_of_their_own() -> None:
    text = pool(4, two=("net4]}}", "]}, west: {strategy: reschedule, nodes: [net3, net4]}}"))
    spec = spec_of(text.replace("[net1, net2, net3, ]", "[net1, net2]"))
    assert list(spec.pools) == ["edge", "west"]
