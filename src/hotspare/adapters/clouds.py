"""The operator's clouds.yaml, found and read by openstacksdk as it is for every other tool."""

import json
from typing import Any

from openstack.config import OpenStackConfig
from openstack.exceptions import ConfigException

from hotspare.model.secret import Secret

_NOWHERE = "clouds.yaml (none is here, in ~/.config/openstack or in /etc/openstack)"


def entry(cloud: str) -> Secret:
    """A clouds.yaml with the cloud's entry alone, and what secure.yaml adds to it; the same entry is the same text.

    Raises:
        LookupError: there is none; the words say where it was looked for and what to do.
    """
    try:
        config: Any = OpenStackConfig()
    except ConfigException as error:
        raise LookupError(f"clouds.yaml cannot be read: {error}") from error
    known = config.cloud_config.get("clouds") or {}
    if cloud not in known:
        names = ", ".join(sorted(known)) or "none"
        raise LookupError(
            f"there is no cloud {cloud} in {config.config_filename or _NOWHERE}; it has: {names}. Name one of them, or "
            "set OS_CLIENT_CONFIG_FILE"
        )
    # JSON is YAML, and quotes what YAML 1.1 would take for something else: a password `yes`, a project id `1e9`.
    text = json.dumps({"clouds": {cloud: known[cloud]}}, indent=2, sort_keys=True, ensure_ascii=False)
    return Secret(f"# Written by `hotspare apply`.\n{text}\n".encode())
