"""What can go wrong, typed by who has to act.

    HotspareError
├── SpecError          fix the file: every problem in it, at once
├── WorldError         look at the machines: every problem found, at once
├── NotReachableError  a host or service did not answer at all
├── RefusedError       it answered, and said no
├── TimedOutError      no answer in time: its state is unknown, observe again before the next step
└── InvariantError     our bug: stop and report
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, where, and what to do about it.

    `where` is `file:line` for a file, a host's name for the world; `path` names the value (`nodes.net1.rings[0]`).
    """

    where: str
    path: str
    text: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.path, self.text) if part)


class HotspareError(Exception):
    """Anything that an operator may have to act on; `hint` says what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class _ProblemsError(HotspareError):
    def __init__(self, problems: Sequence[Problem], *, hint: str = "") -> None:
        super().__init__("\n".join(str(problem) for problem in problems), hint=hint)
        self.problems = tuple(problems)


class SpecError(_ProblemsError):
    """The file is wrong: `problems` holds all that was found in it."""


class WorldError(_ProblemsError):
    """The file is right but the machines are not as they have to be: `problems` holds all that was found.

    `untold`: nothing is known to be wrong; they could not be asked, or gave no answer.
    """

    def __init__(self, problems: Sequence[Problem], *, hint: str = "", untold: bool = False) -> None:
        super().__init__(problems, hint=hint)
        self.untold = untold


class NotReachableError(HotspareError):
    """A host or a service could not be reached; nothing was done there."""


class RefusedError(HotspareError):
    """It answered and said no. `code` is an exit status or an HTTP status; `output` its own words."""

    def __init__(self, message: str, *, code: int, output: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.output = output


class TimedOutError(HotspareError):
    """No answer in time. What was asked may have happened: observe again before the next step."""


class InvariantError(HotspareError):
    """hotspare contradicted itself; this is a bug of ours."""
