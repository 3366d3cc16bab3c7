"""Reports that drills have written, read from this machine."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from hotspare.codec import report_json
from hotspare.model.comparison import Drilled
from hotspare.model.errors import Problem, SpecError

REPORT, PAGE = "report.json", "report.html"
HINT = "name directories that drills have written, as in: hotspare drill poweroff --output DIRECTORY"


def read(directories: Sequence[Path], *, seen_from: Path) -> tuple[Drilled, ...]:
    """The drills that wrote these directories, each named by its own; `seen_from` is where links start.

    Raises:
        SpecError: every directory that does not hold one report of this version's format, or is named twice.
    """
    found: list[Drilled] = []
    problems: list[Problem] = []
    for directory, name in zip(directories, _names(directories), strict=True):
        try:
            report = report_json.read((directory / REPORT).read_text(encoding="utf-8"))
        except OSError as error:
            problems.append(Problem(str(directory / REPORT), "", f"cannot be read: {error.strerror}"))
        except ValueError as error:
            problems.append(Problem(str(directory / REPORT), "", str(error)))
        else:
            found.append(Drilled(name, report, _link(directory / PAGE, seen_from)))
    problems += _twice(directories)
    if problems:
        raise SpecError(problems, hint=HINT)
    return tuple(found)


def _names(directories: Sequence[Path]) -> list[str]:
    """Each one's last part, or all of them as they were given where two have the same."""
    names = [directory.resolve().name for directory in directories]
    return names if len(set(names)) == len(names) else [str(directory) for directory in directories]


def _twice(directories: Sequence[Path]) -> Iterator[Problem]:
    known: set[Path] = set()
    for directory in directories:
        if directory.resolve() in known:
            yield Problem(str(directory), "", "named twice; leave one out")
        known.add(directory.resolve())


def _link(page: Path, seen_from: Path) -> str:
    """The way to the page as a browser takes it; empty where the page is not there."""
    return quote(os.path.relpath(page.resolve(), seen_from.resolve())) if page.is_file() else ""
