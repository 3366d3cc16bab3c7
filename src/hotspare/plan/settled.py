"""Whether the cluster does what the file says: the last part of `apply`, and what it waits for."""

from collections.abc import Iterator

from hotspare.model.cluster import ClusterStatus, Role
from hotspare.model.spec import Spec
from hotspare.plan import resources
from hotspare.plan.names import agents_of, local, rescheduler


def missing(spec: Spec, status: ClusterStatus) -> tuple[str, ...]:
    """What is still to come, one sentence each; empty when all is as it shall be."""
    return tuple(_missing(spec, status))


def is_explained(spec: Spec, status: ClusterStatus) -> bool:
    """Whether the cluster gives a reason why it does no more: a node, a failure, a block, an operator's word."""
    return status.maintenance or any(_members(tuple(spec.nodes), status)) or any(_unwell(status))


def members_missing(members: tuple[str, ...], status: ClusterStatus) -> tuple[str, ...]:
    """What is still to come before the cluster may be configured."""
    return tuple(_members(members, status))


def stuck(names: tuple[str, ...], status: ClusterStatus) -> tuple[str, ...]:
    """Which of these resources will not stop without a hand, one sentence each."""
    reasons = {resource.id: "it is unmanaged" for resource in status.resources if not resource.managed}
    reasons |= {failure.resource: failure.reason or failure.exit_text for failure in status.failures}
    return tuple(
        f"{resource.id} does not stop on {' and '.join(resource.nodes)}: {reasons.get(resource.id, 'no reason given')}"
        for resource in status.resources
        if resource.id in names and resource.active and (resource.blocked or not resource.managed)
    )


def _missing(spec: Spec, status: ClusterStatus) -> Iterator[str]:
    yield from _members(tuple(spec.nodes), status)
    if status.maintenance:
        yield "the cluster is in maintenance mode: it starts and stops nothing"
    for name, node in spec.nodes.items():
        if node.fence and not status.running_on(f"fence-{name}"):
            yield f"fence-{name}: the fence device of {name} is not started"
    for name in spec.vips:
        if not status.running_on(name):
            yield f"{name}: the address is on no node"
    for name, gateway in spec.carried.items():
        yield from _gateway(name, gateway.nodes, status)
    for name, gateway in spec.pools.items():
        yield from _pool(name, gateway.nodes, status)
    for name in spec.resources:
        yield from resources.astray(resources.home(spec, name), status)
    yield from _unwell(status)


def _unwell(status: ClusterStatus) -> Iterator[str]:
    for failure in status.failures:
        reason = failure.reason or failure.exit_text
        yield f"{failure.resource}: {failure.task} failed on {failure.node}: {reason}"
    for resource in status.resources:
        if resource.blocked:
            yield f"{resource.id}: blocked; see `crm_resource --why --resource {resource.id}`"
        if resource.target_role is Role.STOPPED:
            yield f"{resource.id}: an operator has stopped it (target-role); crm resource start {resource.id}"
        if resource.pending:
            yield f"{resource.id}: {resource.pending.lower()}"


def _members(members: tuple[str, ...], status: ClusterStatus) -> Iterator[str]:
    if status.dc is None:
        yield "the cluster has no controller (DC) yet"
    elif not status.quorate:
        yield "the cluster has no quorum"
    for name in members:
        node = status.node(name)
        if node is None or not node.online or node.pending:
            yield f"{name}: not online in the cluster"
        elif node.unclean:
            yield f"{name}: unclean, it has to be fenced"


def _gateway(name: str, nodes: tuple[str, ...], status: ClusterStatus) -> Iterator[str]:
    promoted = status.promoted_on(name)
    if len(promoted) != 1:
        yield f"{name}: promoted on {', '.join(promoted) or 'no node'}, has to be on one"
    able = [node for node in nodes if node in status.online]
    for node in able:
        if node not in status.running_on(name):
            yield f"{name}: not started on {node}"
    for agent in agents_of(name):
        running = status.running_on(agent)
        if running != promoted or not running:
            yield f"{agent}: runs on {', '.join(running) or 'no node'}, belongs beside {name}"


def _pool(name: str, nodes: tuple[str, ...], status: ClusterStatus) -> Iterator[str]:
    able = [node for node in nodes if node in status.online]
    promoted = status.promoted_on(local(name))
    yield from (f"{local(name)}: not promoted on {node}" for node in able if node not in promoted)
    for agent in agents_of(local(name)):
        running = status.running_on(agent)
        yield from (f"{agent}: not started on {node}" for node in able if node not in running)
    movers = status.running_on(rescheduler(name))
    if len(movers) != 1:
        yield f"{rescheduler(name)}: runs on {' and '.join(movers) or 'no node'}, has to be on one"
