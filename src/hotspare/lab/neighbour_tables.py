"""Room for the neighbours of all machines of all labs: the kernel's tables of them are one for all its namespaces.

A hundred routers on two nodes, their VMs and whoever pings them know more than the 512 it allows for long; then it
forgets whom nobody was asked for within five seconds, and everybody asks anew. Machines of their own have a table each.
Source: arp(7), `gc_thresh1` to `gc_thresh3`; measured with a hundred routers: 720 entries, 200 such purges.
"""

import json
from pathlib import Path

from hotspare.lab import namespace
from hotspare.lab.layout import NETNS_PREFIX, STATE_ROOT

LIMITS = {"gc_thresh3": 16384, "gc_thresh2": 8192, "gc_thresh1": 4096}
_TABLES = Path("/proc/sys/net")
_MARK = STATE_ROOT / "neighbour-tables.json"
"""What the limits were before the first lab: the last one sets them back."""


def make_room(tables: Path = _TABLES, mark: Path = _MARK) -> None:
    """The limits are no lower than LIMITS. In a namespace that has none of its own nothing is done."""
    before = {
        f"{family}/neigh/default/{name}": int(path.read_text())
        for family in ("ipv4", "ipv6")
        for name in LIMITS
        if (path := tables / family / "neigh/default" / name).exists()
    }
    low = [name for name, value in before.items() if value < LIMITS[Path(name).name]]
    if low and not mark.exists():
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(json.dumps({name: before[name] for name in low}))
    for name in low:
        (tables / name).write_text(f"{LIMITS[Path(name).name]}\n")


def give_back(tables: Path = _TABLES, mark: Path = _MARK, namespaces: Path = namespace.NAMED) -> None:
    """The limits are as before the first lab, where this was the last one; one that somebody else has set stays."""
    if not mark.exists() or any(namespaces.glob(f"{NETNS_PREFIX}*")):
        return
    for name, value in json.loads(mark.read_text()).items():
        if int((tables / name).read_text()) == LIMITS[Path(name).name]:
            (tables / name).write_text(f"{value}\n")
    mark.unlink()
