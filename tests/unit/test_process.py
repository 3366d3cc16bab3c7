"""Commands on this machine end, one way or another, and say how."""

import asyncio
import os
from pathlib import Path

import pytest

from hotspare.adapters.hosts import Hosts
from hotspare.adapters.process import Processes
from hotspare.adapters.ssh import Ssh
from hotspare.model.errors import NotReachableError, RefusedError, TimedOutError
from hotspare.ports import Done


def run(*argv: str, stdin: bytes = b"", timeout_s: float = 10.0, expect: frozenset[int] = frozenset({0})) -> Done:
    return asyncio.run(Processes().run("local", argv, stdin=stdin, timeout_s=timeout_s, expect=expect))


def test_output_and_input_go_through() -> None:
    assert run("tr", "a-z", "A-Z", stdin=b"hello") == Done(0, "HELLO", "")


def test_an_exit_that_was_not_expected_is_refused_with_the_words() -> None:
    with pytest.raises(RefusedError, match="local: sh ended with 3: no") as refused:
        run("sh", "-c", "echo no >&2; exit 3")
    assert refused.value.code == 3
    assert run("sh", "-c", "exit 3", expect=frozenset({3})).code == 3


def test_a_command_that_is_not_there_was_not_begun() -> None:
    with pytest.raises(NotReachableError, match="cannot be started"):
        run("/no/such/program")


def test_a_command_that_does_not_end_is_gone_after_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    with pytest.raises(TimedOutError, match=r"no answer in 0\.5 s"):
        run("sh", "-c", f"echo $$ > {file}; exec sleep 60", timeout_s=0.5)
    with pytest.raises(ProcessLookupError):
        os.kill(int(file.read_text()), 0)


def test_lines_come_as_they_are_written_and_the_command_ends_with_the_context(tmp_path: Path) -> None:
    file = tmp_path / "pid"

    async def two_lines() -> list[str]:
        argv = ("sh", "-c", f"echo $$ > {file}; echo one; echo two; exec sleep 60")
        async with Processes().stream("local", argv) as lines:
            return [await anext(lines), await anext(lines)]

    assert asyncio.run(two_lines()) == ["one", "two"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(file.read_text()), 0)


def test_a_stream_that_ends_badly_says_so_after_its_last_line() -> None:
    found: list[str] = []

    async def read_all() -> None:
        async with Processes().stream("local", ("sh", "-c", "echo one; echo bad >&2; exit 4")) as lines:
            async for line in lines:
                found.append(line)  # noqa: PERF401 (the lines before the failure count)

    with pytest.raises(RefusedError, match="bad"):
        asyncio.run(read_all())
    assert found == ["one"]


@pytest.mark.skipif(os.geteuid() != 0, reason="files are given to root")
def test_a_file_is_put_whole_with_its_mode(tmp_path: Path) -> None:
    hosts = Hosts(Ssh(None, {}, connect_timeout_s=1), Processes())
    path = tmp_path / "secret"
    path.write_text("old")
    asyncio.run(hosts.put("local", str(path), b"\x00new\xff", mode=0o400, timeout_s=10))
    assert path.read_bytes() == b"\x00new\xff"
    assert path.stat().st_mode & 0o777 == 0o400
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_a_host_where_nobody_listens_is_not_reachable() -> None:
    hosts = Hosts(Ssh(Path("/dev/null"), {"net1": "127.0.0.1:1"}, connect_timeout_s=2), Processes())

    async def ask() -> None:
        try:
            await hosts.run("net1", ("true",), timeout_s=2)
        finally:
            await hosts.close()

    with pytest.raises(NotReachableError, match="net1"):
        asyncio.run(ask())
