"""What a person on call asks first, as one value that every face shows in its own way."""

from collections.abc import Mapping
from dataclasses import dataclass

from hotspare.model.answer import Answer
from hotspare.model.stager import State


@dataclass(frozen=True, slots=True)
class AgentReport:
    """An agent as Neutron sees it. `heartbeat` is Neutron's own text of the last one."""

    kind: str
    host: str
    alive: bool
    admin_up: bool
    heartbeat: str


@dataclass(frozen=True, slots=True)
class Line:
    """One question, its answer, and the facts in words; `details` name what is wrong, one a line."""

    name: str
    answer: Answer
    text: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeLine:
    """One node as the cluster sees it, and what it carries."""

    name: str
    online: bool
    standby: bool
    unclean: bool
    controller: bool
    """Whether it is the cluster's DC."""
    carries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TwinNode:
    """One node of a gateway of strategy `twin`: whether a takeover by it would be one by a fresh twin."""

    name: str
    answer: Answer
    """Yes also for the node that carries the gateway, and for one that cannot have a twin since it carries another."""
    text: str
    state: State | None
    """What the stager there tells; None where there is none, or it could not be asked."""
    details: tuple[str, ...] = ()
    """What is wrong, and which routers have no twin there, one a line."""


@dataclass(frozen=True, slots=True)
class GatewayLine:
    """One gateway: who carries it, how its agents are, and which routers are served."""

    name: str
    carrier: str | None
    agents: Mapping[str, str | None]
    """Resource → node where it runs, None where it does not."""
    served: int | None
    routers: int | None
    """None where Neutron, or the carrier, could not be asked."""
    missing: tuple[str, ...]
    """Names of routers that are not served, each with the reason."""
    twins: tuple[TwinNode, ...] = ()
    """Every node that may carry it, with strategy `twin`."""


@dataclass(frozen=True, slots=True)
class PoolNode:
    """One node of a pool: Neutron's host of its agents, whether it may forward, which of its agents run."""

    name: str
    host: str
    active: bool
    agents: Mapping[str, bool]
    served: int | None
    routers: int | None
    """None where Neutron, or the node, could not be asked."""
    missing: tuple[str, ...]
    """Names of routers that are not served, each with the reason."""


@dataclass(frozen=True, slots=True)
class PoolLine:
    """A gateway whose nodes are all active, and where its routers are moved from."""

    name: str
    nodes: tuple[PoolNode, ...]
    rescheduler: str | None


@dataclass(frozen=True, slots=True)
class StatusView:
    """The state of one cluster at one moment. `answer` is what the exit status says."""

    cluster: str
    at_s: float
    asked: str | None
    """The node whose view of the cluster this is."""
    answer: Answer
    lines: tuple[Line, ...]
    nodes: tuple[NodeLine, ...]
    gateways: tuple[GatewayLine, ...]
    pools: tuple[PoolLine, ...] = ()
