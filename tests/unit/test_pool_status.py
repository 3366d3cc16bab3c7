"""A pool on the status screen: each question for itself, and no answer where nobody knows."""

import dataclasses

import pytest
from drill_history import ROUTERS, carrying, spare
from test_pool_plan import active
from test_status_view import WANTED, line, node

from hotspare.model.answer import Answer
from hotspare.model.status import AgentReport, StatusView
from hotspare.plan.seen import Seen
from hotspare.plan.status import Wanted, view

HOSTS = {"net1": "one", "net2": "two", "net3": "three"}
POOL = dataclasses.replace(WANTED, gateways={}, pools={"edge": HOSTS})
LINES = ("edge", "agents", "routers", "rescheduler")


def report(host: str, **changes: bool) -> AgentReport:
    whole = AgentReport("L3 agent", host, alive=True, admin_up=True, heartbeat="10:00")
    return dataclasses.replace(whole, **changes)


def seen(**changes: object) -> Seen:
    """All of the routers are on net2."""
    whole = Seen(
        at_s=1000.0,
        asked="net3",
        status=active(),
        nodes={"net1": spare("net1"), "net2": carrying("net2"), "net3": spare("net3")},
        routers={"one": (), "two": ROUTERS, "three": ()},
        agents={host: (report(host),) for host in HOSTS.values()},
    )
    return dataclasses.replace(whole, **changes)


def judged(**changes: object) -> StatusView:
    return view(POOL, seen(**changes))


def test_a_pool_at_work_is_well_and_says_where_everything_is() -> None:
    found = judged()
    assert found.answer is Answer.YES
    assert [line(found, name).text for name in LINES] == [
        "active on 3 of 3 nodes: net1, net2, net3",
        "9 of 9 run, Neutron hears 3 of 3",
        "3 of 3 served: 3 on net2",
        "runs on net2",
    ]
    assert [(one.name, one.carries) for one in found.nodes] == [(name, ("edge",)) for name in HOSTS]
    assert [(one.host, one.served, one.routers) for one in found.pools[0].nodes] == [
        ("one", 0, 0), ("two", 3, 3), ("three", 0, 0),
    ]  # fmt: skip
    assert found.pools[0].rescheduler == "net2"


@pytest.mark.parametrize(
    ("changes", "name", "detail"),
    [
        ({"status": active(without=(("edge-local", "net3"),))}, "edge", "net3 is not active"),
        ({"status": active(without=(("edge-local", "net2"),))}, "routers", "3 routers are bound to two, which is not"),
        ({"status": active(without=(("edge-local-l3", "net1"),))}, "agents", "edge-local-l3 does not run on net1"),
        ({"status": active(without=(("edge-rescheduler", "net2"),))}, "rescheduler", ""),
        ({"agents": {**seen().agents, "two": (report("two", alive=False),)}}, "agents", "Neutron last heard of the L3"),
        ({"agents": {**seen().agents, "two": (report("two", admin_up=False),)}}, "agents", "is disabled in Neutron"),
        ({"nodes": {**seen().nodes, "net2": spare("net2")}}, "routers", "router-1: "),
    ],
)
def test_what_is_wrong_is_bad_in_its_own_line(changes: dict[str, object], name: str, detail: str) -> None:
    found = line(judged(**changes), name)
    assert found.answer is Answer.NO
    assert any(detail in one for one in (*found.details, ""))


@pytest.mark.parametrize(
    ("changes", "unsure"),
    [
        ({"status": "no answer"}, {"edge"}),
        ({"agents": dict.fromkeys(HOSTS.values(), "no answer in 12 s")}, {"agents"}),
        ({"agents": {**seen().agents, "two": "no answer in 12 s"}}, {"agents"}),
        ({"routers": dict.fromkeys(HOSTS.values(), "no answer in 12 s")}, {"routers"}),
        ({"nodes": {**seen().nodes, "net2": "not reachable"}}, {"routers"}),
        ({"nodes": {**seen().nodes, "net1": "not reachable"}}, set()),  # nothing is bound there
    ],
)
def test_what_nobody_could_say_is_not_well(changes: dict[str, object], unsure: set[str]) -> None:
    found = judged(**changes)
    assert {one.name for one in found.lines if one.answer is Answer.CANNOT_TELL and one.name in LINES} == unsure


def test_what_is_wrong_stays_wrong_where_something_else_cannot_be_told() -> None:
    changes = {"agents": {**seen().agents, "one": "no answer", "two": (report("two", alive=False),)}}
    assert line(judged(**changes), "agents").answer is Answer.NO


def test_a_node_out_of_the_cluster_is_said_once_and_its_agents_are_not_missed() -> None:
    gone = tuple(("edge-local" + part, "net3") for part in ("", "-ovs", "-l3", "-metadata"))
    status = active(without=gone, nodes=tuple(node(name, online=name != "net3") for name in HOSTS))
    found = judged(status=status)
    assert [line(found, name).answer for name in LINES] == [Answer.NO, Answer.YES, Answer.YES, Answer.YES]
    assert line(found, "agents").text == "6 of 6 run, Neutron hears 2 of 2"


def test_every_node_and_host_of_the_file_is_asked() -> None:
    both: Wanted = dataclasses.replace(POOL, gateways={"gw": ("net4", "net1")})
    assert both.carriers == ("net4", "net1", "net2", "net3")
    assert both.identities == ("gw", "one", "two", "three")
