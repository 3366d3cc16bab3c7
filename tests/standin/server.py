"""The stand-in's HTTP server: a world whose time is the clock's, with latency and faults as they are set."""

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from standin.api import Answer, Api
from standin.identity import ADMIN, Identity, catalog, clouds, versions
from standin.world import World

FAULT = Answer(500, {"NeutronError": {"type": "HTTPInternalServerError", "message": "a fault", "detail": ""}})


@dataclass
class Faults:
    """What befalls every Nth call to Neutron (0: none), before it is looked at, and what each kind of call takes."""

    latency_s: float = 0.0
    latency_of_s: dict[str, float] = field(default_factory=dict)
    """By method and last word of the collection (`POST l3-routers`): instead of `latency_s`."""
    error_every: int = 0
    """It answers 500, and nothing was done."""
    hang_every: int = 0
    """It is done, and never answered."""
    break_every: int = 0
    """It is done, and the connection is closed instead of an answer."""
    slow_every: int = 0
    slow_s: float = 0.0


class Standin:
    """A server on a free port of this machine, for as long as `served` lasts."""

    def __init__(self, world: World) -> None:
        self.api = Api(world)
        self.identity = Identity()
        self.faults = Faults()
        self.calls: Counter[str] = Counter()
        self.in_flight = 0
        self.closing = threading.Event()
        self.lock = threading.Lock()
        """Whoever looks at the world while it is served holds it."""
        self._told_s = time.monotonic()
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.standin = self

    @property
    def world(self) -> World:
        return self.api.world

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    @contextmanager
    def served(self) -> Iterator["Standin"]:
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield self
        finally:
            self.stop()

    def stop(self) -> None:
        """Nobody listens any more, and what hung is let go."""
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()

    def clouds_file(self, directory: Path) -> Path:
        """A clouds.yaml with `admin`, `reader`, `wrong` (a wrong password), `open` (no Keystone) and `away`."""
        path = directory / "clouds.yaml"
        path.write_text(json.dumps(clouds(self.base)))
        return path

    def neutron(self, method: str, path: str, query: dict[str, list[str]], body: Any, token: str) -> Answer | None:
        """The answer, after as long as it takes; None if there is none."""
        user = self.identity.user(token) if token != "notused" else ADMIN  # noqa: S105 (keystoneauth's, for auth_type none)
        if user is None:
            return Answer(HTTPStatus.UNAUTHORIZED, {"error": {"code": 401, "message": "The token is not known."}})
        kind = f"{method} {_collection(path)}"
        with self.lock:
            self.calls[kind] += 1
            number = self.calls.total()
            self.in_flight += 1
        try:
            return self._answered(number, kind, (method, path, query, body), admin=user == ADMIN)
        finally:
            with self.lock:
                self.in_flight -= 1

    def _answered(self, number: int, kind: str, asked: tuple[Any, ...], *, admin: bool) -> Answer | None:
        faults = self.faults
        slow_s = faults.slow_s if _is_due(number, faults.slow_every) else 0.0
        self.closing.wait(faults.latency_of_s.get(kind, faults.latency_s) + slow_s)
        if _is_due(number, faults.error_every):
            return FAULT
        with self.lock:
            self.pass_time()
            answer = self.api.answer(*asked, admin=admin)
        if _is_due(number, faults.hang_every):
            self.closing.wait()
        if _is_due(number, faults.break_every):
            return None
        self.closing.wait(answer.after_s)
        return answer

    def pass_time(self) -> None:
        """The world's time is the clock's again. Under `lock`."""
        now_s = time.monotonic()
        self.world.pass_time(now_s - self._told_s)
        self._told_s = now_s


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024
    standin: Standin

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client that gave up and left
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """HTTP/1.1, connections kept; each in a thread of its own."""

    server: _Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, *_words: object) -> None:
        """Nothing: calls are counted."""

    def _serve(self) -> None:
        standin = self.server.standin
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        url = urlsplit(self.path)
        if url.path.startswith("/v2.0/"):
            token = self.headers.get("X-Auth-Token", "")
            answer = standin.neutron(self.command, url.path.removeprefix("/v2.0/"), parse_qs(url.query), body, token)
            if answer is None:
                self.close_connection = True
            else:
                self._send(answer.status, answer.body)
        elif url.path == "/identity/v3/auth/tokens":
            self._log_in(body)
        elif url.path.startswith("/identity"):
            self._send(HTTPStatus.OK, versions(standin.base))
        else:
            link = {"rel": "self", "href": f"{standin.base}/v2.0/"}
            self._send(HTTPStatus.OK, {"versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}]})

    def _log_in(self, body: Any) -> None:
        standin = self.server.standin
        token = standin.identity.token(body)
        if token is None:
            words = "The request you have made requires authentication."
            self._send(HTTPStatus.UNAUTHORIZED, {"error": {"code": 401, "message": words}})
        else:
            self._send(HTTPStatus.CREATED, catalog(standin.base), {"X-Subject-Token": token})

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _collection(path: str) -> str:
    """The collection that a path is of: `agents/ID/l3-routers/ID` → `l3-routers`."""
    words = path.split("/")
    return words[-1] if len(words) % 2 else words[-2]


def _is_due(number: int, every: int) -> bool:
    return bool(every) and number % every == 0
