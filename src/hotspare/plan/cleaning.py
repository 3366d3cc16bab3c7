"""Which nodes an operator's cleaning is about, and which of them the cluster works with."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hotspare.model.cluster import ClusterStatus, Resource, Role
from hotspare.model.errors import Problem
from hotspare.model.spec import Spec

GATEWAY = "ocf:hotspare:gateway"
AGENTS = "ocf:openstack:neutron-"


@dataclass(frozen=True, slots=True)
class Order:
    """The nodes to clean. One that works is refused where it was `named`; else it is left alone, and said so.

    With `twins` spares lose their twins, too, and make them anew.
    """

    nodes: tuple[str, ...]
    named: bool
    twins: bool = False


def order(spec: Spec, named: Sequence[str], gateway: str | None, *, twins: bool = False) -> Order:
    """The nodes named, or all that may carry a gateway of the file (or the one given)."""
    if named:
        return Order(tuple(dict.fromkeys(named)), named=True, twins=twins)
    gateways = [spec.gateways[gateway]] if gateway else spec.gateways.values()
    return Order(tuple(dict.fromkeys(node for one in gateways for node in one.nodes)), named=False, twins=twins)


def lacking(spec: Spec, where: str, named: Sequence[str], gateway: str | None) -> Iterator[Problem]:
    """What keeps the order from being made out."""
    if gateway is not None and gateway not in spec.gateways:
        known = f"it has {', '.join(spec.gateways)}" if spec.gateways else "it has none"
        yield Problem(where, "gateways", f"there is no gateway {gateway}; {known}")
        return
    if not named and not spec.gateways:
        yield Problem(where, "gateways", "there is no gateway, so no node that may carry one: name the nodes to clean")
    for node in named:
        if node not in spec.nodes:
            yield Problem(where, "nodes", f"there is no node {node}; it has {', '.join(spec.nodes)}")
        elif gateway is not None and node not in spec.gateways[gateway].nodes:
            carriers = ", ".join(spec.gateways[gateway].nodes)
            yield Problem(where, f"gateways.{gateway}.nodes", f"{node} is not among them; they are {carriers}")


def working(status: ClusterStatus) -> Mapping[str, tuple[str, ...]]:
    """The nodes that the cluster works with: each with what runs there, and what to do first.

    Where a gateway is promoted that is all: its agents go with it.
    """
    gateways = {node: resource.id for resource in status.resources if _forwards(resource) for node in resource.nodes}
    found = {
        node: (f"gateway {gateway} is promoted on {node}; move it first (crm node standby {node})",)
        for node, gateway in gateways.items()
    }
    for resource in status.resources:
        if resource.agent.startswith(AGENTS) and (resource.active or resource.pending):
            reason = f"the cluster runs resource {resource.id}; stop it first (crm resource stop {resource.id})"
            found |= {node: (*found.get(node, ()), reason) for node in resource.nodes if node not in gateways}
    return found


def _forwards(resource: Resource) -> bool:
    return resource.agent == GATEWAY and (resource.role is Role.PROMOTED or resource.pending == "Promoting")
