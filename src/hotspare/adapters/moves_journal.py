"""The journal of moves on this machine's disk."""

import asyncio
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from hotspare.codec import moves_jsonl
from hotspare.model.errors import RefusedError
from hotspare.model.routing import MoveRecord

MODE = 0o640
ROOMY_BYTES, ROOMY_TIMES = 1_000_000, 4
"""A journal that is larger than both, this and so many times what it was when only the last of each router was in it,
is rewritten: a router that was moved once takes twice that."""
HINT = "is there room on the disk? nothing is moved while moves cannot be written down"


class MovesJournal:
    """One file, appended to. Records that are noted together are written and synced together.

    At opening, and when the file has become roomy, all but the last record of each router is dropped: the file has as
    many routers as it ever moved.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = _last_of_each(path)
        self._kept = tuple(self._last.values())
        self._file = _rewritten(path, self._last)
        self._roomy_bytes, self._is_renamed = _roomy(self._file), True
        self._notes: list[tuple[MoveRecord, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    def records(self) -> Iterable[MoveRecord]:
        """See `ports.Journal`: as they were when the file was opened."""
        return self._kept

    async def note(self, record: MoveRecord) -> None:
        """See `ports.Journal`. Notes of the same moment share one write."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._notes.append((record, written))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        await written

    def close(self) -> None:
        """Nothing more is written."""
        os.close(self._file)

    async def _write(self) -> None:
        while self._notes:
            notes, self._notes = self._notes, []
            try:
                await asyncio.to_thread(self._append, [record for record, _ in notes])
            except OSError as error:
                failed = RefusedError(f"{self._path}: {error.strerror}", code=error.errno or 1, hint=HINT)
                for _, written in notes:
                    if not written.done():
                        written.set_exception(failed)
            else:
                for _, written in notes:
                    if not written.done():
                        written.set_result(None)

    def _append(self, records: Iterable[MoveRecord]) -> None:
        """All of them are on the disk, or none of them."""
        text = "".join(map(moves_jsonl.line, records)).encode()
        if self._is_renamed:  # until its directory is on the disk, a crash brings the file before this one back
            _sync_directory(self._path.parent)
            self._is_renamed = False
        before = os.fstat(self._file).st_size
        try:
            while text:
                text = text[os.write(self._file, text) :]
            os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, before)
            raise
        _remember(self._last, records)
        if os.fstat(self._file).st_size > self._roomy_bytes:
            self._compact()

    def _compact(self) -> None:
        """All but the last record of each router is dropped; where that cannot be done, it is tried again later."""
        try:
            fresh = _rewritten(self._path, self._last)
        except RefusedError:  # what was to be noted is on the disk
            self._roomy_bytes += ROOMY_BYTES
            return
        os.close(self._file)
        self._file, self._roomy_bytes, self._is_renamed = fresh, _roomy(fresh), True


def _roomy(file: int) -> int:
    return max(ROOMY_BYTES, ROOMY_TIMES * os.fstat(file).st_size)


def _remember(last: dict[str, MoveRecord], records: Iterable[MoveRecord]) -> None:
    """The last of each router, in the order in which they were noted."""
    for record in records:
        last.pop(record.move.router, None)
        last[record.move.router] = record


def _last_of_each(path: Path) -> dict[str, MoveRecord]:
    last: dict[str, MoveRecord] = {}
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            _remember(last, moves_jsonl.read(lines))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise RefusedError(
            f"{path}: {error.strerror}", code=error.errno or 1, hint="the journal cannot be read"
        ) from error
    return last


def _rewritten(path: Path, last: Mapping[str, MoveRecord]) -> int:
    """The file holds these records and is open for more. A crash leaves it as it was, or as it shall be."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
        try:
            with os.fdopen(os.dup(file), "w", encoding="utf-8") as lines:
                lines.writelines(map(moves_jsonl.whole, last.values()))
            os.fsync(file)
            fresh.rename(path)
        except OSError:
            os.close(file)
            raise
    except OSError as error:
        raise RefusedError(f"{path}: {error.strerror}", code=error.errno or 1, hint=HINT) from error
    return file


def _sync_directory(path: Path) -> None:
    """What was renamed in it has its new name after a crash as well."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
