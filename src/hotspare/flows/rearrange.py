"""`hotspare rebalance` and `takeover`: the rescheduler is asked for moves, and begins them."""

from collections.abc import Sequence

from hotspare.model.moving import Goal, MovePlan
from hotspare.model.rescheduling import REBALANCE, takeover_to
from hotspare.ports import Dispatcher


async def rebalance(dispatcher: Dispatcher, *, only_plan: bool) -> MovePlan | Goal:
    """Routers are on their way to where all nodes carry the same, or, with `only_plan`: what that would take.

    Raises:
        RefusedError, NotReachableError: nothing was begun.
        TimedOutError: it may have been begun.
    """
    planned = await dispatcher.rebalance(only_plan=only_plan)
    return planned if only_plan else _begun(REBALANCE, planned)


async def takeover(routers: Sequence[str], node: str, dispatcher: Dispatcher, *, only_plan: bool) -> MovePlan | Goal:
    """The routers are on their way to the node, or, with `only_plan`: what that would take.

    Raises:
        RefusedError, NotReachableError: nothing was begun.
        TimedOutError: it may have been begun.
    """
    planned = await dispatcher.takeover(routers, node, only_plan=only_plan)
    return planned if only_plan else _begun(takeover_to(node), planned)


def _begun(batch: str, planned: MovePlan) -> Goal:
    return Goal(batch, moves=len(planned.moves), refused=planned.unplaced)
