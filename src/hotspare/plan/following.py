"""What the rescheduler's reports, one after the other, say of moves that somebody waits for."""

from dataclasses import replace

from hotspare.model.moving import Goal, Progress
from hotspare.model.rescheduling import Batch, Burden, Report
from hotspare.model.routing import Standing

TRIES = 2
"""A router of a drain whose move failed is tried again by itself; so many failures are waited for."""
STAYING = frozenset({str(Standing.LIVE), str(Standing.LEAVING)})


def after(before: Progress, report: Report, goal: Goal) -> Progress:
    """How far it got with this report."""
    batch = next((batch for batch in report.batches if batch.reason == goal.batch), None)
    told = replace(before, daemon=report.node, trouble=report.trouble)
    return _drained(told, report, batch, goal) if goal.node else _carried_out(told, batch, goal)


def _counted(before: Progress, batch: Batch | None) -> Progress:
    """A batch that began anew does not know what was done before it."""
    if batch is None:
        return before
    old = before.batch
    earlier = (*before.earlier, old) if old and old.began_s != batch.began_s else before.earlier
    return replace(before, batch=batch, earlier=earlier)


def _carried_out(progress: Progress, batch: Batch | None, goal: Goal) -> Progress:
    """Moves that were asked for are known to the rescheduler that was asked, and to no other."""
    progress = _counted(progress, batch)
    over = batch is None or batch.done + batch.failed >= batch.total
    known = sum(one.done for one in progress.earlier) + (progress.batch.total if progress.batch else 0)
    total = max(goal.moves, known)
    return replace(progress, under_way=True, over=over, total=total, left=total - progress.done)


def _drained(progress: Progress, report: Report, batch: Batch | None, goal: Goal) -> Progress:
    """The node's own burden says what is left of a drain, whoever has moved the rest.

    Before the rescheduler knows of this drain, what it counted are the moves of an earlier one.
    """
    burden = next((burden for burden in report.burdens if burden.node == goal.node), None)
    if burden is None or report.looked_s is None:
        return replace(progress, over=False)
    gone = burden.standing == Standing.GONE
    under_way = gone or burden.order == goal.order or (progress.under_way and bool(burden.order))
    if not under_way:
        taken_back = progress.under_way and burden.standing in STAYING
        return replace(progress, over=taken_back, taken_back=taken_back)
    progress = _counted(progress, batch)
    left = burden.routers - sum(kept.vrrp for kept in burden.kept)
    return replace(
        progress,
        under_way=True,
        over=nothing_moves(burden, left),
        total=progress.done + left,
        left=left,
        kept=burden.kept,
        halted=burden.halted,
    )


def nothing_moves(burden: Burden, left: int) -> bool:
    """Whether all that was to leave the node has left, or is kept there and was tried often enough."""
    if not left:
        return True
    if burden.moving or burden.halted:
        return not burden.moving
    waiting = left - sum(not kept.vrrp for kept in burden.kept)
    return waiting <= 0 and not any(0 < kept.tries < TRIES for kept in burden.kept)
