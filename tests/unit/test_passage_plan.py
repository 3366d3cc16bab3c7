"""A gateway's strategy changes: the plan, cut anywhere and thought better of, in every state the cluster may be in.

What carries it out is a cluster that moves routers only when it is asked to, and says so if that cannot be right: they
are where something is stopped, or a node may run both strategies.
"""

from copy import copy
from dataclasses import dataclass, field, replace
from functools import cache

import pytest
from cluster_world import World, edge, spec_of
from hypothesis import given, settings
from hypothesis import strategies as st
from test_pool_file import pool
from test_status_view import cluster, node, resource

from hotspare.faces.report import steps
from hotspare.model.cluster import ClusterStatus, Role
from hotspare.model.errors import InvariantError
from hotspare.model.step import AwaitMoved, AwaitStopped, ChangeCib, EnableUnit, StartResource, Step, StopResource
from hotspare.plan import passage, reconcile
from hotspare.plan.names import cold_parts, pool_parts
from hotspare.plan.verdict import DRAIN

COLD = edge(gateway=("{gw: {nodes", "{edge: {nodes"))
"""Gateway edge on net1 or net2."""
POOL = pool()
"""Gateway edge as a pool of net1, net2 and net3."""
NODES = ("net1", "net2", "net3")
COLD_CLONE, POOL_CLONE = cold_parts("edge")[0], pool_parts("edge")[0]


@dataclass
class Edge(World):
    """The world with the gateway's routers in it."""

    offline: set[str] = field(default_factory=set)
    drained: set[str] = field(default_factory=set)
    carrier: str = ""
    routers: str = "cold"
    """Which strategy they are on."""

    def __post_init__(self) -> None:
        self.says = self.status

    def status(self) -> ClusterStatus:
        """Pacemaker promotes the cold gateway where it may, and leaves it where it is."""
        able = [name for name in self.able(COLD_CLONE) if name not in self.offline]
        if self.carrier not in able:
            self.carrier = able[0] if able else ""
        marks = {name: {DRAIN: "true"} for name in self.drained}
        nodes = tuple(node(name, online=name not in self.offline, attributes=marks.get(name, {})) for name in NODES)
        promoted = (resource("edge", "ocf:hotspare:gateway", self.carrier, Role.PROMOTED),) if self.carrier else ()
        return cluster(nodes=nodes, resources=promoted)

    def able(self, part: str) -> tuple[str, ...]:
        """The nodes where the configuration lets it run; none where there is no such resource, or it was stopped."""
        there = {found.id: found for found in self.cib.walk() if found.tag not in {"obj_ref", "rsc_location"}}
        if part not in there or reconcile.is_stopped(there[part]):
            return ()
        barred = {found.get("node") for found in self.cib.walk() if found.tag == "rsc_location" and is_ban(found, part)}
        return tuple(name for name in NODES if name not in barred)

    def carry_out(self, step: Step) -> None:
        match step:
            case AwaitMoved(homeward=homeward):
                coming = COLD_CLONE if homeward else POOL_CLONE
                assert set(self.able(coming)) - self.offline, "nobody can take the routers"
                assert self.told_homeward() is homeward
                self.routers = "cold" if homeward else "pool"
            case StopResource(_, part) if part in (*cold_parts("edge"), *pool_parts("edge")):
                assert (part in cold_parts("edge")) is (self.routers == "pool"), f"{part} stops under its routers"
        super().carry_out(step)
        assert not set(self.able(COLD_CLONE)) & set(self.able(POOL_CLONE)), "a node may run both"

    def told_homeward(self) -> bool:
        mover = next(found for found in self.cib.walk() if found.id == "edge-rescheduler")
        return any((pair.get("name"), pair.get("value")) == ("homeward", "true") for pair in mover.walk())

    def steps(self) -> list[Step]:
        return [step for stage in self.plan() for step in stage.steps]

    def configuration(self) -> dict[str, object]:
        """All that is ours, by id, whatever the order in which it came."""
        return {found.id: reconcile.canonical(found) for _, found in reconcile.ours(self.cib)}


def is_ban(found: object, part: str) -> bool:
    return (found.get("rsc"), found.get("score")) == (part, "-INFINITY")  # type: ignore[attr-defined]


def made(text: str) -> Edge:
    """The world after one whole apply, with routers on what it has."""
    whole = _made(text)
    files = {name: dict(files) for name, files in whole.files.items()}
    own = {name: copy(getattr(whole, name)) for name in ("agents", "enabled", "active", "running_conf")}
    return replace(whole, files=files, **own)


@cache
def _made(text: str) -> Edge:
    world = Edge(spec_of(text), routers="pool" if "strategy: reschedule" in text else "cold")
    world.carry_out_all()
    return world


def edited(text: str, to: str, **state: set[str]) -> Edge:
    """Applied, then edited, and not applied again."""
    world = made(text)
    world.spec = spec_of(to)
    for name, value in state.items():
        setattr(world, name, value)
    return world


@pytest.mark.parametrize(("before", "after"), [(COLD, POOL), (POOL, COLD)], ids=["to the pool", "home"])
def test_routers_move_between_two_configurations_and_only_then_anything_stops(before: str, after: str) -> None:
    world = edited(before, after)
    kinds = [(type(step), getattr(step, "deaf", None)) for step in world.steps() if "File" not in type(step).__name__]
    assert [kind for kind in kinds if kind[0] not in {EnableUnit, StopResource, AwaitStopped}] == [
        (ChangeCib, None), (AwaitMoved, False), (AwaitMoved, True), (ChangeCib, None),
    ]  # fmt: skip
    world.carry_out_all()
    assert world.plan() == ()
    assert world.configuration() == made(after).configuration()


@pytest.mark.parametrize(("before", "after"), [(COLD, POOL), (POOL, COLD)], ids=["to the pool", "home"])
def test_a_change_cut_anywhere_is_finished_by_the_next_plan(before: str, after: str) -> None:
    wanted = made(after).configuration()
    for cut in range(len(edited(before, after).steps())):
        world = edited(before, after)
        for step in world.steps()[:cut]:
            world.carry_out(step)
        world.carry_out_all()
        assert world.plan() == ()
        assert world.configuration() == wanted, f"cut before step {cut}"


@pytest.mark.parametrize(("before", "after"), [(COLD, POOL), (POOL, COLD)], ids=["to the pool", "home"])
def test_a_change_that_somebody_thinks_better_of_anywhere_ends_as_it_was(before: str, after: str) -> None:
    wanted = made(before).configuration()
    for cut in range(len(edited(before, after).steps())):
        world = edited(before, after)
        for step in world.steps()[:cut]:
            world.carry_out(step)
        world.spec = spec_of(before)
        world.carry_out_all()
        assert world.plan() == ()
        assert (world.configuration(), world.stopped()) == (wanted, ()), f"cut before step {cut}"


@settings(max_examples=30)  # each turn plans a whole cluster, a tenth of a second
@given(data=st.data())
def test_any_order_of_cuts_deaths_and_changes_of_mind_is_finished_by_the_last_plan(data: st.DataObject) -> None:
    world = made(data.draw(st.sampled_from([COLD, POOL]), "first"))
    for _ in range(data.draw(st.integers(1, 4), "turns")):
        world.spec = spec_of(data.draw(st.sampled_from([COLD, POOL]), "the file"))
        world.offline = {*data.draw(st.sampled_from([[], ["net1"], ["net2"]]), "dead")}
        steps = world.steps()
        for step in steps[: data.draw(st.integers(0, len(steps)), "cut")]:
            world.carry_out(step)
    text = data.draw(st.sampled_from([COLD, POOL]), "the file in the end")
    world.spec, world.offline = spec_of(text), set()
    world.carry_out_all()
    assert world.plan() == ()
    assert world.configuration() == made(text).configuration()


@pytest.mark.parametrize(
    ("state", "carrier"),
    [
        ({}, "net1"),
        ({"offline": {"net1"}}, "net2"),
        ({"drained": {"net2"}}, "net2"),
        ({"drained": {"net2"}, "offline": {"net2"}}, "net1"),
        ({"offline": {"net1", "net2"}}, "net1"),
    ],
)
def test_home_is_a_node_that_is_online_better_one_that_was_drained(state: dict[str, set[str]], carrier: str) -> None:
    world = edited(POOL, COLD, **state)
    assert [one.carrier for one in passage.passages(world.spec, world.cib, world.status())] == [carrier]


def test_home_is_better_a_node_outside_of_the_pool() -> None:
    world = made(pool(fewer=("[net1, net2, net3]", "[net1, net3]")))
    world.spec = spec_of(COLD)
    assert [one.carrier for one in passage.passages(world.spec, world.cib, world.status())] == ["net2"]


@pytest.mark.parametrize(
    ("carrier", "offline", "expected"),
    [("net2", set(), "net2"), ("net1", set(), "net1"), ("", {"net1"}, "net2"), ("", {"net1", "net2"}, "net1")],
)
def test_the_cold_gateway_stays_where_it_is_until_routers_have_left_it(
    carrier: str, offline: set[str], expected: str
) -> None:
    world = edited(COLD, POOL, offline=offline)
    world.carrier = carrier
    status = world.status()
    assert [one.carrier for one in passage.passages(world.spec, world.cib, status)] == [expected]
    world.carry_out(next(step for step in world.steps() if isinstance(step, ChangeCib)))
    assert world.able(COLD_CLONE) == (expected,)
    assert world.able(POOL_CLONE) == tuple(name for name in NODES if name != expected)


def test_a_carrier_that_dies_on_the_way_home_is_replaced_by_another_node() -> None:
    world = edited(POOL, COLD)
    world.carry_out(next(step for step in world.steps() if isinstance(step, ChangeCib)))
    assert world.able(COLD_CLONE) == ("net1",)
    world.offline = {"net1"}
    world.carry_out(next(step for step in world.steps() if isinstance(step, ChangeCib)))
    assert (world.able(COLD_CLONE), world.able(POOL_CLONE)) == (("net2",), ("net1", "net3"))


def test_what_was_stopped_to_be_taken_out_is_started_when_the_file_says_so_again() -> None:
    world = edited(COLD, POOL)
    for step in world.steps():
        if isinstance(step, AwaitStopped):
            break
        world.carry_out(step)
    world.spec = spec_of(COLD)
    started = [step.resource for step in world.steps() if isinstance(step, StartResource)]
    assert sorted(started) == sorted(cold_parts("edge"))


def test_a_cold_gateway_on_its_way_out_keeps_its_constraints_but_none_with_what_the_file_puts_elsewhere() -> None:
    beside = "resources: {ntp: {agent: 'ocf:heartbeat:Dummy', with: edge}}\n"
    world = made(COLD + beside)
    world.spec = spec_of(POOL + beside.replace("with: edge", "on: [net3]"))
    world.carry_out(next(step for step in world.steps() if isinstance(step, ChangeCib)))
    ids = set(world.configuration())
    assert {"edge-agents-with-promoted", "edge-agents-after-promote", "fence-net1-rather-without-edge"} <= ids
    assert not [id_ for id_ in ids if id_.startswith(("ntp-with", "ntp-after"))]


def test_a_gateway_that_is_taken_out_altogether_is_no_change_of_strategy() -> None:
    world = made(COLD)
    world.spec = spec_of(COLD.replace("gateways: {edge: {nodes: [net1, net2]}}\n", ""))
    assert passage.changing(world.spec, world.cib) == ()
    world.routers = "pool"  # its routers are the operator's affair
    world.carry_out_all()
    assert world.plan() == ()


def test_a_change_is_not_planned_without_knowing_where_the_gateway_is() -> None:
    world = edited(COLD, POOL)
    world.says = None
    with pytest.raises(InvariantError, match="without the cluster's status"):
        world.plan()


def test_the_plan_says_what_happens_to_routers() -> None:
    words = [sentence for stage in edited(COLD, POOL).plan() for sentence in stage.words]
    assert "No router is touched" in words[0]
    assert "one move each" in words[1]
    assert "net1 dies meanwhile" in words[1]
    assert words[-1] == "what edge was is taken out, and net1 joins the pool"
    home = [sentence for stage in edited(POOL, COLD).plan() for sentence in stage.words]
    assert "routers that are on net1 now are without service until it has them" in home[0]


def test_what_is_waited_for_is_printed_below_what_it_means_for_routers() -> None:
    plan = edited(COLD, POOL).plan()
    lines = [str(line).strip() for line in steps.by_node(plan, differences=False)]
    meaning = next(number for number, line in enumerate(lines) if "one move each" in line)
    assert lines[meaning + 1].startswith("wait until every router has left the agents of edge")
    about = next(step["about"] for step in steps.plain(plan) if step["action"] == "await-moved")
    assert about == [lines[meaning].removesuffix(":")]
    assert steps.sentence(StartResource("net1", "edge-clone")) == "let edge-clone run again"
