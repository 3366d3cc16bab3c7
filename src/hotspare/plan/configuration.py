"""What of a spec stands in Pacemaker's configuration: fence devices, VIPs, gateways, their agents, other resources,
constraints.

Timeouts do not grow with the number of routers: `start` of an agent waits for the agent, not for its routers.
"""

from collections.abc import Iterator

from hotspare.model.cib import Element, Section, Wanted, element
from hotspare.model.spec import Node, Resource, Spec, Vip
from hotspare.plan import fencing, gateways, resources
from hotspare.plan.layout import script_path
from hotspare.plan.primitives import FORGIVING, STICKINESS, Operation, clone, never, primitive


def wanted(spec: Spec) -> Wanted:
    """All of the configuration that is ours."""
    return Wanted(tuple(_elements(spec)), tuple(sorted(_properties(spec).items())))


def _properties(spec: Spec) -> dict[str, str]:
    return {
        "stonith-enabled": "true" if spec.fenced else "false",
        "no-quorum-policy": spec.cluster.no_quorum_policy,
        "cluster-recheck-interval": f"{spec.cluster.recheck_s}s",
        # Pacemaker's brake lets a busy node do one action at a time: 0.5 s of a takeover, measured. There are a dozen.
        "load-threshold": "1000%",
        # A plan that is begun while updates are pending costs a whole second: docs/decisions/0017.
        "transition-delay": "100ms",
    }


def _elements(spec: Spec) -> Iterator[tuple[Section, Element]]:
    for name, node in spec.nodes.items():
        if node.fence:
            yield Section.RESOURCES, _fence(name, node, delay=fencing.delay(spec, name))
            yield Section.CONSTRAINTS, never(f"fence-{name}", name)
            yield from _fence_places(name, spec)
    for name, vip in spec.vips.items():
        yield Section.RESOURCES, _vip(name, vip)
    for name in spec.carried:
        yield from gateways.carried(name, spec)
    for name in spec.pools:
        yield from gateways.pool(name, spec)
    yield from _apart(tuple(spec.carried))
    for name, resource in spec.resources.items():
        yield from _resource(name, resource, spec)


def _fence(name: str, node: Node, *, delay: str) -> Element:
    """The device that powers a node off. It never runs on that node, whose own word counts for nothing."""
    fence = node.fence
    if fence is None:
        raise ValueError(name)
    parameters = fencing.parameters(fence) | {"password_script": script_path(name)}
    parameters |= {"pcmk_host_list": name, "pcmk_reboot_action": fence.reboot_action}
    if delay != "0":
        parameters.setdefault("pcmk_delay_base", delay)
    return primitive(
        f"fence-{name}",
        f"stonith:{fence.agent}",
        parameters,
        meta={"failure-timeout": "60s"},
        operations=(Operation("start", "0s", 20), Operation("monitor", "60s", 20)),
    )


def _fence_places(name: str, spec: Spec) -> Iterator[tuple[Section, Element]]:
    """The device is not on a node whose death it would have to be moved for.

    Pacemaker starts the devices of a dead node elsewhere before it fences: 0.8 s of a takeover, measured. So they are
    rather on nodes without a gateway, and rather not where a gateway is. They have no say in where a gateway goes.
    """
    carriers = {node for gateway in spec.gateways.values() for node in gateway.nodes}
    for node in spec.nodes:
        if carriers and node != name and node not in carriers:
            attributes = {"id": f"fence-{name}-rather-on-{node}", "rsc": f"fence-{name}", "node": node, "score": "100"}
            yield Section.CONSTRAINTS, element("rsc_location", attributes=attributes)
    for gateway in spec.carried:
        attributes = {
            "id": f"fence-{name}-rather-without-{gateway}",
            "rsc": f"fence-{name}",
            "with-rsc": f"{gateway}-clone",
            "with-rsc-role": "Promoted",
            "score": "-50",
            "influence": "false",
        }
        yield Section.CONSTRAINTS, element("rsc_colocation", attributes=attributes)


def _vip(name: str, vip: Vip) -> Element:
    return primitive(
        name,
        "ocf:heartbeat:IPaddr2",
        {"ip": vip.ip, "cidr_netmask": str(vip.prefix), "nic": vip.nic},
        meta=FORGIVING | {"resource-stickiness": STICKINESS},
        operations=(Operation("start", "0s", 20), Operation("stop", "0s", 20), Operation("monitor", "10s", 20)),
    )


def _apart(carried: tuple[str, ...]) -> Iterator[tuple[Section, Element]]:
    """A node carries one gateway at a time."""
    for number, one in enumerate(carried):
        for other in carried[:number]:
            attributes = {
                "id": f"{one}-apart-from-{other}",
                "rsc": f"{one}-clone",
                "rsc-role": "Promoted",
                "with-rsc": f"{other}-clone",
                "with-rsc-role": "Promoted",
                "score": "-INFINITY",
            }
            yield Section.CONSTRAINTS, element("rsc_colocation", attributes=attributes)


def _resource(name: str, resource: Resource, spec: Spec) -> Iterator[tuple[Section, Element]]:
    """A resource of the operator's own, where it may run, and what it stays with."""
    places = resources.nodes(spec, name)
    own = _own(name, resource)
    yield Section.RESOURCES, clone(f"{name}-clone", own) if resource.clone else own
    for node in spec.nodes:
        if node not in places:
            yield Section.CONSTRAINTS, never(f"{name}-clone" if resource.clone else name, node, discovery="never")
    if resource.with_:
        yield from _company(name, resource, resource.with_, beside_gateway=resource.with_ in spec.gateways)


def _own(name: str, resource: Resource) -> Element:
    """Unless it is critical, a stop that fails blocks it and fences nobody."""
    return primitive(
        name,
        resources.agent(resource),
        resources.parameters(resource),
        meta=FORGIVING if resource.clone else FORGIVING | {"resource-stickiness": STICKINESS},
        operations=(
            Operation("start", "0s", resource.start_timeout_s),
            Operation("stop", "0s", resource.stop_timeout_s, on_fail="" if resource.critical else "block"),
            Operation("monitor", f"{resource.monitor_interval_s}s", resource.monitor_timeout_s),
        ),
    )


def _company(name: str, resource: Resource, target: str, *, beside_gateway: bool) -> Iterator[tuple[Section, Element]]:
    """The resource is where its target is, and starts after it.

    Unless it is critical it has no say in where the target goes (influence), and holds up neither a gateway's
    demotion nor its agents: an optional order counts only where both sides have something to do.
    """
    first = {"first": target, "first-action": "start"}
    colocation = {"id": f"{name}-with-{target}", "rsc": name, "with-rsc": target, "score": "INFINITY"}
    colocation["influence"] = "true" if resource.critical else "false"
    if beside_gateway:
        first = {"first": f"{target}-clone", "first-action": "promote"}
        colocation |= {"with-rsc": f"{target}-clone", "with-rsc-role": "Promoted"}
    kind = "Optional" if beside_gateway and not resource.critical else "Mandatory"
    order = {"id": f"{name}-after-{target}", "kind": kind, "then": name, "then-action": "start"} | first
    yield Section.CONSTRAINTS, element("rsc_colocation", attributes=colocation)
    yield Section.CONSTRAINTS, element("rsc_order", attributes=order)
    agents = f"{target}-agents"
    if resource.before:
        order = {"id": f"{name}-before-{agents}", "kind": kind, "first": name, "then": agents}
        yield Section.CONSTRAINTS, element("rsc_order", attributes=order)
    if resource.after:
        order = {"id": f"{name}-after-{agents}", "kind": kind, "first": agents, "then": name}
        yield Section.CONSTRAINTS, element("rsc_order", attributes=order)
