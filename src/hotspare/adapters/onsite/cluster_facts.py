"""Everything that has to be known of a node before a cluster is planned on it, as one JSON object.

Stand-alone, standard library only, changes nothing. Its argument is the query as JSON.
"""

import hashlib
import json
import os
import pwd
import shutil
import socket
import stat
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ASK_LIMIT_S = 10.0
RETRY_LIMIT_S = 5.0
IMPORT_LIMIT_S = 25.0
"""openstacksdk from a cold disk."""
PYTHON_TELLS = """
import importlib, sys
print(*sys.version_info[:2])
try:
    for name in sys.argv[1:]:
        importlib.import_module(name)
except Exception as error:
    print(error)
"""
ARP_LISTEN_S = 0.7
ARP_PROBES = 3
MANIFEST = "/usr/lib/ocf/lib/hotspare/manifest.json"
"""The paths of the resource agents that were installed, relative to /usr/lib/ocf."""
SHOWN = ("/etc/corosync/corosync.conf",)
ETH_P_ARP = 0x0806


def command(*argv: str) -> "tuple[int, str]":
    code, out, err = said(*argv, limit_s=ASK_LIMIT_S)
    return code, out or err if code == 255 else out


def said(*argv: str, limit_s: float) -> "tuple[int, str, str]":
    """Exit code, output, complaints; 255 where it could not be run or did not end."""
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit_s, check=False,
            env={"PATH": PATH, "LC_ALL": "C"},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return 255, "", str(error)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def persistent(*argv: str) -> "tuple[int, str]":
    """A daemon that has just been started does not answer at once."""
    until = time.monotonic() + RETRY_LIMIT_S
    while True:
        code, out = command(*argv)
        if code == 0 or time.monotonic() > until:
            return code, out
        time.sleep(0.3)


def file_fact(path: str) -> "dict[str, Any] | None":
    try:
        with Path(path).open("rb") as file:
            about = os.fstat(file.fileno())
            content = file.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    shown = path in SHOWN or path.endswith(".sh")
    return {
        "digest": hashlib.sha256(content).hexdigest(),
        "mode": stat.S_IMODE(about.st_mode),
        "owner": about.st_uid,
        "size": len(content),
        "text": content.decode(errors="replace") if shown else None,
    }


def files(paths: "list[str]", directory: str) -> "dict[str, object]":
    if Path(directory).is_dir():
        paths = paths + [str(path) for path in sorted(Path(directory).iterdir())]
    facts = {path: file_fact(path) for path in paths}
    return {path: fact for path, fact in facts.items() if fact is not None}


def agents() -> "str | None":
    """A digest of the installed agents as they are; the same formula as where they come from."""
    try:
        paths = json.loads(Path(MANIFEST).read_text())
    except (OSError, ValueError):
        return None
    lines = []
    for path in sorted(paths):
        fact = file_fact(f"/usr/lib/ocf/{path}")
        if fact is None:
            return None
        lines.append("{} {:o} {}\n".format(path, fact["mode"], fact["digest"]))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def is_there(path: str) -> bool:
    """A file by its absolute path, a program by its name."""
    return Path(path).exists() if path.startswith("/") else bool(shutil.which(path, path=PATH))


def unit(name: str) -> "dict[str, bool]":
    _code, out = command("systemctl", "show", "--property=LoadState,UnitFileState,ActiveState,WantedBy", name)
    state = dict(line.partition("=")[::2] for line in out.splitlines())
    kind = state.get("UnitFileState")
    return {
        "known": state.get("LoadState") == "loaded",
        # An init script's unit is generated; where it is to start at boot, a target wants it.
        "enabled": kind in ("enabled", "enabled-runtime") or (kind == "generated" and bool(state.get("WantedBy"))),
        "active": state.get("ActiveState") in ("active", "activating", "reloading"),
    }


def links() -> "tuple[dict[str, str], list[str], dict[str, str]]":
    """Addresses with their interfaces, interfaces, and MACs by interface."""
    _code, out = command("ip", "-json", "address", "show")
    addresses, names, macs = {}, [], {}
    for link in json.loads(out or "[]"):
        if "ifname" not in link:
            continue
        names.append(link["ifname"])
        if link.get("address"):
            macs[link["ifname"]] = link["address"].lower()
        for info in link.get("addr_info", ()):
            addresses[info["local"]] = link["ifname"]
    return addresses, names, macs


def answers_arp(address: str, nic: str, mac: str) -> "list[str]":
    """MACs that say they have the address. Source: RFC 5227, ARP probe (sender's address 0.0.0.0)."""
    own = bytes.fromhex(mac.replace(":", ""))
    wanted = socket.inet_aton(address)
    body = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, own, b"\0" * 4, b"\0" * 6, wanted)
    frame = b"\xff" * 6 + own + struct.pack("!H", ETH_P_ARP) + body
    found = set()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP)) as wire:
        wire.bind((nic, 0))
        begun = time.monotonic()
        sent = 0
        while (now := time.monotonic()) < begun + ARP_LISTEN_S:
            if sent < ARP_PROBES and now >= begun + sent * 0.2:
                wire.send(frame)
                sent += 1
            wire.settimeout(0.05)
            try:
                packet = wire.recv(128)
            except TimeoutError:
                continue
            if packet[28:32] == wanted and packet[22:28] != own:
                found.add(packet[22:28].hex(":"))
    return sorted(found)


def answers_ping(address: str, nic: str) -> "list[str]":
    """The MAC behind an IPv6 address that answers."""
    command("ping", "-6", "-c", "2", "-W", "1", "-i", "0.3", "-I", nic, address)
    _code, out = command("ip", "-json", "-6", "neighbour", "show", "to", address, "dev", nic)
    return sorted(entry["lladdr"].lower() for entry in json.loads(out or "[]") if "lladdr" in entry)


def python(asked: "str | None", modules: "list[str]") -> "dict[str, Any] | None":
    """The interpreter's version, and whether it has what daemons of ours import."""
    if asked is None:
        return None
    path = asked or interpreter_of(shutil.which("neutron-l3-agent", path=PATH) or "")
    code, out, err = said(path, "-c", PYTHON_TELLS, *modules, limit_s=IMPORT_LIMIT_S) if path else (255, "", "")
    version, _, words = out.partition("\n")
    parts = [int(part) for part in version.split()] if code == 0 else None
    complaint = (err.strip().splitlines() or [f"exit {code}"])[-1]
    return {"path": path, "version": parts, "lacks": words.strip() if code == 0 else complaint}


def interpreter_of(program: str) -> str:
    """The Python that a script names in its first line; the same finding as ocf:hotspare:rescheduler's."""
    try:
        with Path(program).resolve().open("rb") as file:
            first = file.readline(512)
    except OSError:
        return ""
    words = first[2:].decode(errors="replace").split() if first.startswith(b"#!") else []
    if words and Path(words[0]).name == "env":
        words = [shutil.which(words[1], path=PATH) or ""] if len(words) > 1 else []
    return words[0] if words and Path(words[0]).name.startswith("python") and os.access(words[0], os.X_OK) else ""


def main() -> None:
    query = json.loads(sys.argv[1])
    troubles = []
    addresses, interfaces, macs = links()
    answers = {}
    for address, nic in query["vips"]:
        if address in addresses or nic not in macs:
            continue
        try:
            answers[address] = answers_ping(address, nic) if ":" in address else answers_arp(address, nic, macs[nic])
        except OSError as error:
            troubles.append(f"cannot tell whether {address} is in use: {error}")
    units = {name: unit(name) for name in query["units"]}
    cmap = cib = None
    if units.get("corosync.service", {}).get("active"):
        code, out = persistent("corosync-cmapctl")
        cmap = out if code == 0 else None
        if cmap is None:
            troubles.append("Corosync runs and does not answer (corosync-cmapctl); see its journal")
    if units.get("pacemaker.service", {}).get("active"):
        code, out = persistent("cibadmin", "--query")
        cib = out if code == 0 else None
        if cib is None:
            troubles.append("Pacemaker runs and does not answer (cibadmin --query); see its journal")
    users = {entry.pw_name for entry in pwd.getpwall()}
    facts = {
        "absent": [paths[0] for paths in query["needs"] if not any(is_there(path) for path in paths)],
        "users": [user for user in query["users"] if user in users],
        "units": units,
        "files": files(query["files"], query["directory"]),
        "agents": agents(),
        "addresses": addresses,
        "macs": sorted(set(macs.values())),
        "interfaces": interfaces,
        "cmap": cmap,
        "cib": cib,
        "answers": answers,
        "python": python(query["python"], query["modules"]),
        "troubles": troubles,
    }
    json.dump(facts, sys.stdout)
    print()


if __name__ == "__main__":
    main()
