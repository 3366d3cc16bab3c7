"""Gateways as Pacemaker's resources: their data plane, their agents beside it, and what moves a pool's routers.

A gateway of strategy `cold` or `twin` is promoted on one node at a time, a pool (`reschedule`) on all of its nodes at
once, each under a Neutron host of its own.
"""

from collections.abc import Iterator, Mapping

from hotspare.model.cib import Element, Section, element
from hotspare.model.spec import Neutron, Spec
from hotspare.plan import agents
from hotspare.plan.layout import TWIN_KEY
from hotspare.plan.names import AGENTS, AGENTS_OF_TWIN, local, rescheduler
from hotspare.plan.primitives import FORGIVING, STICKINESS, Operation, clone, never, primitive

Part = tuple[Section, Element]

TWIN_AGENTS_NICE = 10
"""Where a twin forwards already, its agents only find out that all is well; that costs seconds of CPU time, which
packets and the cluster need more (177 s for 100 routers, measured)."""

RATHER_NOT_ON_DC = -10
"""Of the Promoted role on the cluster's controller (DC), whose death costs a second more than another node's. Smaller
than the distance of any two promotion scores, above all of the carrier's (199) to a fresh twin's (180): it decides
between nodes that are as good, and moves nothing. Stickiness has no say in who is promoted. See docs/decisions/0015.
"""


def carried(name: str, spec: Spec) -> Iterator[Part]:
    """A gateway that one node carries at a time."""
    gateway, is_twin = spec.gateways[name], name in spec.twins
    parameters = {"gateway": name, "strategy": gateway.strategy} | (_twin(name, spec) if is_twin else {})
    data_plane = _data_plane(name, parameters)
    meta = _promotable(at_once=1) | {"resource-stickiness": STICKINESS}
    yield Section.RESOURCES, clone(f"{name}-clone", data_plane, meta)
    order, nice = (AGENTS_OF_TWIN, TWIN_AGENTS_NICE) if is_twin else (AGENTS, 0)
    group = agents.group(name, _neutron(spec), host=name, order=order, nice=nice)
    yield Section.RESOURCES, group
    yield from _beside_promoted(group.id, f"{name}-clone")
    yield Section.CONSTRAINTS, _rather_not_on_dc(f"{name}-clone")
    yield from _only_on(gateway.nodes, spec, f"{name}-clone", group.id)


def pool(name: str, spec: Spec) -> Iterator[Part]:
    """A gateway whose nodes are all active."""
    gateway, hosts, own = spec.gateways[name], spec.hosts(name), local(name)
    by_node = {node: {"gateway": host} for node, host in hosts.items()}
    data_plane = _data_plane(own, {"strategy": gateway.strategy}, by_node)
    group = agents.group(own, _neutron(spec), hosts=hosts)
    yield Section.RESOURCES, clone(f"{own}-clone", data_plane, _promotable(at_once=len(gateway.nodes)))
    yield Section.RESOURCES, clone(f"{group.id}-clone", group)
    yield from _beside_promoted(f"{group.id}-clone", f"{own}-clone")
    yield Section.RESOURCES, _rescheduler(name, spec)
    yield from _only_on(gateway.nodes, spec, f"{own}-clone", f"{group.id}-clone", rescheduler(name))


def _neutron(spec: Spec) -> Neutron:
    if spec.neutron is None:
        raise ValueError("gateways without a neutron section")
    return spec.neutron


def _data_plane(
    id_: str, parameters: Mapping[str, str], by_node: Mapping[str, Mapping[str, str]] | None = None
) -> Element:
    """Promoted may forward."""
    return primitive(
        id_,
        "ocf:hotspare:gateway",
        parameters,
        by_node=by_node,
        meta=FORGIVING,
        operations=(
            Operation("start", "0s", 60),
            Operation("stop", "0s", 90),
            Operation("promote", "0s", 60),
            Operation("demote", "0s", 90),
            Operation("monitor", "10s", 20, role="Promoted"),
            Operation("monitor", "11s", 20, role="Unpromoted"),
            Operation("monitor", "31s", 30, role="Promoted", level=agents.LEVEL_WORK),
            Operation("monitor", "59s", 30, role="Unpromoted", level=agents.LEVEL_WORK),
        ),
    )


def _twin(name: str, spec: Spec) -> dict[str, str]:
    """What a gateway's data plane has to know to keep twins. None of it grows with routers, and no secret is in it: the
    key is a file.
    """
    gateway, neutron = spec.gateways[name], _neutron(spec)
    parameters = {
        "peers": " ".join(f"{node}={','.join(spec.nodes[node].rings)}" for node in gateway.nodes),
        "port": str(gateway.stage_port),
        "stale_after": str(gateway.stale_after_s),
        "connections": "yes" if gateway.connections else "no",
        "key_file": TWIN_KEY,
    }
    return parameters | ({"python": neutron.python} if neutron.python else {})


def _promotable(*, at_once: int) -> dict[str, str]:
    return {"promotable": "true", "promoted-max": str(at_once), "promoted-node-max": "1"}


def _rescheduler(name: str, spec: Spec) -> Element:
    """One in the cluster. Its agent kills what does not end, so its stop does not fail; where it does all the same (a
    process in uninterruptible sleep), no other is started, and no node is fenced for it: routers forward without it.
    """
    gateway, neutron = spec.gateways[name], _neutron(spec)
    weights = (f"{part}={value:g}" for part, value in gateway.weights.model_dump().items())
    parameters = {
        "pool": name,
        "cloud": neutron.cloud,
        "hosts": " ".join(f"{node}={host}" for node, host in spec.hosts(name).items()),
        "dhcp_agents_per_network": str(gateway.dhcp_agents_per_network),
        "weights": " ".join(weights),
    }
    parameters |= {"python": neutron.python} if neutron.python else {}
    return primitive(
        rescheduler(name),
        "ocf:hotspare:rescheduler",
        parameters if spec.fenced else parameters | {"unfenced": "yes"},
        meta={"migration-threshold": "3", "failure-timeout": "60s", "resource-stickiness": STICKINESS},
        operations=(
            Operation("start", "0s", 60),
            Operation("stop", "0s", 30, on_fail="block"),
            Operation("monitor", "10s", 20),
            Operation("monitor", "31s", 20, level=agents.LEVEL_BROKER),
        ),
    )


def _beside_promoted(agents_: str, data_plane: str) -> Iterator[Part]:
    """The agents are where the data plane is promoted, and start after that."""
    colocation = {"id": f"{agents_}-with-promoted", "rsc": agents_, "with-rsc": data_plane}
    colocation |= {"with-rsc-role": "Promoted", "score": "INFINITY"}
    order = {"id": f"{agents_}-after-promote", "first": data_plane, "first-action": "promote"}
    order |= {"then": agents_, "then-action": "start"}
    yield Section.CONSTRAINTS, element("rsc_colocation", attributes=colocation)
    yield Section.CONSTRAINTS, element("rsc_order", attributes=order)


def _rather_not_on_dc(data_plane: str) -> Element:
    """Of nodes that are as good, one is promoted that is not the controller. Source: Pacemaker Explained, "Rules";
    `#is_dc` is a built-in node attribute, looked up anew in every transition.
    """
    id_ = f"{data_plane}-rather-not-on-dc"
    attributes = {"attribute": "#is_dc", "operation": "eq", "value": "true"}
    expression = element("expression", attributes={"id": f"{id_}-rule-expression"} | attributes)
    rule = {"id": f"{id_}-rule", "role": "Promoted", "score": str(RATHER_NOT_ON_DC)}
    return element(
        "rsc_location", element("rule", expression, attributes=rule), attributes={"id": id_, "rsc": data_plane}
    )


def _only_on(nodes: tuple[str, ...], spec: Spec, *names: str) -> Iterator[Part]:
    for node in spec.nodes:
        if node not in nodes:
            for name in names:
                yield Section.CONSTRAINTS, never(name, node, discovery="never")
