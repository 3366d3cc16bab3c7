"""Whether a node may be drained, and what its drain attribute is to say."""

from datetime import UTC, datetime

from hotspare.model.errors import NotReachableError, RefusedError
from hotspare.model.rescheduling import Burden, Report
from hotspare.model.routing import Standing
from hotspare.plan.verdict import STOP_ON_FAILURE


def order(report: Report, node: str, *, at_s: float, stop_on_failure: bool) -> str:
    """What the attribute is to say. A drain of the same kind that goes on already is left as it is."""
    now = burden_of(report, node)
    if now.order and not now.halted and (STOP_ON_FAILURE in now.order) == stop_on_failure:
        return now.order
    stamp = datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{stamp} {STOP_ON_FAILURE}" if stop_on_failure else stamp


def refuse(report: Report, node: str) -> None:
    """The node may be drained.

    Raises:
        RefusedError: its routers would have nowhere to go, or nobody may touch them.
    """
    if burden_of(report, node).standing == Standing.UNKNOWN:
        raise RefusedError(
            f"{node} is neither live nor proved dead: nothing of it is touched",
            code=0,
            hint="see what is wrong with it (hotspare status) and bring it back, or have it fenced, which moves its "
            f"routers. --force marks {node} all the same, for when it is back",
        )
    if not any(other.standing == Standing.LIVE for other in report.burdens if other.node != node):
        raise RefusedError(
            f"{node} is the last live node: its routers have nowhere to go",
            code=0,
            hint="bring another node back first (hotspare status --routers shows how each stands). --force marks it "
            "all the same: its routers stay where they are until another node lives",
        )


def burden_of(report: Report, node: str) -> Burden:
    """What is known of the node.

    Raises:
        NotReachableError: nothing is known yet.
        RefusedError: it is not among the rescheduler's nodes.
    """
    if report.looked_s is None:
        raise NotReachableError(
            f"the rescheduler on {report.node} has not seen the routers yet: {report.trouble or report.doing}",
            hint="ask again in some seconds; if that does not change, see whether Neutron's API answers",
        )
    found = next((burden for burden in report.burdens if burden.node == node), None)
    if found is None:
        there = ", ".join(burden.node for burden in report.burdens)
        raise RefusedError(
            f"the rescheduler does not know {node}, only {there}", code=404, hint="hotspare apply tells it of the file"
        )
    return found
