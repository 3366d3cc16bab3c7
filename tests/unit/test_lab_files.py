"""Small truths about processes and files that the lab's teardown and machines rest on."""

import os
import subprocess
import sys

import pytest

from hotspare.adapters import whole_file
from hotspare.lab import processes
from hotspare.lab.command import run
from hotspare.lab.layout import MACHINE_MARK, MARK
from hotspare.model.errors import RefusedError, TimedOutError


def started(lab: str, machine: str) -> subprocess.Popen[bytes]:
    """A process with a lab's marks; it says a byte once it is what it will be."""
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdout.write('!'); sys.stdout.flush(); sys.stdin.read()"],
        env={MARK: lab, MACHINE_MARK: machine},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.read(1)
    return child


def test_a_marked_process_is_found_by_lab_and_machine_and_by_no_other_name():
    with started("unittest", "net1") as child:
        try:
            assert [found.pid for found in processes.marked("unittest")] == [child.pid]
            assert [found.pid for found in processes.marked("unittest", "net1")] == [child.pid]
            assert processes.marked("unittest", "net2") == ()
            assert processes.marked("unit") == ()
        finally:
            processes.kill((child.pid,), timeout_s=5)
    assert processes.marked("unittest") == ()


def test_a_dead_process_is_not_found_even_before_it_is_waited_for():
    with started("unittest", "net1") as child:
        processes.kill((child.pid,), timeout_s=5)
        assert processes.marked("unittest") == ()


def test_killing_what_is_not_there_is_no_error():
    with started("unittest", "net1") as child:
        processes.kill((child.pid,), timeout_s=5)
    processes.kill((child.pid,), timeout_s=5)


def test_a_life_goes_on_until_its_process_ends():
    with started("unittest", "net1") as child:
        life = processes.Life(child.pid)
        assert life.goes_on()
        processes.kill((child.pid,), timeout_s=5)
        assert not life.goes_on()
        life.close()
    assert not processes.Life(child.pid).goes_on()


def test_we_and_our_parents_are_ourselves():
    assert {os.getpid(), os.getppid()} <= processes.ourselves()


def test_a_written_file_is_whole_and_for_whom_it_is_meant(tmp_path):
    path = tmp_path / "secret"
    whole_file.write(path, "one\n", mode=0o600)
    whole_file.write(path, "two\n", mode=0o600)
    assert path.read_text() == "two\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_command_that_ends_badly_says_its_words_and_code():
    with pytest.raises(RefusedError, match="exit 3: went wrong") as refused:
        run(("sh", "-c", "echo went wrong >&2; exit 3"), timeout_s=5)
    assert refused.value.code == 3


def test_a_command_that_is_not_installed_is_refused():
    with pytest.raises(RefusedError, match="no such command"):
        run(("hotspare-no-such-command",), timeout_s=5)


def test_a_command_without_end_is_ended():
    with pytest.raises(TimedOutError, match=r"no end in 0\.2 s"):
        run(("sleep", "60"), timeout_s=0.2)
