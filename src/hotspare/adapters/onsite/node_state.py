"""Print, as one JSON object, what of a gateway is on this node: namespaces, router ports, processes. Changes nothing.

Stand-alone: `python3 -`. A part that could not be read is null with a line in `cannot_tell`; it is never an empty list.

{"boot_id": …, "wall": …, "namespaces": ["qrouter-…"], "ports": [{"name", "tag", "parked", "iface_id"}],
 "open_vswitch": bool, "processes": [{"pid", "start", "parent", "name", "router", "namespace"}],
 "outdated": [["RESOURCE", "configuration file"]], "cannot_tell": ["…"]}
`start` is the 22nd field of /proc/PID/stat, so that pid + start names one process for ever.
"""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PARKED_TAG = 4095  # Neutron's dead VLAN: Open vSwitch drops it
ROUTER_PORT = re.compile(r"^(qr|qg|sg|fg|ha|rfp)-")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
RESOURCE_AGENTS = "/ocf/resource.d/"
AGENTS = ("neutron-l3-agent", "neutron-openvswitch-agent", "neutron-metadata-agent", "neutron-dhcp-agent")
IN_ROUTERS = ("haproxy", "radvd", "keepalived")
DAEMONS = ("corosync", "pacemakerd", "ovs-vswitchd", "ovsdb-server")
OVSDB_LIMIT_S = 5


def read(path: str) -> bytes:
    """The file's content, or nothing where it is gone (a process may end while we look)."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def router_namespaces() -> "dict[str, int]":
    """qrouter- and snat- namespaces that have a name, each with its inode."""
    try:
        names = sorted(path.name for path in Path("/run/netns").iterdir())
    except FileNotFoundError:
        return {}
    found = {}
    for name in names:
        if name.startswith(("qrouter-", "snat-")):
            try:
                found[name] = Path(f"/run/netns/{name}").stat().st_ino
            except OSError:
                continue
    return found


def program(argv: "list[str]") -> str:
    """The name that this command line goes by: of an interpreter's script rather than of the interpreter.

    Neutron's agents put a title in its place: their name, and the old command line in brackets. A resource agent has
    the name of the agent that it asks about, and is none.
    """
    title = argv[0].split(" ")[0]
    first = Path(title).name.rstrip(":")
    if first.startswith("python") and len(argv) > 1:
        script = next((word for word in argv[1:] if not word.startswith("-")), first)
        return "" if RESOURCE_AGENTS in script else Path(script).name
    return first


def processes(namespaces: "dict[str, int]") -> "list[dict[str, Any]]":
    """Agents, what lives in routers, and the daemons under them; also anything inside a router's namespace."""
    names_of = {inode: name for name, inode in namespaces.items()}
    found = []
    for entry in (path.name for path in Path("/proc").iterdir()):
        if not entry.isdigit():
            continue
        argv = [word.decode(errors="replace") for word in read(f"/proc/{entry}/cmdline").split(b"\0") if word]
        stat = read(f"/proc/{entry}/stat")
        if not argv or not stat:
            continue
        try:
            namespace = names_of.get(Path(f"/proc/{entry}/ns/net").stat().st_ino, "")
        except OSError:
            namespace = ""
        name = program(argv)
        uuid = UUID.search(" ".join(argv))
        routed = name in IN_ROUTERS and uuid is not None
        if name in AGENTS or name in DAEMONS or routed or namespace:
            start = int(stat.rpartition(b")")[2].split()[19])
            parent = int(stat.rpartition(b")")[2].split()[1])
            found.append(
                {
                    "pid": int(entry),
                    "start": start,
                    "parent": parent,
                    "name": name,
                    "router": uuid.group() if uuid else "",
                    "namespace": namespace,
                }
            )
    return sorted(found, key=lambda process: process["pid"])


def ovsdb(*words: str) -> "list[dict[str, Any]]":
    """One question to the local Open vSwitch database, as its JSON."""
    argv = ["ovs-vsctl", f"--timeout={OVSDB_LIMIT_S}", "--format=json", *words]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=OVSDB_LIMIT_S + 1, check=True)
    answer = json.loads(done.stdout)
    return [dict(zip(answer["headings"], row, strict=True)) for row in answer["data"]]


def members(value: object) -> "list[Any]":
    """The atoms of an OVSDB set, which is written without brackets when it has exactly one."""
    return value[1] if isinstance(value, list) and value and value[0] == "set" else [value]


def ports() -> "list[dict[str, Any]]":
    """Router ports on this node's bridges, each with the VLAN that decides whether it forwards."""
    identity = {
        row["name"]: dict(row["external_ids"][1]).get("iface-id", "")
        for row in ovsdb("--columns=name,external_ids", "list", "Interface")
    }
    found = []
    for row in ovsdb("--columns=name,tag,vlan_mode,trunks", "list", "Port"):
        if ROUTER_PORT.match(row["name"]):
            tags = members(row["tag"])
            tag = tags[0] if tags else None
            found.append(
                {
                    "name": row["name"],
                    "tag": tag,
                    "parked": tag == PARKED_TAG,
                    "iface_id": identity.get(row["name"], ""),
                }
            )
    return sorted(found, key=lambda port: port["name"])


def outdated() -> "list[list[str]]":
    """Resource and file, where an agent runs with an older configuration than the file has now.

    Its monitor notices: /run/hotspare/RESOURCE.files, size, mtime, inode, SHA-256 at the start, as last seen, path.
    """
    found = []
    for record in sorted(Path("/run/hotspare").glob("*.files")):
        for row in read(str(record)).decode(errors="replace").splitlines():
            fields = row.split(" ", 5)
            if len(fields) == 6 and fields[3] != fields[4]:
                found.append([record.stem, fields[5]])
    return found


def state() -> "dict[str, object]":
    """All of it; what could not be read is said."""
    cannot_tell = []
    namespaces = router_namespaces()
    running = processes(namespaces)
    names = {process["name"] for process in running}
    found_ports = None
    open_vswitch = "ovsdb-server" in names and "ovs-vswitchd" in names
    if "ovsdb-server" in names:
        try:
            found_ports = ports()
        except (OSError, subprocess.SubprocessError, ValueError, KeyError) as failed:
            cannot_tell.append(f"Open vSwitch's database did not answer: {failed}")
    elif "ovs-vswitchd" not in names:
        found_ports = []  # no switch process at all: nothing of OVS forwards here
    else:
        cannot_tell.append("ovs-vswitchd runs without its database: its ports cannot be listed")
    return {
        "boot_id": read("/proc/sys/kernel/random/boot_id").decode().strip(),
        "wall": time.time(),
        "namespaces": sorted(namespaces),
        "ports": found_ports,
        "open_vswitch": open_vswitch,
        "processes": running,
        "outdated": outdated(),
        "cannot_tell": cannot_tell,
    }


if __name__ == "__main__":
    json.dump(state(), sys.stdout)
