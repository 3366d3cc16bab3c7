"""The plan of a cluster: finished wherever it was cut, empty when all is done, small when little changed."""

import pytest
from cluster_world import AGENTS, World, edge, spec_of
from hypothesis import given
from hypothesis import strategies as st

from hotspare.model.corosync import Section
from hotspare.model.errors import WorldError
from hotspare.model.observed import FileFact
from hotspare.model.step import (
    AwaitMembers,
    AwaitStopped,
    ChangeCib,
    EnableUnit,
    FreshKey,
    InstallAgents,
    KeyOf,
    ReloadCorosync,
    RemoveFile,
    StartUnit,
    Step,
    StopResource,
    WriteFile,
)
from hotspare.plan import membership
from hotspare.plan.layout import AUTHKEY, COROSYNC_CONF, PARK_UNIT, PARK_UNIT_LINK, PARK_UNIT_PATH, UNITS


def made(text: str) -> World:
    """The world after one whole apply."""
    world = World(spec_of(text))
    world.carry_out_all()
    return world


def after_edit(world: World, text: str) -> tuple[Step, ...]:
    """What another apply does after the file was edited."""
    world.spec = spec_of(text)
    steps = world.carry_out_all()
    assert world.plan() == ()
    return steps


def kinds(steps: tuple[Step, ...]) -> set[type]:
    return {type(step) for step in steps}


def test_bare_machines_become_a_cluster_and_then_nothing_is_left_to_do() -> None:
    world = World(spec_of(edge()))
    steps = world.carry_out_all()
    assert kinds(steps) == {WriteFile, InstallAgents, EnableUnit, StartUnit, AwaitMembers, ChangeCib}
    assert world.plan() == ()


@given(data=st.data(), nodes=st.integers(2, 4))
def test_a_plan_cut_anywhere_is_finished_by_the_next(data: st.DataObject, nodes: int) -> None:
    """Within a stage nodes go in parallel, so the cut is another one on every node."""
    whole = made(edge(nodes))
    world = World(spec_of(edge(nodes)))
    for _run in range(data.draw(st.integers(1, 3), "runs that are cut")):
        stages = world.plan()
        if not stages:
            break
        last = data.draw(st.integers(0, len(stages) - 1), "stage of the cut")
        for stage in stages[:last]:
            for step in stage.steps:
                world.carry_out(step)
        for node in sorted({step.node for step in stages[last].steps}):
            own = [step for step in stages[last].steps if step.node == node]
            for step in own[: data.draw(st.integers(0, len(own)), f"steps on {node}")]:
                world.carry_out(step)
    world.carry_out_all()
    assert world.plan() == ()
    assert (world.files, world.agents, world.enabled, world.active) == (
        whole.files,
        whole.agents,
        whole.enabled,
        whole.active,
    )
    assert world.cib == whole.cib


@given(data=st.data())
def test_a_changed_token_is_finished_after_a_cut_between_file_and_reload(data: st.DataObject) -> None:
    world = made(edge())
    world.spec = spec_of(edge(token=("token_ms: 1000", "token_ms: 2000")))
    steps = [step for stage in world.plan() for step in stage.steps]
    for step in steps[: data.draw(st.integers(0, len(steps)))]:
        world.carry_out(step)
    world.carry_out_all()
    assert world.plan() == ()
    assert all("token: 2000" in text for text in world.running_conf.values())


def test_a_changed_token_changes_the_file_and_reloads_once() -> None:
    steps = after_edit(made(edge()), edge(token=("token_ms: 1000", "token_ms: 500")))
    assert [(step.node, step.path) for step in steps if isinstance(step, WriteFile)] == [
        (node, COROSYNC_CONF) for node in ("net1", "net2", "net3")
    ]
    assert kinds(steps) == {WriteFile, ReloadCorosync}
    assert sum(isinstance(step, ReloadCorosync) for step in steps) == 1


def test_links_that_run_with_other_timers_are_reloaded() -> None:
    world = made(edge())
    for name, text in world.running_conf.items():
        world.running_conf[name] = text.replace("knet_pong_count: 1", "knet_pong_count: 2")
    (step,) = (step for stage in world.plan() for step in stage.steps)
    assert isinstance(step, ReloadCorosync)


@pytest.mark.parametrize(("token_ms", "timeout_ms"), [(300, 200), (600, 300), (5000, 2500)])
def test_a_link_is_dead_after_half_a_token_and_back_after_its_second_answer(token_ms: int, timeout_ms: int) -> None:
    spec = spec_of(edge(token=("token_ms: 1000", f"token_ms: {token_ms}")))
    links = list(membership.desired(spec, membership.members(spec, {})).first("totem").of("interface"))
    assert [link.get("linknumber") for link in links] == ["0", "1"]
    for link in links:
        assert link.get("knet_ping_interval") == "200"
        assert link.get("knet_ping_timeout") == str(timeout_ms)
        assert link.get("knet_pong_count") == "1"


def test_a_changed_address_changes_that_resource_alone() -> None:
    (step,) = after_edit(made(edge()), edge(vip=("172.16.1.100", "172.16.1.200")))
    assert isinstance(step, ChangeCib)
    assert [change.id for change in step.changes] == ["failover"]


def test_a_gateway_that_is_taken_out_leaves_nothing_and_takes_nothing_else_along() -> None:
    world = made(edge())
    steps = after_edit(world, edge(gateway=("gateways: {gw: {nodes: [net1, net2]}}\n", "")))
    assert [type(step) for step in steps[:4]] == [StopResource, StopResource, AwaitStopped, ChangeCib]
    assert [(step.node, step.path) for step in steps[4:] if isinstance(step, RemoveFile)] == [
        (node, path) for node in ("net1", "net2") for path in (PARK_UNIT_LINK, PARK_UNIT_PATH)
    ]
    assert len(steps) == 8
    assert not [part.id for part in world.cib.walk() if part.id.startswith("gw") or "gw-clone" in part.get("with-rsc")]
    assert {part.id for part in world.cib.walk() if part.tag == "primitive"} == {
        "fence-net1", "fence-net2", "fence-net3", "failover",
    }  # fmt: skip


def test_only_nodes_that_carry_a_gateway_clear_routers_ports_at_boot() -> None:
    world = World(spec_of(edge(3)))
    steps = world.carry_out_all()
    for node in ("net1", "net2"):
        (at,) = (number for number, step in enumerate(steps) if step == EnableUnit(node, PARK_UNIT))
        before = [step for step in steps[:at] if step.node == node]
        assert InstallAgents(node, AGENTS) in before, "or ovs-vswitchd would not start after a boot"
        assert [step for step in before if isinstance(step, WriteFile) and step.path == PARK_UNIT_PATH]
    assert EnableUnit("net3", PARK_UNIT) not in steps
    assert PARK_UNIT_PATH not in world.files["net3"]


def test_a_unit_that_somebody_disabled_is_enabled_again() -> None:
    world = made(edge())
    world.enabled.remove(("net1", PARK_UNIT))
    assert world.carry_out_all() == (EnableUnit("net1", PARK_UNIT),)


def test_fencing_that_is_taken_out_removes_devices_before_their_secrets() -> None:
    text = edge()
    for n in (1, 2, 3):
        text = text.replace(
            f", fence: {{agent: fence_ipmilan, ip: 10.0.9.{n}, username: admin, password_file: bmc}}", ""
        )
    world = made(edge())
    steps = after_edit(world, text + "fencing: none\n")
    change = next(number for number, step in enumerate(steps) if isinstance(step, ChangeCib))
    removals = [number for number, step in enumerate(steps) if isinstance(step, RemoveFile)]
    assert len(removals) == 12
    assert change < min(removals)
    assert 'stonith-enabled"), ("value", "false")' in repr(world.cib).replace("'", '"')


def test_a_new_node_gets_the_key_that_is_in_use_and_the_others_keep_their_ids() -> None:
    world = made(edge(3))
    ids = ids_of(world)
    steps = after_edit(world, edge(4))
    assert [step.content for step in steps if isinstance(step, WriteFile) and step.path == AUTHKEY] == [
        KeyOf("net1", AUTHKEY)
    ]
    assert ids_of(world) == ids | {"net4": 4}
    assert [step for step in steps if isinstance(step, StartUnit)] == [StartUnit("net4", unit) for unit in UNITS]


def ids_of(world: World) -> dict[str, int]:
    conf = world.facts()["net1"].corosync or Section("")
    nodes = conf.first("nodelist").of("node")
    return {node.get("name") or "": int(node.get("nodeid") or 0) for node in nodes}


@pytest.mark.parametrize(
    ("keys", "kept"),
    [
        ({}, None),
        ({"net3": "a"}, "net3"),
        ({"net1": "a", "net2": "b", "net3": "b"}, "net2"),
        ({"net1": "a", "net2": "b", "net3": "c"}, "net1"),
    ],
)
def test_the_key_that_most_nodes_share_is_kept(keys: dict[str, str], kept: str | None) -> None:
    world = World(spec_of(edge()))
    world.files = {node: {AUTHKEY: FileFact(key, 0o400, 0, 256)} for node, key in keys.items()}
    steps = [step for stage in world.plan() for step in stage.steps]
    contents = {step.content for step in steps if isinstance(step, WriteFile) and step.path == AUTHKEY}
    assert contents == ({FreshKey()} if kept is None else {KeyOf(kept, AUTHKEY)})


def test_a_key_that_others_may_read_is_written_anew() -> None:
    world = made(edge())
    world.files["net2"][AUTHKEY] = FileFact("a fresh key", 0o644, 0, 256)
    (step,) = world.carry_out_all()
    assert step == WriteFile("net2", AUTHKEY, 0o400, KeyOf("net1", AUTHKEY))


def test_agents_that_were_touched_by_hand_are_installed_anew() -> None:
    world = made(edge())
    world.agents["net3"] = "something else"
    assert world.carry_out_all() == (InstallAgents("net3", AGENTS),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (edge(name=("name: edge", "name: other")), "cluster_name edge"),
        (edge(ring=("172.16.2.2", "172.16.2.9")), "ring 1 of net2"),
        (edge(2), "net3 is a running member"),
    ],
)
def test_what_a_running_cluster_cannot_take_is_refused_with_the_remedy(text: str, said: str) -> None:
    world = made(edge())
    world.spec = spec_of(text)
    with pytest.raises(WorldError, match=said) as refused:
        world.plan()
    assert "systemctl" in refused.value.message


def test_two_nodes_wait_for_each_other_and_three_do_not() -> None:
    two, three = made(edge(2)), made(edge(3))
    assert "two_node: 1" in two.running_conf["net1"]
    assert "wait_for_all: 1" in two.running_conf["net1"]
    assert "two_node" not in three.running_conf["net1"]


def test_no_password_is_in_a_plan() -> None:
    plan = World(spec_of(edge())).plan()
    assert "bmc" not in repr(plan)
    assert "password_script" in repr(plan)
