"""The glance that answers most monitors never says more than the agent's own module would."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hotspare_ocf import codes, environment, glance, identity, neutron_agent_l3, runtime
from hypothesis import given
from hypothesis import strategies as st

USUAL = {
    "OCF_RESOURCE_INSTANCE": "no-such-resource",
    "OCF_RESKEY_CRM_meta_interval": "10000",
    "OCF_RESKEY_dataplane": "gateway",
}


def as_bytes(environ: dict[str, str]) -> dict[bytes, bytes]:
    return {os.fsencode(name): os.fsencode(value) for name, value in environ.items()}


def record(path: Path, pid: int) -> None:
    alive = identity.stat(pid)
    assert alive
    path.write_bytes(identity.pid_file_text(identity.Process(pid, alive.start_ticks)))


@pytest.fixture(scope="module")
def pid_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A pid file that names this very process."""
    path = tmp_path_factory.mktemp("agent") / "pid"
    record(path, os.getpid())
    return str(path)


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_a_process_that_lives_is_well(pid_file):
    assert glance.is_well(as_bytes({**USUAL, "OCF_RESKEY_pid": pid_file}))
    assert glance.is_well(as_bytes({**USUAL, "OCF_RESKEY_pid": pid_file, "OCF_RESOURCE_INSTANCE": "l3:0"}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OCF_CHECK_LEVEL", "10"),
        ("OCF_CHECK_LEVEL", "00"),
        ("OCF_RESKEY_CRM_meta_interval", "0"),
        ("OCF_RESKEY_CRM_meta_interval", ""),
        ("OCF_RESKEY_CRM_meta_interval", "often"),
        ("OCF_RESOURCE_INSTANCE", ""),
        ("OCF_RESOURCE_INSTANCE", "a b"),
        ("OCF_RESKEY_pid", "run/agent.pid"),
        ("OCF_RESKEY_pid", "/no/such.pid"),
        ("OCF_RESKEY_pid", ""),
    ],
)
def test_whatever_is_not_usual_is_left_to_the_agent(pid_file, name, value):
    assert not glance.is_well(as_bytes({**USUAL, "OCF_RESKEY_pid": pid_file, name: value}))


def test_a_process_that_is_stopped_or_gone_is_left_to_the_agent(tmp_path, child):
    path = tmp_path / "pid"
    record(path, child.pid)
    usual = as_bytes({**USUAL, "OCF_RESKEY_pid": str(path)})
    assert glance.is_well(usual)
    os.kill(child.pid, 19)  # SIGSTOP
    os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
    assert not glance.is_well(usual)
    child.kill()
    child.wait()
    assert not glance.is_well(usual)


WORDS = st.one_of(st.sampled_from(["0", "10", "10000", "1e3", "l3", "l3:1", "/", ""]), st.text(max_size=8))


@pytest.mark.skipif(os.geteuid() != 0, reason="agents run as root")
@given(changed=st.dictionaries(st.sampled_from([*USUAL, "OCF_CHECK_LEVEL", "OCF_RESKEY_silence_max"]), WORDS))
def test_where_a_glance_says_well_the_agent_says_success(pid_file, changed):
    environ = {**USUAL, "OCF_RESKEY_pid": pid_file, **changed}
    environ = {name: value for name, value in environ.items() if value.isprintable()}  # no process is given others
    if glance.is_well(as_bytes(environ)):
        call = environment.read(neutron_agent_l3.AGENT, "monitor", environ)
        assert (call.level, call.is_probe, call["pid"]) == (0, False, pid_file)
        assert runtime.main(neutron_agent_l3.AGENT, ["neutron-agent-l3", "monitor"], environ) == codes.SUCCESS
