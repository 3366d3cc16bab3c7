"""What a stop says of processes that took their time to die: the last look is the judge, not the first wait."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hotspare_ocf import ending, environment, identity, neutron_agent, neutron_agent_l3
from hotspare_ocf.service import Service


@contextlib.contextmanager
def process() -> Iterator[identity.Process]:
    """One that lives, in a session of its own."""
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as started:
        now = identity.stat(started.pid)
        assert now
        try:
            yield identity.Process(now.pid, now.start_ticks)
        finally:
            started.kill()


@pytest.fixture
def late(monkeypatch):
    """Whatever is ended lives on for longer than it is waited for, and is gone a moment later."""
    wait = ending._wait

    def waited(opened: list[ending.Handle], _until: float) -> list[ending.Handle]:
        assert not wait(opened, time.monotonic() + 10)
        return opened

    monkeypatch.setattr(ending, "_wait", waited)


def recorded(path: Path, one: identity.Process) -> str:
    path.write_bytes(identity.pid_file_text(one))
    return str(path)


def service(directory: Path, one: identity.Process) -> Service:
    return Service(
        "the rescheduler",
        module="hotspare.faces.rescheduler",
        settings_file=str(directory / "settings.json"),
        pid_file=recorded(directory / "pid", one),
        socket=str(directory / "socket"),
        log_file=str(directory / "log"),
    )


@pytest.mark.usefixtures("late")
def test_an_agent_that_died_late_has_been_stopped(tmp_path):
    with process() as agent:
        environ = {
            "OCF_RESOURCE_INSTANCE": "no-such-resource",
            "OCF_RESKEY_CRM_meta_timeout": "20000",
            "OCF_RESKEY_pid": recorded(tmp_path / "pid", agent),
        }
        neutron_agent.end(environment.read(neutron_agent_l3.AGENT, "stop", environ))
        assert not identity.living(agent)


@pytest.mark.usefixtures("late")
def test_a_daemon_that_died_late_has_been_stopped(tmp_path):
    with process() as daemon:
        assert service(tmp_path, daemon).end(grace_s=0.1, deadline=time.monotonic() + 20) == []
        assert not identity.living(daemon)


def test_a_daemon_that_lives_at_the_deadline_has_not(tmp_path):
    with process() as daemon:
        assert service(tmp_path, daemon).end(grace_s=0.1, deadline=time.monotonic() - 1) == [daemon]
