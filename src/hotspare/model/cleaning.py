"""What was found, and done, when nodes were cleaned of routers by an operator."""

from dataclasses import dataclass
from enum import StrEnum

from hotspare.model.answer import Answer, together


class State(StrEnum):
    """How a node is. The values are the words of the program on the node (ocf/lib/hotspare/clean)."""

    CLEAN = "clean"
    """No router was there."""
    CLEANED = "cleaned"
    """No router is left there; `leftovers` went."""
    PLANNED = "planned"
    """`leftovers` would go."""
    REFUSED = "refused"
    REMAINS = "remains"
    CANNOT_TELL = "cannot tell"
    TWIN = "twin"
    """What is there is a spare's twin, silent and of use: left alone."""
    CARRIES = "carries"
    """It works, and was not asked for by name: left alone."""


ANSWERS = {
    State.CLEAN: Answer.YES,
    State.CLEANED: Answer.YES,
    State.PLANNED: Answer.NO,
    State.REFUSED: Answer.NO,
    State.REMAINS: Answer.NO,
    State.CANNOT_TELL: Answer.CANNOT_TELL,
    State.TWIN: Answer.YES,
    State.CARRIES: Answer.YES,
}
"""Whether a node has no router that should not be there."""


@dataclass(frozen=True, slots=True)
class LeftProcess:
    """A process that serves a router; `namespace` is None where it lives in none with a name."""

    pid: int
    program: str
    namespace: str | None


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What of routers is on a node."""

    ports: tuple[str, ...]
    namespaces: tuple[str, ...]
    processes: tuple[LeftProcess, ...]
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NodeCleaning:
    """One node: how it is, why, and what of routers was found; None where it could not be looked at, or was not."""

    node: str
    state: State
    why: tuple[str, ...] = ()
    leftovers: Leftovers | None = None


@dataclass(frozen=True, slots=True)
class Cleaning:
    """All nodes. `unasked` says why the cluster could not be asked; each node was then judged by itself alone."""

    nodes: tuple[NodeCleaning, ...]
    unasked: str = ""

    @property
    def answer(self) -> Answer:
        """Whether no router is where it should not be."""
        return together(ANSWERS[node.state] for node in self.nodes)
