"""A planned takeover of a gateway: what is refused, how long the node is preferred, what is told of it."""

import asyncio
import importlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cluster_world import edge, spec_of
from drill_history import AGENTS, GATEWAY
from test_status_view import cluster, node, resource
from test_twin_status import spare, without
from typer.testing import CliRunner

import virtual_time
from hotspare.adapters import site as adapter
from hotspare.codec import cib_xml, moving_json
from hotspare.faces.cli import app
from hotspare.faces.report import handover as report
from hotspare.flows import takeover as flow
from hotspare.model.answer import Answer
from hotspare.model.cib import Element, element
from hotspare.model.cluster import ClusterStatus, FailedAction, Resource, Role
from hotspare.model.errors import HotspareError, NotReachableError, RefusedError, SpecError, WorldError
from hotspare.model.spec import Spec
from hotspare.model.stager import State
from hotspare.model.takeover import Handover, Order, Taken
from hotspare.plan.takeover import handover, lacking, means_gateway, objections, order, preference, pulls, to_come
from hotspare.ports import Done

importlib.import_module("hotspare.faces.cli.app")._add_verbs()

TWIN = Order(GATEWAY, "net1", is_twin=True)
COLD = replace(TWIN, is_twin=False)
DATA_PLANE = "ocf:hotspare:gateway"
FAILED = FailedAction(GATEWAY, "promote", "net1", 1, "error", "no bridge", "complete", "10:00")


def constraints(*parts: Element) -> Element:
    return element("constraints", *parts, attributes={})


NONE = constraints()


def carried(by: str, *, agents: str = "", scores: tuple[int, int] = (0, 0), **changes: object) -> ClusterStatus:
    """net1 or net2 carries the gateway, its agents run there or elsewhere, and both told their scores."""
    other = {"net1": "net2", "net2": "net1"}[by]
    attributes = dict(zip(("net1", "net2"), ({f"master-{GATEWAY}": str(score)} for score in scores), strict=True))
    return cluster(
        resources=(
            resource(GATEWAY, DATA_PLANE, by, Role.PROMOTED),
            resource(GATEWAY, DATA_PLANE, other, Role.UNPROMOTED),
            *(resource(agent, "ocf:openstack:x", agents or by) for agent in AGENTS),
        ),
        nodes=(*(node(name, attributes=its) for name, its in attributes.items()), node("net3")),
        **changes,
    )


DEMOTED = cluster(
    resources=(
        resource(GATEWAY, DATA_PLANE, "net1", Role.UNKNOWN, pending="Promoting"),
        resource(GATEWAY, DATA_PLANE, "net2", Role.UNPROMOTED),
    )
)
BEFORE = carried("net2", scores=(180, 199))
STARTING = carried("net1", agents="net2", scores=(180, 199))
UNTOLD = carried("net1", scores=(180, 199))
"""All is done, and by its score the gateway would go back."""
DONE = carried("net1", scores=(199, 180))


# --- what is asked for ------------------------------------------------------------------------------------------------


@pytest.fixture
def spec() -> Spec:
    gateways = (
        "gateways: {gw: {strategy: twin, nodes: [net1, net2]}, pool: {strategy: reschedule, nodes: [net3, net4]}}"
    )
    return spec_of(edge(nodes=4, gateways=("gateways: {gw: {nodes: [net1, net2]}}", gateways)))


def test_a_gateway_goes_before_a_router_of_its_name_and_a_pool_has_routers(spec):
    assert means_gateway(spec, ["gw"])
    assert not means_gateway(spec, ["router-1"])
    assert not means_gateway(spec, ["pool"])
    assert order(spec, ["gw"], "net2") == Order("gw", "net2", is_twin=True)
    assert not list(lacking(spec, "cluster.yaml", ["gw"], "net2"))


@pytest.mark.parametrize(
    ("words", "node", "told"),
    [
        (["gw"], "net9", "there is no node net9; it has net1, net2, net3, net4"),
        (["gw"], "net3", "net3 is not among them, so it never carries it: net1, net2"),
        (["router-1", "gw"], "net1", "moves alone; leave router-1 out. A router of that name: its id"),
    ],
)  # fmt: skip
def test_what_the_file_does_not_have_is_refused(spec, words, node, told):
    (problem,) = lacking(spec, "cluster.yaml", words, node)
    assert told in str(problem)


def test_where_there_is_no_pool_a_name_that_no_gateway_has_is_told():
    bare = spec_of(edge(nodes=2))
    assert means_gateway(bare, ["wrong"])
    (problem,) = lacking(bare, "cluster.yaml", ["wrong"], "net2")
    assert "there is no gateway wrong; it has gw, whose routers move with it" in str(problem)


# --- whether it may be ------------------------------------------------------------------------------------------------


def beside(other: Resource) -> ClusterStatus:
    """All is well, but for this resource."""
    return replace(BEFORE, resources=(*BEFORE.resources, other))


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (replace(BEFORE, quorate=False), "no quorum"),
        (replace(BEFORE, maintenance=True), "crm configure property maintenance-mode=false"),
        (cluster(resources=()), "promoted nowhere"),
        (replace(BEFORE, nodes=(node("net1"), node("net2"), node("net3", unclean=True))), "net3 is unclean"),
        (replace(BEFORE, nodes=(node("net2"), node("net3"))), "net1 is offline"),
        (replace(BEFORE, nodes=(node("net1", online=False), node("net2"))), "net1 is offline"),
        (replace(BEFORE, nodes=(node("net1", standby=True), node("net2"))), "crm node online net1"),
        (replace(BEFORE, nodes=(node("net1", maintenance=True), node("net2"))), "crm node ready net1"),
        (replace(BEFORE, failures=(FAILED,)), f"no bridge; repair it, then crm resource cleanup {GATEWAY}"),
        (without("net1"), "is not started on net1"),
        (beside(resource("west", DATA_PLANE, "net1", Role.PROMOTED)), "carries west, and a node carries one at a time"),
        (beside(resource(AGENTS[0], "ocf:openstack:x", "net2", managed=False)), f"crm resource manage {AGENTS[0]}"),
        (beside(resource(AGENTS[0], "ocf:openstack:x", "net2", pending="Starting")), "ask again in some seconds"),
    ],
)  # fmt: skip
def test_what_is_in_its_way_is_told_with_what_to_do(status, told):
    assert told in "\n".join(objections(TWIN, status, NONE))


def test_a_node_that_carries_another_gateway_is_refused_with_a_free_one_by_name():
    spare_too = resource(GATEWAY, DATA_PLANE, "net3", Role.UNPROMOTED)
    now = replace(BEFORE, resources=(*BEFORE.resources, spare_too, resource("west", DATA_PLANE, "net1", Role.PROMOTED)))
    (told,) = objections(TWIN, now, NONE)
    assert "net1 carries west" in told
    assert "take net3, which is free, or have west taken over by another one first" in told


def test_nothing_is_in_the_way_of_a_whole_cluster_or_of_nothing_to_do():
    assert objections(TWIN, BEFORE, NONE) == ()
    assert objections(TWIN, replace(DONE, failures=(FAILED,), quorate=False), NONE) == ()


def location(name: str, node: str, score: str, rsc: str = f"{GATEWAY}-clone") -> Element:
    return element("rsc_location", attributes={"id": name, "rsc": rsc, "node": node, "score": score})


def test_what_an_operator_left_there_is_in_the_way_where_it_would_undo_it():
    ban = location("cli-ban", "net1", "-INFINITY", rsc=f"{GATEWAY}-agents")
    draws = location("cli-prefer", "net2", "INFINITY")
    helps = location("likes", "net1", "50")
    elsewhere = location("other", "net2", "INFINITY", rsc="west-clone")
    found = objections(TWIN, BEFORE, constraints(ban, draws, helps, elsewhere))
    assert found == (
        f"the constraint cli-ban keeps {GATEWAY} off net1; crm configure delete cli-ban",
        f"the constraint cli-prefer would have {GATEWAY} back on net2; crm configure delete cli-prefer",
    )


def test_our_own_preference_is_read_again_and_taken_away_wherever_it_draws():
    left = constraints(preference(GATEWAY, "net2", until="2026-01-01T00:00:00Z"))
    (pull,) = pulls(cib_xml.read(cib_xml.write(left)), GATEWAY)
    assert (pull.id, pull.node, pull.draws) == (f"{GATEWAY}-takeover-to-net2", "net2", True)
    assert objections(TWIN, BEFORE, left) == ()
    assert handover(TWIN, BEFORE, left, spare()).leftovers == ("net2",)


# --- how far it is ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "first"),
    [
        (BEFORE, f"{GATEWAY} is promoted on net2, it is to be on net1"),
        (DEMOTED, f"{GATEWAY} is promoted nowhere, it is to be on net1"),
        (STARTING, f"{AGENTS[0]} is to run on net1"),
        (replace(DONE, dc=None), "the cluster has something under way"),
        (UNTOLD, f"net1 is to tell the cluster that it carries {GATEWAY}"),
    ],
)
def test_what_is_still_to_come_has_an_order(status, first):
    assert to_come(TWIN, status)[0] == first


def test_it_is_done_when_nothing_but_the_scores_keeps_it_there():
    assert to_come(TWIN, DONE) == ()
    assert to_come(COLD, carried("net1", scores=(100, 100))) == (), "of equal scores the promoted one's counts"


# --- the flow ---------------------------------------------------------------------------------------------------------


class Site:
    """A cluster that goes through these states once a node is preferred, each for some seconds, and stays in the last.

    `fails` gives what a call raises.
    """

    def __init__(self, *states: ClusterStatus, each_s: float = 3.0, left: Element = NONE) -> None:
        self.states, self.each_s, self.left = states, each_s, left
        self.began_s: float | None = None
        self.preferred: list[str] = []
        self.done: list[str] = []
        self.fails: dict[str, HotspareError] = {}
        self.afterwards: ClusterStatus | None = None

    async def status(self) -> tuple[str, ClusterStatus]:
        self._fail("status")
        if self.began_s is None:
            return "net3", BEFORE
        if self.afterwards and not self.preferred:
            return "net3", self.afterwards
        at = int((virtual_time.now() - self.began_s) / self.each_s)
        return "net3", self.states[min(at, len(self.states) - 1)]

    async def constraints(self) -> Element:
        return self.left

    async def prefer(self, gateway: str, node: str, *, for_s: float) -> None:
        assert (gateway, for_s) == (GATEWAY, flow.LAPSE_S)
        self.done.append(f"prefer {node}")
        self.preferred.append(node)
        self._fail("prefer")
        self.began_s = virtual_time.now()

    async def unprefer(self, _gateway: str, node: str) -> None:
        self.done.append(f"unprefer {node}")
        self._fail("unprefer")
        self.preferred = [one for one in self.preferred if one != node]

    async def settled(self, *, limit_s: float) -> None:
        assert limit_s == flow.SETTLE_S
        assert not self.preferred
        self._fail("settled")
        self.done.append("settled")

    def _fail(self, call: str) -> None:
        if error := self.fails.get(call):
            raise error


class Stagers:
    def __init__(self, told: State | HotspareError) -> None:
        self.told = told

    async def state(self, _gateway: str, node: str) -> State:
        assert node == "net1"
        if isinstance(self.told, HotspareError):
            raise self.told
        return self.told


FRESH = Stagers(spare())


def planned(site: Any, stagers: Any = FRESH, its: Order = TWIN) -> Handover:
    return virtual_time.run(flow.plan(its, site, stagers))


def ended(site: Any, *, force: bool = False, stagers: Any = FRESH, its: Order = TWIN) -> tuple[Taken, list[str]]:
    """How it ended, and what was told meanwhile."""
    told: list[str] = []

    async def work() -> Taken:
        found = await flow.plan(its, site, stagers)
        return await flow.takeover(found, site, force=force, tell=told.append, now=virtual_time.now)

    return virtual_time.run(work()), told


WAY = (BEFORE, DEMOTED, STARTING, UNTOLD, DONE)


def test_the_node_is_preferred_until_it_carries_with_its_agents_and_the_scores_keep_it_there():
    site = Site(*WAY)
    taken, told = ended(site)
    assert (taken.answer, taken.carrier, taken.promoted_s, taken.done_s) == (Answer.YES, "net1", 6.0, 9.0)
    assert site.done == ["prefer net1", "unprefer net1", "settled"]
    assert list(dict.fromkeys(told)) == [
        f"waiting: {GATEWAY} is promoted on net2, it is to be on net1",
        f"waiting: {GATEWAY} is promoted nowhere, it is to be on net1",
        f"waiting: {AGENTS[0]} is to run on net1",
        f"waiting: net1 is to tell the cluster that it carries {GATEWAY}",
        "looking whether it stays there",
    ]


def test_a_plan_changes_nothing():
    site = Site(BEFORE)
    found = planned(site)
    assert (found.source, found.answer, found.is_there) == ("net2", Answer.YES, False)
    assert site.done == []


def test_it_is_there_already_and_only_what_an_earlier_one_left_is_taken_away():
    site = Site(DONE, left=constraints(preference(GATEWAY, "net2", until="2026-01-01T00:00:00Z")))
    site.began_s = 0.0
    taken, _ = ended(site)
    assert (taken.answer, taken.handover.is_there) == (Answer.YES, True)
    assert site.done == ["unprefer net2"]


@pytest.mark.parametrize(
    ("stagers", "word"),
    [
        (Stagers(spare(equal_s=300.0)), "stale"),
        (Stagers(spare(equal_s=None)), "none"),
        (Stagers(NotReachableError("nobody answers")), "nobody answers"),
    ],
)
def test_a_twin_that_is_not_fresh_is_only_taken_by_force(stagers, word):
    site = Site(*WAY)
    assert planned(site, stagers).answer is Answer.NO
    with pytest.raises(RefusedError, match=word) as refused:
        ended(site, stagers=stagers)
    assert "--force" in refused.value.hint
    assert site.done == []
    assert ended(site, stagers=stagers, force=True)[0].answer is Answer.YES


def test_a_cold_gateway_has_no_twin_to_ask():
    taken, _ = ended(Site(*WAY), stagers=Stagers(NotReachableError("nobody answers")), its=COLD)
    assert (taken.answer, taken.handover.twin) == (Answer.YES, None)


def test_what_is_in_its_way_is_told_all_at_once_and_nothing_is_done():
    site = Site(replace(BEFORE, quorate=False, nodes=()))
    site.began_s = 0.0
    with pytest.raises(WorldError, match="no quorum") as refused:
        ended(site)
    assert len(refused.value.problems) == 2
    assert site.done == []


def test_an_action_that_fails_on_the_node_ends_it_at_once():
    site = Site(BEFORE, replace(DEMOTED, failures=(FAILED,)))
    site.afterwards = BEFORE
    taken, _ = ended(site)
    assert taken.answer is Answer.NO
    assert taken.missing[0] == f"{GATEWAY}: promote failed on net1 (10:00): no bridge"
    assert site.done == ["prefer net1", "unprefer net1", "settled"]


def test_what_fails_on_the_old_node_is_pacemakers_affair():
    on_old = replace(FAILED, node="net2", task="demote")
    assert ended(Site(BEFORE, replace(DEMOTED, failures=(on_old,)), DONE))[0].answer is Answer.YES


def test_what_is_not_done_in_time_says_what_is_missing():
    site = Site(STARTING)
    taken, _ = ended(site)
    assert taken.answer is Answer.NO
    assert taken.missing[:2] == (f"not done after {flow.LIMIT_S:.0f} s", f"{AGENTS[0]} is to run on net1")
    assert site.preferred == []


def test_one_that_moves_back_is_told():
    site = Site(*WAY)
    site.afterwards = BEFORE
    taken, _ = ended(site)
    assert taken.answer is Answer.NO
    assert taken.missing == (f"{GATEWAY} is promoted on net2, it is to be on net1",)
    assert taken.carrier == "net2"


def test_a_cluster_that_does_not_answer_any_more_cannot_tell():
    site = Site(*WAY)

    async def work() -> Taken:
        found = await flow.plan(TWIN, site, FRESH)
        site.fails = {"status": NotReachableError("net3: gone"), "settled": NotReachableError("net3: gone")}
        return await flow.takeover(found, site, force=False, tell=lambda _: None, now=virtual_time.now)

    taken = virtual_time.run(work())
    assert taken.answer is Answer.CANNOT_TELL
    assert "net3: gone" in taken.untold
    assert site.preferred == []


@pytest.mark.parametrize("call", ["prefer", "settled"])
def test_the_preference_goes_whatever_fails(call):
    site = Site(*WAY)
    site.fails = {call: NotReachableError("net3: gone")}
    try:
        assert ended(site)[0].answer is Answer.CANNOT_TELL
    except NotReachableError:
        assert call == "prefer"
    assert site.preferred == []


def test_a_preference_that_stays_is_named_with_when_it_ends():
    site = Site(*WAY)
    site.fails = {"unprefer": NotReachableError("net3: gone")}
    with pytest.raises(NotReachableError) as told:
        ended(site)
    assert f"crm configure delete {GATEWAY}-takeover-to-net1" in told.value.hint
    assert "6 min" in told.value.hint


def test_the_preference_goes_when_nobody_waits_any_more():
    site = Site(BEFORE)

    async def work() -> None:
        found = await flow.plan(TWIN, site, FRESH)  # type: ignore[arg-type]
        running = asyncio.create_task(
            flow.takeover(found, site, force=False, tell=lambda _: None, now=virtual_time.now)  # type: ignore[arg-type]
        )
        await asyncio.sleep(5)
        assert site.preferred == ["net1"]
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    virtual_time.run(work())
    assert site.preferred == []


# --- the cluster's own commands ---------------------------------------------------------------------------------------


class Hosts:
    """Answers `date` and takes every change."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, ...]] = []

    async def run(self, _host: str, argv: tuple[str, ...], **_options: object) -> Done:
        if argv[0] == "date":
            return Done(0, "1764126000\n", "")
        self.changes.append(tuple(argv))
        return Done(0, "<constraints/>", "")


def test_a_preference_ends_by_itself_by_the_clusters_clock_and_is_taken_away_by_its_id():
    hosts = Hosts()
    machines = adapter.Machines(hosts, ("net1",), {})  # type: ignore[arg-type]

    async def work() -> Element:
        await machines.prefer(GATEWAY, "net1", for_s=360.0)
        await machines.unprefer(GATEWAY, "net1")
        return await machines.constraints()

    assert asyncio.run(work()) == NONE
    made, gone, _ = hosts.changes
    assert made[:3] == ("cibadmin", "--modify", "--allow-create")
    assert cib_xml.read(made[-1]) == cib_xml.read(
        cib_xml.write(preference(GATEWAY, "net1", until="2025-11-26T03:06:00Z"))
    )
    assert gone[:2] == ("cibadmin", "--delete")
    assert cib_xml.read(gone[-1]).id == f"{GATEWAY}-takeover-to-net1"


# --- words ------------------------------------------------------------------------------------------------------------


def said(lines: Any) -> str:
    return "\n".join(line.plain for line in lines)


def test_a_plan_says_from_where_to_where_and_how_fresh_the_twin_is():
    found = planned(Site(BEFORE))
    assert (
        said(report.plan(found))
        == f"""\
{GATEWAY} would go from net2 to net1
  twin: net1 fresh (2 s), 3 routers
  agents stop on net2, its routers forward meanwhile; net2 is demoted, and net1 promoted
  agents start on net1; routers forward from the promotion on, and connections live on
  how long routers are without service: hotspare drill standby measures it, with a stop beside"""
    )
    assert json.loads(json.dumps(moving_json.handover(found))) == {
        "gateway": GATEWAY,
        "from": "net2",
        "to": "net1",
        "nothing_to_do": False,
        "twin": "net1 fresh (2 s), 3 routers",
        "only_by_force": [],
    }


def test_a_plan_says_what_has_to_be_forced_and_what_it_costs():
    left = constraints(preference(GATEWAY, "net2", until="2026-01-01T00:00:00Z"))
    stale = planned(Site(BEFORE, left=left), Stagers(spare(equal_s=300.0)))
    text = said(report.plan(stale))
    assert text.startswith("a preference for net2, which an earlier takeover left, would be taken away\n")
    assert text.endswith("only with --force:\n  the twin is not fresh: net1 stale (5 min), 3 routers")
    assert said(report.forced(stale)) == "warning: the twin is not fresh: net1 stale (5 min), 3 routers"
    cold = said(report.plan(planned(Site(BEFORE), its=COLD)))
    assert "until these have built them, and connections end" in cold
    assert "twin" not in cold


def there() -> Handover:
    return Handover(TWIN, "net1")


ENDINGS: dict[str, tuple[Callable[[], Taken], str]] = {
    "done": (
        lambda: Taken(Handover(TWIN, "net2"), 3.04, 9.96),
        f"""\
{GATEWAY}: net2 -> net1, promoted after 3.0 s, its agents run after 10.0 s
it stays there: nothing draws it to net1, or back""",
    ),
    "nothing": (lambda: Taken(there()), f"{GATEWAY} is on net1 already: nothing to do"),
    "not done": (
        lambda: Taken(Handover(TWIN, "net2"), carrier="net2", missing=("a", "b")),
        f"""\
{GATEWAY}: net2 -> net1 was not done:
  a
  b
it is on net2 now, and nothing draws it to net1 any more
what to do: hotspare status says what failed; mend that, then ask again""",
    ),
    "cannot tell": (
        lambda: Taken(Handover(TWIN, "net2"), untold="net3: gone"),
        f"""\
cannot tell whether {GATEWAY}: net2 -> net1 was done: net3: gone
no node is known to carry it now, and nothing draws it to net1 any more
what to do: hotspare status says what failed; mend that, then ask again""",
    ),
}


@pytest.mark.parametrize(("taken", "text"), ENDINGS.values(), ids=ENDINGS)
def test_how_it_ended(taken, text):
    assert said(report.ending(taken())) == text
    plain = json.loads(json.dumps(moving_json.taken(taken())))
    assert plain["taken_over"] == str(taken().answer)


def test_what_becomes_of_it_when_nobody_waits():
    assert "hotspare status" in said(report.left_alone(TWIN))
    assert said(report.plan(there())) == f"{GATEWAY} is on net1 already: nothing to do"


# --- the command line -------------------------------------------------------------------------------------------------


@pytest.fixture
def written(tmp_path):
    """A file with a gateway and a pool."""
    file = tmp_path / "cluster.yaml"
    file.write_text(
        "cluster: {name: edge}\nfencing: none\nneutron: {cloud: c}\n"
        "nodes: {a: {rings: [10.0.0.1]}, b: {rings: [10.0.0.2]}, c: {rings: [10.0.0.3]}, d: {rings: [10.0.0.4]}}\n"
        "gateways: {gw: {nodes: [a, b]}, pool: {strategy: reschedule, nodes: [c, d]}}\n"
    )
    return file


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["gw", "--to", "x"], "there is no node x"),
        (["gw", "--to", "c"], "c is not among them"),
        (["gw", "r", "--to", "a"], "leave r out"),
        (["r", "--to", "a"], "`hotspare takeover gw --to NODE` has another node carry it"),
        (["pool", "--to", "b"], "gw has `strategy: cold`"),
    ],
)  # fmt: skip
def test_the_command_refuses_what_the_file_does_not_have(written, words, told):
    error = CliRunner().invoke(app, ["takeover", *words, "--file", str(written)]).exception
    assert isinstance(error, SpecError)
    assert told in error.message


def test_force_is_for_gateways_alone(written):
    told = CliRunner().invoke(app, ["takeover", "r", "--to", "c", "--force", "--file", str(written)])
    assert told.exit_code == 2
    assert "--force goes with a gateway" in told.stderr
