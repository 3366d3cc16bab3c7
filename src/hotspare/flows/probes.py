"""Starts every probe of a drill where it belongs, and gives its lines to the recorder until the drill is over."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from hotspare.codec import onsite_jsonl
from hotspare.flows.recorder import Recorder
from hotspare.model.drill import Cable, Place
from hotspare.model.errors import HotspareError
from hotspare.ports import Site

STREAM_INTERVAL_S = 0.05
STALL_S = 1.0
METADATA = {"host": "169.254.169.254", "port": 80, "path": "/latest/meta-data/", "interval_s": 0.5, "timeout_s": 2.0}
SINK_LIMIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Watch:
    """Where the probes run, and after how long they end by themselves."""

    prober: Place
    inside: tuple[Place, ...]
    witnesses: tuple[Cable, ...]
    limit_s: float


class Probes:
    """The running probes of one drill."""

    def __init__(self, site: Site, recorder: Recorder, *, ahead_s: Mapping[str, float]) -> None:
        self.site, self.recorder, self.ahead_s = site, recorder, ahead_s
        self.listening = asyncio.Event()

    @asynccontextmanager
    async def running(self, watch: Watch) -> AsyncGenerator[None]:
        """Have all probes run for as long as the context lasts.

        Raises:
            HotspareError: the sink for TCP did not come up.
        """
        tasks = [asyncio.create_task(self._ping(watch))]
        try:
            tasks += [
                asyncio.create_task(self._witness(place, cables, watch.limit_s))
                for place, cables in by_place(watch.witnesses).items()
            ]
            if watch.inside:
                tasks.append(asyncio.create_task(self._sink(watch)))
                address, port = await self._sink_address()
                for inside in watch.inside:
                    tasks.append(asyncio.create_task(self._stream(inside, address, port, watch.limit_s)))
                    tasks.append(asyncio.create_task(self._metadata(inside, watch.limit_s)))
            yield
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task

    async def _sink_address(self) -> tuple[str, int]:
        """Where the VMs inside reach the sink: the prober's own address on the way to the floating IPs.

        Raises:
            HotspareError: it did not come up in time, or the prober has no route to any address.
        """
        try:
            async with asyncio.timeout(SINK_LIMIT_S):
                while self.recorder.sink_port is None or not self.recorder.source:
                    if self.recorder.troubles:
                        raise HotspareError(self.recorder.troubles[0], hint="see what the prober says about it")
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise HotspareError(
                f"the prober was not ready after {SINK_LIMIT_S:.0f} s",
                hint="look at the prober of the spec (drill.prober)",
            ) from None
        return next(iter(self.recorder.source.values())), self.recorder.sink_port

    async def _ping(self, watch: Watch) -> None:
        recorder = self.recorder
        options = {"targets": recorder.addresses, "interval_s": recorder.interval_s, "limit_s": watch.limit_s}
        await self._follow("ping.py", watch.prober, options, recorder.from_ping(self._ahead_s(watch.prober)))

    async def _sink(self, watch: Watch) -> None:
        options = {"port": 0, "limit_s": watch.limit_s}
        await self._follow("tcp_sink.py", watch.prober, options, self.recorder.from_sink)

    async def _stream(self, inside: Place, address: str, port: int, limit_s: float) -> None:
        options = {
            "address": address,
            "port": port,
            "interval_s": STREAM_INTERVAL_S,
            "stall_s": STALL_S,
            "limit_s": limit_s,
        }
        take = self.recorder.from_stream(str(inside), self._ahead_s(inside))
        await self._follow("tcp_stream.py", inside, options, take)

    async def _metadata(self, inside: Place, limit_s: float) -> None:
        take = self.recorder.from_get(str(inside), self._ahead_s(inside))
        await self._follow("http_get.py", inside, {**METADATA, "limit_s": limit_s}, take)

    async def _witness(self, place: Place, cables: tuple[Cable, ...], limit_s: float) -> None:
        nodes = {cable.interface: cable.node for cable in cables}
        options = {"cables": {cable.interface: cable.direction for cable in cables}, "limit_s": limit_s}
        await self._follow("witness.py", place, options, self.recorder.from_witness(nodes, self._ahead_s(place)))

    def _ahead_s(self, place: Place) -> float:
        return self.ahead_s.get(place.host, 0.0)

    async def _follow(
        self, script: str, place: Place, options: Mapping[str, object], take: Callable[[dict[str, Any]], None]
    ) -> None:
        """Take every line until the drill is over; a probe that ends before that is a trouble of the record."""
        said = ""
        try:
            async with self.site.probe(script, place, options) as lines:
                async for text in lines:
                    said = text
                    take(onsite_jsonl.line(text))
            reason = "it ended"
        except HotspareError as failed:
            reason = failed.message
        except (ValueError, LookupError, TypeError):
            reason = f"it said {said[:120]!r}"
        self.recorder.troubles.append(f"{script} on {place}: {reason}")


def by_place(cables: tuple[Cable, ...]) -> dict[Place, tuple[Cable, ...]]:
    """One witness a place watches all its cables."""
    found: dict[Place, tuple[Cable, ...]] = {}
    for cable in cables:
        found[cable.place] = (*found.get(cable.place, ()), cable)
    return found
