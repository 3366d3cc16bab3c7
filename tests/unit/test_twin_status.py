"""Twins on the status screen: who carries, how fresh each spare's copy is, and no answer where nobody knows."""

import asyncio
import dataclasses
import json
from collections.abc import Mapping

import pytest
from drill_history import GATEWAY
from rich.console import Console
from test_status_view import WANTED, cluster, line, resource, seen

from hotspare.faces.cli.status import plain
from hotspare.faces.report import screen
from hotspare.flows.status import status as flow
from hotspare.model.answer import Answer
from hotspare.model.cluster import ClusterStatus, Role
from hotspare.model.errors import NotReachableError
from hotspare.model.stager import Role as Part
from hotspare.model.stager import State
from hotspare.model.status import StatusView
from hotspare.plan.status import Wanted, view
from hotspare.plan.twin.freshness import Freshness, Score, score, words

TWINS: Wanted = dataclasses.replace(WANTED, gateways={GATEWAY: ("net1", "net2")}, twins=frozenset({GATEWAY}))


def spare(node: str = "net1", equal_s: float | None = 2.0, **changes: object) -> State:
    """As a stager tells it (flows/stage/stager.py, `Stager.state`)."""
    cold = changes.get("cold", {})
    fresh = Freshness(equal_s, 3, len(cold))  # type: ignore[arg-type]
    told = score(fresh, Score.COLD, stale_after_s=60)
    whole = State(GATEWAY, node, Part.SPARE, told, words(fresh, told), equal_s, fresh.routers)
    return dataclasses.replace(whole, **changes)


def carrying(node: str = "net2", **changes: object) -> State:
    whole = State(GATEWAY, node, Part.CARRIER, Score.CARRIES, "", 0.0, 3)
    return dataclasses.replace(whole, **changes)


def judged(stagers: Mapping[str, State | str], *, wanted: Wanted = TWINS, **changes: object) -> StatusView:
    return view(wanted, dataclasses.replace(seen(**changes), stagers={GATEWAY: stagers}))


def without(node: str) -> ClusterStatus:
    """The gateway is not started there."""
    kept = [one for one in cluster().resources if not (one.id == GATEWAY and one.nodes == (node,))]
    return cluster(resources=tuple(kept))


def test_a_fresh_twin_is_well_and_says_how_fresh_it_is() -> None:
    found = judged({"net1": spare(), "net2": carrying()})
    assert found.answer is Answer.YES
    assert line(found, "twins").text == "net1 fresh (2 s), 3 routers; net2 carries, 3 routers"
    assert [twin.name for twin in found.gateways[0].twins] == ["net1", "net2"]


def test_connections_in_step_are_told_of_every_node_where_any_has_some() -> None:
    found = judged({"net1": spare(connections=1), "net2": carrying(connections=40)})
    assert line(found, "twins").text == (
        "net1 fresh (2 s), 3 routers, 1 connection; net2 carries, 3 routers, 40 connections"
    )


@pytest.mark.parametrize(
    ("twin", "text", "details"),
    [
        (spare(equal_s=300.0), "stale (5 min), 3 routers", ()),
        (spare(equal_s=None, trouble="it is being staged"), "none", ("net1: it is being staged",)),
        (
            spare(cold={"uuid-2": "QoS of qg-2: tbf", "other": "NDP proxy of qg-3"}),
            "partial (2 s), 1 of 3 routers",
            ("net1: no twin of other: NDP proxy of qg-3", "net1: no twin of router-2: QoS of qg-2: tbf"),
        ),
        (spare(trouble="Open vSwitch does not answer"), "fresh", ("net1: Open vSwitch does not answer",)),
    ],
    ids=["stale", "none", "partial", "troubled"],
)
def test_a_twin_that_is_not_whole_and_fresh_is_bad_and_says_why(
    twin: State, text: str, details: tuple[str, ...]
) -> None:
    found = line(judged({"net1": twin, "net2": carrying()}), "twins")
    assert found.answer is Answer.NO
    assert found.text.startswith(f"net1 {text}")
    assert found.details == details


def test_of_many_routers_without_a_twin_the_first_are_named_and_the_rest_counted() -> None:
    cold = {f"r{number:02}": "QoS" for number in range(5)}
    twin = dataclasses.replace(spare(), routers=60, cold=cold, twin="fresh (2 s), 55 of 60 routers")
    found = line(judged({"net1": twin, "net2": carrying(routers=60)}), "twins")
    assert found.answer is Answer.YES
    assert found.details == (*(f"net1: no twin of r0{number}: QoS" for number in range(3)), "net1: nor of 2 more")


def test_a_stager_that_could_not_be_asked_is_no_answer() -> None:
    found = line(judged({"net1": "no answer in 8 s", "net2": carrying()}), "twins")
    assert (found.answer, found.text) == (Answer.CANNOT_TELL, "net1 not known; net2 carries, 3 routers")
    assert found.details == ("net1: no answer in 8 s",)


def test_a_stale_twin_stays_bad_where_another_stager_could_not_be_asked() -> None:
    assert line(judged({"net1": spare(equal_s=300.0), "net2": "no answer"}), "twins").answer is Answer.NO


def test_where_the_gateway_is_not_started_there_is_no_twin() -> None:
    found = line(judged({"net1": "not reachable", "net2": carrying()}, status=without("net1")), "twins")
    assert (found.answer, found.text) == (Answer.NO, "net1 none; net2 carries, 3 routers")
    assert found.details == (f"net1: {GATEWAY} is not started there",)


def test_twins_are_told_where_nobody_can_tell_of_the_cluster() -> None:
    found = line(judged({"net1": spare(), "net2": carrying()}, status="no answer"), "twins")
    assert found.answer is Answer.YES


def with_another(on: str) -> tuple[Wanted, ClusterStatus]:
    """A second gateway is carried by the node."""
    wanted = dataclasses.replace(TWINS, gateways={**TWINS.gateways, "other": ("net1", "net2")})
    other = resource("other", "ocf:hotspare:gateway", on, Role.PROMOTED)
    return wanted, cluster(resources=(*cluster().resources, other))


def test_a_node_that_carries_another_gateway_is_no_spare_and_is_not_missed_where_there_is_one() -> None:
    wanted, status = with_another("net1")
    wanted = dataclasses.replace(wanted, gateways={**wanted.gateways, GATEWAY: ("net1", "net2", "net3")})
    stagers = {"net1": "nobody answers", "net2": carrying(), "net3": spare("net3")}
    found = line(judged(stagers, wanted=wanted, status=status), "twins")
    assert (found.answer, found.text.split("; ")[0]) == (Answer.YES, "net1 carries other")


def test_without_any_spare_a_takeover_would_be_a_cold_one() -> None:
    wanted, status = with_another("net1")
    found = line(judged({"net1": "nobody answers", "net2": carrying()}, wanted=wanted, status=status), "twins")
    assert found.answer is Answer.NO
    assert found.details == ("no node keeps a twin: a takeover would be a cold one",)


@pytest.mark.parametrize(
    ("stagers", "detail"),
    [
        ({"net1": carrying("net1"), "net2": carrying()}, "net1: its stager publishes, but the cluster"),
        ({"net1": spare(), "net2": spare("net2")}, f"net2: it carries {GATEWAY}, but its stager publishes nothing"),
    ],
)  # fmt: skip
def test_a_stager_that_is_not_of_the_clusters_mind_is_bad(stagers: Mapping[str, State], detail: str) -> None:
    found = line(judged(stagers), "twins")
    assert found.answer is Answer.NO
    assert found.details[0].startswith(detail)


def test_a_gateway_without_twins_has_no_such_line() -> None:
    assert "twins" not in {one.name for one in judged({}, wanted=WANTED).lines}


def shown(found: StatusView) -> list[str]:
    console = Console(width=100)
    with console.capture() as captured:
        console.print(screen.render(found))
    return [text.rstrip() for text in captured.get().splitlines()]


def test_the_screen_and_the_json_have_the_same_words() -> None:
    found = judged({"net1": spare(cold={"uuid-2": "QoS of qg-2: tbf"}, connections=7), "net2": carrying()})
    at = next(number for number, text in enumerate(shown(found)) if text.startswith("twins"))
    assert shown(found)[at : at + 2] == [
        "twins            BAD  net1 partial (2 s), 2 of 3 routers, 7 connections; net2 carries, 3 routers, 0",
        "                      connections",
    ]
    assert shown(found)[at + 2].strip() == "net1: no twin of router-2: QoS of qg-2: tbf"
    told = json.loads(json.dumps(plain(found)))
    (net1, net2) = told["gateways"][0]["twins"]
    assert (net1["answer"], net1["state"]["cold"]) == ("no", {"uuid-2": "QoS of qg-2: tbf"})
    assert (net2["answer"], net2["state"]["role"]) == ("yes", "carrier")


class Site:
    """A site on which only the cluster can be asked."""

    async def status(self) -> tuple[str, ClusterStatus]:
        return "net3", cluster()

    async def node(self, host: str) -> None:
        raise NotReachableError(f"{host} is away")


class Stagers:
    """One stager answers, and one hangs."""

    def __init__(self) -> None:
        self.asked: set[tuple[str, str]] = set()

    async def state(self, gateway: str, node: str) -> State:
        self.asked.add((gateway, node))
        if node == "net1":
            raise NotReachableError("the stager on net1: nobody answers")
        return carrying()


def test_every_node_of_a_twin_is_asked_and_no_other() -> None:
    wanted = dataclasses.replace(TWINS, gateways={**TWINS.gateways, "cold": ("net1", "net3")})
    stagers = Stagers()
    found = asyncio.run(flow(wanted, Site(), None, stagers, now=lambda: 0.0))  # type: ignore[arg-type]
    assert stagers.asked == {(GATEWAY, "net1"), (GATEWAY, "net2")}
    assert line(found, "twins").details == ("net1: the stager on net1: nobody answers",)
