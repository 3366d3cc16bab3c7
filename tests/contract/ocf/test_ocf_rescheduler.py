"""`ocf:hotspare:rescheduler` around a stand-in for the daemon, which does what a test wants of it."""

import json
import signal

import pytest

from ocf_node import OcfNode, Said

pytestmark = pytest.mark.lab

RESCHEDULER = "hotspare/rescheduler"
PYTHON = "/usr/lib/ocf/lib/hotspare/python"
PACKAGE = f"{PYTHON}/hotspare"
MODULE = "hotspare.faces.rescheduler"

# Tells its state as the contract has it; files in /run/want change that.
_DAEMON = """
import json, os, signal, socket, subprocess, sys, time
settings = json.load(open(sys.argv[1]))
want = lambda word: os.path.exists("/run/want/" + word)
print("settings", sys.argv[1], os.environ["PYTHONPATH"], os.getsid(0) == os.getpid(), flush=True)
if want("death"):
    sys.exit("cannot reach the stars")
if want("deafness"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if want("a-child"):
    subprocess.Popen(["sleep", "3001"])
if want("silence"):
    time.sleep(3000)
if os.path.exists(settings["socket"]):
    os.unlink(settings["socket"])
server = socket.socket(socket.AF_UNIX)
server.bind(settings["socket"])
server.listen()
while True:
    line, _ = server.accept()
    asked = json.loads(line.makefile().readline())
    trouble = open("/run/want/trouble").read().strip() if want("trouble") else ""
    if want("rubbish"):
        line.sendall(b"rubbish\\n")
    elif want("half-an-answer"):
        line.sendall(b'{"at": ')
        time.sleep(3000)
    elif not want("hanging-up") and asked == {"ask": "state"}:
        line.sendall(json.dumps({"at": time.time(), "doing": "", "trouble": trouble, "end": True}).encode() + b"\\n")
    line.close()
"""


@pytest.fixture
def prepared(node: OcfNode) -> OcfNode:
    node.shell(
        f"rm -rf /run/want /var/lib/hotspare /var/log/hotspare; mkdir -p {PACKAGE}/faces /etc/hotspare /run/want\n"
        f"touch {PACKAGE}/__init__.py {PACKAGE}/faces/__init__.py /etc/hotspare/clouds.yaml\n"
        "printf '#!/usr/bin/python3\\n' > /usr/local/bin/neutron-l3-agent; chmod 755 /usr/local/bin/neutron-l3-agent"
    )
    node.run("tee", f"{PACKAGE}/faces/rescheduler.py", stdin=_DAEMON)
    return node


def rescheduler(node: OcfNode, action: str, *, level: int = 0, **parameters: str) -> Said:
    name = node.run("uname", "-n").strip()
    known = {"pool": "edge", "cloud": "lab", "hosts": f"{name}=one net9=nine", "instance": "mover", "timeout_s": 20}
    return node.ocf(RESCHEDULER, action, level=level, **{**known, **parameters})


def want(node: OcfNode, *words: str) -> None:
    node.run("touch", *(f"/run/want/{word}" for word in words))


def daemons(node: OcfNode) -> list[str]:
    return node.processes(MODULE)


def test_the_daemon_runs_by_itself_with_its_settings_and_nothing_is_left_of_it(prepared: OcfNode) -> None:
    node = prepared
    assert rescheduler(node, "monitor", probe=True).code == 7
    started = rescheduler(node, "start", weights="router=2", dhcp_agents_per_network="3")
    assert (started.code, started.err) == (0, "")
    assert daemons(node) == [f"/usr/bin/python3 -m {MODULE} /run/hotspare/mover.json"]
    name = node.run("uname", "-n").strip()
    settings = json.loads(node.run("cat", "/run/hotspare/mover.json"))
    assert settings.pop("installed")
    assert settings == {
        "resource": "mover",
        "pool": "edge",
        "node": name,
        "cloud": "lab",
        "clouds_file": "/etc/hotspare/clouds.yaml",
        "hosts": {name: "one", "net9": "nine"},
        "dhcp_agents_per_network": 3,
        "weights": {"router": 2.0},
        "state_dir": "/var/lib/hotspare/edge",
        "socket": "/run/hotspare/mover.sock",
        "homeward": False,
        "unfenced": False,
    }
    assert node.run("cat", "/var/log/hotspare/mover.log") == (
        "settings /run/hotspare/mover.json /usr/lib/ocf/lib/hotspare/python True\n"
    )
    assert node.run("stat", "-c", "%a", "/var/lib/hotspare/edge").strip() == "700"
    assert rescheduler(node, "start").code == 0
    assert len(daemons(node)) == 1
    assert (rescheduler(node, "monitor").code, rescheduler(node, "monitor", level=10).code) == (0, 0)
    assert rescheduler(node, "stop").code == 0
    assert daemons(node) == []
    assert node.run("ls", "/run/hotspare") == ""
    assert rescheduler(node, "stop").code == 0
    assert rescheduler(node, "monitor").code == 7


def test_a_node_is_called_what_the_cluster_calls_it(prepared: OcfNode) -> None:
    node = prepared
    name = {"CRM_meta_on_node": "net9"}
    assert rescheduler(node, "start", **name).code == 0
    assert json.loads(node.run("cat", "/run/hotspare/mover.json"))["node"] == "net9"
    assert rescheduler(node, "stop", **name).code == 0


@pytest.mark.parametrize("trouble", ["is deaf to TERM", "is stopped by a signal", "was killed", "lost its pid file"])
def test_a_daemon_in_any_state_is_ended_with_what_it_started(prepared: OcfNode, trouble: str) -> None:
    node = prepared
    want(node, "a-child", *(["deafness"] if "deaf" in trouble else []))
    assert rescheduler(node, "start").code == 0
    pid = node.run("head", "-1", "/run/hotspare/mover.pid").strip()
    if "signal" in trouble or "killed" in trouble:
        node.run("kill", f"-{signal.SIGSTOP if 'signal' in trouble else signal.SIGKILL}", pid)
    if "pid file" in trouble:
        node.run("rm", "/run/hotspare/mover.pid")
        assert rescheduler(node, "monitor").code == 0
    stopped = rescheduler(node, "stop")
    assert stopped.code == 0
    assert stopped.took_s < 8
    assert daemons(node) == []
    assert not [line for line in node.processes("sleep 3001") if "killed" not in trouble]
    assert node.run("ls", "/run/hotspare") == ""


@pytest.mark.parametrize("after_ms", [5, 20, 40, 80, 200, 500])
def test_a_start_that_is_killed_is_cleaned_by_the_next_stop(prepared: OcfNode, after_ms: int) -> None:
    node = prepared
    node.shell(
        "export OCF_RESOURCE_INSTANCE=mover\n"
        "export OCF_RESKEY_pool=edge OCF_RESKEY_cloud=lab OCF_RESKEY_hosts=$(uname -n)=one\n"
        f"timeout -s KILL {after_ms / 1000} /usr/lib/ocf/resource.d/{RESCHEDULER} start 2>/dev/null || :"
    )
    assert rescheduler(node, "stop").code == 0
    assert daemons(node) == []
    assert rescheduler(node, "monitor", probe=True).code == 7
    assert rescheduler(node, "start").code == 0
    assert len(daemons(node)) == 1


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("rubbish", "its answer cannot be read"),
        ("half-an-answer", "no answer in 1 s"),
        ("hanging-up", "it hung up without an answer"),
    ],
)
def test_a_daemon_that_does_not_tell_its_state_has_failed(prepared: OcfNode, wanted: str, expected: str) -> None:
    node = prepared
    assert rescheduler(node, "start").code == 0
    want(node, wanted)
    said = rescheduler(node, "monitor", level=10, answer_max="1")
    assert (said.code, expected in said.reason or "timed out" in said.reason) == (1, True), said.reason
    assert said.took_s < 3
    assert rescheduler(node, "monitor").code == 0, "it lives; only the deeper look finds it"
    assert rescheduler(node, "stop").code == 0


def test_a_daemon_that_is_stopped_by_a_signal_has_failed(prepared: OcfNode) -> None:
    node = prepared
    assert rescheduler(node, "start").code == 0
    pid = node.run("head", "-1", "/run/hotspare/mover.pid").strip()
    node.run("kill", f"-{signal.SIGSTOP}", pid)
    said = rescheduler(node, "monitor")
    assert (said.code, said.reason) == (1, f"the rescheduler (pid {pid}) is stopped by a signal")


def test_its_trouble_is_told_and_is_no_failure(prepared: OcfNode) -> None:
    node = prepared
    assert rescheduler(node, "start").code == 0
    node.run("tee", "/run/want/trouble", stdin="Neutron (lab) gave no answer in 10 s")
    assert rescheduler(node, "monitor").code == 0
    said = rescheduler(node, "monitor", level=10)
    assert (said.code, said.reason) == (190, "Neutron (lab) gave no answer in 10 s")


def test_a_start_that_cannot_end_well_says_what_the_daemon_said_last(prepared: OcfNode) -> None:
    node = prepared
    want(node, "death")
    said = rescheduler(node, "start")
    assert said.code == 1
    assert said.reason.endswith("/var/log/hotspare/mover.log ends: cannot reach the stars")
    node.run("rm", "/run/want/death")
    want(node, "silence")
    said = rescheduler(node, "start", timeout_s=3)
    assert (said.code, "does not answer on /run/hotspare/mover.sock" in said.reason) == (1, True)
    assert said.took_s < 3
    assert rescheduler(node, "stop").code == 0


def test_a_reload_changes_nothing_that_runs(prepared: OcfNode) -> None:
    node = prepared
    assert rescheduler(node, "reload-agent").code == 7
    assert rescheduler(node, "start").code == 0
    pid = node.run("cat", "/run/hotspare/mover.pid")
    assert rescheduler(node, "reload-agent", answer_max="9").code == 0
    assert node.run("cat", "/run/hotspare/mover.pid") == pid


def test_a_daemon_of_before_an_upgrade_is_launched_anew(prepared: OcfNode) -> None:
    node = prepared
    assert rescheduler(node, "start").code == 0
    pid = node.run("cat", "/run/hotspare/mover.pid")
    assert rescheduler(node, "monitor", level=10).code == 0
    assert node.run("cat", "/run/hotspare/mover.pid") == pid
    node.shell(f"cp {PACKAGE}/__init__.py {PACKAGE}/new; mv {PACKAGE}/new {PACKAGE}/__init__.py")
    assert rescheduler(node, "monitor").code == 0
    assert node.run("cat", "/run/hotspare/mover.pid") == pid
    assert rescheduler(node, "monitor", level=10).code == 0
    assert node.run("cat", "/run/hotspare/mover.pid") != pid
    assert len(daemons(node)) == 1
    assert rescheduler(node, "monitor", level=10).code == 0


@pytest.mark.parametrize(
    ("first_line", "expected"),
    [
        ("#!/usr/bin/python3 -I", 0),
        ("#!/usr/bin/env python3", 0),
        ("#!/bin/sh", 5),
        ("#!/usr/bin/env no-such-python", 5),
        ("#!/opt/python3", 5),
        ("", 5),
    ],
)
def test_its_interpreter_is_the_l3_agents_through_links(prepared: OcfNode, first_line: str, expected: int) -> None:
    node = prepared
    node.shell(
        f"printf '%s\\n' '{first_line}' > /opt/agent; chmod 755 /opt/agent\n"
        "ln -sf /opt/agent /usr/local/bin/neutron-l3-agent"
    )
    said = rescheduler(node, "validate-all")
    assert (said.code, "name one by the parameter python" in said.reason) == (expected, expected == 5)
    assert rescheduler(node, "validate-all", python="/usr/bin/python3").code == 0
    node.run("rm", "/usr/local/bin/neutron-l3-agent")


_WRONG = [
    ({"pool": "two words"}, 6, "parameter pool may have"),
    ({"pool": ""}, 6, "parameter pool is required"),
    ({"cloud": ""}, 6, "parameter cloud is required"),
    ({"hosts": ""}, 6, "parameter hosts is required"),
    ({"hosts": "net1"}, 6, "parameter hosts has to be NAME=VALUE"),
    ({"hosts": "net1=a net1=b"}, 6, "parameter hosts has to be NAME=VALUE"),
    ({"hosts": "net9=nine"}, 5, "parameter hosts does not name this node"),
    ({"weights": "router"}, 6, "parameter weights has to be NAME=VALUE"),
    ({"weights": "memory=1"}, 6, "parameter weights gives numbers to router, gateway, interface, floating_ip only"),
    ({"weights": "router=-1"}, 6, "parameter weights gives numbers"),
    ({"weights": "router=nan"}, 6, "parameter weights gives numbers"),
    ({"dhcp_agents_per_network": "0"}, 6, "parameter dhcp_agents_per_network is not a whole number from 1"),
    ({"clouds_file": "clouds.yaml"}, 6, "parameter clouds_file is not an absolute path"),
    ({"clouds_file": "/absent.yaml"}, 5, "parameter clouds_file: there is no file /absent.yaml"),
    ({"python": "/absent"}, 5, "parameter python: /absent cannot be executed"),
    ({"python": "/etc/passwd"}, 5, "parameter python: /etc/passwd cannot be executed"),
    ({"state_dir": "/etc/passwd"}, 2, "parameter state_dir: /etc/passwd is there already and is no directory"),
    ({"socket": "/etc/passwd"}, 2, "parameter socket: /etc/passwd is there already and is no socket"),
    ({"socket": "/run/" + "x" * 110}, 6, "parameter socket has more than 107 bytes"),
    ({"pid": "/etc/passwd"}, 2, "parameter pid: /etc/passwd is there already and is no pid file"),
    ({"log_file": "/var/log"}, 2, "parameter log_file: /var/log is there already and is a directory"),
    ({"log_file": "/proc/no/agent.log"}, 5, "parameter log_file: /proc/no/agent.log"),
    ({"answer_max": "soon"}, 6, "parameter answer_max is not a whole number"),
]


@pytest.mark.parametrize(("wrong", "code", "words"), _WRONG, ids=[" ".join(map(str, row[0].items())) for row in _WRONG])
def test_wrong_input_is_named_in_one_sentence_and_harms_neither_probe_nor_stop(
    prepared: OcfNode, wrong: dict[str, str], code: int, words: str
) -> None:
    node = prepared
    started = rescheduler(node, "start", **wrong)
    assert (started.code, words in started.reason) == (code, True), started.reason
    assert "\n" not in started.reason
    probed = rescheduler(node, "monitor", probe=True, **wrong)
    assert (probed.code, probed.err) == (7, ""), "a probe on a passive node is quiet"
    assert rescheduler(node, "stop", **wrong).code == 0
    assert daemons(node) == []
    assert node.run("head", "-1", "/etc/passwd").startswith("root:")


def test_what_is_missing_is_named_all_at_once(prepared: OcfNode) -> None:
    node = prepared
    node.run("mv", PYTHON, f"{PYTHON}.away")
    said = rescheduler(node, "start", clouds_file="/absent.yaml", python="/absent", hosts="net9=nine")
    node.run("mv", f"{PYTHON}.away", PYTHON)
    named = ("parameter hosts", "/absent.yaml", "parameter python: /absent", f"there is no {PYTHON}")
    assert [word for word in named if word not in said.reason] == []


def test_ocf_tester_passes(prepared: OcfNode) -> None:
    node = prepared
    options = ["pool=edge", "cloud=lab", f"hosts={node.run('uname', '-n').strip()}=one"]
    words = [word for option in options for word in ("-o", option)]
    said = node.run("ocf-tester", "-n", "mover", *words, f"/usr/lib/ocf/resource.d/{RESCHEDULER}", timeout_s=180)
    assert "passed all tests" in said
