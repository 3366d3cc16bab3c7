"""What a heartbeat script's status means, and which command its parameters make."""

import pytest
from hotspare_ocf import codes, environment, legacy, runtime
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("printed", "runs"),
    [
        ("running", True),
        ("INFO:  Running OK\n", True),
        ("OK", True),
        ("[ OK ]", True),
        ("natlog (pid 12 13) is RUNNING...", True),
        ("Checking daemon...\nnote: it has been running since May\n", True),
        ("", False),
        ("stopped", False),
        ("INFO:  Resource is stopped", False),
        ("natlog is not running", False),
        ("NOT  Running", False),
        ("nothing is running here", False),
        ("Checking natlog: OK\nnatlog is stopped\n", False),
        ("not OK, it is stopped", False),
        ("down", False),
        ("ok", False),
        ("BROKEN", False),
        ("worker 1 is running\nworker 2 is stopped", None),
        ("worker 1 is not running\nworker 2 is running", None),
    ],
)
def test_the_words_of_a_status_decide(printed, runs):
    assert legacy.says_running(printed) is runs


@given(st.text())
def test_no_text_makes_a_status_raise(printed):
    assert legacy.says_running(printed) in {True, False, None}


@pytest.fixture
def directories(tmp_path, monkeypatch):
    """Two directories that stand for heartbeat's and init's."""
    names = ("resource.d", "init.d")
    for name in names:
        (tmp_path / name).mkdir()
    monkeypatch.setattr(legacy, "DIRECTORIES", tuple(str(tmp_path / name) for name in names))
    return tmp_path


def command(script, arguments=""):
    environ = {"OCF_RESKEY_script": script, "OCF_RESKEY_arguments": arguments}
    return legacy._command(environment.read(legacy.AGENT, "start", environ))


def put(path, mode=0o755):
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)


def test_heartbeats_own_script_goes_before_an_init_script_of_the_same_name(directories):
    put(directories / "init.d/natlog")
    assert command("natlog") == [f"{directories}/init.d/natlog"]
    put(directories / "resource.d/natlog")
    assert command("natlog") == [f"{directories}/resource.d/natlog"]


@pytest.mark.parametrize(
    ("script", "arguments", "expected"),
    [
        ("IPaddr::172.16.1.100/24/eth0", "", ["172.16.1.100/24/eth0"]),
        ("IPaddr::a::b", "c", ["a", "b", "c"]),
        ("IPaddr", "--name 'two words' x\\ y", ["--name", "two words", "x y"]),
        ("IPaddr", "$(reboot) ; `reboot`", ["$(reboot)", ";", "`reboot`"]),
    ],
)
def test_arguments_are_read_as_in_haresources_and_as_in_a_shell_that_runs_nothing(
    directories, script, arguments, expected
):
    put(directories / "resource.d/IPaddr")
    assert command(script, arguments)[1:] == expected


@pytest.mark.parametrize(
    ("script", "arguments", "code", "words"),
    [
        ("", "", codes.ERR_CONFIGURED, "parameter script is required"),
        ("::x", "", codes.ERR_CONFIGURED, "names no script"),
        ("bin/natlog", "", codes.ERR_CONFIGURED, "neither a name nor an absolute path"),
        ("IPaddr", "'open", codes.ERR_CONFIGURED, "parameter arguments"),
        ("absent", "", codes.ERR_INSTALLED, "resource.d/absent nor"),
        ("/no/such", "", codes.ERR_INSTALLED, "there is no script /no/such"),
        ("plain", "", codes.ERR_INSTALLED, "chmod 755"),
        ("folder", "", codes.ERR_INSTALLED, "there is no script"),
    ],
)
def test_a_script_that_cannot_be_run_is_said_with_what_to_do(directories, script, arguments, code, words):
    put(directories / "resource.d/IPaddr")
    put(directories / "resource.d/plain", 0o644)
    (directories / "resource.d/folder").mkdir()
    with pytest.raises(codes.OcfError, match=words) as refused:
        command(script, arguments)
    assert refused.value.code == code
    environ = {"OCF_RESKEY_script": script, "OCF_RESKEY_arguments": arguments}
    assert runtime.main(legacy.AGENT, ["legacy", "validate-all"], environ) == code
