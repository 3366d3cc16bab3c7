"""The script that asks a daemon where it runs: a process of its own, in real time, at a real desk."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hotspare.adapters.daemon_line import BROKEN, NOBODY, SCRIPT
from hotspare.adapters.process import Processes
from hotspare.adapters.rescheduler_desk import ReschedulerDesk
from hotspare.adapters.site import PYTHON, script
from hotspare.adapters.stager_desks import StagerDesks
from hotspare.codec import stager_json
from hotspare.faces.stager.desk import desk as stagers_desk
from hotspare.model.errors import NotReachableError, RefusedError
from hotspare.model.stager import Role, State
from hotspare.ports import Done
from pool_desk import Operated
from standin.world import cloud

ANY = frozenset(range(256))


async def asked(socket: Path, *, silence_s: float = 20.0) -> Done:
    told = json.dumps({"socket": str(socket), "request": {"ask": "state"}, "silence_s": silence_s})
    stdin = script(SCRIPT)
    return await Processes().run("local", (*PYTHON, told), stdin=stdin, timeout_s=30, expect=ANY)


@contextlib.asynccontextmanager
async def answering(socket: Path, text: bytes) -> AsyncIterator[None]:
    """Somebody at the socket says this to whoever asks, and then nothing more."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(text)
        if not text:
            await reader.read()  # until whoever asked has gone
        writer.close()

    async with await asyncio.start_unix_server(answer, path=str(socket)):
        yield


async def desk(run_dir: Path) -> tuple[Operated, ReschedulerDesk]:
    pool = Operated(cloud(hosts=3, routers=3), run_dir)
    await pool.open()
    return pool, pool.dispatcher_over(Processes(), run_dir)


def test_the_answer_of_a_real_desk_is_brought_whole(tmp_path):
    async def told() -> None:
        pool, dispatcher = await desk(tmp_path)
        report = await dispatcher.report(routers=True)
        assert report.node == "net3"
        await pool.die()

    asyncio.run(told())


def test_a_refusal_keeps_its_words_and_its_hint(tmp_path):
    async def told() -> None:
        pool, dispatcher = await desk(tmp_path)
        with pytest.raises(RefusedError, match="net9 is no node of edge") as refused:
            await dispatcher.plan_drain("net9")
        assert refused.value.hint == "its nodes are: net1, net2, net3"
        await pool.die()

    asyncio.run(told())


def test_what_is_followed_breaks_off_when_the_rescheduler_ends(tmp_path):
    async def told() -> None:
        pool, dispatcher = await desk(tmp_path)
        seen = []
        with pytest.raises(RefusedError, match=r"ended in the middle|broke off"):  # noqa: PT012
            async with dispatcher.reports() as reports:
                async for report in reports:
                    seen.append(report.node)
                    if len(seen) == 1:
                        await pool.die()
        assert set(seen) == {"net3"}

    asyncio.run(told())


def test_where_nobody_listens_that_is_said(tmp_path):
    done = asyncio.run(asked(tmp_path / "no.sock"))
    assert done.code == NOBODY
    assert "nobody answers" in done.stderr


def test_an_adapter_tells_where_to_look_when_nobody_listens(tmp_path):
    async def told() -> None:
        pool, dispatcher = await desk(tmp_path)
        await pool.die()
        with pytest.raises(NotReachableError, match="nobody answers") as failed:
            await dispatcher.report(routers=False)
        assert "/var/log/hotspare/edge-rescheduler.log" in failed.value.hint

    asyncio.run(told())


STATE = State(
    "gw", "net2", Role.SPARE, 180, "fresh (2 s), 39 of 40 routers", 2.0, 40, {"r1": "QoS of qg-1: tbf"},
    {"net1": "10.0.0.1, carries the gateway"}, 12, "",
)  # fmt: skip


class Keeper:
    """A stager that only tells."""

    def state(self) -> State:
        return STATE


def test_a_stager_tells_its_state_at_its_real_desk(tmp_path):
    async def told() -> State:
        async with stagers_desk(Keeper(), str(tmp_path / "gw.stager.sock")).open():  # type: ignore[arg-type]
            return await StagerDesks(Processes(), run_dir=str(tmp_path)).state("gw", "net2")

    assert asyncio.run(told()) == STATE


def test_where_there_is_no_stager_its_log_is_named(tmp_path):
    with pytest.raises(NotReachableError, match="the stager on net2: nobody answers") as failed:
        asyncio.run(StagerDesks(Processes(), run_dir=str(tmp_path)).state("gw", "net2"))
    assert "/var/log/hotspare/gw.stager.log" in failed.value.hint


@pytest.mark.parametrize("lacks", list(stager_json.plain(STATE)))
def test_a_stager_of_another_version_is_told_from_one_of_ours(tmp_path, lacks):
    told = {name: value for name, value in stager_json.plain(STATE).items() if name != lacks}

    async def asked() -> None:
        async with answering(tmp_path / "gw.stager.sock", json.dumps({**told, "end": True}).encode() + b"\n"):
            await StagerDesks(Processes(), run_dir=str(tmp_path)).state("gw", "net2")

    with pytest.raises(RefusedError, match="speaks otherwise") as refused:
        asyncio.run(asked())
    assert "hotspare apply" in refused.value.hint


def test_what_a_newer_stager_tells_beside_it_is_left_out():
    assert stager_json.state({**stager_json.plain(STATE), "mood": "good", "end": True}) == STATE


@pytest.mark.parametrize(
    ("text", "words"),
    [(b"", "no word for 0.3 s"), (b'{"at_s": 1}\n', "ended in the middle"), (b'{"at_s', "ended in the middle")],
    ids=["hung", "cut", "cut in a line"],
)
def test_one_that_is_silent_or_ends_in_the_middle_is_told_from_one_that_answers(tmp_path, text, words):
    async def told() -> Done:
        async with answering(tmp_path / "a.sock", text):
            return await asked(tmp_path / "a.sock", silence_s=0.3)

    done = asyncio.run(told())
    assert done.code == BROKEN
    assert words in done.stderr
