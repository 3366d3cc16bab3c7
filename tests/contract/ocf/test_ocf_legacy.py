"""`ocf:hotspare:legacy` with scripts as they were written for heartbeat: good ones, liars, and those that hang."""

import signal

import pytest

from ocf_node import OcfNode, Said

pytestmark = pytest.mark.lab

LEGACY = "hotspare/legacy"

# Starts a daemon, knows it by its pid file, and says the words of heartbeat's own scripts. What a test wants otherwise
# stands before it.
_SCRIPT = """#!/bin/sh
state=/run/natlog.pid
action=$1
{before}
case $action in
start) [ -e $state ] || {{ sleep 3001 & echo $! > $state; }} ;;
stop) [ ! -e $state ] || {{ kill $(cat $state); rm $state; }} ;;
status) if [ -e $state ] && kill -0 $(cat $state); then echo 'INFO:  Running OK'; else echo 'INFO:  stopped'; fi ;;
esac
"""


def put(node: OcfNode, before: str = "", *, text: str = "") -> None:
    """The script is in heartbeat's directory, and nothing of an earlier one is left."""
    path = "/etc/ha.d/resource.d/natlog"
    node.run("mkdir", "-p", "/etc/ha.d/resource.d", "/run/hotspare")
    node.run("rm", "-rf", path, "/run/natlog.pid", "/run/hotspare/natlog.legacy")
    node.run("tee", path, stdin=text or _SCRIPT.format(before=before))
    node.run("chmod", "755", path)


def legacy(node: OcfNode, action: str, *, timeout_s: int = 4, **parameters: str | bool) -> Said:
    return node.ocf(LEGACY, action, timeout_s=timeout_s, **{"instance": "natlog", "script": "natlog", **parameters})


def logged(node: OcfNode) -> list[str]:
    """What the agent has told syslog since `listening`, message by message (they come with a priority and without an
    end)."""
    return node.run("cat", "/run/syslog").split("<30>")[1:]


def listening(node: OcfNode) -> None:
    """What is sent to syslog ends up in a file: there is no journald in this node."""
    node.shell(
        "rm -rf /dev/log /run/syslog; mkdir -p /run/systemd/journal\n"
        "setsid socat -u UNIX-RECV:/dev/log,mode=666 OPEN:/run/syslog,creat,append >/dev/null 2>&1 &\n"
        "until [ -S /dev/log ]; do :; done"
    )


def test_a_good_script_starts_is_seen_and_stops_and_its_daemon_outlives_the_action(node: OcfNode) -> None:
    put(node)
    assert legacy(node, "monitor", probe=True).code == 7
    started = legacy(node, "start")
    assert (started.code, started.err) == (0, "")
    assert started.took_s < 2, "the daemon keeps the script's output open, and nobody waits for that"
    assert node.processes("sleep 3001")
    assert legacy(node, "start").code == 0
    assert len(node.processes("sleep 3001")) == 1
    assert legacy(node, "monitor").code == 0
    assert legacy(node, "stop").code == 0
    assert not node.processes("sleep 3001")
    assert legacy(node, "stop").code == 0
    assert legacy(node, "monitor").code == 7
    assert node.run("ls", "/run/hotspare") == ""


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("trap 'exit 3' EXIT; [ $action = status ] || trap - EXIT", {}),
        ("[ $action != stop ] || trap 'exit 1' EXIT", {}),
        ("[ $action != start ] || trap 'exit 1' EXIT", {"start": "start: exit 1"}),
        ("[ $action != start ] || exit 0", {"start": "exit 0, but its status says neither running nor OK"}),
        ("[ $action != stop ] || exit 0", {"stop": "exit 0, but its status says: INFO:  Running OK"}),
        ("[ $action != status ] || { echo usage: start or stop; exit 1; }", {"start": "usage: start or stop"}),
        ("[ $action != status ] || [ ! -e $state ] || { echo a is running; echo b is stopped; }", {
            "start": "cannot tell", "monitor": "cannot tell", "stop": "",
        }),
    ],
    ids=["status exits 3", "stop exits 1", "start exits 1", "start does nothing", "stop does nothing",
         "knows no status", "half of it runs"],
)  # fmt: skip
def test_a_script_is_believed_what_its_status_says_and_not_how_it_exits(
    node: OcfNode, before: str, expected: dict[str, str]
) -> None:
    put(node, before)
    for action in ("start", "monitor", "stop"):
        said = legacy(node, action)
        if expected.get(action):
            assert (said.code, expected[action] in said.reason) == (1, True), said
        elif not (action == "monitor" and "start" in expected):
            assert (said.code, said.reason) == (0, "")


@pytest.mark.parametrize("hangs", ["start", "status", "stop"])
def test_a_script_that_hangs_is_ended_with_all_it_started_before_the_time_is_over(node: OcfNode, hangs: str) -> None:
    put(node, f"[ $action != {hangs} ] || {{ trap '' TERM; setsid sleep 3002 & sleep 3003 & while :; do wait; done; }}")
    said = legacy(node, "monitor" if hangs == "status" else hangs)
    assert said.code == 1
    assert f"natlog {hangs} did not end in 3.6 s and was killed" in said.reason
    assert said.took_s < 4
    assert not node.processes("sleep 300")
    assert not node.processes("natlog")


def test_a_script_that_is_killed_by_a_signal_has_told_nothing(node: OcfNode) -> None:
    put(node, "echo about to fail; kill -SEGV $$")
    for action in ("start", "monitor", "stop"):
        said = legacy(node, action)
        assert (said.code, "killed by signal 11; it last said: about to fail" in said.reason) == (1, True)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("rm /etc/ha.d/resource.d/natlog", "there is no script /etc/ha.d/resource.d/natlog nor /etc/init.d/natlog"),
        ("chmod 644 /etc/ha.d/resource.d/natlog", "chmod 755 /etc/ha.d/resource.d/natlog"),
    ],
)
def test_a_node_without_the_script_has_nothing_to_stop_unless_it_was_started_there(
    node: OcfNode, broken: str, said: str
) -> None:
    put(node)
    node.shell(broken)
    probed = legacy(node, "monitor", probe=True)
    assert (probed.code, probed.err) == (7, "")
    started = legacy(node, "start")
    assert (started.code, said in started.reason) == (5, True)
    assert legacy(node, "monitor").code == 5
    assert legacy(node, "stop").code == 0

    put(node)
    assert legacy(node, "start").code == 0
    node.shell(broken)
    for action in ("monitor", "stop"):
        refused = legacy(node, action)
        assert (refused.code, said in refused.reason) == (5, True)
    assert legacy(node, "monitor", probe=True).code == 5
    assert node.processes("sleep 3001")


def test_a_resource_that_was_deleted_is_stopped_though_nobody_tells_its_parameters(node: OcfNode) -> None:
    put(node, "action=$2; [ \"$1\" = 'two words' ] || exit 9")
    assert legacy(node, "start", arguments="'two words'").code == 0
    assert legacy(node, "stop", script="").code == 0
    assert not node.processes("sleep 3001")
    assert legacy(node, "stop", script="").code == 0
    refused = legacy(node, "start", script="")
    assert (refused.code, refused.reason) == (6, "parameter script is required")


def test_what_was_found_active_is_not_taken_for_stopped_once_its_script_is_gone(node: OcfNode) -> None:
    put(node)
    node.shell("/etc/ha.d/resource.d/natlog start >/dev/null 2>&1")
    assert legacy(node, "monitor", probe=True).code == 0
    node.run("rm", "/etc/ha.d/resource.d/natlog")
    assert legacy(node, "stop").code == 5


@pytest.mark.parametrize(
    ("first", "said"),
    [("", "it has no first line #!/bin/sh"), ("#!/no/such/shell\n", "the interpreter of its first line is not there")],
)
def test_a_script_that_the_kernel_cannot_run_is_said_to_be_so(node: OcfNode, first: str, said: str) -> None:
    put(node, text=first + "echo running\n")
    started = legacy(node, "start")
    assert (started.code, said in started.reason) == (5, True)
    assert legacy(node, "monitor").code == 5


def test_arguments_come_before_the_action_and_keep_their_blanks(node: OcfNode) -> None:
    put(node, 'echo "$#: $*" >> /run/natlog.calls; for action; do :; done')
    node.run("rm", "-f", "/run/natlog.calls")
    assert legacy(node, "start", script="natlog::10.0.0.1/24/eth0", arguments="'two words' \\$HOME").code == 0
    assert legacy(node, "stop", script="/etc/ha.d/resource.d/natlog", arguments="").code == 0
    calls = node.run("cat", "/run/natlog.calls").splitlines()
    assert calls[:2] == ["4: 10.0.0.1/24/eth0 two words $HOME status", "4: 10.0.0.1/24/eth0 two words $HOME start"]
    assert calls[-2:] == ["1: stop", "1: status"]


def test_much_output_blocks_nothing_and_reaches_the_journal_only_so_far(node: OcfNode) -> None:
    put(node, "seq 1 200000; seq 1 200000 >&2")
    listening(node)
    started = legacy(node, "start", timeout_s=20)
    assert (started.code, "neither running nor OK in them" in started.reason) == (1, True)
    put(node, "[ $action = status ] || { seq 1 200000; printf %100000s end; }")
    assert legacy(node, "start", timeout_s=20).code == 0
    node.wait(lambda: "start.finished" in node.run("cat", "/run/syslog"), within_s=5, until="all of it is there")
    lines = [line for line in logged(node) if "event=script.said " in line]
    assert len(lines) == 100
    assert lines[0].endswith("event=script.said resource=natlog action=start line=1")
    assert any(
        "event=script.said_more resource=natlog action=start lines_dropped=199901" in line for line in logged(node)
    )
    assert max(map(len, logged(node))) < 1000


def test_what_a_hanging_start_said_is_in_the_journal_and_its_last_words_in_the_reason(node: OcfNode) -> None:
    put(node, "[ $action != start ] || { echo loading; echo waiting for 10.0.0.9 >&2; sleep 3002; }")
    listening(node)
    started = legacy(node, "start", timeout_s=2)
    assert (started.code, started.reason.endswith("it last said: waiting for 10.0.0.9")) == (1, True)
    node.wait(lambda: "start.failed" in node.run("cat", "/run/syslog"), within_s=5, until="all of it is there")
    said = [line.partition(" line=")[2] for line in logged(node) if "event=script.said" in line]
    assert sorted(said) == ['"waiting for 10.0.0.9"', "loading"]


def test_a_script_finds_the_surroundings_that_scripts_expect(node: OcfNode) -> None:
    """No word of the cluster in its environment, nothing to read, the root directory, no signal that Python ignores."""
    put(node, "[ $action != start ] || { env | sort; pwd; umask; cat; grep SigIgn /proc/$$/status; } > /run/natlog.env")
    assert legacy(node, "start").code == 0
    *surroundings, ignored = node.run("cat", "/run/natlog.env").splitlines()
    assert surroundings == [
        "HOME=/",
        "LC_ALL=C",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PWD=/",
        "/",
        "0022",
    ]
    ignored_mask = int(ignored.split()[1], 16)
    assert [number for number in (signal.SIGPIPE, signal.SIGXFSZ) if ignored_mask & 1 << (number - 1)] == []


def test_a_daemon_that_takes_its_time_is_waited_for(node: OcfNode) -> None:
    put(
        node,
        "case $action in\n"
        "start) (sleep 0.7; sleep 3001 & echo $! > $state) & exit 0 ;;\n"
        "stop) (sleep 0.7; kill $(cat $state); rm $state) & exit 0 ;;\n"
        "esac",
    )
    assert legacy(node, "start").code == 0
    assert legacy(node, "stop").code == 0
    assert not node.processes("sleep 3001")


def test_ocf_tester_passes_with_a_script(node: OcfNode) -> None:
    put(node)
    said = node.run(
        "ocf-tester", "-n", "natlog", "-o", "script=natlog", "/usr/lib/ocf/resource.d/hotspare/legacy", timeout_s=120
    )
    assert "passed all tests" in said
