"""What a pool is in the cluster, and what becomes of it from one apply to the next."""

import re
from dataclasses import replace

import pytest
from cluster_world import CLOUD, World, edge, spec_of
from test_bootstrap_plan import after_edit, made
from test_cluster_preflight import whole
from test_pool_file import pool
from test_status_view import cluster, node, resource

from hotspare.model.cib import Element
from hotspare.model.cluster import ClusterStatus, Role
from hotspare.model.observed import PythonFact
from hotspare.model.step import CloudEntry, RemoveFile, WriteFile
from hotspare.plan import configuration, preflight, settled
from hotspare.plan.layout import CLOUDS, PARK_UNIT, query

NODES = ("net1", "net2", "net3")


def elements(text: str) -> dict[str, Element]:
    wanted = configuration.wanted(spec_of(text))
    return {part.id: part for _, top in wanted.elements for part in top.walk() if part.id}


def parameters(primitive: Element) -> dict[str, dict[str, str]]:
    """A resource's parameters by the node on which they hold; empty: on all."""
    found: dict[str, dict[str, str]] = {}
    for part in primitive.children:
        if part.tag == "instance_attributes":
            nodes = [one.get("value") for one in part.walk() if one.tag == "expression"]
            pairs = {pair.get("name"): pair.get("value") for pair in part.children if pair.tag == "nvpair"}
            found.setdefault("".join(nodes), {}).update(pairs)
    return found


def meta(top: Element) -> dict[str, str]:
    (part,) = (part for part in top.children if part.tag == "meta_attributes")
    return {pair.get("name"): pair.get("value") for pair in part.children}


def test_every_node_is_promoted_under_its_own_host_with_agents_of_that_host() -> None:
    found = elements(pool(host=("  net2: {", "  net2: {agent_host: net2.example.org, ")))
    hosts = {"net1": "net1", "net2": "net2.example.org", "net3": "net3"}
    data_plane = parameters(found["edge-local"])
    assert data_plane == {"": {"strategy": "reschedule"}, **{node: {"gateway": host} for node, host in hosts.items()}}
    for agent in ("ovs", "l3", "metadata"):
        own = parameters(found[f"edge-local-{agent}"])
        assert {node: own[node] for node in NODES} == {node: {"host": host} for node, host in hosts.items()}
        assert "host" not in own[""]
    assert meta(found["edge-local-clone"])["promoted-max"] == "3"
    assert meta(found["edge-local-agents-clone"]) == {
        "clone-node-max": "1", "interleave": "true", "notify": "false",
    }  # fmt: skip


def test_only_where_the_file_asks_for_no_fencing_a_lost_node_counts_as_off() -> None:
    assert "unfenced" not in parameters(elements(pool())["edge-rescheduler"])[""]
    found = elements(re.sub(r", fence: \{.*?\}", "", pool()) + "\nfencing: none\n")
    assert parameters(found["edge-rescheduler"])[""]["unfenced"] == "yes"


def test_the_rescheduler_knows_every_node_and_its_host_and_no_secret() -> None:
    found = elements(pool(python=("cloud: lab", "cloud: lab, python: /opt/neutron/bin/python3")))
    assert parameters(found["edge-rescheduler"]) == {
        "": {
            "pool": "edge",
            "cloud": "lab",
            "hosts": "net1=net1 net2=net2 net3=net3",
            "dhcp_agents_per_network": "1",
            "weights": "router=1 gateway=0.5 interface=0.25 floating_ip=0.1",
            "python": "/opt/neutron/bin/python3",
        }
    }
    assert found["edge-rescheduler-stop-0s"].get("on-fail") == "block"


def test_nothing_of_a_pool_is_on_a_node_outside_of_it() -> None:
    found = elements(pool(4, fewer=("net3, net4]", "net3]")))
    for name in ("edge-local-clone", "edge-local-agents-clone", "edge-rescheduler"):
        assert found[f"{name}-not-on-net4"].get("resource-discovery") == "never"
    assert found["fence-net1-rather-on-net4"].get("score") == "100"
    assert not [id_ for id_ in found if "rather-without" in id_]


def test_no_id_of_a_pool_is_one_of_the_same_gateway_with_another_strategy() -> None:
    cold = elements(edge(gateway=("{gw: {nodes", "{edge: {nodes")))
    assert {id_ for id_ in elements(pool()) if id_ in cold and id_.startswith("edge")} == set()


def test_the_pools_nodes_get_the_clouds_entry_and_lose_it_when_nothing_uses_it() -> None:
    world = made(edge())
    steps = after_edit(world, pool())
    writes = [step for step in steps if isinstance(step, WriteFile) and PARK_UNIT not in step.path]
    assert [(step.node, step.path, step.mode, step.content) for step in writes] == [
        (name, CLOUDS, 0o600, CloudEntry("lab")) for name in NODES
    ]
    steps = after_edit(world, edge())
    removed = [step for step in steps if isinstance(step, RemoveFile) and PARK_UNIT not in step.path]
    assert removed == [RemoveFile(name, CLOUDS) for name in NODES]


@pytest.mark.parametrize("changed", [{"digest": "other"}, {"mode": 0o644}, {"owner": 1000}])
def test_a_clouds_entry_that_changed_is_written_again_and_nothing_else(changed: dict[str, object]) -> None:
    world = made(pool())
    assert world.files["net2"][CLOUDS].digest == CLOUD
    world.files["net2"][CLOUDS] = replace(world.files["net2"][CLOUDS], **changed)
    (step,) = world.carry_out_all()
    assert isinstance(step, WriteFile)
    assert (step.node, step.path) == ("net2", CLOUDS)


def test_only_nodes_of_a_pool_are_asked_for_an_interpreter() -> None:
    spec = spec_of(pool(4, fewer=("net3, net4]", "net3]")))
    assert (query(spec, "net1").python, query(spec, "net4").python) == ("", None)
    named = spec_of(pool(python=("cloud: lab", "cloud: lab, python: /opt/python")))
    assert query(named, "net1").python == "/opt/python"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (PythonFact("/usr/bin/python3", (3, 11), ""), ""),
        (PythonFact("/opt/bin/python3", (3, 12), ""), ""),
        (PythonFact("", None, ""), "neutron-l3-agent names no Python"),
        (PythonFact("/opt/python", None, "No such file or directory"), "/opt/python cannot be run: No such file"),
        (PythonFact("/usr/bin/python3", (3, 9), ""), "is Python 3.9, too old"),
        (PythonFact("/usr/bin/python3", (3, 11), "No module named 'openstack'"), "python3-openstacksdk"),
    ],
)
def test_an_interpreter_that_cannot_move_routers_is_said_with_the_remedy(found: PythonFact, expected: str) -> None:
    facts = whole()
    facts["net1"] = replace(facts["net1"], python=found)
    lines = [str(problem) for problem in preflight.problems(spec_of(pool()), facts)]
    assert [expected in line and line.startswith("net1: neutron.python: ") for line in lines] == [True] * bool(expected)


def active(*, without: tuple[tuple[str, str], ...] = (), **changes: object) -> ClusterStatus:
    """A pool at work on three nodes, without some resources on some nodes."""
    found = [
        *(resource(f"fence-{name}", "stonith:fence_ipmilan", "net3") for name in NODES),
        resource("failover", "ocf:heartbeat:IPaddr2", "net1"),
        resource("edge-rescheduler", "ocf:hotspare:rescheduler", "net2"),
    ]
    for name in NODES:
        found.append(resource("edge-local", "ocf:hotspare:gateway", name, Role.PROMOTED))
        found += [resource(f"edge-local-{agent}", "ocf:openstack:x", name) for agent in ("ovs", "l3", "metadata")]
    kept = tuple(one for one in found if (one.id, one.nodes[0]) not in without)
    return cluster(resources=kept, **changes)


@pytest.mark.parametrize(
    ("status", "missing"),
    [
        (active(), ()),
        (active(without=(("edge-local", "net3"),)), ("edge-local: not promoted on net3",)),
        (active(without=(("edge-local-l3", "net1"),)), ("edge-local-l3: not started on net1",)),
        (
            active(without=(("edge-rescheduler", "net2"),)),
            ("edge-rescheduler: runs on no node, has to be on one",),
        ),
    ],
)
def test_what_a_pool_lacks_is_waited_for(status: ClusterStatus, missing: tuple[str, ...]) -> None:
    assert settled.missing(spec_of(pool()), status) == missing


def test_a_node_in_standby_lacks_nothing() -> None:
    out = tuple(("edge-local" + part, "net3") for part in ("", "-ovs", "-l3", "-metadata"))
    status = active(without=out, nodes=tuple(node(name, standby=name == "net3") for name in NODES))
    assert settled.missing(spec_of(pool()), status) == ()


def test_a_plan_of_a_pool_that_is_made_is_empty() -> None:
    world = World(spec_of(pool()))
    world.carry_out_all()
    assert world.plan() == ()
