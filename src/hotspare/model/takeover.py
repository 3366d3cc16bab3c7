"""A gateway that an operator has another node carry: what is asked for, what would happen, how it ended."""

from dataclasses import dataclass

from hotspare.model.answer import Answer, together
from hotspare.model.status import TwinNode


@dataclass(frozen=True, slots=True)
class Order:
    """The gateway, and the node that is to carry it."""

    gateway: str
    node: str
    is_twin: bool
    """Whether its spares keep a twin."""


@dataclass(frozen=True, slots=True)
class Handover:
    """What would happen, where nothing is in its way."""

    order: Order
    source: str
    """The node that carries the gateway now."""
    twin: TwinNode | None = None
    """How the twin on the node stands; None where the strategy has none, or nothing is to be done."""
    leftovers: tuple[str, ...] = ()
    """Nodes that an earlier takeover wanted, and that never ended; these wishes are taken away."""

    @property
    def is_there(self) -> bool:
        """Nothing is to be done."""
        return self.source == self.order.node

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why it would be a slow one: only by force."""
        if self.twin is None or self.twin.answer is Answer.YES:
            return ()
        return (f"the twin is not fresh: {self.twin.text}", *self.twin.details)

    @property
    def answer(self) -> Answer:
        """Whether it would be done without force."""
        return Answer.NO if self.doubts else Answer.YES


@dataclass(frozen=True, slots=True)
class Taken:
    """How it ended."""

    handover: Handover
    promoted_s: float | None = None
    """After so long the node was seen promoted."""
    done_s: float | None = None
    """After so long its agents were seen to run."""
    carrier: str = ""
    """The node that carries the gateway at the end; empty where none does, or nobody can tell."""
    missing: tuple[str, ...] = ()
    """What is not as it should be; one sentence each."""
    untold: str = ""
    """Why nobody can tell; empty where somebody can."""

    @property
    def answer(self) -> Answer:
        """Whether the node carries the gateway, with its agents."""
        return together((Answer.NO if self.missing else Answer.YES, Answer.CANNOT_TELL if self.untold else Answer.YES))
