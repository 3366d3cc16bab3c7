"""The journal on the disk: what was noted is there after a crash, however it was cut."""

import asyncio
import resource

import pytest

from hotspare.adapters.moves_journal import MovesJournal
from hotspare.codec import moves_jsonl
from hotspare.model.errors import RefusedError
from hotspare.model.routing import Move, MoveRecord, Stage

MOVE = Move("11111111-1111-1111-1111-111111111111", "s", "t")


def record(stage: Stage, *, router: str = MOVE.router, at_s: float = 1.0, note: str = "") -> MoveRecord:
    return MoveRecord(at_s, Move(router, "s", "t"), stage, note)


def noted(path, *records: MoveRecord) -> None:
    async def note() -> None:
        journal = MovesJournal(path)
        await asyncio.gather(*map(journal.note, records))
        journal.close()

    asyncio.run(note())


def test_what_was_noted_is_read_again(tmp_path):
    path = tmp_path / "state" / "moves.jsonl"
    noted(path, record(Stage.PLANNED), record(Stage.UNBOUND), record(Stage.BOUND, note="taken in between"))
    (last,) = MovesJournal(path).records()
    assert last == record(Stage.BOUND, note="taken in between")


def test_a_line_that_a_crash_cut_is_passed_over(tmp_path):
    path = tmp_path / "moves.jsonl"
    noted(path, record(Stage.PLANNED), record(Stage.UNBOUND))
    for end in range(1, 60):
        content = path.read_bytes()
        path.write_bytes(content[:-1] if end > 1 else content + b'{"at":1.0,"router":"')
        assert len(list(MovesJournal(path).records())) == 1
        noted(path, record(Stage.PLANNED), record(Stage.UNBOUND))


def test_opening_keeps_the_last_of_each_router(tmp_path):
    path = tmp_path / "moves.jsonl"
    for _round in range(50):
        noted(path, record(Stage.PLANNED), record(Stage.FORWARDING), record(Stage.PLANNED, router="other"))
    kept = MovesJournal(path).records()
    assert {one.move.router: one.stage for one in kept} == {MOVE.router: Stage.FORWARDING, "other": Stage.PLANNED}
    assert len(path.read_text().splitlines()) == 3


def test_ten_thousand_routers_moved_take_less_than_ten_megabytes():
    stages = (Stage.PLANNED, Stage.UNBOUND, Stage.BOUND, Stage.FORWARDING)
    uuid = MOVE.router
    lines = "".join(
        moves_jsonl.line(MoveRecord(1_764_000_000.123, Move(uuid, uuid, uuid), stage, outage_s=12.345))
        for stage in stages
    )
    assert len(lines) * 10_000 < 10e6


def test_a_full_disk_is_said_and_leaves_whole_lines(tmp_path):
    path = tmp_path / "moves.jsonl"
    noted(path, record(Stage.PLANNED))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, before[1]))
    try:
        with pytest.raises(RefusedError, match=r"moves\.jsonl") as refused:
            noted(path, record(Stage.UNBOUND))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "room" in refused.value.hint
    noted(path, record(Stage.UNBOUND))
    assert [one.stage for one in MovesJournal(path).records()] == [Stage.UNBOUND]
