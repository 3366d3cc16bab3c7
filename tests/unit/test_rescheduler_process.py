"""The rescheduler as a process: it answers before it knows anything, there is one, and it ends when it is told to."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hotspare_ocf import rescheduler

from hotspare.codec import rescheduling_json
from hotspare.faces.rescheduler.desk import Desk
from hotspare.flows.reschedule.daemon import STOP_S

LIMIT_S = 60


def settings(directory: Path) -> Path:
    path = directory / "settings.json"
    told = {
        "resource": "edge-rescheduler",
        "pool": "edge",
        "node": "net1",
        "cloud": "none",
        "clouds_file": str(directory / "clouds.yaml"),
        "hosts": {"net1": "net1", "net2": "net2"},
        "dhcp_agents_per_network": 1,
        "weights": {"router": 1.0, "gateway": 0.5, "interface": 0.25, "floating_ip": 0.1},
        "state_dir": str(directory / "state"),
        "socket": str(directory / "rescheduler.sock"),
    }
    path.write_text(json.dumps(told))
    return path


def started(directory: Path) -> "subprocess.Popen[str]":
    argv = [sys.executable, "-m", "hotspare.faces.rescheduler", str(settings(directory))]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def asked(directory: Path, request: Any) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(LIMIT_S)
        line.connect(str(directory / "rescheduler.sock"))
        line.sendall(json.dumps(request).encode() + b"\n")
        return json.loads(line.makefile().readline())


def answers(directory: Path) -> bool:
    try:
        return bool(asked(directory, {"ask": "state"}))
    except OSError:
        return False


@pytest.fixture
def running(tmp_path) -> "Iterator[subprocess.Popen[str]]":
    process = started(tmp_path)
    pause = threading.Event()
    while not answers(tmp_path):
        assert process.poll() is None, process.communicate()
        pause.wait(0.02)
    yield process
    process.kill()
    process.communicate()


def test_it_says_what_keeps_it_from_its_work(running, tmp_path):
    state = asked(tmp_path, {"ask": "state"})
    assert state["end"]
    assert state["node"] == "net1"
    assert "cluster" in state["doing"]
    assert running.poll() is None


@pytest.mark.parametrize("request_", [{}, {"ask": "dance"}, [], 7, {"ask": "takeover"}])
def test_rubbish_is_refused_in_words(running, tmp_path, request_):
    assert "not a request" in asked(tmp_path, request_)["error"]
    assert running.poll() is None


class Broken:
    """A rescheduler with a bug."""

    def report(self, *, routers: bool) -> None:
        raise KeyError(routers)


def test_a_bug_is_not_passed_off_as_a_wrong_request(tmp_path):
    async def told() -> dict[str, Any]:
        read = rescheduling_json.settings(settings(tmp_path).read_text())
        async with Desk(Broken(), read).open():  # type: ignore[arg-type]
            return await asyncio.to_thread(asked, tmp_path, {"ask": "state"})

    assert asyncio.run(told())["error"] == "a bug of hotspare: KeyError: False"


def test_without_the_clusters_leave_a_request_is_refused(running, tmp_path):
    refused = asked(tmp_path, {"ask": "rebalance", "plan": True})
    assert "cluster" in refused["error"]
    assert refused["hint"]
    assert running.poll() is None


def test_a_second_one_refuses(running, tmp_path):
    second = started(tmp_path)
    _, said = second.communicate(timeout=LIMIT_S)
    assert second.returncode == 1
    assert "another rescheduler of edge runs on this node" in said
    assert running.poll() is None
    assert answers(tmp_path)


def test_it_ends_when_it_is_told_to(running):
    running.send_signal(signal.SIGTERM)
    out, _ = running.communicate(timeout=LIMIT_S)
    assert running.returncode == 0
    assert "rescheduler.ends" in out


def test_its_resource_agent_kills_it_only_after_the_time_that_it_gives_itself():
    assert rescheduler._GRACE_S >= STOP_S + 1


def test_after_a_kill_the_next_one_begins(running, tmp_path):
    running.kill()
    running.communicate()
    next_one = started(tmp_path)
    try:
        pause = threading.Event()
        while not answers(tmp_path):
            assert next_one.poll() is None
            pause.wait(0.02)
    finally:
        next_one.kill()
        next_one.communicate()


def test_settings_that_are_none_are_refused(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text('{"pool": "edge"}')
    argv = [sys.executable, "-m", "hotspare.faces.rescheduler", str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 1
    assert "not the settings of a rescheduler" in done.stderr
