"""How long a status takes: who answers is heard at once, and who does not keeps nobody waiting."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from drill_history import GATEWAY, carrying
from test_status_view import WANTED, cluster, node

import virtual_time
from hotspare.adapters.site import HEDGE_S, Machines
from hotspare.faces.report import screen
from hotspare.flows.status import LOST_NODE_LIMIT_S, NODE_LIMIT_S, POLL_S, status, well
from hotspare.model.answer import Answer
from hotspare.model.cluster import ClusterStatus
from hotspare.model.drill import NodeState
from hotspare.model.errors import NotReachableError, RefusedError
from hotspare.model.stager import State
from hotspare.model.status import StatusView
from hotspare.ports import Done

STATUS = (Path(__file__).parent / "crm_mon" / "working.xml").read_text()
ANSWER_S = 0.3
DEAD_S = 10.0
"""A machine without power: SSH gives up after so long."""


class Hosts:
    """Nodes that tell the cluster's status, but for those that are dead or do not run Pacemaker."""

    def __init__(self, *, dead: Sequence[str] = (), stopped: Sequence[str] = ()) -> None:
        self._dead, self._stopped = dead, stopped
        self.asked: list[str] = []

    async def run(self, host: str, _argv: Sequence[str], **_options: object) -> Done:
        self.asked.append(host)
        if host in self._dead:
            await asyncio.sleep(DEAD_S)
            raise NotReachableError(f"{host}: not reachable by SSH")
        await asyncio.sleep(ANSWER_S)
        if host in self._stopped:
            raise RefusedError(f"{host}: Pacemaker does not run there", code=1)
        return Done(0, STATUS, "")


def asked(hosts: Hosts, *, times: int = 1) -> tuple[list[str], float]:
    """Who told, each time, and how long all of it took."""

    async def ask() -> tuple[list[str], float]:
        machines = Machines(hosts, ("net1", "net2", "net3"), {})
        tellers = [(await machines.status())[0] for _ in range(times)]
        return tellers, virtual_time.now()

    return virtual_time.run(ask())


@pytest.mark.parametrize(
    ("hosts", "teller", "took_s"),
    [
        (Hosts(), "net1", ANSWER_S),
        (Hosts(dead=("net1",)), "net2", HEDGE_S + ANSWER_S),
        (Hosts(dead=("net1", "net2")), "net3", 2 * HEDGE_S + ANSWER_S),
        (Hosts(stopped=("net1",)), "net2", 2 * ANSWER_S),
        (Hosts(dead=("net1",), stopped=("net2",)), "net3", HEDGE_S + 2 * ANSWER_S),
    ],
)
def test_the_first_node_that_can_tell_is_heard_whoever_is_asked_before_it(
    hosts: Hosts, teller: str, took_s: float
) -> None:
    assert asked(hosts) == ([teller], pytest.approx(took_s))


def test_a_node_that_told_is_asked_first_the_next_time() -> None:
    hosts = Hosts(dead=("net1",))
    assert asked(hosts, times=3) == (["net2"] * 3, pytest.approx(HEDGE_S + 3 * ANSWER_S))
    assert hosts.asked == ["net1", "net2", "net2", "net2"]


def test_where_nobody_can_tell_the_reason_is_told() -> None:
    with pytest.raises(RefusedError, match="net3: Pacemaker does not run there"):
        asked(Hosts(stopped=("net1", "net2", "net3")))


class Site:
    """net2 carries the gateway, net1 does not answer; the cluster says this."""

    def __init__(self, said: ClusterStatus) -> None:
        self._said = said

    async def status(self) -> tuple[str, ClusterStatus]:
        await asyncio.sleep(HEDGE_S + ANSWER_S)
        return "net3", self._said

    async def node(self, host: str) -> NodeState:
        await asyncio.sleep(ANSWER_S if host == "net2" else DEAD_S)
        return carrying(host)


class Stagers:
    async def state(self, _gateway: str, node: str) -> State:
        await asyncio.sleep(ANSWER_S if node == "net2" else DEAD_S)
        raise NotReachableError("it does not answer")


def told(said: ClusterStatus) -> tuple[StatusView, float]:
    """The view, and how long it took."""
    wanted = replace(WANTED, twins=frozenset({GATEWAY}))

    async def ask() -> tuple[StatusView, float]:
        view = await status(wanted, Site(said), None, Stagers(), now=virtual_time.now)
        return view, virtual_time.now()

    return virtual_time.run(ask())


def test_a_node_that_the_cluster_has_lost_is_not_waited_for_and_that_is_said() -> None:
    lost = cluster(nodes=(node("net1", online=False), node("net2"), node("net3")))
    view, took_s = told(lost)
    assert took_s == pytest.approx(LOST_NODE_LIMIT_S)
    ((spare, *_),) = (gateway.twins for gateway in view.gateways)
    assert spare.answer is Answer.CANNOT_TELL
    assert spare.details == ("net1: no answer in 2 s, and net3 says that it is offline",)


def test_a_node_that_the_cluster_counts_on_has_its_time() -> None:
    _view, took_s = told(cluster())
    assert took_s == pytest.approx(NODE_LIMIT_S)


def waited(*answers: Answer, within_s: float) -> tuple[StatusView, list[str], float]:
    """Of these answers, one after the other, the one that was given, what was told meanwhile, and how long it took."""
    whole, _took_s = told(cluster())
    views = [replace(whole, answer=answer) for answer in answers]
    heard: list[str] = []

    async def ask() -> StatusView:
        await asyncio.sleep(ANSWER_S)
        return views.pop(0) if len(views) > 1 else views[0]

    async def wait() -> tuple[StatusView, float]:
        hear = lambda view: heard.append(screen.troubles(view))  # noqa: E731
        return await well(ask, within_s=within_s, tell=hear, now=virtual_time.now), virtual_time.now()

    view, took_s = virtual_time.run(wait())
    return view, heard, took_s


def test_a_wait_ends_as_soon_as_all_is_well_and_says_what_it_waits_for():
    view, heard, took_s = waited(Answer.NO, Answer.CANNOT_TELL, Answer.YES, within_s=60)
    assert view.answer is Answer.YES
    assert took_s == pytest.approx(3 * ANSWER_S + 2 * POLL_S)
    assert len(heard) == 2
    assert all("twins: " in line for line in heard)


def test_a_wait_has_an_end_and_gives_the_last_answer():
    view, _heard, took_s = waited(Answer.NO, within_s=60)
    assert view.answer is Answer.NO
    assert 60 - POLL_S - ANSWER_S < took_s <= 60 + ANSWER_S


def test_without_a_wait_the_first_answer_is_the_last():
    view, heard, took_s = waited(Answer.NO, Answer.YES, within_s=0)
    assert (view.answer, heard, took_s) == (Answer.NO, [], pytest.approx(ANSWER_S))
