"""The way of a takeover, moment by moment, from a history. Which steps it has is the carriage's affair."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from hotspare.model.drill import Fault, History
from hotspare.model.event import Event, What
from hotspare.model.report import Mark, Outage, Phases
from hotspare.plan.carriage import Carriage

T0_SLACK_S = 0.5
"""Clocks and probes may place the first silence this much before the fault's own stamp."""

MEANING = {
    "detect": "until the cluster had a membership without the node",
    "fence": "until the power-off of the node was confirmed",
    "stop": "until the node had stopped the agents and proved its silence",
    "promote": "until the other node was allowed to forward",
    "start": "until the agents ran there",
    "decide": "until the rescheduler had decided where routers go",
    "move": "until Neutron had bound the last router to another node",
    "adopt": "until the last address answered again",
}


def zero(history: History, outages: Sequence[Outage]) -> float:
    """T0. Power off: the last answer before the first silence. Else the order itself: nothing is lost yet."""
    if history.fault is not Fault.POWEROFF:
        return history.called_s
    began = [gap.began_s for one in outages for gap in one.gaps if gap.began_s >= history.called_s - T0_SLACK_S]
    return min(began, default=history.called_s)


def phases(history: History, carriage: Carriage, outages: Sequence[Outage]) -> Phases:
    """When each step of the takeover was done, and how long each took. What nobody told is None, never a guess."""
    t0_s = zero(history, outages)
    seen = moments(history, carriage, outages, t0_s)
    found = tuple(lengths({name: seen[name] for name in carriage.phases(history.fault)}, t0_s))
    marks = tuple(mark for _name, mark, _length_s in found if mark)
    return Phases(t0_s, marks, {name: length_s for name, _mark, length_s in found})


def moments(
    history: History, carriage: Carriage, outages: Sequence[Outage], t0_s: float
) -> Mapping[str, tuple[float, str] | None]:
    """When each step of any takeover was done, and who told it; None where nobody did."""
    return {
        "token": _token_lost(history, t0_s),
        "detect": _detected(history, t0_s),
        "controller": _of_node(history, What.FENCE_PLANNED, t0_s),
        "scheduler": _of_node(history, What.FENCE_CALLED, t0_s),
        "fence": _of_node(history, What.FENCE_CONFIRMED, t0_s),
        "stop": _stopped(history, carriage, t0_s),
        "promote": _promoted(history, carriage, t0_s),
        "start": _agents_started(history, carriage, t0_s),
        "decide": _decided(history, t0_s),
        "move": _bound(history, carriage, t0_s),
        "adopt": _last_back(outages),
    }


def lengths(
    ends: Mapping[str, tuple[float, str] | None], t0_s: float
) -> Iterator[tuple[str, Mark | None, float | None]]:
    """Of steps that follow one another, by their ends: each one's name, its end, and its length."""
    before_s: float | None = 0.0
    for name, found in ends.items():
        if found is None:
            yield name, None, None
            before_s = None if name != "adopt" else before_s
            continue
        at_s, source = found
        after_s = round(at_s - t0_s, 3)
        yield name, Mark(name, after_s, source), None if before_s is None else round(max(0.0, after_s - before_s), 3)
        before_s = max(before_s or 0.0, after_s)


type_found = tuple[float, str] | None


def _first(events: Iterable[Event], t0_s: float) -> type_found:
    after = sorted((event for event in events if event.at_s >= t0_s), key=lambda event: event.at_s)
    return (after[0].at_s, f"{after[0].host}: {after[0].text or after[0].what}") if after else None


def _detected(history: History, t0_s: float) -> type_found:
    """The first membership that a survivor formed without the node."""
    return _first(
        (
            event
            for event in history.events
            if event.host != history.node
            and (
                (event.what is What.MEMBERSHIP_FORMED and " left:" in event.text)
                or (event.what is What.NODE_LOST and event.subject == history.node)
            )
        ),
        t0_s,
    )


def _token_lost(history: History, t0_s: float) -> type_found:
    """The first survivor that missed the token."""
    lost = (event for event in history.events if event.what is What.TOKEN_LOST and event.host != history.node)
    return _first(lost, t0_s)


def _of_node(history: History, what: What, t0_s: float) -> type_found:
    """The first event of this kind about the node."""
    return _first((event for event in history.events if event.what is what and event.subject == history.node), t0_s)


def _stopped(history: History, carriage: Carriage, t0_s: float) -> type_found:
    """The end of the data plane's demotion (or stop) on the node that had to let go."""
    return _action(history, carriage.subjects, t0_s, frozenset({"demote", "stop"}), on_node=True)


def _promoted(history: History, carriage: Carriage, t0_s: float) -> type_found:
    """The end of the data plane's promotion on any other node."""
    return _action(history, carriage.subjects, t0_s, frozenset({"promote"}), on_node=False)


def _action(
    history: History, subjects: frozenset[str], t0_s: float, actions: frozenset[str], *, on_node: bool
) -> type_found:
    """The end of an action of the data plane, as its agent told it; where it told nothing, as Pacemaker did."""
    done = [
        event
        for event in history.events
        if event.subject in subjects
        and event.action in actions
        and (event.host == history.node) is on_node
        and (event.what is What.AGENT_FINISHED or (event.what is What.ACTION_ENDED and event.text.endswith(": ok")))
    ]
    own = [event for event in done if event.what is What.AGENT_FINISHED]
    return _first(own, t0_s) or _first(done, t0_s)


def _agents_started(history: History, carriage: Carriage, t0_s: float) -> type_found:
    """The end of the last agent's first start elsewhere; None unless every agent was seen to start."""
    started: list[tuple[float, str]] = []
    for agent in carriage.agents:
        found = _first(
            (
                event
                for event in history.events
                if event.what is What.ACTION_ENDED
                and event.subject == agent
                and event.action == "start"
                and event.host != history.node
                and event.text.endswith(": ok")
            ),
            t0_s,
        )
        if found is None:
            return None
        started.append(found)
    return max(started, default=None)


def _decided(history: History, t0_s: float) -> type_found:
    """The rescheduler's first word on routers of the node."""
    host = history.gateway.hosts.get(history.node)
    return _first(
        (event for event in history.events if event.what is What.MOVES_PLANNED and event.subject == host), t0_s
    )


def _bound(history: History, carriage: Carriage, t0_s: float) -> type_found:
    """The last router's first binding elsewhere; None unless every router that was struck was told of."""
    bound: list[tuple[float, str]] = []
    for router in carriage.struck(history.routers, history.bound, history.node):
        told = (event for event in history.events if event.what is What.ROUTER_BOUND and event.subject == router)
        found = _first(told, t0_s)
        if found is None:
            return None
        bound.append(found)
    return max(bound, default=None)


def _last_back(outages: Sequence[Outage]) -> type_found:
    back = [(one.back_s, one) for one in outages if one.gaps]
    if not back or any(at_s is None for at_s, _one in back):
        return None
    at_s, last = max(((at_s, one) for at_s, one in back if at_s is not None), key=lambda pair: pair[0])
    return at_s, f"{last.address} of {last.router} answered"
