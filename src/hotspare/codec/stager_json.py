"""What a stager is told and tells: its settings and its state, as JSON objects."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from hotspare.model.stager import Promoted, Role, Settings, State


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


def state(told: Mapping[str, Any]) -> State:
    """The state of these plain values; what a newer stager tells beside it is left out.

    Raises:
        ValueError: they are none.
    """
    try:
        known = {field.name: told[field.name] for field in dataclasses.fields(State)}
        maps = {name: dict(known[name]) for name in ("cold", "peers")}
        return State(**{**known, **maps, "role": Role(known["role"])})
    except (TypeError, KeyError) as error:
        raise ValueError(f"not the state of a stager: {error}") from error


def plain(value: State | Promoted) -> dict[str, Any]:
    """As plain values."""
    return dataclasses.asdict(value)
