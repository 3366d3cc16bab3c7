"""`hotspare clean`: ask the cluster who works, then have every other node look, plan, clean and look again."""

import asyncio
from collections.abc import Mapping

from hotspare.model.cleaning import Cleaning, NodeCleaning, State
from hotspare.model.errors import HotspareError
from hotspare.plan.cleaning import Order, working
from hotspare.ports import Site


async def clean(order: Order, site: Site, *, only_plan: bool) -> Cleaning:
    """Each node is cleaned, or, with `only_plan`, looked at. Never fails because a node does not answer."""
    at_work, unasked = await _at_work(site)
    nodes = await asyncio.gather(*(_node(node, order, at_work, site, only_plan=only_plan) for node in order.nodes))
    return Cleaning(tuple(nodes), unasked)


async def finish(order: Order, planned: Cleaning, site: Site) -> Cleaning:
    """The nodes on which a plan found something are cleaned; the others are as they were found.

    The cluster is asked anew: it may have moved a gateway while somebody thought about the plan.
    """
    todo = tuple(node.node for node in dirty(planned))
    done = await clean(Order(todo, named=order.named, twins=order.twins), site, only_plan=False)
    result = {node.node: node for node in (*planned.nodes, *done.nodes)}
    return Cleaning(tuple(result.values()), done.unasked)


def dirty(planned: Cleaning) -> tuple[NodeCleaning, ...]:
    """The nodes that a cleaning would change, or could not tell without trying."""
    return tuple(node for node in planned.nodes if node.leftovers and node.state in (State.PLANNED, State.CANNOT_TELL))


async def _at_work(site: Site) -> tuple[Mapping[str, tuple[str, ...]], str]:
    """The nodes that the cluster works with; or none, and why it could not be asked."""
    try:
        _, status = await site.status()
    except HotspareError as failed:
        return {}, failed.message
    return working(status), ""


async def _node(
    node: str, order: Order, at_work: Mapping[str, tuple[str, ...]], site: Site, *, only_plan: bool
) -> NodeCleaning:
    if node in at_work:
        return NodeCleaning(node, State.REFUSED if order.named else State.CARRIES, at_work[node])
    try:
        return await site.clean(node, only_plan=only_plan, twins=order.twins)
    except HotspareError as failed:
        return NodeCleaning(node, State.CANNOT_TELL, tuple(filter(None, (failed.message, failed.hint))))
