"""`lab down` leaves the machine as it was, whenever and however `lab up` ended."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hotspare.lab import lock, machines, namespace, processes
from hotspare.lab.layout import Layout
from lab_parts import HOTSPARE, Lab, run

pytestmark = pytest.mark.lab

NAME = "testgone"


def traces(name: str) -> set[str]:
    """All that this machine shows of a lab: namespaces, mounts, processes, files, control groups."""
    found = {f"file {path}" for path in (Path("/var/lib/hotspare/lab") / name, Layout(name).lock) if path.exists()}
    netns = Path("/run/netns")
    if netns.is_dir():
        found |= {f"namespace {path.name}" for path in netns.iterdir() if path.name.startswith(f"hs-{name}")}
    found |= {f"mount {line}" for line in Path("/proc/self/mountinfo").read_text().splitlines() if f"hs-{name}" in line}
    found |= {f"group {path}" for path in Path("/sys/fs/cgroup").glob(f"**/hotspare/{name}")}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            seen = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
            seen += (process / "cgroup").read_bytes()
        except OSError:
            continue
        if any(trace.encode() in seen for trace in (f"HOTSPARE_LAB={name}\0", f"hs-{name}-", f"/hotspare/{name}/")):
            found.add(f"process {process.name} {seen[-200:]!r}")
    return found


def links() -> set[str]:
    return {path.name for path in Path("/sys/class/net").iterdir()}


@pytest.fixture
def clean() -> Iterator[Layout]:
    if os.geteuid() != 0:
        pytest.skip("a lab needs root")
    if traces(NAME):
        down()
    assert traces(NAME) == set()
    yield Layout(NAME)
    if traces(NAME):
        down()


def down() -> str:
    return run([HOTSPARE, "lab", "down", "--name", NAME], 0, 120)


def up() -> None:
    run([HOTSPARE, "lab", "up", "--bare", "--name", NAME], 0, 120)


LAYOUT = Layout(NAME)
POINTS: dict[str, Callable[[], bool]] = {
    "locked": LAYOUT.lock.exists,
    "switch": lambda: namespace.exists(LAYOUT.switch),
    "keys": LAYOUT.ssh_config.exists,
    "first disk": lambda: any(LAYOUT.disk(machine.name).exists() for machine in LAYOUT.machines),
    "first cable": lambda: namespace.exists(LAYOUT.netns("ctl")),
    "first boot": lambda: bool(processes.marked(NAME, "ctl")),
    "BMCs begin": (LAYOUT.state_dir / "bmc.log").exists,
    "last boot": lambda: all(processes.marked(NAME, machine.name) for machine in LAYOUT.machines),
    "up": LAYOUT.up_json.exists,
}


def up_killed_when(reached: Callable[[], bool]) -> None:
    """`lab up` ran until the point was reached and then was killed, without a chance to tidy up."""
    upping = subprocess.Popen(
        [HOTSPARE, "lab", "up", "--bare", "--name", NAME], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    pause = threading.Event()
    while not (seen := reached()) and upping.poll() is None:
        pause.wait(0.002)
    upping.kill()
    upping.wait()
    assert seen


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("point", POINTS)
def test_a_killed_up_is_gone_after_down_whenever_it_was_killed(point):
    before = links()
    up_killed_when(POINTS[point])
    down()
    assert traces(NAME) == set()
    assert links() == before


def test_a_killed_up_is_finished_by_the_next(clean):
    up_killed_when(POINTS["first boot"])
    up()
    assert all(machines.is_on(clean, machine) for machine in clean.machines)
    assert "is gone" in down()
    assert traces(NAME) == set()


def test_who_may_not_make_a_lab_is_told_and_nothing_is_touched(clean):
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    refused = subprocess.run(
        [*nobody, HOTSPARE, "lab", "up", "--name", NAME], capture_output=True, text=True, check=False, timeout=60
    )
    assert refused.returncode == 1
    assert "not root" in refused.stderr
    assert "nothing was touched" in refused.stderr
    assert traces(clean.name) == set()


@pytest.mark.usefixtures("clean")
def test_down_twice_says_that_there_is_nothing():
    assert "there is no lab" in down()
    assert "there is no lab" in down()


@pytest.mark.usefixtures("clean")
def test_down_of_one_lab_leaves_another_alone(bare_lab: Lab):
    inits = {machine.name: machines.init_pid(bare_lab.layout, machine) for machine in bare_lab.layout.machines}
    assert None not in inits.values()
    up()
    down()
    assert traces(NAME) == set()
    assert {m.name: machines.init_pid(bare_lab.layout, m) for m in bare_lab.layout.machines} == inits
    assert bare_lab.ssh("net1", "hostname").strip() == "net1"
    bare_lab.lab("status")


@pytest.mark.usefixtures("clean")
def test_down_from_a_shell_of_the_lab_itself_comes_to_its_end():
    up()
    shell = [HOTSPARE, "lab", "shell", "--name", NAME, "--", HOTSPARE, "lab", "down", "--name", NAME]
    run(shell, 0, 120)
    assert traces(NAME) == set()


def test_a_shell_left_in_the_lab_ends_with_it(clean):
    up()
    left = subprocess.Popen([HOTSPARE, "lab", "shell", "--name", NAME, "--", "sleep", "600"])
    switch = clean.switch
    while not any(found.pid == left.pid for found in processes.inside(inodes(switch))):
        assert left.poll() is None
    down()
    assert left.wait(timeout=5) == -signal.SIGKILL
    assert traces(NAME) == set()


def inodes(netns: str) -> set[int]:
    return {(Path("/run/netns") / netns).stat().st_ino}


def test_two_at_once_are_refused(clean):
    with lock.held(clean):
        second = subprocess.run(
            [HOTSPARE, "lab", "down", "--name", NAME], capture_output=True, text=True, check=False, timeout=60
        )
    assert second.returncode == 1
    assert f"by process {os.getpid()}" in second.stderr
