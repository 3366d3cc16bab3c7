"""`hotspare clean` above the nodes: whom it is about, who is left alone, what is said of those that do not answer."""

import asyncio
import dataclasses

import pytest
from drill_history import GATEWAY
from test_status_view import cluster, resource

from hotspare.adapters import spec_file
from hotspare.codec import cleaning_json
from hotspare.faces.report import cleaning as report
from hotspare.flows.clean import clean, finish
from hotspare.model.answer import Answer
from hotspare.model.cleaning import Cleaning, Leftovers, LeftProcess, NodeCleaning, State
from hotspare.model.cluster import ClusterStatus, Role
from hotspare.model.errors import HotspareError, NotReachableError
from hotspare.model.spec import Spec
from hotspare.plan.cleaning import Order, lacking, order, working

LEFT = Leftovers(
    ("qr-1",), ("qrouter-1",), (LeftProcess(7, "haproxy", "qrouter-1"), LeftProcess(8, "sh", None)), ("/a",)
)


class World:
    """Nodes by what is left on them (None: not reachable), and what the cluster says."""

    def __init__(self, left: dict[str, Leftovers | None], status: ClusterStatus | HotspareError) -> None:
        self.left, self.told = left, status
        self.twins: set[str] = set()

    async def status(self) -> tuple[str, ClusterStatus]:
        if isinstance(self.told, HotspareError):
            raise self.told
        return "net3", self.told

    async def clean(self, node: str, *, only_plan: bool, twins: bool) -> NodeCleaning:
        found = self.left[node]
        if found is None:
            raise NotReachableError(f"{node} does not answer", hint="is it up?")
        if node in self.twins and not twins:
            return NodeCleaning(node, State.TWIN, ("the twin of gateway gw is kept here",))
        if not found.ports:
            return NodeCleaning(node, State.CLEAN, leftovers=found)
        if not only_plan:
            self.left[node] = Leftovers((), (), (), ())
        return NodeCleaning(node, State.PLANNED if only_plan else State.CLEANED, leftovers=found)


def states(cleaning: Cleaning) -> dict[str, State]:
    return {node.node: node.state for node in cleaning.nodes}


def run(world: World, wanted: Order, *, only_plan: bool = False) -> Cleaning:
    """As the command does it: planned, then cleaned where something was found."""
    planned = asyncio.run(clean(wanted, world, only_plan=True))
    return planned if only_plan else asyncio.run(finish(wanted, planned, world))


def test_a_twin_is_left_alone_unless_it_is_asked_for():
    world = World({"net1": LEFT, "net2": LEFT}, cluster())
    world.twins = {"net1"}
    kept = run(world, Order(("net1", "net2"), named=False))
    assert states(kept) == {"net1": State.TWIN, "net2": State.CARRIES}
    assert kept.answer is Answer.YES
    assert "net1: left alone" in "\n".join(line.plain for line in report.lines(kept))
    cleaned = run(world, Order(("net1",), named=True, twins=True))
    assert states(cleaned) == {"net1": State.CLEANED}


def test_the_spare_is_cleaned_and_the_carrier_left_alone():
    world = World({"net1": LEFT, "net2": LEFT}, cluster())
    planned = run(world, Order(("net1", "net2"), named=False), only_plan=True)
    assert states(planned) == {"net1": State.PLANNED, "net2": State.CARRIES}
    assert planned.answer is Answer.NO
    cleaned = run(world, Order(("net1", "net2"), named=False))
    assert states(cleaned) == {"net1": State.CLEANED, "net2": State.CARRIES}
    assert cleaned.answer is Answer.YES
    assert world.left["net2"] == LEFT
    assert states(run(world, Order(("net1",), named=True))) == {"net1": State.CLEAN}


def test_a_carrier_asked_for_by_name_is_refused_with_who_and_what_to_do():
    alone = resource("p_neutron-l3-agent", "ocf:openstack:neutron-agent-l3", "net1")
    status = cluster(resources=(*cluster().resources, alone))
    first, second = run(World({"net1": LEFT, "net2": LEFT}, status), Order(("net1", "net2"), named=True)).nodes
    assert (first.state, second.state) == (State.REFUSED, State.REFUSED)
    assert "crm resource stop p_neutron-l3-agent" in first.why[0]
    assert second.why == (f"gateway {GATEWAY} is promoted on net2; move it first (crm node standby net2)",)


def test_a_node_that_became_the_carrier_meanwhile_is_not_cleaned():
    world = World({"net1": LEFT}, cluster())
    wanted = Order(("net1",), named=False)
    planned = asyncio.run(clean(wanted, world, only_plan=True))
    world.told = cluster(resources=(resource(GATEWAY, "ocf:hotspare:gateway", "net1", Role.PROMOTED),))
    assert states(asyncio.run(finish(wanted, planned, world))) == {"net1": State.CARRIES}
    assert world.left["net1"] == LEFT


def test_a_node_that_cannot_be_reached_is_told_and_stops_nobody():
    result = run(World({"net1": LEFT, "net3": None}, cluster()), Order(("net1", "net3"), named=False))
    assert states(result) == {"net1": State.CLEANED, "net3": State.CANNOT_TELL}
    assert result.nodes[1].why == ("net3 does not answer", "is it up?")
    assert result.answer is Answer.CANNOT_TELL


def test_without_the_cluster_each_node_judges_by_itself_and_that_is_said():
    result = run(World({"net1": LEFT}, NotReachableError("nobody answers")), Order(("net1",), named=False))
    assert states(result) == {"net1": State.CLEANED}
    assert "nobody answers" in next(report.lines(result)).plain


def test_what_is_on_its_way_to_a_node_works_there_already():
    promoting = resource(
        GATEWAY, "ocf:hotspare:gateway", "net1", Role.UNKNOWN, pending="Promoting", active=False
    )  # fmt: skip
    recipe = resource("p_neutron-l3-agent", "ocf:openstack:neutron-agent-l3", "net2")
    stopped = dataclasses.replace(recipe, active=False, nodes=("net3",))
    assert set(working(cluster(resources=(promoting, recipe, stopped)))) == {"net1", "net2"}


@pytest.fixture
def spec(tmp_path) -> Spec:
    file = tmp_path / "cluster.yaml"
    file.write_text(
        "cluster: {name: edge}\nfencing: none\nneutron: {cloud: c}\n"
        "nodes: {a: {rings: [10.0.0.1]}, b: {rings: [10.0.0.2]}, c: {rings: [10.0.0.3]}, d: {rings: [10.0.0.4]}}\n"
        "gateways: {one: {nodes: [a, b]}, two: {nodes: [b, c]}}\n"
    )
    return spec_file.read(file).spec


def test_without_a_node_it_is_about_all_that_may_carry(spec):
    assert order(spec, (), None) == Order(("a", "b", "c"), named=False)
    assert order(spec, (), "two") == Order(("b", "c"), named=False)
    assert order(spec, ("d", "d"), None) == Order(("d",), named=True)


@pytest.mark.parametrize(
    ("named", "gateway", "words"),
    [
        ((), "three", "no gateway three; it has one, two"),
        (("x",), None, "no node x; it has a, b, c, d"),
        (("a",), "two", "a is not among them; they are b, c"),
    ],
)
def test_what_the_file_does_not_have_is_refused(spec, named, gateway, words):
    (problem,) = lacking(spec, "cluster.yaml", named, gateway)
    assert words in str(problem)
    assert not list(lacking(spec, "cluster.yaml", ("a",), "one"))


def test_a_file_without_gateways_needs_nodes_by_name(spec):
    bare = spec.model_copy(update={"gateways": {}})
    assert "name the nodes" in str(next(lacking(bare, "f", (), None)))
    assert not list(lacking(bare, "f", ("a",), None))


def test_what_a_node_says_is_read_and_told():
    said = (
        '{"state": "planned", "why": [], "plan": {"ports": ["qr-1"], "parked": [], "links_down": [], "namespaces": '
        '["qrouter-1"], "processes": [{"pid": 7, "program": "haproxy", "namespace": "qrouter-1"}], "files": ["/a"]}}'
    )
    node = cleaning_json.read(said, "net1")
    assert node == NodeCleaning("net1", State.PLANNED, (), dataclasses.replace(LEFT, processes=LEFT.processes[:1]))
    lines = [line.plain for line in report.lines(Cleaning((node,)))]
    assert lines[0] == "net1: this would go:"
    assert "  process haproxy (pid 7 in qrouter-1)" in lines
    assert cleaning_json.plain(Cleaning((node,)))["clean"] == "no"


@pytest.mark.parametrize("text", ["", "[]", '{"state": "dirty", "why": [], "plan": null}', '{"state": "clean"}'])
def test_an_answer_of_somebody_else_is_none(text):
    with pytest.raises((ValueError, KeyError, TypeError)):
        cleaning_json.read(text, "net1")
