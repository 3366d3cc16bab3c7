"""How the routers of a gateway are carried: all that a drill has to know of the strategy, and nothing else of it.

`carried` is one node at a time under one identity, `pooled` is all nodes at once; `strategies` says which is whose.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from hotspare.model.drill import Bound, ClusterState, Fault, Gateway, History, Observation, Router
from hotspare.model.report import Journey


@dataclass(frozen=True, slots=True)
class Home:
    """The node where a router has to be served; where there is none, why that is wrong, or cannot be told."""

    node: str = ""
    wrong: str = ""
    unsure: str = ""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What of routers may be on a node: these routers' parts, and whether the agents that build them run."""

    routers: frozenset[str] = frozenset()
    agents: bool = False
    parked: bool = False
    """Whether a silent copy of routers may be there: namespaces, but no live port and no process but who fills them."""


class Carriage(Protocol):
    """What the strategies differ in."""

    @property
    def gateway(self) -> Gateway:
        """The gateway that this is about."""
        ...

    @property
    def mover(self) -> str:
        """What moves when an address moves to another node, in a word."""
        ...

    @property
    def data_plane(self) -> str:
        """The resource whose promoted role says where routers may forward."""
        ...

    @property
    def resources(self) -> tuple[str, ...]:
        """Its other resources."""
        ...

    @property
    def agents(self) -> tuple[str, ...]:
        """Those of them that are Neutron's agents."""
        ...

    @property
    def subjects(self) -> frozenset[str]:
        """The names by which events call the data plane."""
        ...

    def objection(self, fault: Fault) -> str:
        """Why the fault makes no sense here; empty where it does."""
        ...

    def phases(self, fault: Fault) -> tuple[str, ...]:
        """The steps of a takeover after the fault, in their order."""
        ...

    def chosen(self, cluster: ClusterState, bound: Bound) -> str:
        """The node to break where nobody named one; empty where nothing carries a router."""
        ...

    def not_whole(self, cluster: ClusterState) -> Iterator[str]:
        """What keeps a drill from beginning, one sentence each, with what to do."""
        ...

    def to_come(self, cluster: ClusterState, bound: Bound, node: str) -> Iterator[str]:
        """What is still to come after a fault of the node before the takeover is done."""
        ...

    def struck(self, routers: Sequence[Router], bound: Bound, node: str) -> frozenset[str]:
        """The routers that a fault of the node strikes."""
        ...

    def moves(self, history: History, router: str | None) -> int:
        """How often an address of the router may have gone to another node; None: of a router that is not known."""
        ...

    def home(self, router: Router, seen: Observation | None, broken: str) -> Home:
        """Where the router has to be served after the fault of the node `broken`."""
        ...

    def allowed(self, seen: Observation) -> Mapping[str, Allowed] | str:
        """What may be where, of all nodes on which not everything may be; a text says why that cannot be told."""
        ...

    def looked_at(self, count: int, seen: Observation) -> str:
        """Which nodes those are, in words, where `count` of them were looked at."""
        ...

    def trouble(self, cluster: ClusterState) -> Iterator[str]:
        """What does not run where it belongs."""
        ...

    def journeys(self, history: History) -> Mapping[str, Journey]:
        """Each router's way, where routers go their own: router's id → journey."""
        ...
