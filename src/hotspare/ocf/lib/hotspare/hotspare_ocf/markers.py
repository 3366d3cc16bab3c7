"""What this node remembers of its gateways: files in /run/hotspare, forgotten by a reboot.

`<gateway>.gateway` holds one word: `unpromoted` after a start, `promoted` once the gateway may forward here, and
`promoting` where it may forward already, because its twin is being let go. A gateway without a file was not started
since boot.
"""

from __future__ import annotations

import posix

from hotspare_ocf.identity import RUN_DIR

UNPROMOTED = "unpromoted"
PROMOTED = "promoted"
PROMOTING = "promoting"
_SUFFIX = ".gateway"


def role(gateway: str) -> str:
    """`promoted`, `promoting`, `unpromoted`, or empty where the gateway was not started here."""
    try:
        with open(_path(gateway), encoding="utf-8", errors="replace") as file:
            return file.read(32).strip()
    except FileNotFoundError:
        return ""


def write(gateway: str, word: str) -> None:
    """The gateway's role is on record; a reader sees the old word or the new one, never half of it."""
    import os

    from hotspare_ocf import whole_file

    os.makedirs(RUN_DIR, mode=0o755, exist_ok=True)
    whole_file.write(_path(gateway), word + "\n")


def forget(gateway: str) -> None:
    """The gateway is not started here."""
    try:
        posix.unlink(_path(gateway))
    except FileNotFoundError:
        pass


def promoted() -> list[str]:
    """The gateways that may forward on this node."""
    try:
        names = posix.listdir(RUN_DIR)
    except FileNotFoundError:
        return []
    gateways = sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))
    return [gateway for gateway in gateways if role(gateway) in (PROMOTED, PROMOTING)]


def promoted_beside(gateway: str) -> list[str]:
    """The other gateways that may forward on this node."""
    return [other for other in promoted() if other != gateway]


def _path(gateway: str) -> str:
    return f"{RUN_DIR}/{gateway}{_SUFFIX}"
