"""What the cluster gets for the file's other resources, what a node needs for them, and what is missing afterwards."""

from dataclasses import replace

import pytest
from cluster_world import World, spec_of
from test_bootstrap_plan import after_edit, made
from test_resources_file import with_resources
from test_status_view import WANTED, cluster, resource, seen

from hotspare.model.answer import Answer
from hotspare.model.cib import Element
from hotspare.model.cluster import Role
from hotspare.model.observed import NodeFacts, UnitFact
from hotspare.model.step import AwaitStopped, ChangeCib, StopResource
from hotspare.plan import configuration, layout, preflight, resources, settled
from hotspare.plan.status import view

SPEC = spec_of(with_resources())

CONSTRAINTS = """\
location natlog not on net3, not looked for
location ntp-clone not on net3, not looked for
location vtep not on net3, not looked for
natlog with gw-clone Promoted, no say in where that goes
order failover start, then source start
order gw-agents, then natlog, if both have something to do
order gw-clone promote, then natlog start, if both have something to do
order gw-clone promote, then vtep start, if both have something to do
order source start, then ticker start
order vtep, then gw-agents, if both have something to do
source with failover, no say in where that goes
ticker with source, no say in where that goes
vtep with gw-clone Promoted, no say in where that goes
"""

CRITICAL_CONSTRAINTS = """\
location vtep not on net3, not looked for
order gw-clone promote, then vtep start
order vtep, then gw-agents
vtep with gw-clone Promoted, has a say in where that goes
"""


def top(text: str, of: str = "") -> dict[str, Element]:
    """The elements that the resources of the file add to the configuration, by id."""
    with_, without = (
        {found.id: found for _, found in configuration.wanted(spec_of(part)).elements}
        for part in (text, text[: text.index("resources:")])
    )
    return {id_: found for id_, found in with_.items() if id_ not in without and id_.startswith(of)}


def sentence(constraint: Element) -> str:
    get = constraint.get
    match constraint.tag:
        case "rsc_location":
            looked = ", not looked for" if get("resource-discovery") == "never" else ""
            return f"location {get('rsc')} not on {get('node')}{looked}"
        case "rsc_colocation":
            say = {"true": "has a say", "false": "no say"}[get("influence")]
            role = f" {get('with-rsc-role')}" if get("with-rsc-role") else ""
            return f"{get('rsc')} with {get('with-rsc')}{role}, {say} in where that goes"
    sides = [" ".join(filter(None, (get(side), get(f"{side}-action")))) for side in ("first", "then")]
    soft = ", if both have something to do" if get("kind") == "Optional" else ""
    return f"order {sides[0]}, then {sides[1]}{soft}"


def sentences(elements: dict[str, Element]) -> str:
    found = (sentence(one) for one in elements.values() if one.tag.startswith("rsc_"))
    return "".join(f"{line}\n" for line in sorted(found))


def test_a_resource_goes_where_its_company_goes_and_takes_it_nowhere() -> None:
    assert sentences(top(with_resources())) == CONSTRAINTS


def test_a_critical_resource_takes_its_company_along() -> None:
    text = with_resources(("with: gw, before: agents", "with: gw, before: agents, critical: true"))
    assert sentences(top(text, "vtep")) == CRITICAL_CONSTRAINTS


def primitive(elements: dict[str, Element], name: str) -> Element:
    return next(part for one in elements.values() for part in one.walk() if part.tag == "primitive" and part.id == name)


def test_the_agents_of_all_classes_are_called_by_their_names() -> None:
    elements = top(with_resources())
    names = {
        name: ":".join(filter(None, map(primitive(elements, name).get, ("class", "provider", "type"))))
        for name in SPEC.resources
    }
    assert names == {
        "vtep": "ocf:heartbeat:IPaddr2",
        "ntp": "systemd:chrony",
        "natlog": "lsb:natlog",
        "source": "ocf:hotspare:legacy",
        "ticker": "ocf:pacemaker:Dummy",
    }
    pairs = {pair.get("name"): pair.get("value") for pair in primitive(elements, "source").children[0].children}
    assert pairs == {"script": "IPsrcaddr::172.16.1.100"}
    assert elements["ntp-clone"].tag == "clone"


@pytest.mark.parametrize(("critical", "on_fail"), [("false", "block"), ("true", "")])
def test_a_stop_that_fails_fences_a_node_only_for_a_critical_resource(critical: str, on_fail: str) -> None:
    elements = top(with_resources(("with: gw, after: agents", f"with: gw, critical: {critical}")))
    operations = {part.get("name"): part for part in primitive(elements, "natlog").walk() if part.tag == "op"}
    assert operations["stop"].get("on-fail") == on_fail
    assert [operations[name].get("on-fail") for name in ("start", "monitor")] == ["", ""]


@pytest.mark.parametrize(
    "change",
    [
        ("  natlog:", "  netlog:"),
        ("clone: true", "clone: false"),
        ("10.0.0.5", "10.0.0.6"),
        ('agent: "systemd:chrony", on: [net1, net2], clone: true', 'agent: "systemd:chrony"'),
        ("resources:\n", "unused: &unused\n"),
    ],
)
def test_what_is_edited_is_changed_at_once_and_back_again_leaves_what_was_there(change: tuple[str, str]) -> None:
    before, after = with_resources(), with_resources(change)
    if "unused" in after:
        after = before[: before.index("resources:")]
    world = made(before)
    cib = world.cib
    for text in (after, before):
        *stops, change_ = after_edit(world, text)
        assert isinstance(change_, ChangeCib)
        assert all(isinstance(step, StopResource | AwaitStopped) for step in stops)
    order = sorted(part.id for part in cib.walk() if part.id)
    assert sorted(part.id for part in world.cib.walk() if part.id) == order


def test_resources_that_are_taken_out_leave_nothing() -> None:
    world = made(with_resources())
    after_edit(world, with_resources()[: with_resources().index("resources:")])
    assert {part.id for part in world.cib.walk() if part.tag == "primitive"} == {
        "fence-net1", "fence-net2", "fence-net3", "failover", "gw", "gw-ovs", "gw-l3", "gw-metadata",
    }  # fmt: skip
    assert not [part for part in world.cib.walk() if "ntp" in part.id or "vtep" in part.id]


# --- nodes ------------------------------------------------------------------------------------------------------------


def asked(node: str) -> set[str]:
    query = layout.query(SPEC, node)
    return {need.path for need in query.needs} | set(query.units)


def test_a_node_is_asked_only_for_what_may_run_there() -> None:
    assert asked("net1") - asked("net3") >= {"/etc/init.d/natlog", "chrony.service", "natlog.service"}
    for node in SPEC.nodes:
        assert {"/etc/ha.d/resource.d/IPsrcaddr", "/usr/lib/ocf/resource.d/pacemaker/Dummy"} <= asked(node)
    assert "/usr/lib/ocf/resource.d/hotspare/legacy" not in asked("net1"), "it comes with apply"


@pytest.mark.parametrize(
    ("resource", "unit"),
    [
        ('agent: "systemd:chrony"', "chrony.service"),
        ('agent: "systemd:srv@a.mount"', "srv@a.mount"),
        ('agent: "lsb:natlog"', "natlog.service"),
        ("script: natlog --x", "natlog.service"),
        ("script: /etc/init.d/natlog", "natlog.service"),
        ("script: /opt/natlog", None),
        ('agent: "ocf:pacemaker:Dummy"', None),
    ],
)
def test_what_systemd_would_start_at_boot_is_known_by_its_unit(resource: str, unit: str | None) -> None:
    spec = spec_of(with_resources(('agent: "lsb:natlog"', resource)))
    assert resources.unit(spec.resources["natlog"]) == unit


def facts(world: World, **units: UnitFact) -> dict[str, NodeFacts]:
    return {
        name: replace(
            node,
            users=("root",),
            addresses=dict.fromkeys(world.spec.nodes[name].rings, "eth0"),
            interfaces=("eth0",),
            units={**node.units, **{f"{unit}.service": fact for unit, fact in units.items() if name != "net3"}},
        )
        for name, node in world.facts().items()
    }


def problems(world: World, **units: UnitFact) -> list[str]:
    return [str(problem) for problem in preflight.problems(world.spec, facts(world, **units)) if "net1" in str(problem)]


def test_a_unit_that_is_not_there_or_that_systemd_starts_is_said_before_anything_is_changed() -> None:
    world = World(SPEC)
    assert problems(world) == []
    (line,) = problems(world, chrony=UnitFact(known=False, enabled=False, active=False))
    assert line.startswith(
        "net1: chrony.service: systemd does not know it (not installed, or masked), and ntp runs it;"
    )
    for fact in (UnitFact(True, True, False), UnitFact(True, False, True)):
        (line,) = problems(world, natlog=fact)
        assert line.endswith("as natlog; systemctl disable --now natlog.service")


def test_a_unit_that_the_cluster_itself_runs_is_none_of_systemds() -> None:
    world = made(with_resources())
    assert problems(world, chrony=UnitFact(True, False, True)) == []
    (line,) = problems(world, chrony=UnitFact(True, True, True))
    assert "disable" in line


def test_a_script_that_is_in_neither_directory_is_said_with_both() -> None:
    world = World(SPEC)
    lacking = {name: replace(node, absent=("/etc/ha.d/resource.d/IPsrcaddr",)) for name, node in facts(world).items()}
    (line, *_) = [str(problem) for problem in preflight.problems(SPEC, lacking)]
    assert line.startswith("net1: /etc/ha.d/resource.d/IPsrcaddr: not there; put the script of source there")
    assert line.endswith("/etc/init.d/IPsrcaddr will do, too")


# --- the running cluster ----------------------------------------------------------------------------------------------


def running(**where: tuple[str, ...]):
    """The cluster of the status tests with these resources on these nodes."""
    more = [resource(name, "x", on) for name, nodes in where.items() for on in nodes]
    gateway = [
        resource("gw", "ocf:hotspare:gateway", "net2", Role.PROMOTED),
        resource("gw", "ocf:hotspare:gateway", "net1", Role.UNPROMOTED),
    ]
    return cluster(resources=(*cluster().resources, *gateway, *more))


WHOLE = {
    "vtep": ("net2",), "ntp": ("net1", "net2"), "natlog": ("net2",), "source": ("net1",), "ticker": ("net1",),
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"ntp": ("net2",)}, ["ntp: not started on net1"]),
        ({"ntp": ()}, ["ntp: not started on net1", "ntp: not started on net2"]),
        ({"vtep": ()}, ["vtep: runs on no node, belongs beside gw"]),
        ({"vtep": ("net1",)}, ["vtep: runs on net1, belongs beside gw"]),
        (
            {"source": ("net2",)},
            ["source: runs on net2, belongs beside failover", "ticker: runs on net1, belongs beside source"],
        ),
    ],
)
def test_what_is_not_where_it_belongs_is_missing_and_the_status_says_it(
    change: dict[str, tuple[str, ...]], expected: list[str]
) -> None:
    status = running(**(WHOLE | change))
    missing = [line for line in settled.missing(SPEC, status) if line.split(":")[0] in SPEC.resources]
    assert missing == expected
    wanted = replace(WANTED, resources=tuple(resources.home(SPEC, name) for name in SPEC.resources))
    (line,) = [line for line in view(wanted, seen(status=status)).lines if line.name == "resources"]
    assert (line.answer, list(line.details)) == (Answer.NO if expected else Answer.YES, expected)
    assert line.text.startswith("vtep on ")


def test_a_resource_of_its_own_runs_on_one_node() -> None:
    spec = spec_of(with_resources(("on: [net1, net2], clone: true", "on: [net1, net2]")))
    lines = {
        on: [*resources.astray(resources.home(spec, "ntp"), running(ntp=on))]
        for on in ((), ("net1",), ("net1", "net2"))
    }
    assert lines == {
        (): ["ntp: runs on no node, has to be on one"],
        ("net1",): [],
        ("net1", "net2"): ["ntp: runs on net1 and net2, has to be on one"],
    }


def test_without_a_cluster_to_ask_nobody_can_say_where_the_resources_are() -> None:
    wanted = replace(WANTED, resources=(resources.home(SPEC, "ntp"),))
    (line,) = [line for line in view(wanted, seen(status="nobody answers")).lines if line.name == "resources"]
    assert line.answer is Answer.CANNOT_TELL
