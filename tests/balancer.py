"""A load balancer before Neutron's API that lets a test have its way with every call.

It runs in the test's own process, in the lab's network, so that troubles are functions: each gets the call and what
passes it on, and returns the answer.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, reduce
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

from hotspare.lab.layout import NETWORK, Layout
from hotspare.lab.namespace import entered
from hotspare.lab.openstack.services import NEUTRON_PORT, controller_address

ANSWER_LIMIT_S = 60.0
"""As of the load balancers before most APIs. Source: `timeout server` in the documentation's examples of HAProxy."""
OF_THE_CONNECTION = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})
"""Headers that are between two neighbours. Source: RFC 9110, 7.6.1."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request to Neutron."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def is_bind(self) -> bool:
        """Whether a router is to be bound to an L3 agent."""
        return self.method == "POST" and self.path.endswith("/l3-routers")

    def unbinds(self, router: str) -> bool:
        """Whether the router is to be taken from an L3 agent."""
        return self.method == "DELETE" and self.path.endswith(f"/l3-routers/{router}")

    def is_to(self, agent: str) -> bool:
        """Whether it is about what this agent has."""
        return f"/agents/{agent}/" in self.path


@dataclass(frozen=True, slots=True)
class Answer:
    """What the one who asked gets."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


Forward = Callable[[], Answer]
Trouble = Callable[[Call, Forward], Answer]

ABSENT = Answer(HTTPStatus.SERVICE_UNAVAILABLE)
FAILED = Answer(HTTPStatus.INTERNAL_SERVER_ERROR)


class Balancer:
    """Answers at `url` for as long as `serving` lasts; what it cannot pass on is 503, what is not answered 504."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._troubles: tuple[Trouble, ...] = ()
        with entered(layout.switch):
            self._http = _Server((str(NETWORK["mgmt"].operator), 0), _Handler)
        self._http.balancer = self

    @property
    def url(self) -> str:
        """What a cloud has for `network_endpoint_override`."""
        host, port, *_ = self._http.server_address
        return f"http://{host!s}:{port}"

    @contextmanager
    def serving(self) -> Iterator["Balancer"]:
        with entered(self._layout.switch):  # threads are where the one that started them was
            threading.Thread(target=self._http.serve_forever, args=(0.1,), daemon=True).start()
        try:
            yield self
        finally:
            self._http.shutdown()
            self._http.server_close()

    @contextmanager
    def troubled(self, *troubles: Trouble) -> Iterator[None]:
        """Calls go through these, the first one first; those that come later pass."""
        self._troubles = troubles
        try:
            yield
        finally:
            self._troubles = ()

    def answer(self, call: Call) -> Answer:
        """What the call comes to."""

        def through(forward: Forward, trouble: Trouble) -> Forward:
            return partial(trouble, call, forward)

        return reduce(through, reversed(self._troubles), partial(self._passed_on, call))()

    def _passed_on(self, call: Call) -> Answer:
        neutron = HTTPConnection(controller_address(self._layout), NEUTRON_PORT, timeout=ANSWER_LIMIT_S)
        try:
            neutron.request(call.method, call.path, call.body, call.headers)
            told = neutron.getresponse()
            return Answer(told.status, tuple(told.getheaders()), told.read())
        except TimeoutError:
            return Answer(HTTPStatus.GATEWAY_TIMEOUT)
        except (OSError, HTTPException):
            return ABSENT
        finally:
            neutron.close()


class Slow:
    """Every call takes so much longer."""

    def __init__(self, by_s: float) -> None:
        self._by_s = by_s

    def __call__(self, _call: Call, forward: Forward) -> Answer:
        threading.Event().wait(self._by_s)
        return forward()


class EveryNthFails:
    """Every Nth call is answered 500; in turn nothing was done, or all of it was."""

    def __init__(self, nth: int) -> None:
        self._nth = nth
        self._numbers = count(1)
        self.failed: list[Call] = []

    def __call__(self, call: Call, forward: Forward) -> Answer:
        if next(self._numbers) % self._nth:
            return forward()
        self.failed.append(call)
        if len(self.failed) % 2 == 0:
            forward()
        return FAILED


class At:
    """When the Nth call that fits has come, and before it is passed on, something happens.

    With `instead` that is the answer, and the call is not passed on.
    """

    def __init__(
        self,
        act: Callable[[Call], object],
        *,
        nth: int = 1,
        fits: Callable[[Call], bool] = lambda call: call.is_bind,
        instead: Answer | None = None,
    ) -> None:
        self._act, self._nth, self._fits, self._instead = act, nth, fits, instead
        self._numbers = count(1)
        self._happened: Future[Call] = Future()

    def __call__(self, call: Call, forward: Forward) -> Answer:
        if not self._fits(call) or next(self._numbers) != self._nth:
            return forward()
        try:
            self._act(call)
        except BaseException as failed:  # noqa: BLE001 (raised in the test, which waits for it)
            self._happened.set_exception(failed)
            return FAILED
        self._happened.set_result(call)
        return self._instead or forward()

    def happened(self, *, within_s: float) -> Call:
        """The call at which it happened.

        Raises:
            TimeoutError: no such call came within the limit. And whatever `act` raised.
        """
        return self._happened.result(within_s)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    balancer: Balancer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked is gone: killed, or out of patience."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in OF_THE_CONNECTION}
        answer = self.server.balancer.answer(Call(self.command, self.path, headers, body))
        self.send_response(answer.status)
        for name, value in answer.headers:
            if name.lower() not in OF_THE_CONNECTION:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 (http.server's names)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (http.server's name)
        """Nothing."""
