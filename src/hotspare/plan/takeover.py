"""When a gateway may be taken over as planned, what draws it to the node meanwhile, and when it is done.

The node is preferred for the Promoted role, and nothing is stopped: Pacemaker demotes the one and promotes the other.
Stickiness does not count for a role, the promotion score does, and of equal ones the promoted one's (2.1.5, simulated).
Of twins the old node's is the higher one until the next monitors tell new ones; the preference has to hold until then.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hotspare.model.cib import Element, element
from hotspare.model.cluster import ClusterStatus, FailedAction, Role
from hotspare.model.errors import Problem
from hotspare.model.spec import Spec
from hotspare.model.stager import State
from hotspare.model.takeover import Handover, Order
from hotspare.plan.cleaning import GATEWAY
from hotspare.plan.health import carrier
from hotspare.plan.names import agents_of, cold_parts
from hotspare.plan.seen import Seen
from hotspare.plan.twin_status import twins

LOCATION = "rsc_location"
_NODE = "#uname"


# --- what is asked for ------------------------------------------------------------------------------------------------


def means_gateway(spec: Spec, words: Sequence[str]) -> bool:
    """Whether a takeover of these is one of a gateway: a gateway that one node carries goes before a router of its
    name, which has an id as well. Without a pool there are no routers that could be meant.
    """
    return not spec.pools or any(word in spec.carried for word in words)


def lacking(spec: Spec, where: str, words: Sequence[str], node: str) -> Iterator[Problem]:
    """What keeps the order from being made out."""
    gateway = next((word for word in words if word in spec.carried), None)
    if gateway is None:
        known = f"it has {', '.join(spec.carried)}, whose routers move with it" if spec.carried else "it has none"
        yield Problem(where, "gateways", f"there is no gateway {words[0]}; {known}")
    elif len(words) > 1:
        rest = ", ".join(word for word in words if word != gateway) or gateway
        yield Problem(
            "ROUTER...", "", f"{gateway} is a gateway, and moves alone; leave {rest} out. A router of that name: its id"
        )
    elif node not in spec.nodes:
        yield Problem(where, "nodes", f"there is no node {node}; it has {', '.join(spec.nodes)}")
    elif node not in spec.gateways[gateway].nodes:
        may = ", ".join(spec.gateways[gateway].nodes)
        yield Problem(where, f"gateways.{gateway}.nodes", f"{node} is not among them, so it never carries it: {may}")


def order(spec: Spec, words: Sequence[str], node: str) -> Order:
    """Where nothing is lacking."""
    return Order(words[0], node, is_twin=words[0] in spec.twins)


# --- whether it may be ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pull:
    """A location constraint of a gateway, or of its agents: it draws it to the node, or keeps it off."""

    id: str
    node: str
    draws: bool


def pulls(constraints: Element, gateway: str) -> Iterator[Pull]:
    """All that name their node."""
    for one in constraints.walk():
        if one.tag == LOCATION and one.get("rsc") in {gateway, *cold_parts(gateway)}:
            for part in (one, *(child for child in one.children if child.tag == "rule")):
                named = (part.get("node"), *(it.get("value") for it in part.children if it.get("attribute") == _NODE))
                nodes = [node for node in named if node]
                if nodes and part.get("score") not in {"", "0"}:
                    yield Pull(one.id, nodes[0], draws=not part.get("score").startswith("-"))


def wish(gateway: str, node: str) -> str:
    """The id of our own preference."""
    return f"{gateway}-takeover-to-{node}"


def preference(gateway: str, node: str, *, until: str) -> Element:
    """Draws the promoted one to the node, until a time (ISO 8601) at which it ends by itself, whatever becomes of us.

    Source: Pacemaker Explained, "Rules": `date_expression`.
    """
    own = wish(gateway, node)
    here = {"id": f"{own}-node", "attribute": _NODE, "operation": "eq", "value": node}
    limit = {"id": f"{own}-until", "operation": "lt", "end": until}
    rule = element(
        "rule",
        element("expression", attributes=here),
        element("date_expression", attributes=limit),
        attributes={"id": f"{own}-rule", "role": str(Role.PROMOTED), "score": "INFINITY", "boolean-op": "and"},
    )
    return element(LOCATION, rule, attributes={"id": own, "rsc": cold_parts(gateway)[0]})


def handover(order: Order, status: ClusterStatus, constraints: Element, told: State | str) -> Handover:
    """What would happen, where nothing objects. `told` is what the node's stager says, or why it does not."""
    found = pulls(constraints, order.gateway)
    leftovers = tuple(pull.node for pull in found if pull.id == wish(order.gateway, pull.node))
    source = carrier(status, order.gateway) or ""
    if source == order.node or not order.is_twin:
        return Handover(order, source, leftovers=leftovers)
    seen = Seen(0.0, None, status, {}, {}, {}, {order.gateway: {order.node: told}})
    (twin,) = twins(order.gateway, {order.gateway: (order.node,)}, seen)
    return Handover(order, source, twin, leftovers)


def objections(order: Order, status: ClusterStatus, constraints: Element) -> tuple[str, ...]:
    """What is in its way, one sentence each, with what to do; no force helps against it."""
    if carrier(status, order.gateway) == order.node:
        return ()
    return (*_of_cluster(order, status), *_of_node(order, status), *_of_constraints(order, constraints))


def _of_cluster(order: Order, status: ClusterStatus) -> Iterator[str]:
    gateway, promoted = order.gateway, status.promoted_on(order.gateway)
    if not status.quorate:
        yield "the cluster has no quorum: get its nodes online first"
    if status.maintenance:
        yield "the cluster is in maintenance mode: it would move nothing; crm configure property maintenance-mode=false"
    if len(promoted) != 1:
        where = f"on {' and '.join(promoted)}" if promoted else "nowhere"
        yield f"{gateway} is promoted {where}, so there is nothing to hand over: see hotspare status"
    for node in status.unclean:
        yield f"{node} is unclean: fencing has to finish first, see hotspare status"
    own = {gateway, *agents_of(gateway)}
    for resource in (one for one in status.resources if one.id in own):
        if not resource.managed:
            yield f"{resource.id} is unmanaged: nobody would move it; crm resource manage {resource.id}"
        if resource.pending:
            yield f"{resource.id} is on its way already ({resource.pending}): ask again in some seconds"


def _of_node(order: Order, status: ClusterStatus) -> Iterator[str]:
    gateway, name = order.gateway, order.node
    node = status.node(name)
    if node is None or not node.online or node.pending:
        yield f"{name} is offline: power it on and wait until hotspare status has it online"
        return
    if node.standby:
        yield f"{name} is in standby; crm node online {name}"
        return
    if node.maintenance:
        yield f"{name} is in maintenance: nothing is promoted there; crm node ready {name}"
    carried = {
        on: one.id for one in status.resources if one.agent == GATEWAY and one.role is Role.PROMOTED for on in one.nodes
    }
    if (other := carried.get(name, gateway)) != gateway:
        free = [on for on in status.running_on(gateway) if on not in carried]
        instead = f"{' or '.join(free)}, which is free" if free else "another node"
        reason = f"{name} carries {other}, and a node carries one at a time"
        yield f"{reason}: take {instead}, or have {other} taken over by another one first"
    failures = failed(order, status)
    for failure in failures:
        yield f"{words(failure)}; repair it, then crm resource cleanup {failure.resource}"
    if not failures and name not in status.running_on(gateway):
        yield f"{gateway} is not started on {name}, so it cannot be promoted there: see hotspare status"


def _of_constraints(order: Order, constraints: Element) -> Iterator[str]:
    """What an operator left there stays: he may have had a reason."""
    for pull in pulls(constraints, order.gateway):
        if not pull.draws and pull.node == order.node:
            yield f"the constraint {pull.id} keeps {order.gateway} off {pull.node}; crm configure delete {pull.id}"
        elif pull.draws and pull.node != order.node and pull.id != wish(order.gateway, pull.node):
            reason = f"the constraint {pull.id} would have {order.gateway} back on {pull.node}"
            yield f"{reason}; crm configure delete {pull.id}"


# --- how far it is ----------------------------------------------------------------------------------------------------


def to_come(order: Order, status: ClusterStatus) -> tuple[str, ...]:
    """What is still to come before the preference may go, one sentence each."""
    return missing(order, status) or tuple(_settling(order, status))


def missing(order: Order, status: ClusterStatus) -> tuple[str, ...]:
    """What is not as it is to be: the node alone is promoted, and has the agents."""
    promoted = status.promoted_on(order.gateway)
    if promoted != (order.node,):
        where = f"is promoted on {' and '.join(promoted)}" if promoted else "is promoted nowhere"
        return (f"{order.gateway} {where}, it is to be on {order.node}",)
    return tuple(
        f"{agent} is to run on {order.node}"
        for agent in agents_of(order.gateway)
        if status.running_on(agent) != promoted
    )


def _settling(order: Order, status: ClusterStatus) -> Iterator[str]:
    if not status.settled:
        yield "the cluster has something under way"
    scores = {node.name: _score(node.attributes.get(f"master-{order.gateway}", "")) for node in status.nodes}
    own = scores.pop(order.node, 0)
    if any(own < score for score in scores.values()):
        yield f"{order.node} is to tell the cluster that it carries {order.gateway}"


def _score(text: str) -> int:
    """Pacemaker's attribute has the promotion score as text; without one a node is not promoted."""
    return int(text) if text.lstrip("-").isdigit() else 0


def failed(order: Order, status: ClusterStatus) -> tuple[FailedAction, ...]:
    """Failures of the gateway and its agents on the node that is to carry it."""
    own = {order.gateway, *agents_of(order.gateway)}
    return tuple(one for one in status.failures if one.node == order.node and one.resource in own)


def words(failure: FailedAction) -> str:
    """A failure in a sentence."""
    reason = failure.reason or failure.exit_text
    return f"{failure.resource}: {failure.task} failed on {failure.node} ({failure.at}): {reason}"
