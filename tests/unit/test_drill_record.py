"""A drill breaks a node for its record: nothing that fails beside it may lose that."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from drill_history import history
from rich.console import Console

from hotspare import __version__
from hotspare.faces.cli import drill as cli
from hotspare.flows.probes import Probes, Watch
from hotspare.flows.recorder import Recorder
from hotspare.model.answer import Answer
from hotspare.model.drill import History, Place
from hotspare.model.errors import NotReachableError


@dataclass
class Drill:
    """One that has taken place, on nodes that no longer answer."""

    site: "Drill | None" = None
    troubles: tuple[str, ...] = ()

    @asynccontextmanager
    async def opened(self, *, tell: object) -> AsyncGenerator["Drill"]:
        assert tell
        self.site = self
        yield self

    async def run(self) -> History:
        if self.troubles:
            raise KeyboardInterrupt
        return history()

    async def versions(self) -> Mapping[str, str]:
        raise NotReachableError("net3: not reachable by SSH")


def test_the_record_is_kept_where_no_node_tells_its_versions():
    report, record = asyncio.run(cli._drilled(Drill(), None, Console(stderr=True)))
    assert record == history()
    assert report.verdict is Answer.YES
    assert report.versions == {"hotspare": __version__}


def test_a_node_that_was_not_healed_is_named_when_the_drill_is_broken_off():
    talk = Console(stderr=True)
    with talk.capture() as said, pytest.raises(KeyboardInterrupt):
        asyncio.run(cli._drilled(Drill(troubles=("net1 was not healed within 240 s",)), None, talk))
    assert "net1 was not healed within 240 s" in said.get()


@dataclass
class Site:
    """Gives these lines for every probe."""

    lines: tuple[object, ...]
    asked: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def probe(self, name: str, place: Place, options: Mapping[str, object]) -> AsyncGenerator[AsyncIterator[str]]:
        assert options
        self.asked.append(f"{name} on {place}")

        async def each() -> AsyncGenerator[str]:
            for line in self.lines:
                yield json.dumps(line)

        yield each()


@pytest.mark.parametrize("said", [["no", "object"], {"k": "replies", "r": [[9, 1, 2.0]]}, {"k": "rounds", "first": 1}])
def test_a_probe_that_talks_nonsense_is_a_trouble_of_the_record_and_no_end_of_the_drill(said):
    recorder = Recorder(0.04, ("10.30.1.1",))
    site = Site((said,))

    async def run() -> None:
        async with Probes(site, recorder, ahead_s={}).running(Watch(Place("ext"), (), (), 9.0)):
            await asyncio.sleep(0.01)

    asyncio.run(run())
    assert site.asked == ["ping.py on ext"]
    [trouble] = recorder.troubles
    assert trouble.startswith("ping.py on ext: it said ")
