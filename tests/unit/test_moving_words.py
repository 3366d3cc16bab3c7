"""What an operator reads while routers are moved, and when they were: word for word."""

import json
from dataclasses import replace

import pytest
from cluster_world import edge, spec_of
from rich.console import Console, RenderableType
from test_status_view import cluster, resource

from hotspare.codec import moving_json, rescheduling_json
from hotspare.faces.report import moving, routers
from hotspare.model.cluster import ClusterStatus, FailedAction, Role
from hotspare.model.errors import NotReachableError
from hotspare.model.moving import Ending, Goal, MovePlan, PlannedMove, Progress
from hotspare.model.rescheduling import Batch, Burden, Kept, Report, Residence
from hotspare.plan.pools import chosen, home, lacking

DRAIN = Goal("drain of net1", node="net1", order="2026-11-25T03:12:00Z")
ASKED = Goal("rebalance", moves=4)
HUNG = "net1 did not let go of it within 30 s, so it stays there: is its L3 agent hung?"


def batch(total: int, done: int, *failures: tuple[str, str], left_s: float | None = None) -> Batch:
    outages_s = tuple(2.0 + number for number in range(done))
    return Batch("any", total, done, len(failures), 0.0, left_s, failures, outages_s)


def progress(batch: Batch, *, kept: tuple[Kept, ...] = (), vrrp: int = 0, **facts: object) -> Progress:
    whole = Progress(
        "net3", batch=batch, total=batch.total, under_way=True, over=True, left=batch.total - batch.done, kept=kept
    )
    others = tuple(Kept(f"ha-{number}", "", vrrp=True) for number in range(vrrp))
    return replace(whole, kept=(*kept, *others), **facts)


def said(ending: Ending) -> str:
    return "\n".join(line.plain for line in moving.ending(ending))


def test_a_plan_says_who_goes_where_and_who_cannot():
    planned = MovePlan(
        (PlannedMove("customer-a", "net1", "net2"), PlannedMove("b", "", "net3")),
        (("old", "it is a VRRP router (ha): VRRP moves it"),),
    )
    assert [line.plain for line in moving.plan(planned)] == [
        "customer-a  net1 -> net2",
        "b           nowhere -> net3",
        "2 routers would move",
        "1 router cannot move:",
        "  old: it is a VRRP router (ha): VRRP moves it",
    ]
    assert [line.plain for line in moving.plan(MovePlan((), ()))] == ["no router would move"]


@pytest.mark.parametrize(
    ("now", "line"),
    [
        (Progress(""), "looking for the rescheduler"),
        (Progress("net3"), "waiting for the rescheduler on net3 to begin"),
        (progress(batch(30, 12, left_s=90)), "12 of 30 routers moved, 18 left, about 1 min 30 s to go"),
        (progress(batch(9, 2, ("r", ""))), "2 of 9 routers moved, 1 failed, 6 left"),
        (progress(batch(30, 12, left_s=3700)), "12 of 30 routers moved, 18 left, about 1 h 1 min to go"),
        (progress(batch(1, 0)), "0 of 1 router moved, 1 left"),
    ],
)  # fmt: skip
def test_how_far_it_got(now, line):
    assert moving.progress(now) == line


ENDINGS = {
    "all moved": (
        Ending(DRAIN, progress(batch(3, 3), vrrp=2)),
        """\
net1 carries no router but VRRP's: 3 routers moved
outage of a router that was moved: median 3.0 s, worst 4.0 s
2 VRRP routers left to VRRP: it moves them when the node goes down
what to do: net1 gets no routers until hotspare undrain net1""",
    ),
    "nothing was there": (
        Ending(DRAIN, progress(batch(0, 0))),
        """\
net1 carries no router any more: 0 routers moved
what to do: net1 gets no routers until hotspare undrain net1""",
    ),
    "one hung": (
        Ending(DRAIN, progress(batch(3, 2), kept=(Kept("customer-a", HUNG, tries=2),))),
        f"""\
drain of net1: 2 of 3 routers moved, 1 not
  customer-a: {HUNG} (tried 2 times)
outage of a router that was moved: median 2.5 s, worst 3.0 s
what to do: look at the reasons; hotspare drain net1 follows the next tries, which come by themselves""",
    ),
    "halted": (
        Ending(DRAIN, progress(batch(3, 0), kept=(Kept("customer-a", HUNG, tries=1),), halted=True)),
        f"""\
drain of net1: the first failure has ended it: 0 of 3 routers moved, 3 not
  customer-a: {HUNG}
what to do: look at the reason, then hotspare drain net1 goes on; hotspare undrain net1 ends it""",
    ),
    "taken back": (
        Ending(DRAIN, progress(batch(3, 1), taken_back=True)),
        """\
the drain of net1 was ended by somebody else: 1 moved, 2 left
outage of a router that was moved: median 2.0 s, worst 2.0 s""",
    ),
    "cannot tell": (
        Ending(DRAIN, progress(batch(3, 1)), "no router was moved for 15 min: connection refused"),
        """\
cannot tell how the drain of net1 goes: no router was moved for 15 min: connection refused
outage of a router that was moved: median 2.0 s, worst 2.0 s
what to do: the drain goes on by itself; hotspare drain net1 follows it again, hotspare undrain net1 ends it""",
    ),
    "asked, all moved": (
        Ending(ASKED, progress(batch(4, 4))),
        """\
rebalance: 4 routers moved
outage of a router that was moved: median 3.5 s, worst 5.0 s""",
    ),
    "asked, nothing to do": (Ending(Goal("rebalance"), Progress("", over=True)), "rebalance: nothing to move"),
    "asked, forgotten": (
        Ending(ASKED, replace(progress(batch(4, 2)), batch=batch(4, 2))),
        """\
rebalance: 2 of 4 routers moved, 2 not
outage of a router that was moved: median 2.5 s, worst 3.0 s
what to do: 2 routers were not moved: another rescheduler took over and knows nothing of what was asked; ask again""",
    ),
    "asked, refused": (
        Ending(replace(ASKED, moves=1, refused=(("ha", "VRRP moves it"),)), progress(batch(1, 1))),
        """\
rebalance: 1 of 2 routers moved, 1 not
  ha: VRRP moves it
outage of a router that was moved: median 2.0 s, worst 2.0 s
what to do: look at the reasons, then ask again: what failed stays where it is""",
    ),
}


@pytest.mark.parametrize("case", ENDINGS)
def test_how_it_ended(case):
    ending, expected = ENDINGS[case]
    assert said(ending) == expected


def test_an_ending_as_json():
    ending = Ending(DRAIN, progress(batch(3, 2), kept=(Kept("a", HUNG, tries=2),), vrrp=1))
    assert json.loads(json.dumps(moving_json.ending(ending))) == {
        "all_moved": "no",
        "cannot_tell": "",
        "moved": 2,
        "left": 1,
        "stays": [{"router": "a", "why": HUNG, "tries": 2}],
        "left_to_vrrp": ["ha-0"],
        "halted": False,
        "taken_back": False,
        "outage_s": {"median": 2.5, "worst": 3.0},
    }


def test_more_routers_than_anybody_reads_are_counted():
    stays = tuple(Kept(f"r{number}", HUNG) for number in range(50))
    lines = said(Ending(DRAIN, progress(batch(50, 0), kept=stays))).splitlines()
    assert "  and 10 more; --json names all" in lines


REPORT = Report(
    at_s=10_000.0,
    node="net3",
    doing="moving 1 routers, 0 more wait",
    trouble="1 routers have no agent: lost: all are full",
    looked_s=9_988.0,
    batches=(batch(2, 1, ("r", HUNG)),),
    burdens=(
        Burden("net1", "net1.example", "leaving", 1, 1.5, moving=1, order="now", kept=(Kept("a", "b"),)),
        Burden("net2", "net2.example", "live", 12, 21.25),
        Burden("net3", "net3.example", "gone", 0, 0.0),
    ),
    routers=(
        Residence("1", "customer-[a]", "net2.example", 9_990.0, moving=False, note=""),
        Residence("2", "customer-b", "net1.example", None, moving=True, note=""),
        Residence("3", "lost", None, None, moving=False, note="all are full"),
        Residence("4", "pair", "net1.example, net2.example", None, moving=False, note="", ha=True),
    ),
    unplaced=(("lost", "all are full"),),
    calls_at_once=4,
)


def drawn(what: RenderableType) -> str:
    console = Console(width=100)
    with console.capture() as shown:
        console.print(what)
    return "\n".join(line.rstrip() for line in shown.get().splitlines())


def test_where_routers_are():
    assert (
        drawn(routers.render("edge", REPORT))
        == """\
edge: the rescheduler on net3: moving 1 routers, 0 more wait
1 routers have no agent: lost: all are full
routers as Neutron had them 12 s ago

node  stands   routers  weight
net1  drained        1     1.5  1 on their way to others
net2  live          12    21.2
net3  gone           0     0.0

router        on                             since
customer-[a]  net2.example                10 s ago
customer-b    net1.example                          moving
lost          nowhere                               all are full
pair          net1.example, net2.example            VRRP"""
    )


def test_a_report_is_the_same_behind_the_socket():
    assert rescheduling_json.report(json.loads(json.dumps(rescheduling_json.plain(REPORT)))) == REPORT


# --- which pool, and where its rescheduler is -------------------------------------------------------------------------


POOL = ("gateways: {gw: {nodes: [net1, net2]}}", "gateways: {gw: {strategy: reschedule, nodes: [net1, net2, net3]}}")
BOTH = (POOL[0], "gateways: {cold: {nodes: [net1, net2]}, pool: {strategy: reschedule, nodes: [net3, net4]}}")
TWO = (
    POOL[0],
    "gateways: {a: {strategy: reschedule, nodes: [net1, net2]}, b: {strategy: reschedule, nodes: [net3, net4]}}",
)


@pytest.mark.parametrize(
    ("gateways", "node", "gateway", "words"),
    [
        (None, "net1", None, "gw has `strategy: cold`: one node carries all of its routers"),
        (None, "net1", None, "`crm node standby net1`"),
        (None, None, None, "`crm node standby NODE`"),
        (None, "net3", None, "there is no gateway with `strategy: reschedule`"),
        (BOTH, "net2", None, "cold has `strategy: cold`"),
        (BOTH, None, "cold", "cold has `strategy: cold`"),
        (POOL, "net4", None, "net4 is not among the nodes of a gateway with `strategy: reschedule`: gw has net1, net2"),
        (POOL, None, "other", "there is no gateway other; it has gw"),
        (TWO, None, None, "say which by --gateway: a, b"),
    ],
)  # fmt: skip
def test_what_is_no_pool_is_refused_with_what_to_do(gateways, node, gateway, words):
    spec = spec_of(edge(nodes=4, **({"pool": gateways} if gateways else {})))
    (problem,) = lacking(spec, "cluster.yaml", node=node, gateway=gateway)
    assert words in str(problem)


def test_a_pool_is_found_by_its_name_by_its_node_or_alone():
    spec = spec_of(edge(nodes=4, pool=TWO))
    assert chosen(spec, node="net3", gateway=None) == "b"
    assert chosen(spec, node=None, gateway="a") == "a"
    assert chosen(spec_of(edge(nodes=4, pool=POOL)), node=None, gateway=None) == "gw"
    assert not list(lacking(spec, "cluster.yaml", node="net3", gateway=None))


def running(*nodes: str, **facts: object) -> ClusterStatus:
    found = resource("gw-rescheduler", "ocf:hotspare:rescheduler", "")
    role = Role.STARTED if nodes else Role.STOPPED
    found = replace(found, active=bool(nodes), role=role, nodes=nodes, **facts)
    return cluster(resources=(found,))


FAILED = FailedAction("gw-rescheduler", "start", "net1", 1, "error", "", "complete", "")


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (cluster(resources=()), "hotspare apply makes it"),
        (replace(running(), quorate=False), "no quorum"),
        (running(target_role=Role.STOPPED), "crm resource start gw-rescheduler"),
        (replace(running(), failures=(FAILED,)), "crm resource cleanup gw-rescheduler"),
        (running(pending="Starting"), "ask again"),
    ],
)
def test_where_no_rescheduler_runs_the_remedy_is_said(status, remedy):
    with pytest.raises(NotReachableError, match="runs nowhere") as told:
        home(status, "gw")
    assert remedy in told.value.hint


def test_the_rescheduler_is_where_the_cluster_says():
    assert home(running("net2"), "gw") == "net2"
