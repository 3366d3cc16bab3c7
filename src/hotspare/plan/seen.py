"""What `hotspare status` found, before it is judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hotspare.model.cluster import ClusterStatus
from hotspare.model.drill import NodeState, Router
from hotspare.model.stager import State
from hotspare.model.status import AgentReport
from hotspare.plan.audit import unserved


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found; a text in the place of a value is why it could not be found."""

    at_s: float
    asked: str | None
    status: ClusterStatus | str
    nodes: Mapping[str, NodeState | str]
    routers: Mapping[str, tuple[Router, ...] | str]
    agents: Mapping[str, tuple[AgentReport, ...] | str]
    """By Neutron's host, as `routers`."""
    stagers: Mapping[str, Mapping[str, State | str]] = field(default_factory=dict)
    """Gateway → node → what the stager there tells."""


def lost_routers(routers: tuple[Router, ...], state: NodeState) -> tuple[str, ...]:
    """Names of those that the node does not serve, each with the first reason."""
    missing = {router.name: [*wrong, *unsure] for router in routers for wrong, unsure in [unserved(router, state)]}
    return tuple(f"{router}: {reasons[0]}" for router, reasons in missing.items() if reasons)
