"""`hotspare takeover GATEWAY`: the node is preferred for as long as the takeover takes, and for no longer.

Pacemaker does all of it: agents stop on the old node, it is demoted, the new one is promoted, agents start there.
Nothing is stopped but the agents. The preference is taken away whatever happens in between, and ends by itself where
nobody is left to do that.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from hotspare.model.cluster import ClusterStatus
from hotspare.model.errors import HotspareError, Problem, RefusedError, WorldError
from hotspare.model.stager import State
from hotspare.model.takeover import Handover, Order, Taken
from hotspare.plan import takeover as rules
from hotspare.plan.health import carrier
from hotspare.ports import Site, Stagers

POLL_S = 0.5
LIMIT_S = 300.0
"""As long as a drill waits: three agents that hang in their stop or start have had their time-outs by then."""
SETTLE_S = 60.0
"""Without the preference nothing is expected to happen: so long Pacemaker may take to say so."""
LAPSE_S = LIMIT_S + SETTLE_S
"""The preference ends by itself so long after it was made."""


async def plan(order: Order, site: Site, stagers: Stagers) -> Handover:
    """What would happen; nothing is changed.

    Raises:
        WorldError: something is in its way, all of it at once.
        NotReachableError, TimedOutError, RefusedError: the cluster could not be asked.
    """
    (_, status), constraints, told = await asyncio.gather(
        site.status(), site.constraints(), _twin(order, stagers) if order.is_twin else _none()
    )
    if found := rules.objections(order, status, constraints):
        raise WorldError([Problem("", "", text) for text in found], hint="nothing was changed; mend that and ask again")
    return rules.handover(order, status, constraints, told)


async def takeover(
    handover: Handover, site: Site, *, force: bool, tell: Callable[[str], None], now: Callable[[], float]
) -> Taken:
    """The node carries the gateway, its agents run there, and nothing draws it there any more; or why not.

    Raises:
        RefusedError: its twin is not fresh; not with `force`. Nothing was changed.
        NotReachableError, TimedOutError, RefusedError: the preference could not be made, or not be taken away.
    """
    order = handover.order
    if handover.doubts and not force:
        raise RefusedError(
            "\n".join(handover.doubts),
            code=1,
            hint="nothing was changed; wait until hotspare status has the twin fresh, or say --force: routers without "
            "a fresh twin are without service until the agents have built them",
        )
    for node in handover.leftovers:
        tell(f"taking the preference for {node} away, which an earlier takeover left")
        await site.unprefer(order.gateway, node)
    if handover.is_there:
        return Taken(handover, carrier=order.node)
    run = _Run(handover, site, tell, now)
    try:
        await site.prefer(order.gateway, order.node, for_s=LAPSE_S)
        taken = await run.awaited()
    finally:
        await _unprefer(order, site)
    return await run.kept(taken)


class _Run:
    """One takeover that was begun."""

    def __init__(self, handover: Handover, site: Site, tell: Callable[[str], None], now: Callable[[], float]) -> None:
        self._handover, self._site, self._tell, self._now = handover, site, tell, now
        self._began_s = now()
        self._promoted_s: float | None = None
        self._done_s: float | None = None

    async def awaited(self) -> Taken:
        """It is done, or an action failed on the node, or it takes too long."""
        order, untold = self._handover.order, ""
        missing: tuple[str, ...] = ()
        while self._now() - self._began_s < LIMIT_S:
            try:
                _, status = await self._site.status()
            except HotspareError as error:
                untold, missing = error.message, (f"the cluster does not answer: {error.message}",)
            else:
                self._note(status)
                untold, missing = "", rules.to_come(order, status)
                if not missing:
                    return self._taken()
                if failures := rules.failed(order, status):
                    return self._taken(missing=(*map(rules.words, failures), *missing))
            self._tell(f"waiting: {missing[0]}")
            await asyncio.sleep(POLL_S)
        late = f"not done after {LIMIT_S:.0f} s"
        return self._taken(untold=f"{late}: {untold}") if untold else self._taken(missing=(late, *missing))

    async def kept(self, taken: Taken) -> Taken:
        """Without the preference it stays where it is; of one that was not done, where it is now."""
        order = self._handover.order
        self._tell("looking whether it stays there")
        try:
            await self._site.settled(limit_s=SETTLE_S)
            _, status = await self._site.status()
        except HotspareError as error:
            return replace(taken, untold=taken.untold or f"whether it stays there: {error.message}")
        if not taken.missing and not taken.untold:
            taken = replace(taken, missing=rules.missing(order, status))
        return replace(taken, carrier=carrier(status, order.gateway) or "")

    def _note(self, status: ClusterStatus) -> None:
        order, at_s = self._handover.order, self._now() - self._began_s
        if self._promoted_s is None and status.promoted_on(order.gateway) == (order.node,):
            self._promoted_s = at_s
        if self._done_s is None and not rules.missing(order, status):
            self._done_s = at_s

    def _taken(self, *, missing: tuple[str, ...] = (), untold: str = "") -> Taken:
        return Taken(self._handover, self._promoted_s, self._done_s, missing=missing, untold=untold)


async def _unprefer(order: Order, site: Site) -> None:
    """Nothing draws the gateway to the node any more.

    Raises:
        NotReachableError, TimedOutError, RefusedError: it may be drawn there until the preference ends by itself.
    """
    try:
        await site.unprefer(order.gateway, order.node)
    except HotspareError as error:
        own = rules.wish(order.gateway, order.node)
        error.hint = (
            f"the preference {own} may still draw {order.gateway} to {order.node}; it ends by itself "
            f"{LAPSE_S / 60:.0f} min after it was made, or on a node: crm configure delete {own}"
        )
        raise


async def _twin(order: Order, stagers: Stagers) -> State | str:
    """What the stager on the node says, or why it does not."""
    try:
        return await stagers.state(order.gateway, order.node)
    except HotspareError as error:
        return error.message


async def _none() -> str:
    return ""
