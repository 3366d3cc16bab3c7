"""Clouds and plans in words: what golden cases are written in.

An agent is `agent NAME[@HOST] [STANDING] [KEY=VALUE …]`, live and able by default, and its host is its name; a router
is `router NAME[..NAME] [on AGENT[,AGENT]] [KEY=VALUE …]`; `dhcp` and `network` likewise. The last line is the question.
"""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

from hotspare.model.routing import (
    AgentFacts,
    DhcpAgent,
    DhcpNetwork,
    LeasePlan,
    Leasing,
    Placement,
    RouterFacts,
    Routing,
    Standing,
    Weights,
)
from hotspare.plan.balance import balanced
from hotspare.plan.leasing import served_again
from hotspare.plan.placement import drained, moved_to, place, stranded

CASES = Path(__file__).parent / "rescheduling"
ALIKE = Weights(router=1, gateway=0, interface=0, floating_ip=0)
_SETS = {"physnets", "tunnel_types", "apart"}
_NUMBERS = {"interfaces", "floating_ips"}


def cases() -> Iterator[tuple[str, str, str]]:
    """What each case shows, its input, and the plan that is expected."""
    for path in sorted(CASES.glob("*.txt")):
        for case in re.split(r"^====\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE):
            given, _, expected = case.partition("----\n")
            shown = " ".join(line[2:] for line in given.splitlines() if line.startswith("# "))
            yield f"{path.stem}: {shown}", "\n".join(re.findall(r"^[^#].*$", given, re.MULTILINE)), expected.strip()


class Cloud:
    """What the lines of a case say."""

    def __init__(self, text: str) -> None:
        self.agents: dict[str, AgentFacts] = {}
        self.dhcp_agents: dict[str, DhcpAgent] = {}
        self.routers: dict[str, RouterFacts] = {}
        self.networks: dict[str, DhcpNetwork] = {}
        self.bindings: dict[str, tuple[str, ...]] = {}
        self.standings: dict[str, Standing] = {}
        *lines, self.question = text.splitlines()
        for line in lines:
            kind, name, *words = line.split()
            {"agent": self._agent, "dhcp": self._agent, "router": self._served, "network": self._served}[kind](
                kind, name, words
            )

    @property
    def routing(self) -> Routing:
        return Routing(self.agents, self.routers, self.bindings)

    @property
    def leasing(self) -> Leasing:
        return Leasing(self.dhcp_agents, self.networks, self.bindings)

    def answer(self) -> str:
        """The plan in words."""
        match self.question.split():
            case ["place", *named]:
                routers = named or stranded(self.routing, self.standings)
                return told(self.routing, place(self.routing, self.standings, routers, Weights()))
            case ["drain", host]:
                return told(self.routing, drained(self.routing, self.standings, host, Weights()))
            case ["rebalance", *alike]:
                return told(self.routing, balanced(self.routing, self.standings, ALIKE if alike else Weights()))
            case ["move", *routers, "to", host]:
                return told(self.routing, moved_to(self.routing, self.standings, routers, host))
            case ["lease", count]:
                return told_leases(served_again(self.leasing, self.standings, int(count)))
        raise AssertionError(self.question)

    def _agent(self, kind: str, name: str, words: list[str]) -> None:
        name, _, host = name.partition("@")
        host = host or name
        standing = Standing(words.pop(0)) if words and "=" not in words[0] else Standing.LIVE
        if standing is not Standing.FOREIGN:
            self.standings[host] = standing
        if kind == "agent":
            self.agents[name] = _with(AgentFacts(name, host, alive=True, admin_up=True), words)
        else:
            self.dhcp_agents[name] = _with(DhcpAgent(name, host, alive=True, admin_up=True), words)

    def _served(self, kind: str, name: str, words: list[str]) -> None:
        bound = tuple(words[1].split(",")) if words[:1] == ["on"] else ()
        for one in _named(name):
            facts = words[2 if bound else 0 :]
            self.bindings[one] = bound
            if kind == "router":
                self.routers[one] = _with(RouterFacts(one, one), facts)
            else:
                self.networks[one] = _with(DhcpNetwork(one, one), facts)


def told(routing: Routing, placement: Placement) -> str:
    moves = [f"rebind {m.router} {m.source} -> {m.target}" if m.source else f"bind {m.router} -> {m.target}"
             for m in placement.moves]  # fmt: skip
    assert all(move.source in {None, *routing.bindings[move.router]} for move in placement.moves)
    return "\n".join(moves + [f"not {one.router}: {one.reason}" for one in placement.unplaced]) or "nothing"


def told_leases(plan: LeasePlan) -> str:
    steps = [f"{step.change} {step.network} {step.agent}" for step in plan.steps]
    return "\n".join(steps + [f"not {one.network}: {one.reason}" for one in plan.unserved]) or "nothing"


def _named(name: str) -> list[str]:
    first, _, last = name.partition("..")
    if not last:
        return [first]
    return [f"{first[0]}{number}" for number in range(int(first[1:]), int(last[1:]) + 1)]


def _with(facts, words: list[str]):
    return dataclasses.replace(facts, **dict(_fact(word) for word in words))


def _fact(word: str) -> tuple[str, object]:
    key, _, value = word.partition("=")
    if key in _SETS:
        return key, frozenset(filter(None, value.split(",")))
    if key == "zones":
        return key, tuple(value.split(","))
    if key in _NUMBERS:
        return key, int(value)
    return key, {"yes": True, "no": False}.get(value, value)
