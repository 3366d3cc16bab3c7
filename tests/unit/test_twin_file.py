"""A gateway whose spares keep a twin, in the file: what it may say, and what it may not."""

import pytest
from cluster_world import edge, spec_of
from test_spec_yaml import said


def twin(nodes: int = 3, **changes: tuple[str, str]) -> str:
    """A file like the lab's, with a twin in the gateway's place."""
    text = edge(nodes, gateway=("{gw: {nodes", "{gw: {strategy: twin, nodes"))
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    return text


def test_a_twin_is_carried_by_one_node_and_says_how_its_spares_keep_up() -> None:
    spec = spec_of(twin())
    gateway = spec.gateways["gw"]
    assert (list(spec.carried), list(spec.twins), list(spec.pools)) == (["gw"], ["gw"], [])
    assert (gateway.stage_port, gateway.stale_after_s, gateway.connections) == (5409, 30, True)
    changed = spec_of(
        twin(more=("nodes: [net1,", "stage_port: 99, stale_after_s: 60, connections: false, nodes: [net1,"))
    )
    gateway = changed.gateways["gw"]
    assert (gateway.stage_port, gateway.stale_after_s, gateway.connections) == (99, 60, False)


def test_two_twins_may_share_a_node_by_different_ports_and_one_port_on_different_nodes() -> None:
    other = "gateways: {b: {strategy: twin, stage_port: 5410, nodes: [net2, net3]}, "
    assert list(spec_of(twin(other=("gateways: {", other))).twins) == ["b", "gw"]
    other = "gateways: {b: {strategy: twin, nodes: [net3, net4]}, "
    assert list(spec_of(twin(4, other=("gateways: {", other))).twins) == ["b", "gw"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("nodes: [net1, net2]", "nodes: [net1]"), "gateways.gw.nodes: only one node: nobody could keep a twin"),
        (("strategy: twin,", "stage_port: 5410,"), "gateways.gw.stage_port: means something only with `strategy: tw"),
        (("strategy: twin,", "connections: false,"), "gateways.gw.connections: means something only with"),
        (("strategy: twin,", "strategy: reschedule, stale_after_s: 60,"), "gateways.gw.stale_after_s: means something"),
        (("strategy: twin,", "strategy: twin, weights: {router: 1},"), "gateways.gw.weights: means something"),
        (("strategy: twin,", "strategy: twin, stage_port: 0,"), "gateways.gw.stage_port: input should be greater"),
        (("strategy: twin,", "strategy: twin, connections: 1,"), "gateways.gw.connections: "),
        (("strategy: twin,", "strategy: twins,"), "gateways.gw.strategy: "),
        (
            ("gateways: {", "gateways: {b: {strategy: twin, nodes: [net3, net2]}, "),
            "gateways.gw.stage_port: b keeps its twins on net2 by port 5409, too",
        ),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_said_with_what_to_do(change: tuple[str, str], expected: str) -> None:
    lines = said(twin(change=change))
    assert any(expected in line for line in lines), lines
