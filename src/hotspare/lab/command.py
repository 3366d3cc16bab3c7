"""Commands on this machine: no shell, fixed environment, always a limit."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hotspare.lab.layout import MARK
from hotspare.model.errors import RefusedError, TimedOutError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OK = frozenset({0})


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that ended with one of the exit codes that were expected."""

    code: int
    out: str
    err: str


def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    expect: frozenset[int] = OK,
) -> Ended:
    """Run one command to its end, in its own session, so that a ^C ends us and not half of it.

    Raises:
        RefusedError: it ended with an exit code that is not in `expect`, or is not installed.
        TimedOutError: it did not end; it was killed and is gone.
    """
    said = " ".join(argv[:6])
    try:
        ended = subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
            cwd="/",
            env={
                "PATH": PATH,
                "LC_ALL": "C",
                **{k: v for k, v in os.environ.items() if k == MARK},
                **(env or {}),
            },
            start_new_session=True,
        )
    except FileNotFoundError as missing:
        raise RefusedError(
            f"{said}: no such command", code=127, hint="hotspare lab up says what to install"
        ) from missing
    except subprocess.TimeoutExpired as late:
        raise TimedOutError(f"{said}: no end in {timeout_s:g} s") from late
    if ended.returncode not in expect:
        words = (ended.stderr or ended.stdout).strip()
        raise RefusedError(f"{said}: exit {ended.returncode}: {words[-2000:]}", code=ended.returncode, output=words)
    return Ended(ended.returncode, ended.stdout, ended.stderr)
