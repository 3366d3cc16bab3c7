"""What Pacemaker's configuration is made of: primitives with their operations, clones, places."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from hotspare.model.cib import Element, element

STICKINESS = "200"
"""What runs stays where it is when another node comes back. Who is promoted is the promotion scores' affair alone."""

FORGIVING = {"migration-threshold": "3", "failure-timeout": "120s"}
"""Three failures of an agent move the gateway; a failure is forgotten after two minutes without another."""


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


def never(resource: str, node: str, *, discovery: str = "") -> Element:
    """The resource is never on the node; with `discovery` never it is not even looked for there."""
    attributes = {"id": f"{resource}-not-on-{node}", "rsc": resource, "node": node, "score": "-INFINITY"}
    if discovery:
        attributes["resource-discovery"] = discovery
    return element("rsc_location", attributes=attributes)


def primitive(
    id_: str,
    agent: str,
    parameters: Mapping[str, str],
    *,
    meta: Mapping[str, str],
    operations: tuple[Operation, ...],
    by_node: Mapping[str, Mapping[str, str]] | None = None,
) -> Element:
    """One resource; `by_node` has parameters that are others on every node."""
    kind, *provider, type_ = agent.split(":")
    attributes = {"id": id_, "class": kind, "type": type_} | ({"provider": provider[0]} if provider else {})
    ops = tuple(_operation(id_, operation) for operation in operations)
    return element(
        "primitive",
        nvpairs("instance_attributes", f"{id_}-parameters", parameters),
        *(_on(id_, node, own) for node, own in (by_node or {}).items()),
        nvpairs("meta_attributes", f"{id_}-meta", meta),
        element("operations", *ops, attributes={}),
        attributes=attributes,
    )


def with_parameter(whole: Element, name: str, value: str) -> Element:
    """The same resource with this parameter on every node."""
    own = f"{whole.id}-parameters"
    children = []
    for child in whole.children:
        pairs = {pair.get("name"): pair.get("value") for pair in child.children if pair.tag == "nvpair"}
        children.append(nvpairs(child.tag, own, {**pairs, name: value}) if child.id == own else child)
    return Element(whole.tag, whole.attributes, tuple(children))


def clone(id_: str, inner: Element, meta: Mapping[str, str] = MappingProxyType({})) -> Element:
    """The inner resource on several nodes at once, at most one instance a node, each node on its own.

    Where it may not be, constraints say. It has no `clone-max`: where that sinks because a node leaves its list,
    Pacemaker (2.1.5) numbers instances anew, and may stop the promoted one on another node (seen, and simulated).
    """
    whole = {"clone-node-max": "1", "interleave": "true", "notify": "false", **meta}
    return element("clone", nvpairs("meta_attributes", f"{id_}-meta", whole), inner, attributes={"id": id_})


def _on(id_: str, node: str, parameters: Mapping[str, str]) -> Element:
    """Parameters that hold on one node. Source: Pacemaker Explained, "Rules"; `#uname` is the node's name."""
    own = f"{id_}-on-{node}"
    attributes = {"id": f"{own}-rule-expression", "attribute": "#uname", "operation": "eq", "value": node}
    rule = element("rule", element("expression", attributes=attributes), attributes={"id": f"{own}-rule", "score": "0"})
    return element("instance_attributes", rule, *_pairs(own, parameters), attributes={"id": own})


def _operation(id_: str, operation: Operation) -> Element:
    """The level is an instance attribute. Source: Pacemaker Explained, "Multiple Monitor Operations"."""
    own = f"{id_}-{operation.name}-{operation.interval}"
    level = {"OCF_CHECK_LEVEL": str(operation.level)} if operation.level else {}
    depth = [nvpairs("instance_attributes", f"{own}-depth", level)] if level else []
    attributes = {"id": own, "name": operation.name, "interval": operation.interval}
    attributes |= {"timeout": f"{operation.timeout_s}s"}
    attributes |= {"role": operation.role} if operation.role else {}
    attributes |= {"on-fail": operation.on_fail} if operation.on_fail else {}
    return element("op", *depth, attributes=attributes)


def nvpairs(tag: str, id_: str, pairs: Mapping[str, str]) -> Element:
    """A set of names and values."""
    return element(tag, *_pairs(id_, pairs), attributes={"id": id_})


def _pairs(id_: str, pairs: Mapping[str, str]) -> Iterator[Element]:
    return (
        element("nvpair", attributes={"id": f"{id_}-{name}", "name": name, "value": value})
        for name, value in sorted(pairs.items())
    )
