"""How an apply goes on and ends: failures told together, waiting that ends, three answers."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from cluster_world import AGENTS, CLOUD, World, edge, passwords, spec_of

from hotspare.codec import corosync_conf, crm_mon_xml
from hotspare.faces.cli.app import exit_code
from hotspare.flows import apply as flow
from hotspare.model.cluster import ClusterStatus, FailedAction
from hotspare.model.errors import HotspareError, NotReachableError, RefusedError, TimedOutError, WorldError
from hotspare.model.observed import NodeFacts, Query
from hotspare.model.step import AwaitStopped, Stage, StartUnit, Step
from hotspare.ports import Dispatcher

SPEC = spec_of(edge(gateway=("{gw: {nodes", "{neutron-gateway: {nodes")))
WORKING = crm_mon_xml.read((Path(__file__).parent / "crm_mon" / "working.xml").read_text())
BAD_STATE, CANNOT_TELL = 1, 3
JOB = flow.Job(SPEC, passwords(SPEC), CLOUD, AGENTS, corosync_conf.write)


@dataclass
class WorldNodes:
    """The nodes of a `World`, with what may go wrong on the way to them."""

    world: World = field(default_factory=lambda: World(SPEC))
    unreachable: tuple[str, ...] = ()
    failing: Callable[[Step], bool] = lambda _step: False
    says: Callable[[], ClusterStatus] = lambda: WORKING

    async def look(self, node: str, query: Query) -> NodeFacts:
        if node in self.unreachable:
            raise NotReachableError(f"{node}: not reachable by SSH", hint="is it on?")
        return replace(
            self.world.facts()[node],
            users=query.users,
            addresses=dict.fromkeys(SPEC.nodes[node].rings, "eth0"),
            interfaces=("eth0",),
        )

    async def carry_out(self, step: Step) -> None:
        if self.failing(step):
            raise RefusedError(f"{step.node}: no", code=1, hint="see its journal")
        self.world.carry_out(step)

    async def cluster(self, node: str) -> ClusterStatus:  # noqa: ARG002 (all nodes say the same)
        return self.says()


def clock() -> Callable[[], float]:
    """Each look at it is 10 s later, so that no test waits for a limit."""
    times = iter(range(0, 10_000, 10))
    return lambda: float(next(times))


def nobody(gateway: str) -> Dispatcher:
    raise AssertionError(f"nobody has to ask the rescheduler of {gateway}")


def apply(nodes: WorldNodes) -> tuple[Step, ...]:
    async def run() -> tuple[Step, ...]:
        stages = await flow.plan(JOB, nodes)
        await flow.apply(JOB, nodes, stages, flow.Watcher(), dispatcher=nobody, now=clock())
        return tuple(step for stage in stages for step in stage.steps)

    return asyncio.run(run())


def verify(nodes: WorldNodes, *, changed: bool = True) -> flow.Verified:
    return asyncio.run(flow.verify(JOB, nodes, flow.Watcher(), changed=changed, now=clock(), poll_s=0))


def test_a_second_apply_has_nothing_to_do() -> None:
    nodes = WorldNodes()
    assert len(apply(nodes)) > 30
    assert apply(nodes) == ()


def test_every_node_that_cannot_be_asked_is_named_and_nothing_is_done() -> None:
    nodes = WorldNodes(unreachable=("net1", "net3"))
    with pytest.raises(WorldError) as wrong:
        apply(nodes)
    assert [problem.where for problem in wrong.value.problems] == ["net1", "net3"]
    assert exit_code(wrong.value) == CANNOT_TELL
    assert nodes.world == World(SPEC)


def test_a_step_that_fails_on_two_nodes_is_told_of_both_and_the_next_run_finishes() -> None:
    nodes = WorldNodes(failing=lambda step: isinstance(step, StartUnit) and step.node != "net1")
    with pytest.raises(HotspareError, match=r"net2: no\nnet3: no") as failed:
        apply(nodes)
    assert failed.value.hint == "see its journal"
    assert exit_code(failed.value) == BAD_STATE
    nodes.failing = lambda _step: False
    apply(nodes)
    assert nodes.world.plan() == ()


def test_a_cluster_that_works_is_said_to_work() -> None:
    assert verify(WorldNodes()) == flow.Verified(())


def test_what_is_missing_is_said_when_nothing_is_under_way_any_more() -> None:
    (line,) = verify(WorldNodes(says=lambda: replace(WORKING, quorate=False))).missing
    assert line == "the cluster has no quorum"


def test_what_is_missing_for_no_reason_may_come_with_the_next_look_of_pacemakers_own() -> None:
    """It takes no notice of a failure while actions are under way, and looks again once in a recheck interval."""
    agents = tuple(replace(one, nodes=()) if one.id == "neutron-gateway-ovs" else one for one in WORKING.resources)
    forgotten = replace(WORKING, resources=agents)

    def told_after(comes_s: float) -> tuple[flow.Verified, float]:
        clock_s = 0.0

        def now() -> float:
            nonlocal clock_s
            clock_s += 0.1
            return clock_s

        nodes = WorldNodes(says=lambda: WORKING if clock_s > comes_s else forgotten)
        verdict = asyncio.run(flow.verify(JOB, nodes, flow.Watcher(), changed=True, now=now, poll_s=0))
        return verdict, clock_s

    verdict, _ = told_after(SPEC.cluster.recheck_s + 5)
    assert verdict == flow.Verified(())
    verdict, took_s = told_after(1000)
    assert verdict.missing == ("neutron-gateway-ovs: runs on no node, belongs beside neutron-gateway",)
    assert took_s < SPEC.cluster.recheck_s + flow.STILL_S + 5


def test_a_cluster_that_gets_on_is_waited_for_and_one_that_goes_round_in_circles_is_not() -> None:
    """Ten resources that start one after the other, a minute and a half each, take longer than the limit."""
    clock_s = 0.0

    def now() -> float:
        nonlocal clock_s
        clock_s += 1.0
        return clock_s

    def told(pending: Callable[[], int]) -> flow.Verified:
        nonlocal clock_s
        clock_s = 0.0
        resources = WORKING.resources

        def says() -> ClusterStatus:
            busy = tuple(
                replace(one, pending="Monitoring" if n < pending() else None) for n, one in enumerate(resources)
            )
            return replace(WORKING, resources=busy)

        nodes = WorldNodes(says=says)
        return asyncio.run(flow.verify(JOB, nodes, flow.Watcher(), changed=True, now=now, poll_s=0))

    at_first = len(WORKING.resources)
    assert told(lambda: max(0, at_first - int(clock_s / 90))) == flow.Verified(())
    assert clock_s > flow.VERIFY_LIMIT_S
    assert len(told(lambda: 1 + int(clock_s / 7) % 2).missing) in (1, 2)
    assert clock_s < 2 * flow.VERIFY_LIMIT_S


def test_a_cluster_that_nobody_can_tell_of_is_neither_well_nor_unwell() -> None:
    def silent() -> ClusterStatus:
        raise NotReachableError("net3: gone")

    verdict = verify(WorldNodes(says=silent))
    assert (verdict.missing, verdict.untold) == ((), "net3: gone")


def test_all_is_well_only_after_it_was_so_for_a_moment() -> None:
    """Right after a change Pacemaker still tells of before."""
    answers = iter((WORKING, replace(WORKING, quorate=False), *(WORKING,) * 5))
    times = iter(n * 0.4 for n in range(1000))
    nodes = WorldNodes(says=lambda: next(answers))
    seen: list[tuple[str, ...]] = []

    class Watcher(flow.Watcher):
        def waiting(self, missing: tuple[str, ...]) -> None:
            seen.append(missing)

    verdict = asyncio.run(flow.verify(JOB, nodes, Watcher(), changed=True, now=lambda: next(times), poll_s=0))
    assert verdict == flow.Verified(())
    assert seen == [("the cluster has no quorum",)]


def stopping(status: Callable[[], ClusterStatus]) -> list[str]:
    """The end of a plan that takes `failover` out, on a cluster that says this; what was waited for meanwhile."""
    stages = (Stage("configuration", (AwaitStopped("net1", ("failover",), 60),)),)
    waited: list[str] = []

    class Watcher(flow.Watcher):
        def waiting(self, missing: tuple[str, ...]) -> None:
            waited.append(missing[0])

    nodes = WorldNodes(says=status)
    asyncio.run(flow.apply(JOB, nodes, stages, Watcher(), dispatcher=nobody, now=clock(), poll_s=0))
    return waited


def test_what_is_taken_out_is_waited_for_until_it_runs_nowhere_and_nothing_is_under_way() -> None:
    without = replace(WORKING, resources=tuple(one for one in WORKING.resources if one.id != "failover"))
    moving = replace(without, resources=(replace(without.resources[0], pending="Starting"), *without.resources[1:]))
    told = iter((WORKING, moving, without))
    waited = stopping(lambda: next(told))
    assert waited == ["failover: has to stop before it is taken out", "the cluster has something under way"]
    assert next(told, None) is None


def test_that_no_node_can_tell_for_a_moment_ends_no_waiting_for_what_is_taken_out() -> None:
    without = replace(WORKING, resources=tuple(one for one in WORKING.resources if one.id != "failover"))
    answers: list[ClusterStatus | None] = [None] * len(SPEC.nodes) + [without]

    def status() -> ClusterStatus:
        if (answer := answers.pop(0)) is None:
            raise TimedOutError("crm_mon: no answer in 10 s")
        return answer

    assert stopping(status) == ["crm_mon: no answer in 10 s"]

    def never() -> ClusterStatus:
        raise NotReachableError("not reachable by SSH")

    with pytest.raises(NotReachableError, match="not reachable by SSH"):
        stopping(never)


def test_what_does_not_stop_is_said_with_its_reason_and_not_taken_out() -> None:
    with pytest.raises(TimedOutError, match="still running after 60 s: failover"):
        stopping(lambda: WORKING)
    blocked = tuple(replace(one, blocked=one.id == "failover") for one in WORKING.resources)
    failure = FailedAction("failover", "stop", "net1", 1, "error", "the kernel says no", "complete", "now")
    with pytest.raises(RefusedError, match=r"failover does not stop on .*: the kernel says no") as refused:
        stopping(lambda: replace(WORKING, resources=blocked, failures=(failure,)))
    assert "crm_resource --cleanup --resource failover" in refused.value.hint
    unmanaged = tuple(replace(one, managed=one.id != "failover") for one in WORKING.resources)
    with pytest.raises(RefusedError, match="it is unmanaged"):
        stopping(lambda: replace(WORKING, resources=unmanaged))
