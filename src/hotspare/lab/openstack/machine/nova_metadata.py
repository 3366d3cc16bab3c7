#!/usr/bin/python3
"""Answers in the place of Nova's metadata API: nova-metadata PORT SECRET_FILE.

Neutron's metadata agent proxies a VM's request to it and adds X-Instance-ID, X-Tenant-ID and X-Forwarded-For, signed
with the shared secret. Every path answers; the answer says whose metadata it is. As in Nova, a wrong signature is 403.
"""

import hashlib
import hmac
import json
import sys
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LISTINGS = {
    "/": "latest\n",
    "/latest": "meta-data/\n",
    "/latest/meta-data": "instance-id\nlocal-ipv4\n",
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    secret = b""

    def do_GET(self) -> None:
        instance = self.headers.get("X-Instance-ID", "")
        signature = self.headers.get("X-Instance-ID-Signature", "")
        expected = hmac.new(self.secret, instance.encode(), hashlib.sha256).hexdigest()
        if not instance:
            self.answer(400, "X-Instance-ID header is missing from request.\n")
        elif not hmac.compare_digest(signature, expected):
            self.answer(403, "Invalid proxy request signature.\n")
        else:
            self.answer(200, self.metadata(self.path.split("?")[0].rstrip("/") or "/", instance))

    def metadata(self, path: str, instance: str) -> str:
        address = self.headers.get("X-Forwarded-For", "")
        if path == "/latest/meta-data/instance-id":
            return instance
        if path == "/latest/meta-data/local-ipv4":
            return address.removeprefix("::ffff:")  # haproxy listens on an IPv6 socket
        if path in LISTINGS:
            return LISTINGS[path]
        whose = {"uuid": instance, "project_id": self.headers.get("X-Tenant-ID", "")}
        whose |= {"forwarded_for": address, "path": path}
        return json.dumps(whose) + "\n"

    def answer(self, code: int, text: str) -> None:
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Quiet: the journal is for what an operator has to know."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


def main(argv: Sequence[str]) -> None:
    if len(argv) != 3:
        sys.exit(__doc__)
    Handler.secret = Path(argv[2]).read_text(encoding="utf-8").strip().encode()
    Server(("", int(argv[1])), Handler).serve_forever()


if __name__ == "__main__":
    main(sys.argv)
