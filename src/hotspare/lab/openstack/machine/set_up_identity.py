#!/usr/bin/python3
"""What Keystone has to know beyond its bootstrap: set-up-identity SETTINGS.json.

Neutron's user and endpoint, and the operator's application credential. Run again, it only adds what is missing.
"""

import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from email.message import Message
from pathlib import Path
from typing import Any

ANSWER_LIMIT_S = 120
RETRY_S = 0.3


class Keystone:
    def __init__(self, url: str) -> None:
        self.url = url
        self.token = ""

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[Message, Any]:
        """The answer's headers and content. 409 means that it is there already, and is no error."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        request.add_header("Content-Type", "application/json")
        if self.token:
            request.add_header("X-Auth-Token", self.token)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
                return answer.headers, json.loads(text) if text else {}
        except urllib.error.HTTPError as error:
            if error.code == 409:
                return error.headers, {}
            sys.exit(f"set-up-identity: {method} {path}: {error.code} {error.read().decode(errors='replace')}")

    def find_or_create(self, kind: str, name: str, **fields: str) -> str:
        """The id of the object of that name."""
        plural = f"{kind}s"
        found = self.call("GET", f"/{plural}?name={name}")[1][plural]
        if found:
            return str(found[0]["id"])
        return str(self.call("POST", f"/{plural}", {kind: {"name": name, **fields}})[1][kind]["id"])


def wait_for(url: str) -> None:
    deadline = time.monotonic() + ANSWER_LIMIT_S
    while True:
        try:
            urllib.request.urlopen(url, timeout=10).close()
        except OSError as error:
            if time.monotonic() > deadline:
                sys.exit(f"set-up-identity: {url}: {error}")
            time.sleep(RETRY_S)
        else:
            return


def main(argv: Sequence[str]) -> None:
    if len(argv) != 2:
        sys.exit(__doc__)
    settings = json.loads(Path(argv[1]).read_text(encoding="utf-8"))
    wait_for(settings["keystone"])
    keystone = Keystone(settings["keystone"])
    user = {"name": "admin", "domain": {"name": "Default"}, "password": settings["admin_password"]}
    scope = {"project": {"name": "admin", "domain": {"name": "Default"}}}
    login = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    headers, body = keystone.call("POST", "/auth/tokens", login)
    keystone.token = headers["X-Subject-Token"]
    admin = body["token"]["user"]["id"]

    service_project = keystone.find_or_create("project", "service", domain_id="default")
    neutron = keystone.find_or_create(
        "user",
        "neutron",
        domain_id="default",
        password=settings["neutron_password"],
        default_project_id=service_project,
    )
    roles = {role["name"]: role["id"] for role in keystone.call("GET", "/roles")[1]["roles"]}
    for role in ("admin", "service"):
        if role in roles:
            keystone.call("PUT", f"/projects/{service_project}/users/{neutron}/roles/{roles[role]}")
    network = keystone.find_or_create("service", "neutron", type="network")
    if not keystone.call("GET", f"/endpoints?service_id={network}")[1]["endpoints"]:
        for interface in ("public", "internal"):
            endpoint = {"service_id": network, "interface": interface, "region_id": "lab", "url": settings["neutron"]}
            keystone.call("POST", "/endpoints", {"endpoint": endpoint})
    credential = {"name": settings["credential"], "secret": settings["credential_secret"], "unrestricted": False}
    keystone.call("POST", f"/users/{admin}/application_credentials", {"application_credential": credential})


if __name__ == "__main__":
    main(sys.argv)
