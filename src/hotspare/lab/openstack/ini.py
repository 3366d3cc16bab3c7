"""Configuration files of OpenStack services, systemd units and uWSGI as text. Pure."""

from collections.abc import Mapping, Sequence

Value = str | int | bool | Sequence[str]
Sections = Mapping[str, Mapping[str, Value]]


def ini(sections: Sections) -> str:
    """Sections in their order as `[name]` and `key = value`; a sequence repeats its key, a boolean is lower case."""
    blocks = []
    for name, options in sections.items():
        lines = [f"[{name}]"]
        for key, value in options.items():
            lines.extend(f"{key} = {one}".rstrip() for one in _values(value))
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def _values(value: Value) -> Sequence[str]:
    if isinstance(value, bool):
        return (str(value).lower(),)
    if isinstance(value, str | int):
        return (str(value),)
    return value


def merged(*parts: Sections) -> dict[str, dict[str, Value]]:
    """All sections of all parts; a later part's option wins."""
    result: dict[str, dict[str, Value]] = {}
    for part in parts:
        for name, options in part.items():
            result.setdefault(name, {}).update(options)
    return result
