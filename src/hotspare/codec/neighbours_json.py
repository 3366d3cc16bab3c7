"""Whom routers know on their networks, as JSON on its way from the carrier to its spares: by namespace, rows of device,
address and mac.
"""

import json
from collections.abc import Collection, Mapping
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from hotspare.model.dataplane import Neighbour

_MAC_OCTETS = 6
_REMEMBERED_MAX = 8192
"""Routers on one network all know the same ones: of a hundred each tells of up to a hundred, which are ten thousand."""


def text(known: Mapping[str, Collection[Neighbour]]) -> str:
    """The same text for the same neighbours."""
    rows = {name: sorted([one.device, one.address, one.mac] for one in some) for name, some in sorted(known.items())}
    return json.dumps(rows, separators=(",", ":"))


def neighbours(told: str) -> Mapping[str, frozenset[Neighbour]]:
    """What `text` had.

    Raises:
        ValueError: it is none.
    """
    try:
        return {str(name): frozenset(map(_neighbour, rows)) for name, rows in json.loads(told).items()}
    except (AttributeError, TypeError) as wrong:
        raise ValueError(f"these are no neighbours: {wrong}") from wrong


def _neighbour(row: Any) -> Neighbour:
    device, address, mac = map(str, row)
    return Neighbour(device, _address(address), _mac(mac))


@lru_cache(_REMEMBERED_MAX)
def _address(told: str) -> str:
    return str(ip_address(told))


@lru_cache(_REMEMBERED_MAX)
def _mac(told: str) -> str:
    if len(bytes.fromhex(told.replace(":", ""))) != _MAC_OCTETS:
        raise ValueError(f"not a mac: {told}")
    return told
