"""What a stager is asked at its socket (see faces/socket_desk.py).

`{"ask": "state"}`                    → its state (model/stager.py, State), at once
`{"ask": "promote", "within_s": 20}`  → what the promotion came to (Promoted)
`{"ask": "demote", "within_s": 20}`   → `{"parked": ports}`
`{"ask": "drop", "within_s": 20}`     → `{}`: there is no twin here any more
`{"ask": "retire"}`                   → `{}`, at once: the twin goes, and after it the stager
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from hotspare.codec import stager_json
from hotspare.faces.socket_desk import SocketDesk
from hotspare.flows.stage.stager import Stager
from hotspare.model.errors import InvariantError, TimedOutError

_NEEDED = {"state": (), "promote": ("within_s",), "demote": ("within_s",), "drop": ("within_s",), "retire": ()}


def desk(stager: Stager, path: str) -> SocketDesk:
    """Answers for one stager."""

    async def answers(request: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        try:
            yield {**await _answer(stager, request), "end": True}
        except TimeoutError:
            raise TimedOutError(f"not done within {request.get('within_s')} s") from None

    return SocketDesk(path, answers, needed=_NEEDED, manual="hotspare/faces/stager/desk.py")


async def _answer(stager: Stager, request: Mapping[str, Any]) -> dict[str, Any]:
    match request["ask"]:
        case "state":
            return stager_json.plain(stager.state())
        case "promote":
            return stager_json.plain(await stager.promote(within_s=float(request["within_s"])))
        case "demote":
            return {"parked": await stager.demote(within_s=float(request["within_s"]))}
        case "drop":
            await stager.drop(within_s=float(request["within_s"]))
            return {}
        case "retire":
            stager.retire()
            return {}
        case other:
            raise InvariantError(f"{other} is none of {', '.join(_NEEDED)}")
