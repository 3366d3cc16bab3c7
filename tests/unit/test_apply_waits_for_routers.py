"""How an apply waits for routers while a strategy changes: by the rescheduler's word, and with an end."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from test_apply_flow import JOB, WorldNodes, clock

from hotspare.flows import apply as flow
from hotspare.model.errors import HotspareError, NotReachableError, RefusedError, TimedOutError
from hotspare.model.rescheduling import Burden, Kept, Report
from hotspare.model.step import AwaitMoved, Stage

EDGE = "edge"


def burden(node: str, standing: str, routers: int = 0, **more: object) -> Burden:
    return replace(Burden(node, node, standing, routers, float(routers)), **more)


def away(routers: int, *, moving: int = 0, standing: str = "leaving", **more: object) -> Report:
    """Routers leave the cold gateway: so many are there still."""
    identity = burden(EDGE, standing, routers, moving=moving, **more)
    return told(burden("net1", "gone"), burden("net2", "live", 9 - routers, heard=True), identity)


def home(routers: int) -> Report:
    """Routers go home: so many are on net2 still."""
    report = told(burden("net1", "gone"), burden("net2", "leaving", routers, moving=routers), burden(EDGE, "live", 9))
    return replace(report, homeward=True)


def told(*burdens: Burden) -> Report:
    return Report(
        at_s=0.0, node="net2", doing="watching", trouble="", looked_s=1.0, batches=(), burdens=burdens, routers=(),
        unplaced=(), calls_at_once=8, identity=EDGE,
    )  # fmt: skip


class Desk:
    """Reports one after the other, the last `again` ones again and again; an error is raised."""

    def __init__(self, *answers: Report | HotspareError, again: int = 1) -> None:
        self._again = again
        self._answers = self._each(answers)

    def _each(self, answers: tuple[Report | HotspareError, ...]) -> Iterator[Report | HotspareError]:
        yield from answers
        while True:
            yield from answers[-self._again :]

    async def report(self, *, routers: bool) -> Report:
        assert not routers
        answer = next(self._answers)
        if isinstance(answer, HotspareError):
            raise answer
        return answer


def waited(
    *answers: Report | HotspareError,
    homeward: bool = False,
    deaf: bool = False,
    now: Callable[[], float] | None = None,
    again: int = 1,
) -> list[tuple[str, ...]]:
    """What was said to be missing, until it was not any more."""
    said: list[tuple[str, ...]] = []

    class Watcher(flow.Watcher):
        def waiting(self, missing: tuple[str, ...]) -> None:
            said.append(missing)

    desk = Desk(*answers, again=again)
    stages = (Stage("routers", (AwaitMoved("net1", EDGE, homeward, deaf, still_s=300),)),)
    run = flow.apply(JOB, WorldNodes(), stages, Watcher(), dispatcher=lambda _: desk, now=now or clock(), poll_s=0)
    asyncio.run(run)
    return said


def test_routers_are_waited_for_until_none_is_left_there_and_it_is_said_how_many_are() -> None:
    said = waited(away(3, moving=2), away(1, moving=1), away(0))
    assert said == [
        ("3 routers have still to move, 2 of them on their way",),
        ("1 routers have still to move, 1 of them on their way",),
    ]
    assert len(waited(home(2), home(1), home(0), homeward=True)) == 2


def test_what_a_rescheduler_says_that_does_not_know_of_the_change_or_of_the_routers_counts_for_nothing() -> None:
    unaware, blind = replace(away(0), identity=""), replace(away(0), looked_s=None, doing="looking at all routers")
    said = waited(unaware, replace(away(0), homeward=True), blind, NotReachableError("runs nowhere"), away(0))
    assert [words for (words,) in said] == [
        "the rescheduler on net2 does not know yet that the strategy changes",
        "the rescheduler on net2 does not know yet that the strategy changes",
        "the rescheduler on net2 has not seen the routers yet: looking at all routers",
        "runs nowhere",
    ]


def test_vrrp_routers_are_not_waited_for() -> None:
    assert waited(away(1, kept=(Kept("vrrp", "it is VRRP's", vrrp=True),))) == []


def test_at_the_end_neutron_has_to_have_noticed_that_the_agents_are_gone() -> None:
    (words,) = waited(away(0, standing="gone", heard=True), away(0, standing="gone"), deaf=True)
    assert words == ("Neutron still hears the L3 agent of edge, and may give it new routers",)
    assert waited(away(0, heard=True)) == []


def test_routers_that_stay_are_named_with_the_reason_soon_where_somebody_could_take_the_others() -> None:
    times = iter(range(0, 10_000, 10))
    kept = (Kept("one", "no agent has physical network tenant2"), Kept("two", "did not let go", tries=2))
    with pytest.raises(RefusedError, match=r"2 routers stay on edge:\none: no agent has .*\ntwo: did not") as refused:
        waited(away(2, kept=kept), now=lambda: float(next(times)))
    assert "nothing was taken out" in refused.value.hint
    assert next(times) < 150


@pytest.mark.parametrize("pool", [{"standing": "unknown"}, {"heard": False}])
def test_routers_are_waited_for_longer_while_nobody_can_take_them_yet(pool: dict[str, object]) -> None:
    times = iter(range(0, 10_000, 10))
    *_, identity = away(1, kept=(Kept("one", "no agent of the cluster is live"),)).burdens
    report = told(replace(burden("net2", "live", heard=True), **pool), identity)
    with pytest.raises(RefusedError, match="1 routers stay on edge"):
        waited(report, now=lambda: float(next(times)))
    assert next(times) > 300


def test_a_rescheduler_that_nobody_hears_and_a_neutron_that_notices_nothing_are_not_waited_for_without_an_end() -> None:
    with pytest.raises(TimedOutError, match="nobody can tell whether routers move: runs nowhere"):
        waited(NotReachableError("runs nowhere"))
    with pytest.raises(TimedOutError, match="Neutron still hears") as timed_out:
        waited(away(0, standing="gone", heard=True), deaf=True)
    assert "agent_down_time" in timed_out.value.hint


@pytest.mark.parametrize(
    "answers",
    [
        (away(3), NotReachableError("it does not answer")),
        (away(3, moving=1), away(4, moving=1)),
        (away(0, standing="gone", heard=True), away(1, standing="gone", heard=True)),
    ],
)
def test_what_comes_and_goes_is_not_progress(answers: tuple[Report | HotspareError, ...]) -> None:
    times = iter(range(0, 10_000, 10))
    with pytest.raises((TimedOutError, RefusedError)):
        waited(*answers, again=2, deaf=True, now=lambda: float(next(times)))
    assert 300 < next(times) < 700
