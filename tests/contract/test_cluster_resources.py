"""Resources of every class in one file: run, moved, killed, stuck, refused, taken out."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_cluster_apply import apply, edited

from hotspare.codec import crm_mon_xml
from hotspare.model.cluster import ClusterStatus
from lab_parts import HOTSPARE, Lab, eventually

pytestmark = pytest.mark.lab

NODES = ("net1", "net2", "net3")
RESOURCES = """\
resources:
  cache: {agent: "systemd:memcached", on: [net1, net2], clone: true}
  second: {agent: "ocf:heartbeat:IPaddr2", parameters: {ip: 172.16.1.98, cidr_netmask: 24, nic: eth0}, with: failover}
  natlog: {agent: "lsb:natlog", with: failover, monitor_interval_s: 2}
  old: {script: "oldthing::one two", with: natlog, monitor_interval_s: 2, stop_timeout_s: 5}
"""
BESIDE = ("second", "natlog", "old")

# What stands for a daemon, and how many arguments the action follows, is filled in; `lies` is a file that makes a stop
# say that it went well and do nothing.
_SCRIPT = """#!/bin/sh
### BEGIN INIT INFO
# Provides: {name}
# Required-Start:
# Required-Stop:
# Default-Start: 2 3 4 5
# Default-Stop: 0 1 6
### END INIT INFO
for action; do :; done
lies=/run/{name}.lies
case $action in
start) [ -e /run/{name}.pid ] || {{ setsid sleep {daemon} >/dev/null 2>&1 & echo $! > /run/{name}.pid; }} ;;
stop) [ -e $lies ] || {{ kill $(cat /run/{name}.pid); rm /run/{name}.pid; }} 2>/dev/null; exit 0 ;;
status) kill -0 $(cat /run/{name}.pid) 2>/dev/null && echo running $# && exit 0; echo stopped; exit 3 ;;
*) exit 3 ;;
esac
"""
SCRIPTS = {
    "/etc/init.d/natlog": _SCRIPT.format(name="natlog", daemon=4001),
    "/etc/ha.d/resource.d/oldthing": _SCRIPT.format(name="oldthing", daemon=4002),
}


@pytest.fixture(scope="module")
def file(bare_lab: Lab) -> Iterator[Path]:
    text = (bare_lab.state_dir / "cluster.yaml").read_text()
    path = bare_lab.state_dir / "resources.yaml"
    path.write_text(text[: text.index("neutron:")] + RESOURCES)
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def made(bare_lab: Lab, file: Path) -> Lab:
    """The lab with the cluster of the file, its scripts on every node."""
    for node in NODES:
        for path, text in SCRIPTS.items():
            bare_lab.ssh(
                node,
                f"mkdir -p {Path(path).parent}; cat > {path} <<'END'\n{text}END\nchmod 755 {path}; rm -f /run/*.lies",
            )
    assert apply(bare_lab, file)["works"] is True
    return bare_lab


def status(lab: Lab) -> ClusterStatus:
    return crm_mon_xml.read(lab.ssh("net3", " ".join(crm_mon_xml.CRM_MON)))


def carrier(lab: Lab) -> str:
    (node,) = status(lab).running_on("failover")
    return node


def well(lab: Lab) -> bool:
    """Everything is where it belongs, and nothing is under way."""
    now = status(lab)
    beside = {now.running_on(name) for name in ("failover", *BESIDE)}
    return now.settled and len(beside) == 1 and () not in beside and now.running_on("cache") == ("net1", "net2")


def refused(lab: Lab, file: str) -> str:
    """What `plan` says of a file that cannot be applied."""
    argv = [HOTSPARE, "lab", "shell", "--name", lab.name, "--", HOTSPARE, "plan", file]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stderr


def test_resources_of_every_class_run_where_the_file_wants_them_and_applying_again_changes_nothing(
    made: Lab, file: Path
) -> None:
    assert well(made)
    node = carrier(made)
    assert "172.16.1.98/24" in made.ssh(node, "ip -brief address show dev eth0")
    assert len(made.ssh(node, "pgrep -fx 'sleep 400[12]'").split()) == 2
    assert "running 3" in made.ssh(node, "/etc/ha.d/resource.d/oldthing one two status")
    for name in ("net1", "net2"):
        made.ssh(name, "systemctl is-active memcached")
    made.ssh("net3", "systemctl is-active memcached", expect=3)
    again = apply(made, file)
    assert (again["steps"], again["works"]) == ([], True)
    said = made.hotspare("status", "-f", str(file))
    assert f"natlog on {node}" in said
    assert "cache on net1 and net2" in said


def test_a_standby_moves_them_together(made: Lab) -> None:
    first = carrier(made)
    made.ssh("net3", f"crm node standby {first}")
    try:
        eventually(
            lambda: (
                len({status(made).running_on(name) for name in ("failover", *BESIDE)} - {(), (first,)}) == 1
                and not any(status(made).running_on(name) in {(), (first,)} for name in BESIDE)
            ),
            within_s=90,
            what=f"all of them on one node that is not {first}",
        )
        assert not made.ssh(first, "pgrep -fx 'sleep 400[12]' || true").strip()
    finally:
        made.ssh("net3", f"crm node online {first}")
    eventually(lambda: well(made), within_s=60, what="the clone is on both its nodes again")


def test_what_is_killed_comes_back_and_its_company_stays(made: Lab) -> None:
    node = carrier(made)
    company = made.ssh(node, "pgrep -fx 'sleep 4001'")
    made.ssh(node, "pkill -9 -fx 'sleep 4002'; ip address delete 172.16.1.98/24 dev eth0")
    made.ssh("net2", "pkill -9 -x memcached")
    failed = {"old", "second", "cache"}
    eventually(
        lambda: {count.resource for count in status(made).fail_counts} == failed,
        within_s=60,
        what=f"{failed} were missed",
    )
    eventually(lambda: well(made), within_s=60, what="all run again")
    assert carrier(made) == node
    assert made.ssh(node, "pgrep -fx 'sleep 4001'") == company
    made.ssh(node, "pkill -9 -fx 'sleep 4001'")
    eventually(
        lambda: made.ssh(node, "pgrep -fx 'sleep 4001' || true").strip() != "" and well(made),
        within_s=60,
        what="natlog runs again, and what stays with it",
    )
    assert carrier(made) == node
    made.ssh("net3", "crm_resource --cleanup")


def test_a_stop_that_fails_blocks_the_resource_is_said_and_fences_nobody(made: Lab, file: Path) -> None:
    node = carrier(made)
    made.ssh(node, "touch /run/oldthing.lies")
    without_old = edited(file, "without.yaml", (RESOURCES[RESOURCES.index("  old:") :], ""))
    made.ssh("net3", "crm resource stop old")
    eventually(
        lambda: any(one.id == "old" and one.blocked for one in status(made).resources),
        within_s=30,
        what="old is blocked",
    )
    told = made.hotspare("status", "--json", "-f", str(file), expect=1)
    assert "its status says: running" in told
    assert "old on " + node + " is blocked" in told
    said = made.lab("shell", "--", "sh", "-c", f"{HOTSPARE} apply {without_old} 2>&1", expect=1, timeout_s=60)
    assert f"old does not stop on {node}: /etc/ha.d/resource.d/oldthing one two stop: exit 0" in said
    assert "nothing was taken out" in said
    assert (status(made).unclean, status(made).fencings) == ((), ())
    assert carrier(made) == node
    made.ssh(node, "rm /run/oldthing.lies; /etc/ha.d/resource.d/oldthing stop")
    made.ssh("net3", "crm_resource --cleanup --resource old; crm_resource --wait --timeout 60s", timeout_s=70)
    assert apply(made, without_old)["works"] is True
    assert apply(made, file)["works"] is True


def test_what_a_node_cannot_run_is_said_at_once_and_before_anything_is_changed(made: Lab, file: Path) -> None:
    """Units, scripts and agents that are not there, and what systemd would start at boot beside the cluster."""
    broken = edited(
        file,
        "refused.yaml",
        ("heartbeat:IPaddr2", "heartbeat:IPaddr9"),
        ("oldthing::", "nosuchd::"),
        (RESOURCES.splitlines()[1], f"{RESOURCES.splitlines()[1]}\n  no-unit: {{agent: systemd:nosuchd}}"),
        ("no-unit:", "no-script: {agent: lsb:nosuchd}\n  shell: {agent: systemd:ssh}\n  no-unit:"),
    )
    before = made.ssh("net1", "cibadmin --query --scope configuration")
    made.ssh("net1", "systemctl enable memcached 2>&1; update-rc.d natlog defaults 2>&1; systemctl daemon-reload")
    try:
        said = refused(made, broken)
    finally:
        made.ssh("net1", "systemctl disable memcached 2>&1; update-rc.d -f natlog remove 2>&1; systemctl daemon-reload")
    for line in (
        "net1: /usr/lib/ocf/resource.d/heartbeat/IPaddr9: not there; apt-get install resource-agents",
        "net2: /etc/ha.d/resource.d/nosuchd: not there; put the script of old there",
        "net3: /etc/init.d/nosuchd: not there; put the script of no-script there",
        "net3: nosuchd.service: systemd does not know it",
        "net2: ssh.service: systemd runs it, and the cluster would run it too, as shell",
        "net1: memcached.service: systemd runs it",
        "net1: natlog.service: systemd runs it",
    ):
        assert line in said
    assert "net2: memcached" not in said
    assert made.ssh("net1", "cibadmin --query --scope configuration") == before


def test_a_clone_becomes_one_resource(made: Lab, file: Path) -> None:
    assert apply(made, edited(file, "single.yaml", ("net2], clone: true", "net2]")))["works"] is True
    assert len(status(made).running_on("cache")) == 1


def test_resources_that_are_taken_out_of_the_file_are_gone(made: Lab, file: Path) -> None:
    """Also one whose history was cleaned up: Pacemaker alone stops it without parameters, and its address stays."""
    made.ssh("net3", "crm_resource --refresh --resource second; crm_resource --wait --timeout 60s", timeout_s=70)
    told = apply(made, edited(file, "none.yaml", (RESOURCES, "")))
    assert told["works"] is True
    assert status(made).running_on("natlog") == ()
    cib = made.ssh("net3", "cibadmin --query --scope configuration")
    assert [name for name in ("cache", *BESIDE) if f'id="{name}' in cib] == []
    for node in NODES:
        left = made.ssh(
            node,
            "pgrep -fx 'sleep 400[12]'; pgrep -x memcached; ip -brief address | grep -F 172.16.1.98; "
            "ls /run/hotspare; true",
        )
        assert left == ""
