"""A cluster is made from one file on real machines: cut, repeated, changed, refused."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab_parts import HOTSPARE, Lab

pytestmark = pytest.mark.lab

NODES = ("net1", "net2", "net3")
APPLY_LIMIT_S = 300


@pytest.fixture(scope="module")
def file(bare_lab: Lab) -> Iterator[Path]:
    """The lab's file without gateways: bare machines have no Neutron."""
    text = (bare_lab.state_dir / "cluster.yaml").read_text()
    path = bare_lab.state_dir / "bare.yaml"
    path.write_text(text[: text.index("neutron:")])
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def made(bare_lab: Lab, file: Path) -> Lab:
    """The lab with the cluster of the file."""
    apply(bare_lab, file)
    return bare_lab


def edited(file: Path, name: str, *changes: tuple[str, str]) -> str:
    """A copy of the file beside it with some text replaced; its path."""
    text = file.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = file.with_name(name)
    path.write_text(text)
    return str(path)


def apply(lab: Lab, file: str | Path, *, expect: int = 0) -> dict[str, object]:
    told: dict[str, object] = json.loads(
        lab.hotspare("apply", "--json", str(file), expect=expect, timeout_s=APPLY_LIMIT_S)
    )
    return told


def actions(told: dict[str, object]) -> list[tuple[str, str]]:
    steps = told["steps"]
    assert isinstance(steps, list)
    return [(step["node"], step["action"]) for step in steps]


def apply_killed(lab: Lab, file: Path, *, after_steps: int) -> None:
    """Begin to apply and kill -9 it when so many steps were told."""
    argv = [HOTSPARE, "lab", "shell", "--name", lab.name, "--", HOTSPARE, "apply", str(file)]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        assert process.stderr is not None
        told = 0
        for line in process.stderr:
            told += bool(re.match(rb" *[0-9.]+ s  ", line))
            if told >= after_steps:
                break
        os.killpg(process.pid, signal.SIGKILL)


def processes(lab: Lab) -> list[str]:
    """Corosync and Pacemaker on every node, by pid."""
    return [lab.ssh(node, "pgrep -x 'corosync|pacemakerd'") for node in NODES]


def test_a_run_killed_at_any_step_is_finished_by_the_next_and_then_nothing_is_left(bare_lab: Lab, file: Path) -> None:
    for after_steps in (1, 9, 20, 27):
        apply_killed(bare_lab, file, after_steps=after_steps)
    told = apply(bare_lab, file)
    assert told["works"] is True
    again = apply(bare_lab, file)
    assert (again["steps"], again["works"], again["missing"]) == ([], True, [])


def test_keys_and_secrets_are_roots_alone_and_in_no_configuration(made: Lab) -> None:
    password = (made.state_dir / "bmc.password").read_text().strip()
    keys = set()
    for node in NODES:
        listing = made.ssh(node, "stat -c '%a %U %n' /etc/corosync/authkey /etc/hotspare /etc/hotspare/fence/*")
        others = [other for other in NODES if other != node]
        assert listing.splitlines() == [
            "400 root /etc/corosync/authkey",
            "700 root /etc/hotspare",
            *(
                f"{mode} root /etc/hotspare/fence/{o}.{kind}"
                for o in others
                for mode, kind in ((600, "password"), (700, "sh"))
            ),
        ]
        keys.add(made.ssh(node, "sha256sum </etc/corosync/authkey"))
        assert password not in made.ssh(node, "cibadmin --query; cat /var/log/pacemaker/pacemaker.log; journalctl -b")
    assert len(keys) == 1


def test_a_changed_token_reloads_and_restarts_nothing(made: Lab, file: Path) -> None:
    before = processes(made)
    told = apply(made, edited(file, "token.yaml", ("cluster: {", "cluster: {token_ms: 1500, ")))
    assert actions(told) == [*((node, "write-file") for node in NODES), ("net1", "reload-corosync")]
    for node in NODES:
        assert "runtime.config.totem.token (u32) = 1500" in made.ssh(node, "corosync-cmapctl")
    assert processes(made) == before
    apply(made, file)


def test_a_changed_address_changes_that_resource_alone(made: Lab, file: Path) -> None:
    told = apply(made, edited(file, "vip.yaml", ("172.16.1.100", "172.16.1.99")))
    (step,) = told["steps"]  # type: ignore[misc]
    assert step["text"] == "change the cluster's configuration: 1 changed"
    assert any("172.16.1.99" in made.ssh(node, "ip -brief address") for node in NODES)
    apply(made, file)


def test_what_was_made_by_hand_stays(made: Lab, file: Path) -> None:
    by_hand = "crm configure primitive by-hand ocf:pacemaker:Dummy op monitor interval=10s"
    made.ssh("net2", by_hand)
    made.ssh("net2", "crm configure property maintenance-mode=false")
    apply(made, edited(file, "vip.yaml", ("172.16.1.100", "172.16.1.99")))
    apply(made, file)
    assert "by-hand" in made.ssh("net1", "crm_resource --list")
    made.ssh("net2", "crm resource stop by-hand; crm_resource --wait; crm configure delete by-hand")


def test_somebody_who_edits_at_the_same_time_loses_nothing(made: Lab, file: Path) -> None:
    """The difference is loaded only onto what it was made from; else it is made anew."""
    edits = "for n in $(seq 1 40); do crm_attribute --type crm_config --name by-hand-$n --update $n; done"
    ssh_config = str(made.layout.ssh_config)
    argv = [HOTSPARE, "lab", "shell", "--name", made.name, "--", "ssh", "-F", ssh_config, "net3", edits]
    with subprocess.Popen(argv) as other:
        told = apply(made, edited(file, "vip.yaml", ("172.16.1.100", "172.16.1.99")))
        assert other.wait(60) == 0
    assert told["works"] is True
    cib = made.ssh("net1", "cibadmin --query")
    assert [n for n in range(1, 41) if f'name="by-hand-{n}"' not in cib] == []
    assert 'value="172.16.1.99"' in cib
    delete = "for n in $(seq 1 40); do crm_attribute --type crm_config --name by-hand-$n --delete; done"
    made.ssh("net3", delete)
    apply(made, file)


def test_what_is_wrong_with_the_world_is_said_at_once_and_nothing_is_changed(made: Lab, file: Path) -> None:
    """An unreachable node, a wrong host key and an address in use by another machine."""
    known = made.layout.known_hosts.read_text()
    key = next(line.split()[2] for line in known.splitlines() if "172.16.1.124" in line or "net3" in line)
    other = next(line.split()[2] for line in known.splitlines() if line.split()[2] != key)
    wrong_hosts = file.with_name("wrong_known_hosts")
    wrong_hosts.write_text(known.replace(key, other))
    config = file.with_name("wrong_ssh_config")
    config.write_text(made.layout.ssh_config.read_text().replace(str(made.layout.known_hosts), str(wrong_hosts)))
    broken = edited(
        file,
        "world.yaml",
        ("config: ssh_config", "config: wrong_ssh_config, connect_timeout_s: 3"),
        ("  net2:\n", "  net2:\n    address: 172.16.1.77\n"),
        ("172.16.1.100", "172.16.1.111"),
        ("cluster: {", "cluster: {token_ms: 2000, "),
    )
    before = made.ssh("net1", "sha256sum /etc/corosync/corosync.conf; cibadmin --query --scope configuration")
    argv = [HOTSPARE, "lab", "shell", "--name", made.name, "--", HOTSPARE, "apply", broken]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    said = done.stderr
    assert "net2: " in said
    assert "not reachable by SSH" in said
    assert "net3: its SSH host key is not the known one" in said
    assert "vips.failover: 172.16.1.111 is in use by" in said
    after = made.ssh("net1", "sha256sum /etc/corosync/corosync.conf; cibadmin --query --scope configuration")
    assert after == before


def test_a_node_is_taken_out_and_put_back(made: Lab, file: Path) -> None:
    text = file.read_text()
    two = file.with_name("two.yaml")
    two.write_text(text[: text.index("  net3:")] + text[text.index("vips:") :])
    made.hotspare("plan", str(two), expect=1)  # it is still a running member
    made.ssh("net3", "systemctl disable --now pacemaker corosync")
    assert apply(made, two)["works"] is True
    assert "net3" not in made.ssh("net1", "cibadmin --query --scope nodes; ls /etc/hotspare/fence")
    assert "2Node Quorate WaitForAll" in made.ssh("net1", "corosync-quorumtool -s")
    assert apply(made, two)["steps"] == []
    assert apply(made, file)["works"] is True
    assert "2Node" not in made.ssh("net1", "corosync-quorumtool -s")


def test_a_wrong_file_exits_2_and_asks_nobody(made: Lab, file: Path) -> None:
    made.hotspare("apply", edited(file, "wrong.yaml", ("cluster: {", "cluster: {token_ms: fast, ")), expect=2)


def test_a_node_that_lost_its_files_gets_them_back(made: Lab, file: Path) -> None:
    made.ssh("net2", "rm -r /etc/hotspare/fence /usr/lib/ocf/resource.d/hotspare; chmod 644 /etc/corosync/authkey")
    told = apply(made, file)
    assert {node for node, _action in actions(told)} == {"net2"}
    modules = "/usr/lib/ocf/lib/hotspare/hotspare_ocf"
    sources, compiled = made.ssh("net2", f"ls {modules}/*.py | wc -l; ls {modules}/__pycache__ | wc -l").split()
    assert sources == compiled  # also those that never ran there
    assert apply(made, file)["steps"] == []


def test_a_resource_that_an_operator_stopped_stays_stopped_and_is_said(made: Lab, file: Path) -> None:
    """Where nothing is under way, verifying ends before its limit and says what is missing."""
    made.ssh("net1", "crm_resource --resource failover --meta --set-parameter target-role --parameter-value Stopped")
    made.ssh("net1", "crm_resource --wait")
    told = apply(made, edited(file, "brief.yaml"), expect=1)
    assert told["steps"] == []
    assert any("an operator has stopped it" in line for line in told["missing"])  # type: ignore[attr-defined]
    made.ssh("net1", "crm_resource --resource failover --meta --delete-parameter target-role")
