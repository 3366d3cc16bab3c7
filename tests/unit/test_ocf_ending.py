"""What a stop says of processes that took their time to die: the last look is the judge, not the first wait."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hotspare_ocf import ending, environment, identity, neutron_agent, neutron_agent_l3, sweep
from hotspare_ocf.codes import OcfError
from hotspare_ocf.node import AgentProcess, Node, Switch
from hotspare_ocf.service import Service

AGENT = "neutron-l3-agent"
CLEAN = Node(Switch(None, ()), "", (), (), (), (), (), (), ())


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


def test_what_is_killed_is_not_asked(tmp_path):
    said = tmp_path / "said"
    script = f"trap 'echo asked >{said}' TERM; echo begun >{said}; while :; do sleep 0.05; done"
    with subprocess.Popen(["bash", "-c", script], start_new_session=True) as started:
        while not said.exists() or not said.read_text():
            assert started.poll() is None
        now = identity.stat(started.pid)
        assert ending.kill([identity.Process(now.pid, now.start_ticks)], deadline=time.monotonic() + 20) == []
        assert (started.wait(20), said.read_text()) == (-9, "begun\n")


class Place:
    """A node on which an agent is started anew, the first so many times that one is ended."""

    def __init__(self, agents: list[identity.Process], *, resource: str = "edge-l3") -> None:
        self.deadline = time.monotonic() + 20
        self._agents, self._resource = agents, resource
        self.looks = 0

    def look(self, _keep: frozenset[str] = frozenset()) -> Node:
        self.looks += 1
        living = [one for one in self._agents if identity.living(one)]
        now = living[:1]
        return CLEAN._replace(
            agents=tuple(AgentProcess(one.pid, one.start_ticks, AGENT, self._resource, None) for one in now)
        )


def without_agents(place: Place) -> Node:
    return sweep._without_agents(place, (AGENT.encode(),), lambda agent: agent.resource == "edge-l3", frozenset())


def test_an_agent_that_is_started_while_another_is_ended_is_ended_too():
    with process() as first, process() as second:
        assert without_agents(Place([first, second])).agents == ()
        assert not identity.living(second)


@pytest.mark.usefixtures("late")
def test_an_agent_that_died_late_does_not_keep_its_node_from_being_cleaned():
    with process() as agent:
        assert without_agents(Place([agent])).agents == ()


def test_agents_that_are_started_again_and_again_are_no_clean_node():
    with contextlib.ExitStack() as stack:
        place = Place([stack.enter_context(process()) for _ in range(9)])
        with pytest.raises(OcfError, match="again and again"):
            without_agents(place)
        assert place.looks < 9
