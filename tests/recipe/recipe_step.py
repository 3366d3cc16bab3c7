"""One command of the recipe: where it is typed, what it says, and what it has to do."""

import re
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from lab_parts import Lab

DESK = "desk"
"""The operator's own machine. Commands there are typed in the directory of the lab's files."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_SHOWN_LINES = 4
_TYPING_LIMIT_S = 180


@dataclass(frozen=True)
class Cluster:
    """A cluster in a lab; `machines` are its nodes, by the names that they have in the cluster."""

    lab: Lab
    machines: Mapping[str, str]

    def on(self, where: str, command: str, *, expect: int = 0) -> str:
        """What a command says, typed on a node, on another machine of the lab, or at the desk."""
        script = f"{{ {command}\n}} 2>&1"
        if where == DESK:
            at_desk = f'cd "$(dirname "$HOTSPARE_FILE")"; {script}'
            said = self.lab.desk("bash", "-c", at_desk, expect=expect, timeout_s=_TYPING_LIMIT_S)
        else:
            machine = self.machines.get(where, where)
            said = self.lab.ssh(machine, script, expect=expect, timeout_s=_TYPING_LIMIT_S)
        return _COLOUR.sub("", said)


Effect = Callable[[Cluster], AbstractContextManager[None]]
"""What a command has to do: looked at before it is typed, and checked after it."""


@dataclass(frozen=True)
class Step:
    """A command as an operator types it, and what has to be true then, in words and as a check."""

    where: str
    command: str
    shows: str
    effect: Effect = lambda _: nullcontext()
    says: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    code: int = 0
    within_s: float = 0
    """A command that only asks is typed again until it says so."""

    def at(self, where: str) -> "Step":
        """The same, typed somewhere else."""
        return replace(self, where=where)

    def typed_as(self, command: str) -> "Step":
        """Another command to the same end."""
        return replace(self, command=command)

    def is_answered_by(self, said: str) -> bool:
        return all(words in said for words in self.says) and not any(words in said for words in self.lacks)


@dataclass(frozen=True)
class Chapter:
    title: str
    steps: tuple[Step, ...]


def follow(cluster: Cluster, chapters: tuple[Chapter, ...]) -> None:
    """Every command was typed, in order, and did what its step says; tells each as it goes.

    Raises:
        AssertionError: one did not.
    """
    for chapter in chapters:
        _tell(f"\n== {chapter.title}")
        for step in chapter.steps:
            _take(cluster, step)


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _take(cluster: Cluster, step: Step) -> None:
    _tell(f"\n{step.where}# {step.command}")
    begun = time.monotonic()
    with step.effect(cluster):
        said = _typed(cluster, step)
        for line in _in_short(said, step.says):
            _tell(f"    {line}")
    _tell(f"  ✓ {step.shows} ({time.monotonic() - begun:.1f} s)")


def _typed(cluster: Cluster, step: Step) -> str:
    until = time.monotonic() + step.within_s
    said = cluster.on(step.where, step.command, expect=step.code)
    while not step.is_answered_by(said):
        assert time.monotonic() < until, f"{step.command}: not {step.says} without {step.lacks}, but\n{said}"
        said = cluster.on(step.where, step.command, expect=step.code)
    return said


def _in_short(said: str, wanted: tuple[str, ...]) -> list[str]:
    """The lines that the step asks for; else the first ones."""
    lines = [line for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if any(words in line for words in wanted)]
    shown = (telling or lines)[:_SHOWN_LINES]
    more = len(lines) - len(shown)
    return [line.expandtabs(4) for line in shown] + ([f"… and {more} more lines"] if more else [])
