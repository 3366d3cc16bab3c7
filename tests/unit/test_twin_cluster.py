"""What a twin is in the cluster, and what becomes of it from one apply to the next."""

import os
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from cluster_world import World, edge, spec_of
from test_bootstrap_plan import after_edit, made
from test_cluster_preflight import whole
from test_pool_plan import elements, meta, parameters
from test_twin_file import twin

from hotspare.adapters.certificate import self_signed
from hotspare.faces.report.steps import sentence
from hotspare.model.observed import PythonFact
from hotspare.model.step import ChangeCib, FreshCertificate, KeyOf, RemoveFile, WriteFile
from hotspare.plan import preflight
from hotspare.plan.layout import TWIN_KEY, query


def test_the_data_plane_knows_who_keeps_twins_and_where_the_key_is() -> None:
    found = elements(twin(python=("cloud: lab", "cloud: lab, python: /opt/python3")))
    assert parameters(found["gw"]) == {
        "": {
            "gateway": "gw",
            "strategy": "twin",
            "peers": "net1=172.16.1.1,172.16.2.1 net2=172.16.1.2,172.16.2.2",
            "port": "5409",
            "stale_after": "30",
            "connections": "yes",
            "key_file": "/etc/hotspare/twin.pem",
            "python": "/opt/python3",
        }
    }


def test_all_else_is_as_with_a_cold_gateway_but_for_agents_that_let_others_go_first() -> None:
    cold, warm = elements(edge()), elements(twin())
    assert cold.keys() <= warm.keys()
    changed = {id_ for id_ in cold if cold[id_].tag in {"op", "rsc_order", "rsc_colocation"} and cold[id_] != warm[id_]}
    assert changed == set()
    assert meta(warm["gw-clone"]) == meta(cold["gw-clone"])
    assert meta(warm["gw-clone"])["notify"] == "false"
    for agent in ("ovs", "l3", "metadata"):
        own = parameters(warm[f"gw-{agent}"])[""]
        assert own == {**parameters(cold[f"gw-{agent}"])[""], "nice": "10"}


def test_metadata_is_answered_before_the_agents_look_at_routers_that_forward_and_after_they_build_those_that_do_not():
    cold, warm = ([part.id for part in elements(made)["gw-agents"].children] for made in (edge(), twin()))
    assert cold == ["gw-ovs", "gw-l3", "gw-metadata"]
    assert warm == ["gw-metadata", "gw-ovs", "gw-l3"]


def test_nothing_of_it_grows_with_what_is_in_the_file_beside_it() -> None:
    assert elements(twin(2))["gw"] == elements(twin(5))["gw"]


def test_the_nodes_of_twins_get_one_key_and_lose_it_when_nothing_uses_it() -> None:
    world = made(edge())
    steps = after_edit(world, twin())
    assert [step for step in steps if isinstance(step, WriteFile)] == [
        WriteFile(name, TWIN_KEY, 0o600, FreshCertificate()) for name in ("net1", "net2")
    ]
    assert isinstance(steps[-1], ChangeCib)
    assert world.plan() == ()
    steps = after_edit(world, edge())
    assert [step for step in steps if isinstance(step, RemoveFile)] == [
        RemoveFile(name, TWIN_KEY) for name in ("net1", "net2")
    ]


def test_a_node_that_joins_gets_the_key_that_is_there() -> None:
    world = made(twin())
    steps = after_edit(world, twin(more=("nodes: [net1, net2]", "nodes: [net1, net2, net3]")))
    (step,) = (step for step in steps if isinstance(step, WriteFile) and step.path == TWIN_KEY)
    assert step == WriteFile("net3", TWIN_KEY, 0o600, KeyOf("net1", TWIN_KEY))


@pytest.mark.parametrize("changed", [{"digest": "other"}, {"mode": 0o644}, {"owner": 1000}, {"size": 0, "digest": ""}])
def test_a_node_with_another_key_is_told_and_mended(changed: dict[str, object]) -> None:
    world = made(twin(more=("nodes: [net1, net2]", "nodes: [net1, net2, net3]")))
    world.files["net1"][TWIN_KEY] = replace(world.files["net1"][TWIN_KEY], **changed)
    (step,) = world.carry_out_all()
    keep = "net1" if changed.keys() <= {"mode", "owner"} else "net2"
    assert step == WriteFile("net1", TWIN_KEY, 0o600, KeyOf(keep, TWIN_KEY))
    assert sentence(step) == f"write {TWIN_KEY} (mode 0600, the key of {keep})"
    assert world.plan() == ()


def test_an_apply_that_was_cut_between_two_keys_is_finished_with_one() -> None:
    world = World(spec_of(twin()))
    steps = [step for stage in world.plan() for step in stage.steps]
    first = next(step for step in steps if isinstance(step, WriteFile) and step.path == TWIN_KEY)
    world.carry_out(first)
    world.carry_out_all()
    keys = {world.files[name][TWIN_KEY].digest for name in ("net1", "net2")}
    assert len(keys) == 1
    assert world.plan() == ()


def test_the_key_lets_those_that_have_it_in_and_nobody_else(tmp_path: Path) -> None:
    ours, others = tmp_path / "ours.pem", tmp_path / "others.pem"
    ours.write_bytes(self_signed().value)
    others.write_bytes(self_signed().value)
    assert shake_hands(ours, ours) == ""
    assert "certificate" in shake_hands(others, ours)
    assert "PRIVATE" not in repr(self_signed())


def shake_hands(client: Path, server: Path) -> str:
    """Why the two do not talk; empty where they do. In memory: nobody listens anywhere."""
    asked, told = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        _context(client, ssl.PROTOCOL_TLS_CLIENT).wrap_bio(told, asked),
        _context(server, ssl.PROTOCOL_TLS_SERVER).wrap_bio(asked, told, server_side=True),
    ]
    for side in sides * 4:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLError as refused:
            return str(refused).lower()
    return ""


def _context(key: Path, protocol: ssl._SSLMethod) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(os.fspath(key))
    context.load_cert_chain(key)
    return context


def test_the_interpreter_of_a_twins_nodes_has_to_speak_to_the_kernel() -> None:
    spec = spec_of(twin())
    asked = query(spec, "net1")
    assert (asked.python, asked.modules) == ("", ("pyroute2",))
    assert (query(spec, "net3").python, query(spec, "net3").modules) == (None, ())
    facts = whole()
    facts["net1"] = replace(facts["net1"], python=PythonFact("/usr/bin/python3", (3, 11), "No module named 'pyroute2'"))
    (line,) = (str(problem) for problem in preflight.problems(spec, facts))
    assert "No module named 'pyroute2'; name a Python 3.11 or newer with pyroute2 in `neutron.python`" in line
