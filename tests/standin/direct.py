"""The stand-in without sockets: what an adapter asks of a session, answered by a world at once. For property tests."""

from collections.abc import Collection, Mapping
from typing import Any

from hotspare.model.errors import RefusedError, TimedOutError
from standin.api import Answer, Api
from standin.world import World


class DirectSession:
    """In the place of `NeutronSession`: no time passes but by `World.pass_time`."""

    def __init__(self, world: World) -> None:
        self._api = Api(world)

    async def rows(
        self, path: str, params: Mapping[str, Any] | None = None, *, key: str = ""
    ) -> tuple[dict[str, Any], ...]:
        query = {name: _values(value) for name, value in (params or {}).items()}
        answer = self._api.answer("GET", path, query)
        _raised(answer, limit_s=0, done=())
        return tuple(answer.body[key or path.rpartition("/")[2]])

    async def post(
        self, kind: str, path: str, body: Mapping[str, Any], *, limit_s: float, done: Collection[str] = ()
    ) -> None:
        assert kind
        _raised(self._api.answer("POST", path, {}, body), limit_s=limit_s, done=done)

    async def delete(self, kind: str, path: str, *, limit_s: float, done: Collection[str] = ()) -> None:
        assert kind
        _raised(self._api.answer("DELETE", path, {}), limit_s=limit_s, done=done)


def _values(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)]


def _raised(answer: Answer, *, limit_s: float, done: Collection[str]) -> None:
    """The errors that `NeutronSession` makes of the answer; whoever waits longer than the limit waits no longer."""
    if answer.after_s > limit_s:
        raise TimedOutError(f"no answer in {limit_s} s")
    if answer.status >= 400 and answer.body["NeutronError"]["type"] not in done:
        words = answer.body["NeutronError"]["message"]
        raise RefusedError(words, code=answer.status, output=words)
