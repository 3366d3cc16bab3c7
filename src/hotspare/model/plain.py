"""A file as plain values, before it is a spec: where something stands in it, and what may be said of that place."""

from collections.abc import Mapping, Sequence

Path = tuple[str | int, ...]
Finding = tuple[Path, str]


def mapping(value: object) -> Mapping[str, object]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def rows(value: object) -> Sequence[object]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def dotted(path: Path) -> str:
    """`nodes.net1.rings[0]`"""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
