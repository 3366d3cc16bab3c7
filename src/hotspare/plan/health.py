"""What a cluster's status means for a gateway: who carries it, whether its agents run, what is in trouble."""

from collections.abc import Iterator, Sequence

from hotspare.model.cluster import ClusterStatus, Resource
from hotspare.model.drill import ClusterState
from hotspare.plan.verdict import drains

FENCING = "stonith:"


def carrier(status: ClusterStatus, gateway: str) -> str | None:
    """The one node on which the gateway is promoted; None where it is none, or more than one."""
    found = status.promoted_on(gateway)
    return found[0] if len(found) == 1 else None


def troubles(status: ClusterStatus) -> tuple[str, ...]:
    """Everything that waits for a hand, one sentence each."""
    return tuple(_troubles(status))


def _troubles(status: ClusterStatus) -> Iterator[str]:
    if status.maintenance:
        yield "the cluster is in maintenance mode: it reacts to nothing"
    for failure in status.failures:
        why = failure.reason or failure.exit_text
        yield f"{failure.resource} {failure.task} failed on {failure.node} ({failure.at}): {why}"
    for resource in status.resources:
        where = f" on {', '.join(resource.nodes)}" if resource.nodes else ""
        if resource.blocked:
            yield f"{resource.id}{where} is blocked: Pacemaker gave up on it"
        elif resource.failed:
            yield f"{resource.id}{where} has failed"
        if not resource.managed:
            yield f"{resource.id}{where} is unmanaged: nobody would move it"


def fence_devices(status: ClusterStatus) -> tuple[Resource, ...]:
    """The fence devices that the cluster has, running or not."""
    return tuple(resource for resource in status.resources if resource.agent.startswith(FENCING))


def cluster_state(
    status: ClusterStatus, data_plane: str, resources: Sequence[str], beside: Sequence[str] = ()
) -> ClusterState:
    """The part of the status that a drill asks about: of a gateway's data plane, of its other resources, and of the
    gateways beside it.
    """
    return ClusterState(
        quorate=status.quorate,
        promoted=status.promoted_on(data_plane),
        online=tuple(node.name for node in status.nodes if node.online and not node.pending),
        standby=tuple(node.name for node in status.nodes if node.standby),
        unclean=status.unclean,
        running={resource: status.running_on(resource) for resource in resources},
        failures=troubles(status),
        leaving=tuple(drains(status)),
        controller=status.dc or "",
        beside={gateway: status.promoted_on(gateway) for gateway in beside},
    )
