"""`/usr/lib/ocf/lib/hotspare/park`, run by hotspare-park.service between ovsdb-server and ovs-vswitchd: no port of a
router comes back from before a boot.

Open vSwitch's database outlives a boot; namespaces do not. What it says of routers' ports then is of a time when this
node may have carried a gateway that another node carries now: ovs-vswitchd would make the devices anew, with live tags,
in the node's own namespace, where whatever brings devices up would let them speak. So the rows are removed, not parked:
nothing is left that they could belong to, whoever needs a port plugs it anew (an L3 agent in its first pass, a stager
when it stages), and neutron-ovs-cleanup does the same at boot where distributions run it. DHCP and VM ports stay.

When is it a boot? ovs-vswitchd is started again on a node that is at work, too. Nothing is touched where this boot was
seen to before, where ovs-vswitchd runs, or where a router's namespace exists.
"""

from __future__ import annotations

import os
import sys
import time

from hotspare_ocf import identity, ovsdb, vswitchd
from hotspare_ocf.look import NETNS_DIR, listed
from hotspare_ocf.node import is_router_device, is_router_namespace, port_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

STAMP = identity.RUN_DIR + "/park.boot"
"""The id of the boot that was seen to."""
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_LIMIT_S = 10.0
"""systemd starts this when ovsdb-server has told that it is up; below TimeoutStartSec of the unit."""
_POLL_S = 0.1
_IDS = ("iface-id", "hotspare-iface-id")
"""The id of Neutron's port; of a parked twin it is under the second name."""


def main() -> int:
    """0: no port of a router is left, or this is no boot. 1: cannot tell, and ovs-vswitchd must not be started."""
    boot = _boot_id()
    if why := _at_work(boot):
        _say(f"no port is touched: {why}")
        return 0
    try:
        removed = _cleared(time.monotonic() + _LIMIT_S)
    except ovsdb.OvsdbError as error:
        _say(
            f"routers' ports of before the boot may be there still: {error}. ovs-vswitchd is not started, or they "
            "would come back with live tags. When ovsdb-server answers: systemctl start openvswitch-switch"
        )
        return 1
    _seen_to(boot)
    _say(f"removed {len(removed)} ports of routers of before the boot: {' '.join(removed)}" if removed else "no port")
    return 0


def _at_work(boot: str) -> str:
    """Why this is no boot, in words; empty where it is one."""
    if boot and _stamped() == boot:
        return "this boot was seen to before"
    if not vswitchd.trouble(within_s=0.0):
        return "ovs-vswitchd runs"
    spaces = [name for name in listed(NETNS_DIR) if is_router_namespace(name)]
    return f"routers are at work here ({len(spaces)} namespaces, such as {spaces[0]})" if spaces else ""


def _cleared(deadline: float) -> list[str]:
    """All routers' ports are out of all bridges, in one transaction; their names.

    Raises:
        OvsdbError: it did not answer by the deadline, or refused.
    """
    while True:
        try:
            with ovsdb.Ovsdb(deadline) as database:
                tables = database.select(
                    Bridge=("_uuid", "ports"), Port=("_uuid", "name"), Interface=("name", "external_ids")
                )
                found = rubbish(tables)
                if found:
                    database.transact(*(_without(bridge, ports) for bridge, ports in found.items()))
                return sorted(name for ports in found.values() for _, name in ports)
        except ovsdb.OvsdbError:
            if time.monotonic() + _POLL_S >= deadline:
                raise
        time.sleep(_POLL_S)


def rubbish(tables: dict[str, list[ovsdb.Row]]) -> dict[str, list[tuple[str, str]]]:
    """The ports that have a router's name and no other port's id, by row and name, of each bridge that has some."""
    ids = {str(row["name"]): ovsdb.mapping(row["external_ids"]) for row in tables["Interface"]}
    routers = {
        _uuid(row["_uuid"]): name
        for row in tables["Port"]
        if is_router_device(name := str(row["name"])) and _fits(name, ids.get(name, {}))
    }
    found = {}
    for row in tables["Bridge"]:
        ports = [(uuid, routers[uuid]) for uuid in map(_uuid, ovsdb.atoms(row["ports"])) if uuid in routers]
        if ports:
            found[_uuid(row["_uuid"])] = ports
    return found


def _fits(name: str, ids: dict[str, str]) -> bool:
    return all(ids[key].startswith(port_of(name)) for key in _IDS if ids.get(key))


def _without(bridge: str, ports: Sequence[tuple[str, str]]) -> ovsdb.Operation:
    """Rows of ports and interfaces that nothing refers to are removed by ovsdb-server itself."""
    gone = ["set", [["uuid", uuid] for uuid, _ in ports]]
    return {
        "op": "mutate",
        "table": "Bridge",
        "where": [["_uuid", "==", ["uuid", bridge]]],
        "mutations": [["ports", "delete", gone]],
    }


def _uuid(value: object) -> str:
    return str(value[1]) if isinstance(value, list) else str(value)


def _boot_id() -> str:
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _stamped() -> str:
    try:
        with open(STAMP, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _seen_to(boot: str) -> None:
    """Without the stamp, namespaces tell."""
    try:
        os.makedirs(identity.RUN_DIR, mode=0o755, exist_ok=True)
        with open(STAMP, "w", encoding="ascii") as file:
            file.write(boot + "\n")
    except OSError as error:
        _say(f"{STAMP}: {error.strerror}")


def _say(words: str) -> None:
    sys.stderr.write(f"hotspare-park: {words}\n")
