"""A control group for each machine, where no systemd of the host gives it one.

systemd inside a machine manages the groups below the one it is born in. Born in the same one, machines would stop each
other's services; so each is born in `hotspare/<lab>/<machine>`.
"""

import os
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
# The hierarchies that systemd uses: the only one, or the named one beside version 1's controllers. Source: systemd,
# docs/CGROUP_DELEGATION.md, "Three Different Tree Setups".
_HIERARCHIES = (_ROOT, _ROOT / "unified", _ROOT / "systemd")


def systemd_rules() -> bool:
    """systemd is the host's PID 1: systemd-nspawn asks it for a scope a machine. Source: sd_booted(3)."""
    return Path("/run/systemd/system").is_dir()


def _hierarchies() -> tuple[Path, ...]:
    return tuple(path for path in _HIERARCHIES if (path / "cgroup.procs").exists())


def join_script(lab: str, machine: str) -> str:
    """Shell commands by which a process puts itself into the machine's group; nothing where systemd does it."""
    if systemd_rules():
        return ""
    groups = [path / "hotspare" / lab / machine for path in _hierarchies()]
    return "".join(f"mkdir -p {group}; echo $$ >{group}/cgroup.procs; " for group in groups)


def remove(lab: str) -> tuple[Path, ...]:
    """The lab's groups, without processes by now, are gone; so is their parent if it is empty. What was removed."""
    removed = []
    for hierarchy in _hierarchies():
        base = hierarchy / "hotspare" / lab
        if not base.is_dir():
            continue
        for directory, _, _ in os.walk(base, topdown=False):
            Path(directory).rmdir()
        removed.append(base)
        if not any(entry.is_dir() for entry in base.parent.iterdir()):
            base.parent.rmdir()
    return tuple(removed)
