"""What happened in the cluster, one value a fact; logs are its source and every verdict is a fold over it."""

from dataclasses import dataclass
from enum import StrEnum


class What(StrEnum):
    """Kinds of events, in the words that the report uses."""

    FAULT_CALLED = "fault.called"
    FAULT_RETURNED = "fault.returned"
    HEAL_CALLED = "heal.called"
    HEALED = "healed"
    TOKEN_LOST = "token.lost"  # noqa: S105 (Corosync's token, not a secret)
    MEMBERSHIP_FORMED = "membership.formed"
    NODE_LOST = "node.lost"
    NODE_JOINED = "node.joined"
    FENCE_PLANNED = "fence.planned"
    FENCE_CALLED = "fence.called"
    FENCE_CONFIRMED = "fence.confirmed"
    FENCE_FAILED = "fence.failed"
    ACTION_ORDERED = "action.ordered"
    ACTION_ENDED = "action.ended"
    AGENT_STARTED = "agent.started"
    AGENT_FINISHED = "agent.finished"
    AGENT_FAILED = "agent.failed"
    MOVES_PLANNED = "moves.planned"
    ROUTER_BOUND = "router.bound"
    ROUTER_MOVED = "router.moved"
    ROUTER_NOT_MOVED = "router.not_moved"


@dataclass(frozen=True, slots=True)
class Event:
    """One fact.

    `at_s` is wall-clock time of the host that told it, in seconds; `host` is who told it; `subject` is the node,
    resource or router that it is about; `action` is the operation where there is one (start, promote, …).
    """

    at_s: float
    host: str
    what: What
    subject: str = ""
    action: str = ""
    text: str = ""
