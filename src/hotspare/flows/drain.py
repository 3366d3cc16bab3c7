"""`hotspare drain` and `undrain`: a node's attribute says that its routers are to go elsewhere, or no more.

The attribute is the order. Whichever rescheduler runs carries it out, whether anybody follows or not.
"""

from collections.abc import Callable

from hotspare.model.moving import Goal
from hotspare.model.rescheduling import drain_of
from hotspare.plan import draining
from hotspare.plan.verdict import DRAIN
from hotspare.ports import Dispatcher, Marks


async def begin(
    node: str, marks: Marks, dispatcher: Dispatcher, *, stop_on_failure: bool, force: bool, wall: Callable[[], float]
) -> Goal:
    """The node is being drained, since now or since before.

    Raises:
        RefusedError: that would leave its routers nowhere to go; not with `force`.
        NotReachableError: nobody would move them.
    """
    report = await dispatcher.report(routers=False)
    if not force:
        draining.refuse(report, node)
    order = draining.order(report, node, at_s=wall(), stop_on_failure=stop_on_failure)
    if order != draining.burden_of(report, node).order:
        await marks.mark(node, DRAIN, order)
    return Goal(batch=drain_of(node), node=node, order=order)


async def end(node: str, marks: Marks) -> None:
    """The node is not drained any more. Needs no rescheduler."""
    await marks.unmark(node, DRAIN)
