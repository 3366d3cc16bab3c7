"""Data planes and what changes in them, as JSON: between nodes, and in the file of a spare.

The text is stable: equal values are equal texts, byte for byte. What is not known is refused, not ignored: it may be
what forwards, and a twin without it would not be one.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from enum import StrEnum
from functools import cache
from hashlib import sha256
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from hotspare.model.dataplane import DataPlane, PlaneDelta, RouterPlane, Tunnel

VERSION = 2
"""Of this form. Nodes of different versions do not understand each other's planes, and say so."""


def text(value: DataPlane | PlaneDelta) -> str:
    """The JSON, in one line."""
    told = {"version": VERSION, type(value).__name__: _plain(value)}
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(plane: DataPlane) -> str:
    """By which two nodes know that they have the same plane."""
    return sha256(text(plane).encode()).hexdigest()


def plane(told: str) -> DataPlane:
    """The data plane that the text tells.

    Raises:
        ValueError: it tells none; the words say where and what is wrong.
    """
    found: DataPlane = _read(DataPlane, told)
    _filed(found.routers)
    for name, bridge in found.bridges.items():
        _same(f"bridges.{name}.name", bridge.name, name)
        _tunnels(name, bridge.tunnels)
    return found


def delta(told: str) -> PlaneDelta:
    """The change that the text tells.

    Raises:
        ValueError: it tells none; the words say where and what is wrong.
    """
    found: PlaneDelta = _read(PlaneDelta, told)
    _filed(found.routers)
    for name, change in found.bridges.items():
        _tunnels(name, change.tunnels)
    return found


def _filed(routers: Mapping[str, RouterPlane]) -> None:
    """Raises ValueError where something has another name than the one by which it would be found."""
    for id_, router in routers.items():
        _same(f"routers.{id_}.router", router.router, id_)
        for name, plug in router.plugs.items():
            _same(f"routers.{id_}.plugs.{name}.name", plug.name, name)
        for name, device in router.devices.items():
            _same(f"routers.{id_}.devices.{name}.name", device.name, name)


def _tunnels(bridge: str, tunnels: Mapping[str, Tunnel]) -> None:
    for name, tunnel in tunnels.items():
        _same(f"bridges.{bridge}.tunnels.{name}.name", tunnel.name, name)


def _same(path: str, found: str, key: str) -> None:
    if found != key:
        raise ValueError(f"{path}: {found!r} is filed under {key!r}")


def _plain(value: object) -> Any:
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, frozenset):
        return [_plain(one) for one in sorted(value, key=_order)]
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def _order(value: object) -> str:
    return value if isinstance(value, str) else repr(value)


def _read(kind: type, told: str) -> Any:
    try:
        found = json.loads(told)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from error
    envelope = _of(found, dict, "the whole")
    if envelope.get("version") != VERSION:
        raise ValueError(f"version: {envelope.get('version')!r}, and this is one that reads {VERSION}")
    _all_of({"version", kind.__name__}, envelope, "")
    return _value(kind, envelope[kind.__name__], "")


def _value(kind: Any, told: Any, path: str) -> Any:
    """The value of this kind: a dataclass, a collection of the model, or a plain one."""
    if dataclasses.is_dataclass(kind):
        return _fields(kind, _of(told, dict, path), path)
    arguments = get_args(kind)
    if isinstance(kind, UnionType):
        return None if told is None else _value(arguments[0], told, path)
    origin = get_origin(kind)
    if origin is Mapping:
        key = arguments[0]
        entries = _of(told, dict, path).items()
        return {_value(key, name, path): _value(arguments[1], one, _below(path, name)) for name, one in entries}
    if origin in (frozenset, tuple):
        each = (_value(arguments[0], one, f"{path}[{at}]") for at, one in enumerate(_of(told, list, path)))
        return origin(each)
    return _word(kind, told, path) if issubclass(kind, StrEnum) else _of(told, kind, path)


def _fields(kind: Any, told: Mapping[str, Any], path: str) -> Any:
    known = _shape(kind)
    _all_of(known.keys(), told, path)
    return kind(**{name: _value(known[name], one, _below(path, name)) for name, one in told.items()})


@cache
def _shape(kind: Any) -> dict[str, Any]:
    """The fields, each with its kind."""
    return get_type_hints(kind)


def _all_of(known: AbstractSet[str], told: Mapping[str, Any], path: str) -> None:
    """Nothing is left to a default, either."""
    if more := sorted(told.keys() - known):
        raise ValueError(f"{_below(path, more[0])}: not known here")
    if less := sorted(known - told.keys()):
        raise ValueError(f"{_below(path, less[0])}: is missing")


def _word(kind: Callable[[str], Any], told: Any, path: str) -> Any:
    try:
        return kind(told)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _of(told: Any, kind: Any, path: str) -> Any:
    if type(told) is not kind:
        raise ValueError(f"{path}: {told!r} is no {_NAMES[kind]}")
    return told


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


_NAMES = {dict: "object", list: "list", str: "text", int: "whole number"}
