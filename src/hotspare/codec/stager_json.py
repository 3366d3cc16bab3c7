"""What a stager is told and tells: its settings and its state, as JSON objects."""

import dataclasses
import json
from typing import Any

from hotspare.model.stager import Promoted, Settings, State


def settings(text: str) -> Settings:
    """The settings that the resource agent wrote.

    Raises:
        ValueError: they are not whole.
    """
    told = json.loads(text)
    try:
        peers = {node: tuple(addresses) for node, addresses in told.pop("peers").items()}
        found = Settings(peers=peers, **told)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"not the settings of a stager: {error}") from error
    if found.node not in found.peers:
        raise ValueError(f"not the settings of a stager: peers does not name {found.node}")
    return found


def plain(value: State | Promoted) -> dict[str, Any]:
    """As plain values."""
    return dataclasses.asdict(value)
