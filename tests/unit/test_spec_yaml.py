"""A file is read, or every mistake in it is said at once, each with its line and what to do."""

from pathlib import Path

import pytest
from cluster_world import edge, spec_of
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from hotspare.adapters import spec_file
from hotspare.model.errors import SpecError
from hotspare.model.spec import Spec

BROKEN = """\
cluster: {name: edge, token_ms: fast}
nodes:
  net1: {rings: [172.16.1.1, 10.0.0], fence: {agent: fence_ipmilan, ip: 10.0.9.1, username: a, password_file: p}}
  net1: {}
  net2:
    rings: [172.16.1.1]
colour: red
vips: {failover: {ip: 172.16.1.1, prefix: 40, nic: eth0}}
gateways: {gw: {nodes: [net1, net9]}}
"""


def said(text: str) -> list[str]:
    with pytest.raises(SpecError) as wrong:
        spec_of(text)
    return [str(problem) for problem in wrong.value.problems]


def test_every_mistake_is_said_at_once_with_its_line() -> None:
    lines = [line[: line.index(": ", line.index(": ") + 2)] for line in said(BROKEN)]
    assert lines == [
        "cluster.yaml:1: cluster.token_ms",
        "cluster.yaml:3: nodes.net1",
        "cluster.yaml:3: nodes.net1.rings[1]",
        "cluster.yaml:5: nodes.net2",
        "cluster.yaml:6: nodes.net2.rings",
        "cluster.yaml:6: nodes.net2.rings[0]",
        "cluster.yaml:7: colour",
        "cluster.yaml:8: vips.failover.ip",
        "cluster.yaml:8: vips.failover.prefix",
        "cluster.yaml:9: gateways",
        "cluster.yaml:9: gateways.gw.nodes[1]",
    ]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("token_ms: 1000", "token_ms: 1000.5"), "not a whole number"),
        (("token_ms: 1000", "token_ms: true"), "not a whole number"),
        (("token_ms: 1000", "token_ms: 5"), "greater than or equal to 300"),
        (("rings: [172.16.1.1, 172.16.2.1]", "rings: []"), "at least 1 item"),
        (("rings: [172.16.1.1, 172.16.2.1]", "rings: 172.16.1.1"), "not a list"),
        (("rings: [172.16.1.1, 172.16.2.1]", "rings: ['fe80::1', 172.16.2.1]"), "a ring has one family"),
        (("username: admin, password_file", "user: admin, password_file"), "unknown key"),
        ((", password_file: bmc", ""), "missing"),
        (("ip: 10.0.9.2,", "ip: 10.0.9.1,"), "already powers net1"),
        (("nodes: [net1, net2]", "nodes: [net1, net1]"), "named twice"),
        (("nodes: [net1, net2]", "strategy: warm, nodes: [net1]"), "'cold'"),
        (("neutron: {cloud: lab, user: root}\n", ""), "need a `neutron` section"),
        (("vips: {failover:", "vips: {gw-clone:"), "choose another one"),
        (("vips: {failover:", "vips: {'fail over':"), "not a name"),
        (("cluster: {name: edge", "fencing: none\ncluster: {name: edge"), "`fencing: none` in the same file"),
        (("cluster: {name: edge", "fencing: off\ncluster: {name: edge"), "should be 'none'"),
        (("  net2: {rings", "  net2: {address: net1, rings"), "each node is another machine"),
        (("password_file: bmc", "password_file: bmc, options: {passwd: x}"), "passwords never enter"),
    ],
)
def test_a_wrong_value_is_said_with_what_to_do(change: tuple[str, str], expected: str) -> None:
    assert any(expected in line for line in said(edge(change=change)))


@pytest.mark.parametrize("text", ["", "x", "- a", "a: [", "\t- x", "cluster: {", "a: !!python/object:os.system x"])
def test_what_is_no_yaml_mapping_is_said_and_not_raised_as_something_else(text: str) -> None:
    assert all(line.startswith("cluster.yaml:1: ") for line in said(text))


def test_an_alias_that_contains_itself_has_an_end() -> None:
    assert any("nested too deeply" in line for line in said("a: &a [*a]"))


@given(st.text(max_size=60))
def test_no_text_at_all_makes_reading_fail_in_another_way(text: str) -> None:
    with pytest.raises(SpecError):
        spec_of(text)


def test_a_good_file_reads_back_as_it_was_written(tmp_path: Path) -> None:
    spec = spec_of(edge())
    again = tmp_path / "again.yaml"
    with again.open("w") as file:
        YAML(typ="safe").dump(spec.model_dump(mode="json", exclude_defaults=True), file)
    assert spec_of(again.read_text()) == spec


def test_the_published_schema_names_every_part() -> None:
    assert {"cluster", "nodes", "vips", "gateways", "resources", "fencing", "drill"} <= set(
        Spec.model_json_schema()["properties"]
    )


def test_a_password_file_that_others_may_read_is_said_beside_mistakes_of_the_file(tmp_path: Path) -> None:
    file, password = tmp_path / "cluster.yaml", tmp_path / "bmc"
    file.write_text(edge(change=("token_ms: 1000", "token_ms: x")))
    password.write_text("secret\n")
    password.chmod(0o644)
    with pytest.raises(SpecError) as wrong:
        spec_file.read(file)
    assert f"chmod 600 {password}" in wrong.value.message
    assert "cluster.token_ms" in wrong.value.message


@pytest.mark.parametrize("content", [None, b"", b"\n", b"two\nlines\n"])
def test_a_password_file_without_one_password_is_said(tmp_path: Path, content: bytes | None) -> None:
    file, password = tmp_path / "cluster.yaml", tmp_path / "bmc"
    file.write_text(edge())
    if content is not None:
        password.write_bytes(content)
        password.chmod(0o600)
    with pytest.raises(SpecError, match="password_file"):
        spec_file.read(file)


def test_passwords_are_read_and_never_shown(tmp_path: Path) -> None:
    file, password = tmp_path / "cluster.yaml", tmp_path / "bmc"
    file.write_text(edge())
    password.write_text("secret\n")
    password.chmod(0o600)
    read = spec_file.read(file)
    assert read.passwords["net1"].value == b"secret"
    assert "secret" not in repr(read)
