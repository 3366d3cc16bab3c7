"""A session with Neutron's API through openstacksdk: clouds.yaml, tokens and discovery are its work, errors are ours.

openstacksdk turns some refusals into data or into nothing (its proxy asks with `raise_exc=False`), so every request
here is made with `raise_exc=True`. Nothing is tried again behind the caller's back but the one request whose token had
expired: whoever limits the load on Neutron has to know of every call.

Third-party here is what Neutron's own Python has on a network node: openstacksdk and keystoneauth1.
"""

import asyncio
import http.client
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import openstack.config
import openstack.connection
from keystoneauth1 import exceptions as keystone
from keystoneauth1.session import TCPKeepAliveAdapter
from openstack import exceptions as sdk

from hotspare.adapters.daemon_threads import DaemonThreads
from hotspare.model.errors import HotspareError, NotReachableError, RefusedError, TimedOutError

IN_FLIGHT_MAX = 128
"""Calls at once. Callers have limits of their own below it; this is how many connections are kept."""
PAGE_ROWS = 1000
"""Rows asked for at once: Neutron needs about a second for them, and a few MB."""
PAGES_MAX = 1000
READ_LIMIT_S = 30.0
"""A page of ports of a cloud under load takes seconds; an API that needs longer is of no use in a takeover."""
CONNECT_LIMIT_S = 5.0
"""A controller that is off answers no SYN; nothing was asked of it then, so the caller may know soon."""
LOGIN_LIMIT_S = 10.0
"""For each request to Keystone."""
NO_LOGIN = frozenset({401, 403})
UNANSWERED = frozenset({502, 504})
"""What a load balancer says when the API behind it took the request and did not answer."""
ABSENT = 503
UNPACED: AbstractContextManager[None] = nullcontext()
"""In the place of keystoneauth1's own pace, which also without a limit lets no call begin before the wall-clock time at
which the adapter was made: once the clock is stepped back, every call waits until it is there again.
Source: keystoneauth1 5, _fair_semaphore.py."""

T = TypeVar("T")
Row = dict[str, Any]

for library in ("keystoneauth", "openstack", "urllib3"):
    logging.getLogger(library).addHandler(logging.NullHandler())  # what they warn of comes back as an error of ours


class Ended(StrEnum):
    """How a call ended, for whoever counts calls."""

    DONE = "done"
    REFUSED = "refused"
    TIMED_OUT = "timed out"
    NOT_REACHABLE = "not reachable"
    CANCELLED = "cancelled"


Observed = Callable[[str, float, Ended], None]
"""Told of every call when it has ended: its kind, how long it took from asking to knowing in seconds, how it ended.

A reading's kind is the last word of its path (`routers`, `l3-agents`); a change's is the caller's.
"""


def unobserved(_kind: str, _took_s: float, _ended: Ended) -> None:
    """Nobody counts."""


class NeutronSession:
    """One cloud of clouds.yaml: of the file given, or where openstacksdk looks for one. It opens at the first call.

    Raises (all calls): NotReachableError, TimedOutError, RefusedError.
    """

    def __init__(
        self,
        cloud: str,
        *,
        clouds_file: Path | None = None,
        in_flight_max: int = IN_FLIGHT_MAX,
        read_limit_s: float = READ_LIMIT_S,
        observed: Observed = unobserved,
    ) -> None:
        self.cloud = cloud
        self._clouds_file = clouds_file
        self._in_flight_max = in_flight_max
        self._read_limit_s = read_limit_s
        self._observed = observed
        self._threads = DaemonThreads("neutron", threads_max=in_flight_max)
        self._opening = threading.Lock()
        self._connection: Any = None

    async def rows(self, path: str, params: Mapping[str, Any] | None = None, *, key: str = "") -> tuple[Row, ...]:
        """All rows of the collection at `path`, whose name in the answer is `key`: a call a page.

        The next page is asked for by the last row's id (`fields` in `params` name `id`): the link in the answer may
        hold an address that only the API itself knows, behind a proxy that ends TLS.
        """
        kind = path.rpartition("/")[2]
        key = key or kind
        found: list[Row] = []
        query: dict[str, Any] = {**(params or {}), "limit": PAGE_ROWS}
        for _page in range(PAGES_MAX):
            body = await self._call(kind, "GET", path, limit_s=self._read_limit_s, params=query)
            if not isinstance(body, dict) or key not in body:
                raise RefusedError(
                    f"{self._where}: what answers at /{path} is not Neutron",
                    code=0,
                    hint="does the endpoint of service type `network` lead to Neutron?",
                )
            found += body[key]
            if not any(link["rel"] == "next" for link in body.get(f"{key}_links", ())):
                return tuple(found)
            query["marker"] = found[-1]["id"]
        raise RefusedError(f"{self._where}: no end of {path} after {PAGES_MAX} pages", code=0)

    async def post(
        self, kind: str, path: str, body: Mapping[str, Any], *, limit_s: float, done: Collection[str] = ()
    ) -> None:
        """Something was asked for. A refusal of a type in `done` (`RouterNotFound`) says that it was so before."""
        await self._call(kind, "POST", path, limit_s=limit_s, done=done, json=body)

    async def delete(self, kind: str, path: str, *, limit_s: float, done: Collection[str] = ()) -> None:
        """Something is gone. A refusal of a type in `done` says that it was so before."""
        await self._call(kind, "DELETE", path, limit_s=limit_s, done=done)

    @property
    def _where(self) -> str:
        return f"Neutron ({self.cloud})"

    async def _call(
        self, kind: str, method: str, path: str, *, limit_s: float, done: Collection[str] = (), **request: Any
    ) -> Any:
        """The answer's body, within `limit_s` of asking; observed however it ends."""
        begun = time.monotonic()
        ended = Ended.CANCELLED
        try:
            async with asyncio.timeout(limit_s):
                answer = await self._threads.run(lambda: self._send(begun + limit_s, method, path, done, request))
        except (TimeoutError, keystone.ClientException, sdk.SDKException) as failed:
            error = told(self._where, failed, limit_s=limit_s)
            ended = _ended(error)
            raise error from failed
        else:
            ended = Ended.DONE
            return answer
        finally:
            self._observed(kind, time.monotonic() - begun, ended)

    def _send(self, deadline: float, method: str, path: str, done: Collection[str], request: Mapping[str, Any]) -> Any:
        """Ask, in this thread. A token that the API does not know any more is renewed once.

        Nothing is sent after the deadline, as it could be after a long wait for Keystone: a late DELETE would undo what
        its caller, who gave it up, did since.
        """
        connection = self._opened()
        try:
            return self._asked(connection, deadline, method, path, done, request)
        except keystone.Unauthorized:
            self._forget(connection)
            raise

    def _asked(
        self,
        connection: Any,
        deadline: float,
        method: str,
        path: str,
        done: Collection[str],
        request: Mapping[str, Any],
    ) -> Any:
        for last in (False, True):
            connection.session.get_auth_headers()
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            try:
                answer = connection.network.request(
                    f"/{path}",
                    method,
                    raise_exc=True,
                    allow_reauth=False,
                    connect_retries=0,
                    status_code_retries=0,
                    rate_semaphore=UNPACED,
                    timeout=(min(CONNECT_LIMIT_S, left_s), left_s),
                    **request,
                )
            except keystone.Unauthorized:
                if last:
                    raise
                connection.session.invalidate()
            except keystone.HttpError as refused:
                if _type_and_words(refused)[0] not in done:
                    raise
                return None
            else:
                return _json(answer)
        return None

    def _opened(self) -> Any:
        with self._opening:
            if self._connection is None:
                self._connection = self._open()
            return self._connection

    def _forget(self, connection: Any) -> None:
        """What the next call opens has the credentials that clouds.yaml has by then."""
        with self._opening:
            if self._connection is connection:
                self._connection = None

    def _open(self) -> Any:
        """A connection whose endpoint is known and that keeps a socket for each call in flight."""
        files = None if self._clouds_file is None else [str(self._clouds_file)]
        clouds = openstack.config.OpenStackConfig(config_files=files, load_envvars=files is None, app_name="hotspare")
        region = clouds.get_one(cloud=self.cloud, api_timeout=LOGIN_LIMIT_S)
        connection = openstack.connection.Connection(config=region)
        for scheme in ("http://", "https://"):
            connection.session.session.mount(scheme, TCPKeepAliveAdapter(pool_maxsize=self._in_flight_max))
        connection.network.get_endpoint()
        return connection


async def together(*calls: Callable[[], Any], at_once_max: int) -> list[Any]:
    """The answers in order, of at most `at_once_max` calls at once. The first failure ends the others and is raised.

    Without a TaskGroup: a task in which one has failed counts as being cancelled from then on (before Python 3.13), and
    the next `asyncio.timeout` that expires in it ends it (before 3.11.3; Debian 12 has 3.11.2).
    Source: https://github.com/python/cpython/issues/116720 and 102780.
    """
    gate = asyncio.Semaphore(at_once_max)

    async def one(call: Callable[[], Any]) -> Any:
        async with gate:
            return await call()

    tasks = [asyncio.create_task(one(call)) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()


def told(where: str, failed: Exception, *, limit_s: float) -> HotspareError:
    """The error as ours: who has to act on it, and whether what was asked for may have been done."""
    match failed:
        case keystone.HttpError() | sdk.HttpException():
            return _answered(where, failed)
        case sdk.ConfigException() | keystone.MissingRequiredOptions() | keystone.NoMatchingPlugin():
            return RefusedError(
                f"{where}: {failed}", code=0, hint="name a cloud of clouds.yaml in the spec (neutron.cloud)"
            )
        case _ if any(type(cause).__name__ == "ConnectTimeoutError" for cause in _causes(failed)):  # urllib3's
            return NotReachableError(f"{where}: its address does not answer", hint="is its machine up?")
        case TimeoutError() | keystone.ConnectTimeout():
            return TimedOutError(f"{where} gave no answer in {limit_s:.0f} s")
        case _ if any(isinstance(cause, ConnectionResetError | http.client.HTTPException) for cause in _causes(failed)):
            return TimedOutError(f"{where} broke the connection off before it answered")
        case _:
            return NotReachableError(
                f"{where} could not be asked: {failed}", hint="is its API up, and clouds.yaml right?"
            )


def _answered(where: str, failed: Any) -> HotspareError:
    code = getattr(failed, "http_status", None) or getattr(failed, "status_code", None) or 0
    kind, words = _type_and_words(failed)
    if code in UNANSWERED:
        return TimedOutError(f"{where}: no answer from behind the load balancer ({code}): {words}")
    if code == ABSENT:
        return NotReachableError(f"{where} is not there: {words}")
    hint = "the cloud's user in clouds.yaml needs the role admin in its project" if code in NO_LOGIN else ""
    return RefusedError(f"{where} said no ({code} {kind}): {words}", code=code, output=words, hint=hint)


def _type_and_words(failed: Any) -> tuple[str, str]:
    """Neutron's own name for what is wrong, and its words. Source: neutron_lib.api.faults, `{"NeutronError": …}`."""
    body = _json(failed.response) if failed.response is not None else None
    match body:
        case {"NeutronError": {"type": kind, "message": words}}:
            return str(kind), str(words)
        case {"NeutronError": words}:
            return "", str(words)
        case _:
            return "", str(failed)


def _json(answer: Any) -> Any:
    """The body; None where there is none, or it is not JSON (a proxy's page)."""
    try:
        return answer.json()
    except ValueError:
        return None


def _causes(failed: BaseException | None) -> Iterator[BaseException]:
    while failed is not None:
        yield failed
        failed = failed.__cause__ or failed.__context__


def _ended(error: HotspareError) -> Ended:
    match error:
        case TimedOutError():
            return Ended.TIMED_OUT
        case NotReachableError():
            return Ended.NOT_REACHABLE
        case _:
            return Ended.REFUSED
