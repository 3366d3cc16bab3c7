"""What a running cluster says of itself: the values that `codec/crm_mon_xml.py` reads out of Pacemaker's status."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    """What a resource is to a node, in the words of Pacemaker 2.1; Master and Slave of before are read as these."""

    UNKNOWN = "Unknown"
    STOPPED = "Stopped"
    STARTED = "Started"
    PROMOTED = "Promoted"
    UNPROMOTED = "Unpromoted"


class Fenced(StrEnum):
    """How far a fencing got."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class NodeState:
    """One node as the cluster sees it."""

    name: str
    id: str
    online: bool
    """A member whose Pacemaker takes part."""
    unclean: bool
    """Not proved dead and not known to be well: it has to be fenced before its resources run elsewhere."""
    standby: bool
    maintenance: bool
    pending: bool
    """On its way in."""
    shutdown: bool
    is_dc: bool
    resources_running: int
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Node attributes, permanent and transient ones; Pacemaker tells none of a node that is offline."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource, or one instance of a clone, as the cluster sees it."""

    id: str
    """The primitive's id, without a clone instance's number."""
    agent: str
    """`ocf:hotspare:gateway`, `stonith:fence_ipmilan`, ..."""
    role: Role
    """UNKNOWN while an action changes it; see `pending`."""
    target_role: Role | None
    """What an operator asked for (`crm resource stop`), None when nobody did."""
    active: bool
    failed: bool
    blocked: bool
    """Pacemaker gave up on it: it needs a hand."""
    managed: bool
    orphaned: bool
    pending: str | None
    """The action under way: Starting, Promoting, ..."""
    nodes: tuple[str, ...]
    clone: str | None
    group: str | None


@dataclass(frozen=True, slots=True)
class FailedAction:
    """An action that failed and whose failure is still remembered."""

    resource: str
    task: str
    """start, stop, monitor, promote, ..."""
    node: str
    exit_code: int
    exit_text: str
    """The exit status in words: `error`, `not installed`, ..."""
    reason: str
    """What the agent said (ocf_exit_reason), may be empty."""
    status: str
    """How it ended: complete, Timed Out, Error, ..."""
    at: str
    """When, as Pacemaker writes it, in the node's own time."""


@dataclass(frozen=True, slots=True)
class LastAction:
    """The latest action on a resource on a node that is on record there, as the cluster knows it.

    A probe that found nothing is never among them: Pacemaker's status leaves it out (2.1.5, seen).
    """

    resource: str
    node: str
    task: str
    """start, stop, promote, monitor, probe, ..."""
    exit_code: int | None
    """None while it is under way."""


@dataclass(frozen=True, slots=True)
class FenceEvent:
    """One fencing of the history that the nodes keep."""

    target: str
    action: str
    status: Fenced
    delegate: str | None
    """The node that did it."""
    client: str
    """Who asked for it: pacemaker-controld.1234, stonith_admin, ..."""
    origin: str
    completed: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class FailCount:
    """How often a resource failed on a node since it was last cleaned up."""

    resource: str
    node: str
    count: int
    """1_000_000 stands for INFINITY."""


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """A cluster at one moment, as one of its nodes tells it."""

    pacemaker: str
    """Pacemaker's version."""
    dc: str | None
    quorate: bool
    fencing_enabled: bool
    maintenance: bool
    no_quorum_policy: str
    last_change: str
    nodes: tuple[NodeState, ...]
    resources: tuple[Resource, ...]
    failures: tuple[FailedAction, ...]
    degraded: tuple[FailedAction, ...]
    """Monitors that found their resource at work, with a trouble: told, and nothing is recovered for it."""
    fail_counts: tuple[FailCount, ...]
    fencings: tuple[FenceEvent, ...]
    """Newest first."""
    bans: tuple[tuple[str, str, str], ...]
    """Constraints that keep a resource off a node: id, resource, node."""
    last_actions: tuple[LastAction, ...] = ()
    """One for each resource and node with a history."""

    @property
    def online(self) -> tuple[str, ...]:
        """Names of the nodes that take part and may run resources."""
        return tuple(node.name for node in self.nodes if node.online and not node.standby and not node.pending)

    @property
    def unclean(self) -> tuple[str, ...]:
        """Names of the nodes that have to be fenced."""
        return tuple(node.name for node in self.nodes if node.unclean)

    def node(self, name: str) -> NodeState | None:
        """The node of this name."""
        return next((node for node in self.nodes if node.name == name), None)

    def instances(self, resource: str) -> Iterator[Resource]:
        """The resource of this id, or every instance of it."""
        return (found for found in self.resources if found.id == resource)

    def last_action(self, resource: str, node: str) -> LastAction | None:
        """The latest action on the resource on the node."""
        found = (action for action in self.last_actions if (action.resource, action.node) == (resource, node))
        return next(found, None)

    def running_on(self, resource: str) -> tuple[str, ...]:
        """Nodes where the resource is active, in any role; not where it is only on its way there or away."""
        active = (found for found in self.instances(resource) if found.active and found.role is not Role.UNKNOWN)
        return tuple(sorted({node for found in active for node in found.nodes}))

    def promoted_on(self, resource: str) -> tuple[str, ...]:
        """Nodes where the resource has the Promoted role: exactly one when all is well."""
        return tuple(
            sorted({n for found in self.instances(resource) if found.role is Role.PROMOTED for n in found.nodes})
        )

    @property
    def settled(self) -> bool:
        """Nothing is under way: a DC, no pending action, fencing or node, nobody unclean."""
        return (
            self.dc is not None
            and not self.unclean
            and not any(resource.pending for resource in self.resources)
            and not any(node.pending for node in self.nodes)
            and not any(fencing.status is Fenced.PENDING for fencing in self.fencings)
        )
