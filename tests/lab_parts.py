"""What tests do with a lab that is up: type commands in it, wait for what has to become true."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hotspare.lab.layout import Layout

HOTSPARE = str(Path(sys.executable).with_name("hotspare"))


def eventually(true: Callable[[], bool], *, within_s: float, what: str) -> None:
    """`true()` became true within the limit; fails the test with `what` otherwise."""
    deadline = time.monotonic() + within_s
    pause = threading.Event()
    while not true():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within_s:g} s: {what}")
        pause.wait(0.1)


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

    def desk(self, *argv: str, expect: int = 0, timeout_s: float = 60) -> str:
        """A command at the operator's desk: in the lab's network, with its cloud and cluster file set."""
        return self.lab("shell", "--", *argv, expect=expect, timeout_s=timeout_s)

    def hotspare(self, *words: str, expect: int = 0, timeout_s: float = 300) -> str:
        """`hotspare WORDS` at the operator's desk."""
        return self.desk(HOTSPARE, *words, expect=expect, timeout_s=timeout_s)

    def ssh(self, machine: str, command: str, *, expect: int = 0, timeout_s: float = 60) -> str:
        """A shell command on a machine."""
        return self.lab("ssh", machine, "--", command, expect=expect, timeout_s=timeout_s)


def run(argv: list[str], expect: int, timeout_s: float) -> str:
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=timeout_s, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == expect, f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
