"""Configuration files as an agent read them at its start, so that a later change is noticed.

`/run/hotspare/RESOURCE.files` has a line a file: size, mtime (ns) and inode as last seen, the SHA-256 at the start, the
SHA-256 as last seen, the path. A file that was only touched, or written again with the same content, has not changed.
"""

import posix

from hotspare_ocf.identity import RUN_DIR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_ABSENT = "-"


def record_of(instance: str) -> str:
    """Path of the resource's record."""
    return f"{RUN_DIR}/{instance}.files"


def remember(record: str, paths: "Iterable[str]") -> None:
    """The files as they are now are what the agent runs with."""
    rows = []
    for path in paths:
        digest = _digest(path)
        rows.append([*_seen(path), digest, digest, path])
    _write(record, rows)


def noticed(record: str) -> list[str]:
    """Files that have changed since they were last looked at, and are not what the agent runs with; each is named once.

    Costs a stat() a file while nothing changes.
    """
    rows = _read(record)
    changed = []
    is_moved = False
    for row in rows:
        now = _seen(row[5])
        if now == row[:3]:
            continue
        is_moved = True
        digest = _digest(row[5])
        if digest not in (row[3], row[4]):
            changed.append(row[5])
        row[:3], row[4] = now, digest
    if is_moved:
        _write(record, rows)
    return changed


def are_as_seen(record: str) -> bool:
    """Whether no file has moved since it was last looked at."""
    return all(_seen(row[5]) == row[:3] for row in _read(record))


def forget(record: str) -> None:
    """Nothing is known of the resource's files."""
    try:
        posix.unlink(record)
    except FileNotFoundError:
        pass


def _seen(path: str) -> list[str]:
    try:
        status = posix.stat(path)
    except OSError:
        return [_ABSENT, _ABSENT, _ABSENT]
    return [str(status.st_size), str(status.st_mtime_ns), str(status.st_ino)]


def _digest(path: str) -> str:
    from hashlib import sha256

    try:
        with open(path, "rb") as file:
            return sha256(file.read()).hexdigest()
    except OSError:
        return _ABSENT


def _read(record: str) -> list[list[str]]:
    """The record; empty where there is none, or rubbish stands in it: then there is nothing to compare with."""
    try:
        with open(record, encoding="utf-8", errors="surrogateescape") as file:
            rows = [line.rstrip("\n").split(" ", 5) for line in file]
    except OSError:
        return []
    return [row for row in rows if len(row) == 6]


def _write(record: str, rows: list[list[str]]) -> None:
    import os

    from hotspare_ocf import whole_file

    os.makedirs(os.path.dirname(record), mode=0o755, exist_ok=True)
    whole_file.write(record, "".join(" ".join(row) + "\n" for row in rows), mode=0o600)
