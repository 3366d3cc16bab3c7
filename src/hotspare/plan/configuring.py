"""The steps to the configuration that is wanted: in one change, or, where a gateway's strategy changes, by way of one
with both, in which routers move.
"""

from collections.abc import Iterator

from hotspare.model.cib import Element, Wanted
from hotspare.model.cluster import ClusterStatus
from hotspare.model.errors import InvariantError
from hotspare.model.spec import Spec
from hotspare.model.step import (
    AwaitMoved,
    AwaitStopped,
    ChangeCib,
    ForgetNode,
    Stage,
    StartResource,
    Step,
    StopResource,
)
from hotspare.plan import configuration, passage, reconcile
from hotspare.plan.names import rescheduler
from hotspare.plan.passage import Passage

STOP_LIMIT_S = 300.0
"""A gateway's three agents have 60 s each and its data plane 90 s; what is stuck is known to be so long before."""

MOVE_STILL_S = 300.0
"""A move waits at most 30 s for its source and 180 s for its target. Of an agent that has stopped, Neutron finds out
after `agent_down_time`, 75 s."""


def stages(speaker: str, spec: Spec, cib: Element | None, status: ClusterStatus | None) -> Iterator[Stage]:
    """Without any, the configuration is as it is wanted."""
    wanted = configuration.wanted(spec)
    passing: tuple[Passage, ...] = ()
    if cib is not None and passage.changing(spec, cib):
        if status is None:
            raise InvariantError("planned a change of strategy without the cluster's status")
        passing = passage.passages(spec, cib, status)
        with_both = passage.between(spec, cib, passing)
        yield from _passing(speaker, cib, with_both, passing)
        cib = reconcile.reconciled(cib, with_both)
    steps = (*_changed(speaker, cib, wanted, stopped=_gone_before(passing)), *_forgotten(speaker, spec, cib))
    if steps:
        yield Stage("configuration", steps, tuple(map(_at_the_end, passing)))


def _changed(
    speaker: str, cib: Element | None, wanted: Wanted, *, stopped: frozenset[str] = frozenset()
) -> Iterator[Step]:
    """What is taken out is stopped before, but for what is `stopped` already."""
    if cib is not None:
        yield from _stopped(speaker, tuple(old for old in reconcile.taken_out(cib, wanted) if old.id not in stopped))
    if todo := reconcile.changes(cib, wanted):
        yield ChangeCib(speaker, wanted, todo)


def _stopped(speaker: str, out: tuple[Element, ...]) -> Iterator[Step]:
    """They run nowhere, while their parameters are known.

    Pacemaker stops what it finds running without a configuration, too. But after a clean-up or refresh of such a
    resource it does so without parameters (an address then stays, and the agent says that all is well), and where
    that stop fails it fences the node. Source: Pacemaker 2.1.5, tried.
    """
    for old in out:
        yield StopResource(speaker, old.id)
    if out:
        names = tuple(part.id for old in out for part in old.walk() if part.tag == "primitive")
        yield AwaitStopped(speaker, names, STOP_LIMIT_S)


def _forgotten(speaker: str, spec: Spec, cib: Element | None) -> Iterator[Step]:
    nodes = None if cib is None else next((part for part in cib.walk() if part.tag == "nodes"), None)
    for node in nodes.children if nodes else ():
        name = node.get("uname")
        if name and name not in spec.nodes and node.get("type") in {"", "member"}:
            yield ForgetNode(speaker, name)


# --- a strategy changes -----------------------------------------------------------------------------------------------


def _passing(speaker: str, cib: Element, with_both: Wanted, passing: tuple[Passage, ...]) -> Iterator[Stage]:
    """Both are there, routers move, and what they have left has stopped for good, as Neutron knows by then."""
    there = reconcile.reconciled(cib, with_both)
    begun = (*_changed(speaker, cib, with_both), *_started(speaker, there, passing))
    gone = _gone_before(passing)
    out = tuple(old for _, old in reconcile.ours(there) if old.id in gone)
    yield Stage("both strategies", begun, tuple(map(_side_by_side, passing)))
    yield Stage("routers", _awaited(speaker, passing, deaf=False), tuple(map(_on_the_way, passing)))
    yield Stage("the other strategy ends", tuple(_stopped(speaker, out)), tuple(map(_ends, passing)))
    yield Stage("late routers", _awaited(speaker, passing, deaf=True), tuple(map(_late, passing)))


def _awaited(speaker: str, passing: tuple[Passage, ...], *, deaf: bool) -> tuple[Step, ...]:
    return tuple(AwaitMoved(speaker, one.gateway, one.homeward, deaf, MOVE_STILL_S) for one in passing)


def _started(speaker: str, there: Element, passing: tuple[Passage, ...]) -> Iterator[Step]:
    """What was stopped to be taken out, before somebody thought better of it."""
    coming = {part for one in passing for part in one.coming}
    for _, old in reconcile.ours(there):
        if old.id in coming and reconcile.is_stopped(old):
            yield StartResource(speaker, old.id)


def _gone_before(passing: tuple[Passage, ...]) -> frozenset[str]:
    """What ends before the last change. A pool's rescheduler does not: it has late routers to move."""
    return frozenset(part for one in passing for part in one.going if part != rescheduler(one.gateway))


# --- in words ---------------------------------------------------------------------------------------------------------


def _side_by_side(passing: Passage) -> str:
    name, carrier = passing.gateway, passing.carrier or "no node"
    if passing.homeward:
        return (
            f"{name} as one gateway for all starts on {carrier}, which leaves the pool: routers that are on {carrier} "
            "now are without service until it has them, all others are not touched"
        )
    return (
        f"{name} goes on forwarding on {carrier}, and may run there alone; its pool starts on the other nodes. "
        "No router is touched"
    )


def _on_the_way(passing: Passage) -> str:
    name, carrier = passing.gateway, passing.carrier or "no node"
    if passing.homeward:
        return (
            f"every router of the pool moves to {carrier}, a few at a time: one move each, in which it is without "
            "service for some seconds. If nobody can take one, nothing is taken out"
        )
    return (
        f"every router leaves {name} for a node of the pool, a few at a time: one move each, in which it is without "
        f"service for some seconds. If {carrier} dies meanwhile, it is fenced and the rest is moved at once. If nobody "
        "can take one, nothing is taken out"
    )


def _ends(passing: Passage) -> str:
    what = "the pool" if passing.homeward else passing.gateway
    return f"{what} stops; by now it has no routers"


def _late(passing: Passage) -> str:
    what = "the pool's agents" if passing.homeward else f"the agents of {passing.gateway}"
    return f"until Neutron finds that {what} are gone, it may give them new routers; those are moved, too"


def _at_the_end(passing: Passage) -> str:
    if passing.homeward:
        return f"the pool is taken out, and the other nodes of {passing.gateway} become its spares"
    return f"what {passing.gateway} was is taken out, and {passing.carrier or 'every node'} joins the pool"
