"""As much of Keystone's v3 API as a session needs: a password for a token, and where Neutron is."""

import itertools
from typing import Any

ADMIN, READER = "admin", "reader"
"""Users; the password of each is its name, as long as nobody changes it."""


class Identity:
    """Tokens given out and still good."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._users: dict[str, str] = {}
        self.given = 0
        self.passwords = {ADMIN: ADMIN, READER: READER}

    def user(self, token: str) -> str | None:
        return self._users.get(token)

    def expire(self) -> None:
        """Every token given out so far is good no more."""
        self._users.clear()

    def token(self, asked: Any) -> str | None:
        """A token for the user and password of a request's body; None if they do not fit."""
        user = asked["auth"]["identity"]["password"]["user"]
        if self.passwords.get(user["name"]) != user["password"]:
            return None
        token = f"token-{next(self._numbers)}"
        self._users[token] = user["name"]
        self.given += 1
        return token


def catalog(base: str) -> dict[str, Any]:
    """What comes with a token."""
    endpoint = {"id": "1", "interface": "public", "region": "standin", "region_id": "standin", "url": base}
    return {
        "token": {
            "methods": ["password"],
            "expires_at": "2999-01-01T00:00:00.000000Z",
            "issued_at": "2026-01-01T00:00:00.000000Z",
            "user": {"id": "u", "name": "u", "domain": {"id": "default", "name": "Default"}},
            "project": {"id": "p", "name": "p", "domain": {"id": "default", "name": "Default"}},
            "roles": [],
            "catalog": [{"id": "n", "type": "network", "name": "neutron", "endpoints": [endpoint]}],
        }
    }


def versions(base: str) -> dict[str, Any]:
    """The discovery document of identity."""
    return {
        "version": {
            "id": "v3.14",
            "status": "stable",
            "links": [{"rel": "self", "href": f"{base}/identity/v3/"}],
            "media-types": [],
        }
    }


def clouds(base: str) -> dict[str, Any]:
    """clouds.yaml: a cloud a user, one with a wrong password, one without Keystone, one that is away."""

    def cloud(user: str, password: str) -> dict[str, Any]:
        auth = {
            "auth_url": f"{base}/identity/v3",
            "username": user,
            "password": password,
            "project_name": "p",
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        }
        return {"region_name": "standin", "identity_api_version": 3, "auth": auth}

    return {
        "clouds": {
            ADMIN: cloud(ADMIN, ADMIN),
            READER: cloud(READER, READER),
            "wrong": cloud(ADMIN, "wrong"),
            "open": {"auth_type": "none", "network_endpoint_override": base},
            # Nobody listens at the port of tcpmux.
            "away": {"auth_type": "none", "network_endpoint_override": "http://127.0.0.1:1"},
        }
    }
