"""What a drill means: whether it may begin, and what its history amounts to."""

from collections.abc import Iterator, Mapping, Sequence

from hotspare.model.answer import Answer, together
from hotspare.model.drill import ClusterState, Fault, Gateway, History, Strategy
from hotspare.model.errors import Problem
from hotspare.model.report import Audit, Outage, Report
from hotspare.model.spec import Spec
from hotspare.plan import strategies
from hotspare.plan.audit import audits
from hotspare.plan.budget import spent
from hotspare.plan.carriage import Carriage
from hotspare.plan.downtime import blind_s, outages, summary, unanswered, untouched
from hotspare.plan.inside import metadata, sessions
from hotspare.plan.phases import phases

ERROR_LIMIT_S = 0.5
"""An outage whose ends are known worse than this is not measured."""
BLIND_LIMIT_S = 1.0
"""A prober that sent nothing for longer than this was starved: what it did not see it cannot judge."""


def objections(carriage: Carriage, cluster: ClusterState, node: str) -> tuple[str, ...]:
    """What keeps a drill on `node` from beginning: a fault is injected only into what is whole."""
    found: list[str] = []
    nodes = carriage.gateway.nodes
    if not cluster.quorate:
        found.append("the cluster has no quorum: get its nodes online first")
    if node not in nodes:
        found.append(f"{node or 'none'} is no node of the gateway: choose one of {', '.join(nodes)}")
    able = [one for one in nodes if one in cluster.online and one not in cluster.standby]
    if node in nodes and node not in able:
        found.append(f"{node} is offline or in standby: bring it back first")
    if node in able and (other := cluster.other(node)):
        found.append(f"{node} carries {other}: drill that one with --gateway {other}, or choose another node")
    free = [one for one in able if not cluster.other(one)]
    if not [one for one in free if one != node]:
        busy = "".join(f"; {one} carries {cluster.other(one)}" for one in able if one not in free and one != node)
        ready = ", ".join(free) or "none"
        found.append(f"no other node could take over: of {', '.join(nodes)} only {ready} is ready{busy}")
    found += [f"{one} is unclean: fencing has to finish first" for one in cluster.unclean]
    found += carriage.not_whole(cluster)
    found += [f"{failure}: repair it, then `crm_resource --cleanup`" for failure in cluster.failures]
    return tuple(found)


def doubts(history: History, found: Sequence[Outage]) -> tuple[str, ...]:
    """Why this history cannot carry a verdict of yes even where all is well in it."""
    told: list[str] = []
    for address in sorted(history.targets):
        lost = len(unanswered(history.trace, address, history.baseline_s, history.called_s))
        if lost:
            told.append(f"{address} had already lost {lost} probes before the fault")
    blind = blind_s(history.trace, history.called_s, history.ended_s)
    if blind > BLIND_LIMIT_S:
        told.append(f"the prober sent nothing for {blind:.1f} s: it was starved")
    if not history.targets:
        told.append("there was no floating IP to probe")
    worst = max((one for one in found), key=lambda one: one.error_s, default=None)
    if worst is not None and worst.error_s > ERROR_LIMIT_S:
        told.append(f"the outage of {worst.address} is known to {worst.error_s:.2f} s only")
    return (*told, *history.troubles)


def judge(history: History, versions: Mapping[str, str], spec: Spec | None = None) -> Report:
    """The report of a drill. Yes needs every router back and every audit to hold; doubt makes it cannot tell.

    With the file of the cluster it says what was to be expected, too; that has no part in the verdict.
    """
    carriage = strategies.carriage(history.gateway)
    struck = carriage.struck(history.routers, history.bound, history.node)
    found, others = outages(history, struck), untouched(history, struck)
    way = phases(history, carriage, found)
    stories, answered = sessions(history, way.t0_s), metadata(history)
    judged = audits(history, carriage, found, others, stories, answered)
    unsure = doubts(history, found)
    gone = [one for one in found if one.outage_s is None]
    back = Answer.NO if gone or history.recovered_s is None else Answer.YES
    verdict = together([back, *(audit.answer for audit in judged), *([Answer.CANNOT_TELL] if unsure else [])])
    return Report(
        verdict=verdict,
        why=_why(history, gone, judged, unsure),
        fault=history.fault,
        gateway=history.gateway.name,
        strategy=history.gateway.strategy,
        node=history.node,
        carrier_before=_carrier(history, "before"),
        carrier=_carrier(history, "recovered"),
        began_s=history.began_s,
        t0_s=way.t0_s,
        routers_total=len(struck),
        routers_back=len(struck - {one.router_id for one in gone}),
        outages=found,
        outage=summary(found),
        phases=way,
        audits=judged,
        sessions=stories,
        metadata=answered,
        probe_interval_s=history.trace.interval_s,
        probe_error_s=max((one.error_s for one in found), default=0.0),
        clock_error_s=history.clock_error_s,
        versions=versions,
        journeys=carriage.journeys(history),
        bystanders=others,
        budget=spent(spec, history, carriage, found, way.t0_s) if spec else (),
    )


def _carrier(history: History, label: str) -> str | None:
    seen = history.observation(label)
    return seen.cluster.carrier if seen and seen.cluster else None


def _why(history: History, gone: Sequence[Outage], judged: Sequence[Audit], unsure: Sequence[str]) -> tuple[str, ...]:
    reasons = [f"{one.address} of {one.router} did not come back" for one in gone]
    if history.recovered_s is None and not gone:
        reasons.append("the takeover was not finished within the limit")
    reasons += [
        f"{audit.name} ({audit.when}): {audit.answer}: {audit.findings[0] if audit.findings else audit.text}"
        for audit in judged
        if audit.answer is not Answer.YES
    ]
    return (*reasons, *unsure)


def gateway_of(spec: Spec, name: str) -> Gateway:
    """The file's gateway of this name, as a drill knows it."""
    found = spec.gateways[name]
    if name in spec.pools:
        return Gateway(name, Strategy(found.strategy), spec.hosts(name))
    beside = (
        other for other, its in spec.carried.items() if other != name and not set(its.nodes).isdisjoint(found.nodes)
    )
    return Gateway(name, Strategy(found.strategy), dict.fromkeys(found.nodes, name), tuple(beside))


def lacking(spec: Spec, where: str, fault: Fault, node: str | None, gateway: str | None) -> Iterator[Problem]:
    """What a drill needs and the file, or the command line, does not give."""
    if spec.drill is None:
        yield Problem(where, "drill", "missing; say where to probe from: drill: {prober: HOST}")
    if spec.neutron is None:
        yield Problem(where, "neutron", "missing; a drill asks Neutron which routers there are")
    yield from _gateway_lacking(spec, where, fault, gateway)
    if node is not None and node not in spec.nodes:
        yield Problem("NODE", "", f"{node} is none of the file's nodes: {', '.join(spec.nodes)}")
    its = spec.gateways[_named(spec, gateway)].nodes if _named(spec, gateway) in spec.gateways else ()
    if node in spec.nodes and its and node not in its:
        yield Problem("NODE", "", f"{node} is no node of {_named(spec, gateway)}: choose one of {', '.join(its)}")
    for one in its if fault is Fault.POWEROFF else ():
        if node in {None, one} and spec.nodes[one].fence is None:
            yield Problem(where, f"nodes.{one}.fence", "missing; its power cannot be cut, try: hotspare drill standby")


def _named(spec: Spec, gateway: str | None) -> str:
    """The gateway that is meant; empty where that is not clear."""
    return gateway or (next(iter(spec.gateways)) if len(spec.gateways) == 1 else "")


def _gateway_lacking(spec: Spec, where: str, fault: Fault, gateway: str | None) -> Iterator[Problem]:
    name = gateway or next(iter(spec.gateways), None)
    if gateway is not None and gateway not in spec.gateways:
        known = ", ".join(spec.gateways) or "none"
        yield Problem("--gateway", "", f"{gateway} is none of the file's gateways: {known}")
    elif gateway is None and len(spec.gateways) != 1:
        yield Problem(where, "gateways", f"{len(spec.gateways)} of them: name one with --gateway")
    elif name is not None and (objection := strategies.carriage(gateway_of(spec, name)).objection(fault)):
        yield Problem(where, f"gateways.{name}", objection)
