"""The journal of moves on this machine's disk."""

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path

from hotspare.codec import moves_jsonl
from hotspare.model.errors import RefusedError
from hotspare.model.routing import MoveRecord

MODE = 0o640
HINT = "is there room on the disk? nothing is moved while moves cannot be written down"


class MovesJournal:
    """One file, appended to. Records that are noted together are written and synced together.

    At opening, all but the last record of each router is dropped: the file has as many routers as it ever moved.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept = _last_of_each(path)
        self._file = _rewritten(path, self._kept)
        self._notes: list[tuple[str, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    def records(self) -> Iterable[MoveRecord]:
        """See `ports.Journal`: as they were when the file was opened."""
        return self._kept

    async def note(self, record: MoveRecord) -> None:
        """See `ports.Journal`. Notes of the same moment share one write."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._notes.append((moves_jsonl.line(record), written))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        await written

    def close(self) -> None:
        """Nothing more is written."""
        os.close(self._file)

    async def _write(self) -> None:
        while self._notes:
            notes, self._notes = self._notes, []
            text = "".join(line for line, _ in notes).encode()
            try:
                await asyncio.to_thread(self._append, text)
            except OSError as error:
                failed = RefusedError(f"{self._path}: {error.strerror}", code=error.errno or 1, hint=HINT)
                for _, written in notes:
                    if not written.done():
                        written.set_exception(failed)
            else:
                for _, written in notes:
                    if not written.done():
                        written.set_result(None)

    def _append(self, text: bytes) -> None:
        """All of it is on the disk, or none of it."""
        before = os.fstat(self._file).st_size
        try:
            while text:
                text = text[os.write(self._file, text) :]
            os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, before)
            raise


def _last_of_each(path: Path) -> tuple[MoveRecord, ...]:
    last: dict[str, MoveRecord] = {}
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            for record in moves_jsonl.read(lines):
                last.pop(record.move.router, None)
                last[record.move.router] = record
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise RefusedError(
            f"{path}: {error.strerror}", code=error.errno or 1, hint="the journal cannot be read"
        ) from error
    return tuple(last.values())


def _rewritten(path: Path, records: Iterable[MoveRecord]) -> int:
    """The file holds these records and is open for more."""
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.new")
        file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
        with os.fdopen(os.dup(file), "w", encoding="utf-8") as lines:
            lines.writelines(map(moves_jsonl.whole, records))
        os.fsync(file)
        fresh.rename(path)
    except OSError as error:
        raise RefusedError(f"{path}: {error.strerror}", code=error.errno or 1, hint=HINT) from error
    return file
