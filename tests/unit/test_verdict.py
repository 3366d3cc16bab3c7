"""When a node's routers may be served elsewhere: only on proof. Samples are Pacemaker's own (2.1.5), net3 the node."""

from dataclasses import replace
from pathlib import Path

import pytest
from test_pool_plan import active
from test_status_view import node, resource

from hotspare.codec import crm_mon_xml
from hotspare.model.cluster import ClusterStatus, LastAction, Resource, Role
from hotspare.model.routing import Standing
from hotspare.plan.verdict import DRAIN, drains, on_trust, standings

HERE = Path(__file__).parent / "crm_mon"
HOSTS = {"net1": "one.example.org", "net2": "two.example.org", "net3": "three.example.org"}
OTHERS = (HOSTS["net1"], HOSTS["net2"])
LIVE, LEAVING, GONE, UNKNOWN = Standing.LIVE, Standing.LEAVING, Standing.GONE, Standing.UNKNOWN


def of(status: ClusterStatus) -> list[Standing]:
    """net1's, net2's and net3's standing."""
    found = standings(status, HOSTS, "edge", drains(status))
    assert list(found) == list(HOSTS.values())
    return list(found.values())


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ("pool_active", LIVE),
        ("pool_draining", LEAVING),  # the node attribute is set
        ("pool_unclean", UNKNOWN),  # lost, and nobody could fence it yet
        ("pool_fenced", GONE),
        ("pool_joining", UNKNOWN),  # switched on again: Pacemaker talks to it
        ("pool_joined", UNKNOWN),  # ... is online, and nobody has looked what runs there
        ("pool_probing", UNKNOWN),
        ("pool_started", UNKNOWN),  # unpromoted, and about to be promoted
        ("pool_standby", GONE),  # stopped, which is a proof of silence
        ("pool_agent_out", UNKNOWN),  # promoted, and its L3 agent failed three times: the routers forward
    ],
)
def test_a_node_as_pacemaker_tells_it_and_only_that_node(sample: str, expected: Standing) -> None:
    status = crm_mon_xml.read((HERE / f"{sample}.xml").read_text())
    assert of(status) == [LIVE, LIVE, expected]


@pytest.mark.parametrize("change", [{"dc": None}, {"quorate": False}, {"maintenance": True}])
def test_a_cluster_that_may_not_act_knows_nothing(change: dict[str, object]) -> None:
    nodes = tuple(node(name, online=name != "net3") for name in HOSTS)
    assert of(active(nodes=nodes, **change)) == [UNKNOWN] * 3


def test_a_lost_node_is_not_gone_because_somebody_has_switched_fencing_off() -> None:
    nodes = tuple(node(name, online=name != "net3") for name in HOSTS)
    unarmed = active(nodes=nodes, fencing_enabled=False)
    assert of(unarmed) == [LIVE, LIVE, UNKNOWN]
    asked_for = standings(unarmed, HOSTS, "edge", (), unfenced=True)
    assert list(asked_for.values()) == [LIVE, LIVE, GONE]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, LIVE),
        ({"attributes": {DRAIN: "true"}}, LEAVING),
        ({"attributes": {DRAIN: "Yes"}}, LEAVING),
        ({"attributes": {DRAIN: "1"}}, LEAVING),
        ({"attributes": {DRAIN: "false"}}, LIVE),
        ({"attributes": {DRAIN: ""}}, LIVE),
        ({"online": False}, GONE),
        ({"online": False, "standby": True}, GONE),
        ({"online": False, "unclean": True}, UNKNOWN),
        ({"unclean": True}, UNKNOWN),
        ({"online": False, "pending": True}, UNKNOWN),
        ({"pending": True}, UNKNOWN),
        ({"maintenance": True}, UNKNOWN),
        ({"standby": True}, UNKNOWN),
        ({"shutdown": True}, UNKNOWN),
        ({"standby": True, "attributes": {DRAIN: "true"}}, UNKNOWN),
    ],
)
def test_a_node_whose_resources_are_at_work(change: dict[str, object], expected: Standing) -> None:
    nodes = tuple(node(name, **(change if name == "net3" else {})) for name in HOSTS)
    assert of(active(nodes=nodes)) == [LIVE, LIVE, expected]


def test_a_node_that_the_cluster_does_not_know_is_unknown() -> None:
    assert of(active(nodes=(node("net1"), node("net2")))) == [LIVE, LIVE, UNKNOWN]


DATA_PLANE = "edge-local"
UNPROMOTED = resource(DATA_PLANE, "ocf:hotspare:gateway", "net3", Role.UNPROMOTED)
PROMOTED = replace(UNPROMOTED, role=Role.PROMOTED)
STOPPED = replace(UNPROMOTED, role=Role.STOPPED, active=False, nodes=())
AGENTS = tuple(resource(f"edge-local-{agent}", "ocf:openstack:x", "net3") for agent in ("ovs", "l3", "metadata"))
OVS, L3, METADATA = AGENTS


def on_net3(*found: Resource, last: tuple[str, int | None] | None = None) -> ClusterStatus:
    """A pool that works elsewhere, with this on net3, and the last action on the data plane there."""
    gone = tuple(("edge-local" + part, "net3") for part in ("", "-ovs", "-l3", "-metadata"))
    whole = active(without=gone)
    actions = (LastAction(DATA_PLANE, "net3", *last),) if last else ()
    others = (LastAction(DATA_PLANE, "net1", "stop", 0), LastAction("edge-local-l3", "net3", "stop", 0))
    return replace(whole, resources=(*whole.resources, *found), last_actions=(*others, *actions))


@pytest.mark.parametrize(
    ("found", "last", "expected"),
    [
        # At work, and what is missing of it.
        ((PROMOTED, *AGENTS), ("monitor", 8), LIVE),
        ((PROMOTED, OVS, L3), ("monitor", 8), LIVE),
        ((PROMOTED, OVS, METADATA), ("monitor", 8), UNKNOWN),
        ((PROMOTED, L3, METADATA), ("monitor", 8), UNKNOWN),
        ((PROMOTED,), ("promote", 0), UNKNOWN),
        ((PROMOTED, OVS, replace(L3, failed=True)), ("monitor", 8), UNKNOWN),
        ((PROMOTED, OVS, replace(L3, role=Role.UNKNOWN, pending="Starting")), ("monitor", 8), UNKNOWN),
        ((replace(PROMOTED, failed=True), *AGENTS), ("monitor", 9), UNKNOWN),
        ((replace(PROMOTED, role=Role.UNKNOWN, pending="Demoting"), OVS, L3), ("demote", None), UNKNOWN),
        # Demoted: silent by its own word.
        ((UNPROMOTED,), ("demote", 0), GONE),
        ((UNPROMOTED,), ("monitor", 0), GONE),
        ((UNPROMOTED,), ("start", 0), UNKNOWN),
        ((UNPROMOTED,), ("promote", None), UNKNOWN),
        ((UNPROMOTED,), None, UNKNOWN),
        ((UNPROMOTED, L3), ("demote", 0), UNKNOWN),
        ((UNPROMOTED, METADATA), ("demote", 0), UNKNOWN),
        ((UNPROMOTED, replace(L3, active=False, role=Role.UNKNOWN, pending="Starting")), ("demote", 0), UNKNOWN),
        ((replace(UNPROMOTED, pending="Promoting"),), ("demote", 0), UNKNOWN),
        ((replace(UNPROMOTED, failed=True),), ("demote", 1), UNKNOWN),
        ((replace(UNPROMOTED, blocked=True),), ("demote", 0), UNKNOWN),
        ((replace(UNPROMOTED, managed=False),), ("demote", 0), UNKNOWN),
        # Stopped: only where that is on record.
        ((STOPPED,), ("stop", 0), GONE),
        ((STOPPED,), ("monitor", 7), GONE),
        ((STOPPED,), ("probe", 7), GONE),
        ((), ("stop", 0), GONE),
        ((STOPPED,), None, UNKNOWN),
        ((STOPPED,), ("stop", 1), UNKNOWN),
        ((STOPPED,), ("stop", None), UNKNOWN),
        ((STOPPED,), ("probe", 1), UNKNOWN),
        ((STOPPED,), ("probe", None), UNKNOWN),
        ((STOPPED,), ("start", 1), UNKNOWN),
        ((STOPPED,), ("monitor", 0), UNKNOWN),
        ((replace(STOPPED, managed=False),), ("stop", 0), UNKNOWN),
        ((STOPPED, OVS), ("stop", 0), UNKNOWN),
    ],
)
def test_what_is_on_a_node_and_what_was_done_there_last(
    found: tuple[Resource, ...], last: tuple[str, int | None] | None, expected: Standing
) -> None:
    assert of(on_net3(*found, last=last)) == [LIVE, LIVE, expected]


def test_another_pools_resources_say_nothing() -> None:
    assert list(standings(active(), {"net1": "one"}, "west", ()).values()) == [UNKNOWN]


# --- while the strategy changes: the identity, a cold gateway of the pool's name, on net1 -----------------------------

COLD = resource("edge", "ocf:hotspare:gateway", "net1", Role.PROMOTED)
COLD_IDLE = replace(COLD, role=Role.UNPROMOTED)
COLD_STOPPED = replace(COLD, role=Role.STOPPED, active=False, nodes=())
COLD_AGENTS = tuple(resource(f"edge-{agent}", "ocf:openstack:x", "net1") for agent in ("ovs", "l3", "metadata"))
BANS = tuple((f"edge-clone-not-on-{name}", "edge-clone", name) for name in ("net2", "net3"))
OFF = {"online": False}


def changing(
    *found: Resource, net1: dict[str, object] | None = None, last: dict[str, tuple[str, int | None]] | None = None
) -> ClusterStatus:
    """The pool at work on net2 and net3, and of the cold gateway this."""
    whole = active(without=tuple(("edge-local" + part, "net1") for part in ("", "-ovs", "-l3", "-metadata")))
    nodes = tuple(node(name, **((net1 or {}) if name == "net1" else {})) for name in HOSTS)
    actions = tuple(LastAction("edge", name, *one) for name, one in (last or {}).items())
    barred = (("edge-local-clone-not-on-net1", "edge-local-clone", "net1"), *BANS)
    return replace(whole, nodes=nodes, resources=(*whole.resources, *found), bans=barred, last_actions=actions)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (changing(COLD, *COLD_AGENTS), LEAVING),
        (changing(COLD, *COLD_AGENTS, last={"net2": ("stop", 0)}), LEAVING),
        (changing(COLD, *COLD_AGENTS[:1]), UNKNOWN),
        (changing(replace(COLD, failed=True), *COLD_AGENTS), UNKNOWN),
        (changing(COLD, *COLD_AGENTS, net1={"unclean": True}), UNKNOWN),
        (changing(COLD_IDLE, last={"net1": ("demote", 0)}), GONE),
        (changing(COLD_IDLE, last={"net1": ("start", 0)}), UNKNOWN),
        (changing(COLD_STOPPED, last={"net1": ("stop", 0)}), GONE),
        (changing(COLD_STOPPED), UNKNOWN),  # back from a crash, and nobody has looked what runs there
        (changing(COLD_STOPPED, net1=OFF), GONE),
        (changing(COLD_STOPPED, net1=OFF, last={"net2": ("stop", 0), "net3": ("stop", 0)}), GONE),
        (changing(COLD_STOPPED, net1=OFF, last={"net2": ("stop", None)}), UNKNOWN),
        (changing(COLD_STOPPED, net1=OFF, last={"net2": ("monitor", 0)}), UNKNOWN),
        (replace(changing(COLD_STOPPED, net1=OFF), bans=()), UNKNOWN),  # it may run on net2, which nobody has probed
        (changing(COLD_STOPPED, net1={"online": False, "unclean": True}), UNKNOWN),
        (replace(changing(COLD, *COLD_AGENTS), quorate=False), UNKNOWN),
    ],
)
def test_the_identity_that_routers_leave_is_left_alive_or_proved_silent_on_every_node(
    status: ClusterStatus, expected: Standing
) -> None:
    assert standings(status, HOSTS, "edge", ())["edge"] is expected


def test_a_ban_that_is_not_ours_proves_nothing_of_a_node_where_nobody_has_looked_yet() -> None:
    by_hand = tuple((f"cli-ban-{what}-on-{name}", what, name) for _, what, name in BANS)
    status = changing(COLD_STOPPED, net1=OFF)
    assert standings(status, HOSTS, "edge", ())["edge"] is GONE
    assert standings(replace(status, bans=by_hand), HOSTS, "edge", ())["edge"] is UNKNOWN


def test_a_history_that_was_cleaned_up_proves_nothing() -> None:
    """Its stop may have failed; where it is barred Pacemaker does not look for it again."""
    status = changing(COLD, *COLD_AGENTS)
    assert standings(status, HOSTS, "edge", ())[HOSTS["net1"]] is GONE
    cleaned = replace(status, last_actions=(LastAction("edge-local-l3", "net1", "stop", 0),))
    assert standings(cleaned, HOSTS, "edge", ())[HOSTS["net1"]] is UNKNOWN


def test_what_is_gone_by_our_own_bar_alone_is_so_on_trust() -> None:
    """On net1 the pool never ran, on net2 and net3 the cold gateway: nobody has looked."""
    status = changing(COLD, *COLD_AGENTS)
    assert on_trust(status, HOSTS, "edge") == {HOSTS["net1"], "edge"}
    proved = tuple(LastAction("edge", name, "stop", 0) for name in ("net2", "net3"))
    proved += (LastAction("edge-local", "net1", "stop", 0),)
    assert on_trust(replace(status, last_actions=proved), HOSTS, "edge") == frozenset()
    fenced = changing(COLD_STOPPED, net1=OFF)
    assert on_trust(fenced, HOSTS, "edge") == {"edge"}
    assert on_trust(active(), HOSTS, "edge") == frozenset()


def test_homeward_only_the_identity_gets_routers_and_all_of_the_pool_is_left() -> None:
    found = standings(changing(COLD, *COLD_AGENTS), HOSTS, "edge", (), homeward=True)
    assert list(found.values()) == [GONE, LEAVING, LEAVING, LIVE]
    away = standings(changing(COLD, *COLD_AGENTS), HOSTS, "edge", ())
    assert list(away.values()) == [GONE, LIVE, LIVE, LEAVING]


def test_an_identity_that_the_cluster_does_not_have_stands_for_nothing_unless_routers_are_to_go_there() -> None:
    assert "edge" not in standings(active(), HOSTS, "edge", ())
    assert standings(active(), HOSTS, "edge", (), homeward=True)["edge"] is UNKNOWN


AT = 'last-rc-change="Wed Nov 25 10:00:{} 2026"'


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ('<o call="40" task="start" rc="0"/><o call="44" task="stop" rc="0"/>', ("stop", 0)),
        ('<o call="44" task="stop" rc="0"/><o call="40" task="start" rc="0"/>', ("stop", 0)),
        ('<o call="9" task="start" rc="0"/><o call="10" task="monitor" rc="0"/>', ("monitor", 0)),
        ('<o call="-1" task="stop" rc="193"/><o call="44" task="monitor" rc="8"/>', ("stop", None)),
        (
            f'<o call="4" task="monitor" rc="7" {AT.format(45)}/><o call="4" task="monitor" {AT.format(43)}/>',
            ("monitor", 7),
        ),
        ("", None),
    ],
)
def test_the_last_action_is_the_one_begun_last(operations: str, expected: tuple[str, int | None] | None) -> None:
    """A history is in no order that counts; a recurring action keeps its number, one under way has none yet."""
    history = f'<resource_history id="x:0">{operations.replace("<o ", "<operation_history ")}</resource_history>'
    found = crm_mon_xml.read(
        f'<pacemaker-result><node_history><node name="net3">{history}</node></node_history></pacemaker-result>'
    )
    last = found.last_action("x", "net3")
    assert (last and (last.task, last.exit_code)) == expected
    assert found.last_action("x", "net1") is None
