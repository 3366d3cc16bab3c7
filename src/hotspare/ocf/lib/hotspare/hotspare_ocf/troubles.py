"""A gateway's trouble on this node that is no failure: an attribute of the node, `hotspare-trouble-GATEWAY`.

It is not told by an exit code, OCF_DEGRADED, as other agents do: a promotable resource pays for that with its next
change of roles (docs/decisions/0016-a-gateways-trouble-is-an-attribute.md).
"""

from __future__ import annotations

import posix

from hotspare_ocf.identity import RUN_DIR

ATTRIBUTE = "hotspare-trouble-"
"""What its name begins with; `crm_mon --show-node-attributes` shows it, and `hotspare status`."""


def tell(gateway: str, reason: str, *, level: int) -> None:
    """Pacemaker knows what is wrong, or that nothing is any more. `level` is how deep the look was that found it: a
    look that is less deep than the one that found a trouble does not end it.
    """
    reason = reason.replace("\n", " ")
    known_level, known = _known(gateway)
    if reason == known or (not reason and level < known_level):
        return
    if reason:
        _told("gateway.troubled", gateway, reason)
        if _is_set(gateway, reason):
            from hotspare_ocf import whole_file

            whole_file.write(_path(gateway), f"{level} {reason}\n")
    else:
        _told("gateway.well", gateway, known)
        forget(gateway)


def forget(gateway: str) -> None:
    """What was told is void: the gateway has another role here, or none, or Pacemaker asks for all anew."""
    if _known(gateway)[1] and _is_set(gateway, None):
        posix.unlink(_path(gateway))


def _is_set(gateway: str, reason: str | None) -> bool:
    from hotspare_ocf import node_attributes

    why_not = node_attributes.tell(["--name", ATTRIBUTE + gateway, "--lifetime", "reboot"], reason)
    if why_not:
        _told("trouble.unset", gateway, why_not)
    return not why_not


def _known(gateway: str) -> tuple[int, str]:
    """The level and the reason that Pacemaker was told last."""
    try:
        with open(_path(gateway), encoding="utf-8", errors="replace") as file:
            level, _, reason = file.read().rstrip("\n").partition(" ")
    except FileNotFoundError:
        return 0, ""
    return (int(level), reason) if level.isdigit() else (0, "")


def _told(event: str, gateway: str, reason: str) -> None:
    from hotspare_ocf import events

    events.tell(event, gateway=gateway, reason=reason)


def _path(gateway: str) -> str:
    return f"{RUN_DIR}/{gateway}.trouble"
