"""The part of the status screen that is about twins: whether a takeover by each spare would be one by a fresh copy."""

from collections.abc import Collection, Iterator, Mapping

from hotspare.model.answer import Answer, together
from hotspare.model.cluster import ClusterStatus
from hotspare.model.stager import Role, State
from hotspare.model.status import GatewayLine, Line, TwinNode
from hotspare.plan.seen import Seen
from hotspare.plan.twin.freshness import Score

COLD_MAX = 3
"""So many routers without a twin are named, of each spare; all of them are in `--json`."""


def twins(gateway: str, gateways: Mapping[str, Collection[str]], seen: Seen) -> tuple[TwinNode, ...]:
    """Every node of the gateway. `gateways` are all that one node carries at a time, each with its nodes."""
    told = seen.stagers.get(gateway, {})
    others = gateways.keys() - {gateway}
    return tuple(_node(gateway, node, told.get(node, "not asked"), others, seen) for node in gateways[gateway])


def _node(gateway: str, node: str, told: State | str, others: Collection[str], seen: Seen) -> TwinNode:
    """A node that carries another gateway has no stager of this one, nor has one where the gateway is not started."""
    status = seen.status
    if isinstance(status, ClusterStatus):
        carried = sorted(other for other in others if node in status.promoted_on(other))
        if carried:
            return TwinNode(node, Answer.YES, f"{node} carries {carried[0]}", None)
        if isinstance(told, str) and node not in status.running_on(gateway):
            return TwinNode(node, Answer.NO, f"{node} none", None, (f"{node}: {gateway} is not started there",))
    if isinstance(told, str):
        return TwinNode(node, Answer.CANNOT_TELL, f"{node} not known", None, (f"{node}: {told}",))
    wrong = tuple(_wrong(gateway, told, status))
    if told.role is Role.CARRIER:
        return TwinNode(node, Answer.NO if wrong else Answer.YES, f"{node} carries{_sums(told, seen)}", told, wrong)
    answer = Answer.NO if wrong or told.score < Score.FRESH else Answer.YES
    return TwinNode(node, answer, f"{node} {told.twin}{_sums(told, seen)}", told, (*wrong, *_cold(told, seen)))


def _wrong(gateway: str, told: State, status: ClusterStatus | str) -> Iterator[str]:
    if told.trouble:
        yield f"{told.node}: {told.trouble}"
    if isinstance(status, str):
        return
    promoted = status.promoted_on(gateway)
    if told.role is Role.CARRIER and promoted and told.node not in promoted:
        yield f"{told.node}: its stager publishes, but the cluster has {gateway} on {' and '.join(promoted)}"
    if told.role is Role.SPARE and told.node in promoted:
        yield f"{told.node}: it carries {gateway}, but its stager publishes nothing"


def _sums(told: State, seen: Seen) -> str:
    """What is not in the words of a twin; connections only where any stager of the gateway keeps some."""
    routers = f", {told.routers} router{'s' * (told.routers != 1)}" if told.role is Role.CARRIER else ""
    states = seen.stagers.get(told.gateway, {}).values()
    if any(isinstance(state, State) and state.connections for state in states):
        return f"{routers}, {told.connections} connection{'s' * (told.connections != 1)}"
    return routers


def _cold(told: State, seen: Seen) -> Iterator[str]:
    """By the names that Neutron has for them, where it could be asked."""
    routers = seen.routers.get(told.gateway, "not asked")
    names = {} if isinstance(routers, str) else {router.id: router.name for router in routers}
    for router in sorted(told.cold)[:COLD_MAX]:
        yield f"{told.node}: no twin of {names.get(router) or router}: {told.cold[router]}"
    if len(told.cold) > COLD_MAX:
        yield f"{told.node}: nor of {len(told.cold) - COLD_MAX} more"


def lines(gateway: GatewayLine) -> tuple[Line, ...]:
    """One line, where the gateway has spares that keep twins."""
    if not gateway.twins:
        return ()
    answer = together(twin.answer for twin in gateway.twins)
    details = tuple(detail for twin in gateway.twins for detail in twin.details)
    if answer is Answer.YES and not any(twin.state and twin.state.role is Role.SPARE for twin in gateway.twins):
        answer, details = Answer.NO, (*details, "no node keeps a twin: a takeover would be a cold one")
    return (Line("twins", answer, "; ".join(twin.text for twin in gateway.twins), details),)
