"""Whom routers know on their networks, as JSON on its way from the carrier to its spares: by namespace, rows of device,
address and mac.
"""

import json
from collections.abc import Collection, Mapping
from ipaddress import ip_address
from typing import Any

from hotspare.model.dataplane import Neighbour

_MAC_OCTETS = 6


def text(known: Mapping[str, Collection[Neighbour]]) -> str:
    """The same text for the same neighbours."""
    rows = {name: [[one.device, one.address, one.mac] for one in sorted(some)] for name, some in sorted(known.items())}
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
    if len(bytes.fromhex(mac.replace(":", ""))) != _MAC_OCTETS:
        raise ValueError(f"not a mac: {mac}")
    return Neighbour(device, str(ip_address(address)), mac)
