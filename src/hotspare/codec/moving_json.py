"""An operator's moves as plain values: the plan that a rescheduler tells, and what the verbs tell of it."""

from collections.abc import Mapping
from statistics import median
from typing import Any

from hotspare.model.moving import Ending, Goal, MovePlan, PlannedMove
from hotspare.model.takeover import Handover, Taken


def read(told: Mapping[str, Any]) -> MovePlan:
    """The plan that a rescheduler told.

    Raises:
        ValueError: it is none.
    """
    try:
        return MovePlan(
            moves=tuple(PlannedMove(one["name"], one["source"] or "", one["target"]) for one in told["moves"]),
            unplaced=tuple((one["name"], one["reason"]) for one in told["unplaced"]),
        )
    except (TypeError, KeyError) as error:
        raise ValueError(f"not the plan of a rescheduler: {error}") from error


def plan(planned: MovePlan) -> dict[str, object]:
    """The plan for `--json`."""
    return {
        "moves": [{"router": move.router, "from": move.source or None, "to": move.target} for move in planned.moves],
        "cannot_move": [{"router": router, "why": why} for router, why in planned.unplaced],
    }


def goal(begun: Goal) -> dict[str, object]:
    """What was begun, for `--json`."""
    return {"begun": begun.batch, "node": begun.node or None, "order": begun.order or None}


def ending(ended: Ending) -> dict[str, object]:
    """What became of it, for `--json`."""
    progress, outages_s = ended.progress, ended.progress.outages_s
    return {
        "all_moved": str(ended.answer),
        "cannot_tell": ended.untold,
        "moved": progress.done,
        "left": progress.left + len(ended.goal.refused),
        "stays": [{"router": kept.name, "why": kept.why, "tries": kept.tries} for kept in ended.stays],
        "left_to_vrrp": [kept.name for kept in progress.kept if kept.vrrp],
        "halted": progress.halted,
        "taken_back": progress.taken_back,
        "outage_s": {"median": median(outages_s), "worst": max(outages_s)} if outages_s else None,
    }


def handover(planned: Handover) -> dict[str, object]:
    """What a takeover of a gateway would do, for `--json`."""
    return {
        "gateway": planned.order.gateway,
        "from": planned.source,
        "to": planned.order.node,
        "nothing_to_do": planned.is_there,
        "twin": planned.twin.text if planned.twin else None,
        "only_by_force": list(planned.doubts),
    }


def taken(ended: Taken) -> dict[str, object]:
    """What became of it, for `--json`."""
    return {
        **handover(ended.handover),
        "taken_over": str(ended.answer),
        "cannot_tell": ended.untold,
        "carrier": ended.carrier or None,
        "missing": list(ended.missing),
        "promoted_s": ended.promoted_s,
        "agents_run_s": ended.done_s,
    }
