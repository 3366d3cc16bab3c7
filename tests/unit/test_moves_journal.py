"""The journal on the disk: what was noted is there after a crash, however it was cut."""

import asyncio
import itertools
import resource

import pytest

from hotspare.adapters.moves_journal import ROOMY_BYTES, MovesJournal
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


STAGES = (Stage.PLANNED, Stage.UNBOUND, Stage.BOUND, Stage.FORWARDING)


def noted_for_months(path, *, moves: int, looked) -> None:
    """A daemon that runs on: `moves` of each of 200 routers, and a look after each of them."""

    async def note() -> None:
        journal = MovesJournal(path)
        for at_s in range(moves):
            each = (record(stage, router=f"{number:036}", at_s=at_s) for stage in STAGES for number in range(200))
            await asyncio.gather(*map(journal.note, each))
            looked(at_s)
        journal.close()

    asyncio.run(note())


def test_the_journal_of_a_daemon_that_runs_for_months_stays_small_and_whole(tmp_path):
    path = tmp_path / "moves.jsonl"
    sizes: list[int] = []

    def looked(at_s: int) -> None:
        sizes.append(path.stat().st_size)
        last = {one.move.router: one for one in moves_jsonl.read(path.read_text().splitlines())}
        assert {(one.at_s, one.stage) for one in last.values()} == {(at_s, Stage.FORWARDING)}
        assert len(last) == 200

    noted_for_months(path, moves=45, looked=looked)
    assert max(sizes) < 1.1 * ROOMY_BYTES
    assert 2 <= sum(after < before for before, after in itertools.pairwise(sizes)) < 10, "it is rewritten now and then"


def test_a_journal_that_cannot_be_rewritten_goes_on_as_it_is(tmp_path):
    path = tmp_path / "moves.jsonl"
    hindrance = tmp_path / ".moves.jsonl.new"
    sizes: list[int] = []

    def looked(at_s: int) -> None:
        sizes.append(path.stat().st_size)
        if at_s == 0:
            hindrance.mkdir()
        elif sizes[-1] > 1.5 * ROOMY_BYTES and hindrance.exists():
            hindrance.rmdir()

    noted_for_months(path, moves=40, looked=looked)
    assert 1.5 * ROOMY_BYTES < max(sizes) < 2.2 * ROOMY_BYTES, "tried again, with success"
    assert sizes[-1] < ROOMY_BYTES
    assert {one.at_s for one in MovesJournal(path).records()} == {39}


def test_what_a_crash_left_of_a_rewriting_is_nobodys_record(tmp_path):
    path = tmp_path / "moves.jsonl"
    noted(path, record(Stage.PLANNED), record(Stage.UNBOUND))
    (tmp_path / ".moves.jsonl.new").write_text(moves_jsonl.whole(record(Stage.PLANNED, router="other")))
    assert [one.stage for one in MovesJournal(path).records()] == [Stage.UNBOUND]


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
