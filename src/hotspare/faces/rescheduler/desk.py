"""What a rescheduler is asked at its socket (see faces/socket_desk.py).

`{"ask": "state"}`    → the report without routers, at once
`{"ask": "routers"}`  → the whole report
`{"ask": "follow"}`   → reports without routers, whenever something has changed, at most two a second, without an end
`{"ask": "rebalance", "plan": true}`, `{"ask": "takeover", "routers": [...], "to": NODE, "plan": true}`,
`{"ask": "drain", "node": NODE}` → `{"moves": …, "unplaced": …}`; a drain is only planned here: it is begun by an
attribute of the node, so that every rescheduler after this one knows of it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

from hotspare.codec import rescheduling_json
from hotspare.faces.socket_desk import SocketDesk
from hotspare.flows.reschedule.daemon import Rescheduler
from hotspare.model.errors import InvariantError
from hotspare.model.rescheduling import Settings
from hotspare.model.routing import Placement

MANUAL = "hotspare/faces/rescheduler/desk.py"
BETWEEN_REPORTS_S = 0.5
STILL_S = 5.0
"""A follower hears something at least so often, and so knows that the rescheduler is there."""


_NEEDED: Mapping[str, tuple[str, ...]] = {
    "state": (),
    "routers": (),
    "follow": (),
    "rebalance": (),
    "takeover": ("routers", "to"),
    "drain": ("node",),
}
"""What may be asked, and what has to be said with it."""


class Desk:
    """Answers for one rescheduler."""

    def __init__(self, rescheduler: Rescheduler, settings: Settings) -> None:
        self._rescheduler, self._settings = rescheduler, settings
        self._desk = SocketDesk(settings.socket, self._answers, needed=_NEEDED, manual=MANUAL)

    def open(self) -> AbstractAsyncContextManager[None]:
        """The socket answers for as long as the context lasts."""
        return self._desk.open()

    async def _answers(self, request: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        only_plan = bool(request.get("plan"))
        match request["ask"]:
            case "state":
                yield {**self._state(), "end": True}
            case "routers":
                yield {**rescheduling_json.plain(self._rescheduler.report(routers=True)), "end": True}
            case "follow":
                while True:
                    yield self._state()
                    await self._something_new()
            case "rebalance":
                yield self._told(await self._rescheduler.rebalance(only_plan=only_plan))
            case "takeover":
                placed = await self._rescheduler.takeover(request["routers"], request["to"], only_plan=only_plan)
                yield self._told(placed)
            case "drain":
                yield self._told(await self._rescheduler.drain_plan(request["node"]))
            case other:
                raise InvariantError(f"{other} is none of {', '.join(_NEEDED)}")

    def _state(self) -> dict[str, Any]:
        return rescheduling_json.plain(self._rescheduler.report(routers=False))

    def _told(self, placed: Placement) -> dict[str, Any]:
        names, hosts = self._rescheduler.known.names(), self._rescheduler.known.hosts()
        return {**rescheduling_json.placement(placed, names=names, hosts=hosts), "end": True}

    async def _something_new(self) -> None:
        await asyncio.sleep(BETWEEN_REPORTS_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(STILL_S):
                await self._rescheduler.changed.wait()
