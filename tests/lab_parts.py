"""What tests do with a lab that is up: type commands in it, wait for what has to become true."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from hotspare.lab import access, namespace
from hotspare.lab.layout import Layout

HOTSPARE = str(Path(sys.executable).with_name("hotspare"))


def eventually(true: Callable[[], bool], *, within_s: float, what: str | Callable[[], str]) -> None:
    """`true()` became true within the limit; fails the test with `what` otherwise, or with what that says then."""
    if not awaited(true, within_s=within_s):
        pytest.fail(f"not within {within_s:g} s: {what if isinstance(what, str) else what()}")


def awaited(true: Callable[[], bool], *, within_s: float) -> bool:
    """Whether `true()` became true within the limit."""
    deadline = time.monotonic() + within_s
    pause = threading.Event()
    while True:
        begun = time.monotonic()
        if true():
            return True
        now = time.monotonic()
        if now > deadline:
            return False
        # Looking, too, takes from the machine on which it has to become true: at most half of the time.
        pause.wait(min(max(0.1, now - begun), 1.0))


@dataclass(frozen=True)
class Lab:
    """A lab that is up, and the ways into it. Commands that fail raise, with their words."""

    layout: Layout

    @property
    def name(self) -> str:
        return self.layout.name

    @property
    def state_dir(self) -> Path:
        return self.layout.state_dir

    def lab(self, *words: str, expect: int = 0, timeout_s: float = 60) -> str:
        """`hotspare lab WORDS --name …` as an operator types it; what it printed."""
        verb, *rest = words
        return run([HOTSPARE, "lab", verb, "--name", self.name, *rest], expect, timeout_s)

    def desk(self, *argv: str, expect: int = 0, timeout_s: float = 180) -> str:
        """A command at the operator's desk: in the lab's network, with its cloud and cluster file set.

        The same as `hotspare lab shell -- COMMAND`, without the second that it takes to start: tests ask often.
        """
        with namespace.entered(self.layout.switch):
            return run(list(argv), expect, timeout_s, environ=access.desk(self.layout))

    def hotspare(self, *words: str, expect: int = 0, timeout_s: float = 300) -> str:
        """`hotspare WORDS` at the operator's desk."""
        return self.desk(HOTSPARE, *words, expect=expect, timeout_s=timeout_s)

    def ssh(self, machine: str, command: str, *, expect: int = 0, timeout_s: float = 180) -> str:
        """A shell command on a machine, as by `hotspare lab ssh MACHINE -- COMMAND`."""
        argv = ["ssh", "-F", str(self.layout.ssh_config), self.layout.machine(machine).name, "--", command]
        return self.desk(*argv, expect=expect, timeout_s=timeout_s)


def run(argv: list[str], expect: int, timeout_s: float, *, environ: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=timeout_s, check=False, stdin=subprocess.DEVNULL, env=environ
    )
    assert done.returncode == expect, f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
