"""The next call of one move, from what is known to hold the router now.

A move is never a script that is run to its end: whatever happened to the last call (409, a time-out, a crash of ours),
who holds the router is read again and this function is asked again. So every cut is repaired by asking once more.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hotspare.model.routing import Move, Standing


@dataclass(frozen=True, slots=True)
class Unbind:
    """Take the router from this agent."""

    agent: str


@dataclass(frozen=True, slots=True)
class Bind:
    """Give the router, which nobody holds, to this agent."""

    agent: str


@dataclass(frozen=True, slots=True)
class Settled:
    """This agent holds the router, alone, and may keep it."""

    agent: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Touch nothing, for this reason."""

    reason: str


Next = Unbind | Bind | Settled | Leave


def next_call(move: Move, holders: tuple[str, ...], standings: Mapping[str, Standing], *, asked: bool) -> Next:
    """What to do now.

    `holders` are the agents that the router is bound to; `standings` is by agent, one that is not there is FOREIGN.
    `asked`: the operator named this move, so that it may be taken from an agent that is LIVE; without it only from one
    that is GONE or LEAVING.
    """

    def standing(agent: str) -> Standing:
        return standings.get(agent, Standing.FOREIGN)

    if dead := [agent for agent in holders if standing(agent) is Standing.GONE and agent != move.target]:
        return Unbind(dead[0]) if standing(move.target) is Standing.LIVE else _target_lost(standing(move.target))
    if unknown := [agent for agent in holders if standing(agent) is Standing.UNKNOWN]:
        return Leave(f"bound to agent {unknown[0]}, of whose node the cluster cannot tell whether it is dead")
    if not holders:
        return Bind(move.target) if standing(move.target) is Standing.LIVE else _target_lost(standing(move.target))
    if move.target in holders:
        return _alone(move, holders, standing(move.target))
    if move.source and move.source in holders:
        return _from_living(move.source, standing(move.source), standing(move.target), asked=asked)
    return Settled(holders[0])


def _alone(move: Move, holders: tuple[str, ...], target: Standing) -> Next:
    """The target has it; nobody else may."""
    if target is Standing.GONE:
        return _target_lost(target)
    others = [agent for agent in holders if agent != move.target]
    return Unbind(others[0]) if others else Settled(move.target)


def _from_living(source: str, source_standing: Standing, target: Standing, *, asked: bool) -> Next:
    if source_standing is not Standing.LEAVING and not (asked and source_standing is Standing.LIVE):
        return Leave("its agent is there, and serves it")
    return Unbind(source) if target is Standing.LIVE else _target_lost(target)


def _target_lost(standing: Standing) -> Leave:
    return Leave(f"its target is {standing} now")
