"""What of a spec stands in Pacemaker's configuration: fence devices, VIPs, gateways, their agents, other resources,
constraints.

Timeouts do not grow with the number of routers: `start` of an agent waits for the agent, not for its routers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hotspare.model.cib import Element, Section, Wanted, element
from hotspare.model.spec import Gateway, Neutron, Node, Resource, Spec, Vip
from hotspare.plan import fencing, resources
from hotspare.plan.layout import script_path

AGENTS = ("ovs", "l3", "metadata")
"""The agents of a gateway, in the order in which they start: ports are wired before routers are built."""

STICKINESS = "200"
"""Above the difference of two promotion scores: what runs stays where it is when another node comes back."""

AGENT_META = {"migration-threshold": "3", "failure-timeout": "120s"}
"""Three failures of an agent move the gateway; a failure is forgotten after two minutes without another."""

LEVEL_BROKER, LEVEL_WORK = 10, 20
"""How deep a monitor looks: at the agent's connection to the broker; at its work, too (bridges with flows, routers
that forward). What it finds there is told as degraded; only a data plane that is dead as a whole is a failure.
"""

_LEVELS = {"ovs": LEVEL_WORK, "l3": LEVEL_BROKER, "metadata": LEVEL_WORK}
"""The L3 agent's work are the routers, and those are the gateway's to look at."""

_PROVIDERS = {"ovs": "neutron-openvswitch-agent", "l3": "neutron-agent-l3", "metadata": "neutron-metadata-agent"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a resource. `level` is a monitor's OCF_CHECK_LEVEL; `on_fail` block leaves a failed resource
    where it is, for a hand, and fences nobody.
    """

    name: str
    interval: str
    timeout_s: int
    role: str = ""
    level: int = 0
    on_fail: str = ""


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
    }


def _elements(spec: Spec) -> Iterator[tuple[Section, Element]]:
    delayed = next(iter(sorted(spec.nodes))) if len(spec.nodes) == 2 else None
    for name, node in spec.nodes.items():
        if node.fence:
            yield Section.RESOURCES, _fence(name, node, delayed=name == delayed)
            yield Section.CONSTRAINTS, _never(f"fence-{name}", name)
            yield from _fence_places(name, spec)
    for name, vip in spec.vips.items():
        yield Section.RESOURCES, _vip(name, vip)
    for name, gateway in spec.gateways.items():
        if spec.neutron:
            yield from _gateway(name, gateway, spec.neutron, tuple(spec.nodes))
    yield from _apart(tuple(spec.gateways))
    for name, resource in spec.resources.items():
        yield from _resource(name, resource, spec)


def _fence(name: str, node: Node, *, delayed: bool) -> Element:
    """The device that powers a node off. It never runs on that node, whose own word counts for nothing."""
    fence = node.fence
    if fence is None:
        raise ValueError(name)
    parameters = fencing.parameters(fence) | {"password_script": script_path(name)}
    parameters |= {"pcmk_host_list": name, "pcmk_reboot_action": fence.reboot_action}
    if delayed:
        # Two nodes that lose each other shoot at once; one of the two has to wait, or both are off.
        parameters.setdefault("pcmk_delay_base", "1s")
    return _primitive(
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
    for gateway in spec.gateways:
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
    return _primitive(
        name,
        "ocf:heartbeat:IPaddr2",
        {"ip": vip.ip, "cidr_netmask": str(vip.prefix), "nic": vip.nic},
        meta=AGENT_META | {"resource-stickiness": STICKINESS},
        operations=(Operation("start", "0s", 20), Operation("stop", "0s", 20), Operation("monitor", "10s", 20)),
    )


def _gateway(
    name: str, gateway: Gateway, neutron: Neutron, nodes: tuple[str, ...]
) -> Iterator[tuple[Section, Element]]:
    clone, group = f"{name}-clone", f"{name}-agents"
    yield Section.RESOURCES, _clone(name, gateway)
    yield Section.RESOURCES, _agents(name, neutron)
    yield (
        Section.CONSTRAINTS,
        element(
            "rsc_colocation",
            attributes={
                "id": f"{group}-with-promoted",
                "rsc": group,
                "with-rsc": clone,
                "with-rsc-role": "Promoted",
                "score": "INFINITY",
            },
        ),
    )
    yield (
        Section.CONSTRAINTS,
        element(
            "rsc_order",
            attributes={
                "id": f"{group}-after-promote",
                "first": clone,
                "first-action": "promote",
                "then": group,
                "then-action": "start",
            },
        ),
    )
    for node in nodes:
        if node not in gateway.nodes:
            yield Section.CONSTRAINTS, _never(clone, node, discovery="never")
            yield Section.CONSTRAINTS, _never(group, node, discovery="never")


def _clone(name: str, gateway: Gateway) -> Element:
    """The data plane: Promoted may forward, and that is one node at a time."""
    primitive = _primitive(
        name,
        "ocf:hotspare:gateway",
        {"gateway": name, "strategy": gateway.strategy},
        meta=AGENT_META,
        operations=(
            Operation("start", "0s", 60),
            Operation("stop", "0s", 90),
            Operation("promote", "0s", 60),
            Operation("demote", "0s", 90),
            Operation("monitor", "10s", 20, role="Promoted"),
            Operation("monitor", "11s", 20, role="Unpromoted"),
            Operation("monitor", "31s", 30, role="Promoted", level=LEVEL_WORK),
            Operation("monitor", "59s", 30, role="Unpromoted", level=LEVEL_WORK),
        ),
    )
    meta = {
        "promotable": "true",
        "promoted-max": "1",
        "promoted-node-max": "1",
        "clone-max": str(len(gateway.nodes)),
        "clone-node-max": "1",
        "interleave": "true",
        "notify": "false",
        "resource-stickiness": STICKINESS,
    }
    id_ = f"{name}-clone"
    return element("clone", _nvpairs("meta_attributes", f"{id_}-meta", meta), primitive, attributes={"id": id_})


def _agents(name: str, neutron: Neutron) -> Element:
    configs = {"ovs": neutron.ovs_config, "l3": neutron.l3_config, "metadata": neutron.metadata_config}
    primitives = []
    for agent in AGENTS:
        parameters = {
            "config": neutron.config,
            "plugin_config": configs[agent],
            "host": name,
            "user": neutron.user,
        }
        if agent == "l3":
            parameters["dataplane"] = "gateway"
        operations = (
            Operation("start", "0s", 120),
            Operation("stop", "0s", 60),
            Operation("monitor", "10s", 30),
            Operation("monitor", "31s", 30, level=_LEVELS[agent]),
        )
        provider = f"ocf:openstack:{_PROVIDERS[agent]}"
        primitives.append(_primitive(f"{name}-{agent}", provider, parameters, meta=AGENT_META, operations=operations))
    return element("group", *primitives, attributes={"id": f"{name}-agents"})


def _apart(gateways: tuple[str, ...]) -> Iterator[tuple[Section, Element]]:
    """A node carries one gateway at a time."""
    for number, one in enumerate(gateways):
        for other in gateways[:number]:
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
    yield Section.RESOURCES, _clone_of(name, resource, len(places)) if resource.clone else _own(name, resource)
    for node in spec.nodes:
        if node not in places:
            yield Section.CONSTRAINTS, _never(f"{name}-clone" if resource.clone else name, node, discovery="never")
    if resource.with_:
        yield from _company(name, resource, resource.with_, beside_gateway=resource.with_ in spec.gateways)


def _own(name: str, resource: Resource) -> Element:
    """Unless it is critical, a stop that fails blocks it and fences nobody."""
    return _primitive(
        name,
        resources.agent(resource),
        resources.parameters(resource),
        meta=AGENT_META if resource.clone else AGENT_META | {"resource-stickiness": STICKINESS},
        operations=(
            Operation("start", "0s", resource.start_timeout_s),
            Operation("stop", "0s", resource.stop_timeout_s, on_fail="" if resource.critical else "block"),
            Operation("monitor", f"{resource.monitor_interval_s}s", resource.monitor_timeout_s),
        ),
    )


def _clone_of(name: str, resource: Resource, count: int) -> Element:
    meta = {"clone-max": str(count), "clone-node-max": "1", "interleave": "true", "notify": "false"}
    attributes = {"id": f"{name}-clone"}
    return element(
        "clone", _nvpairs("meta_attributes", f"{name}-clone-meta", meta), _own(name, resource), attributes=attributes
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


def _never(resource: str, node: str, *, discovery: str = "") -> Element:
    """The resource is never on the node; with `discovery` never it is not even looked for there."""
    attributes = {"id": f"{resource}-not-on-{node}", "rsc": resource, "node": node, "score": "-INFINITY"}
    if discovery:
        attributes["resource-discovery"] = discovery
    return element("rsc_location", attributes=attributes)


def _primitive(
    id_: str,
    agent: str,
    parameters: Mapping[str, str],
    *,
    meta: Mapping[str, str],
    operations: tuple[Operation, ...],
) -> Element:
    kind, *provider, type_ = agent.split(":")
    attributes = {"id": id_, "class": kind, "type": type_} | ({"provider": provider[0]} if provider else {})
    ops = tuple(_operation(id_, operation) for operation in operations)
    return element(
        "primitive",
        _nvpairs("instance_attributes", f"{id_}-parameters", parameters),
        _nvpairs("meta_attributes", f"{id_}-meta", meta),
        element("operations", *ops, attributes={}),
        attributes=attributes,
    )


def _operation(id_: str, operation: Operation) -> Element:
    """The level is an instance attribute. Source: Pacemaker Explained, "Multiple Monitor Operations"."""
    own = f"{id_}-{operation.name}-{operation.interval}"
    level = {"OCF_CHECK_LEVEL": str(operation.level)} if operation.level else {}
    depth = [_nvpairs("instance_attributes", f"{own}-depth", level)] if level else []
    attributes = {"id": own, "name": operation.name, "interval": operation.interval}
    attributes |= {"timeout": f"{operation.timeout_s}s"}
    attributes |= {"role": operation.role} if operation.role else {}
    attributes |= {"on-fail": operation.on_fail} if operation.on_fail else {}
    return element("op", *depth, attributes=attributes)


def _nvpairs(tag: str, id_: str, pairs: Mapping[str, str]) -> Element:
    children = (
        element("nvpair", attributes={"id": f"{id_}-{name}", "name": name, "value": value})
        for name, value in sorted(pairs.items())
    )
    return element(tag, *children, attributes={"id": id_})
