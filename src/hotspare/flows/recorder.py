"""Collects what probes tell while a drill runs; it judges nothing and forgets nothing."""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Any

from hotspare.codec import onsite_jsonl
from hotspare.model.drill import Get, Sighting, StreamFact, Trace

Take = Callable[[dict[str, Any]], None]


class Recorder:
    """The record as far as it has come. All stamps are brought to the drill's own clock as they arrive."""

    def __init__(self, interval_s: float, addresses: tuple[str, ...]) -> None:
        self.interval_s = interval_s
        self.addresses = addresses
        self.rounds: list[tuple[int, float]] = []
        self.replies: dict[str, list[tuple[int, float]]] = {address: [] for address in addresses}
        self.errors: dict[str, int] = {}
        self.streams: list[StreamFact] = []
        self.gets: list[Get] = []
        self.sightings: list[Sighting] = []
        self.frames_lost = 0
        self.sink_port: int | None = None
        self.source: Mapping[str, str] = {}
        self.heard: set[str] = set()
        """Names of the probes that have said something."""
        self.troubles: list[str] = []

    def from_ping(self, ahead_s: float) -> Take:
        """Take lines of ping.py."""

        def take(facts: dict[str, Any]) -> None:
            match facts["k"]:
                case "hello":
                    self.source = facts["source"]
                case "rounds":
                    first = facts["first"]
                    self.rounds += [(first + place, at_s - ahead_s) for place, at_s in enumerate(facts["at"])]
                case "replies":
                    for place, number, at_s in facts["r"]:
                        self.replies[self.addresses[place]].append((number, at_s - ahead_s))
                case "errors":
                    for _place, _number, name in facts["e"]:
                        self.errors[name] = self.errors.get(name, 0) + 1

        return take

    def from_sink(self, facts: dict[str, Any]) -> None:
        """Take lines of tcp_sink.py."""
        if facts["k"] == "listening":
            self.sink_port = facts["port"]

    def from_stream(self, inside: str, ahead_s: float) -> Take:
        """Take lines of tcp_stream.py."""
        return lambda facts: self.streams.append(onsite_jsonl.stream_fact(facts, inside, ahead_s))

    def from_get(self, inside: str, ahead_s: float) -> Take:
        """Take lines of http_get.py."""
        return lambda facts: self.gets.append(onsite_jsonl.get(facts, inside, ahead_s))

    def from_witness(self, nodes: dict[str, str], ahead_s: float) -> Take:
        """Take lines of witness.py; `nodes` is cable → node."""

        def take(facts: dict[str, Any]) -> None:
            if facts["k"] == "seen":
                self.sightings += onsite_jsonl.sightings(facts, nodes, ahead_s)
                self.frames_lost += facts["lost"]

        return take

    def trace(self, since_s: float = 0.0) -> Trace:
        """The trace as far as it has come, or its end from `since_s` on."""
        cut = bisect_left(self.rounds, since_s, key=lambda probe: probe[1])
        tail = {
            address: tuple(replies[bisect_left(replies, since_s, key=lambda reply: reply[1]) :])
            for address, replies in self.replies.items()
        }
        return Trace(self.interval_s, tuple(self.rounds[cut:]), tail, dict(self.errors))

    def last_get(self, inside: str) -> Get | None:
        """The newest answer about metadata from there."""
        return next((get for get in reversed(self.gets) if get.inside == inside), None)

    def last_word(self, inside: str) -> StreamFact | None:
        """The newest thing that changed for the connection from there."""
        told = (fact for fact in reversed(self.streams) if fact.inside == inside and fact.kind != "echoed")
        return next(told, None)

    def connected(self, inside: str) -> bool:
        """Whether messages come back to the place inside now, on whichever connection."""
        word = self.last_word(inside)
        return word is not None and word.kind in {"connected", "resumed", "fresh"}
