#!/usr/bin/python3
"""Stand-in VMs: plug-vms FILE. Each VM of FILE is a network namespace with its Neutron port in br-int.

Run again, it only adds what is missing. With `-` the list is read from standard input and kept for the next boot.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

KEPT = Path("/var/lib/hotspare-lab/vms.json")
NAMED = Path("/run/netns")
LIMIT_S = 60

Vm = dict[str, Any]


def run(*argv: str, text: str = "") -> None:
    ended = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    if ended.returncode != 0:
        sys.exit(f"plug-vms: {' '.join(argv[:4])}: {ended.stderr.strip()}")


def device(vm: Vm) -> str:
    """The name that Nova's VIF driver would give. Source: neutron_lib.constants, TAP_DEVICE_PREFIX, 14 characters."""
    return f"tap{vm['port_id']}"[:14]


def plug_all(vms: Sequence[Vm]) -> None:
    """All ports are in br-int, by one transaction; the OVS agent sees them by their ids and gives them their VLAN."""
    words: list[str] = []
    for vm in vms:
        name = device(vm)
        words += ["--", "--may-exist", "add-port", "br-int", name]
        words += ["--", "set", "Interface", name, "type=internal", f"mtu_request={vm['mtu']}"]
        words += [f'external_ids:iface-id="{vm["port_id"]}"', f'external_ids:attached-mac="{vm["mac"]}"']
        words += [f'external_ids:vm-uuid="{vm["device_id"]}"', "external_ids:iface-status=active"]
    run("ovs-vsctl", *words[1:])


def settle(vm: Vm) -> None:
    """The VM's namespace holds its port, with the MAC, addresses and routes that Neutron knows."""
    name, namespace = device(vm), vm["namespace"]
    run("ip", "netns", "add", namespace)
    run("ip", "link", "set", name, "netns", namespace)
    # Packets go through Open vSwitch in user space: nobody there would compute a checksum that was left for later.
    run("ip", "netns", "exec", namespace, "ethtool", "-K", name, "tx", "off", "tso", "off", "gso", "off")
    lines = ["link set lo up", f"link set {name} address {vm['mac']} mtu {vm['mtu']}", f"link set {name} up"]
    lines += [f"address add {address} dev {name}" for address in vm["addresses"]]
    # Last, and thereby the sign that nothing is missing.
    lines += [f"route add default via {vm['gateway']}"]
    run("ip", "-n", namespace, "-batch", "-", text="\n".join(lines) + "\n")


def is_settled(vm: Vm) -> bool:
    if not (NAMED / vm["namespace"]).exists():
        return False
    asked = ("ip", "-n", vm["namespace"], "route", "show", "default")
    shown = subprocess.run(asked, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    return vm["gateway"] in shown.stdout


def unplug(vm: Vm) -> None:
    """Nothing of a VM that was plugged half is left."""
    if (NAMED / vm["namespace"]).exists():
        run("ip", "netns", "delete", vm["namespace"])
    run("ovs-vsctl", "--if-exists", "del-port", "br-int", device(vm))


def main(argv: Sequence[str]) -> None:
    if len(argv) != 2:
        sys.exit(__doc__)
    text = sys.stdin.read() if argv[1] == "-" else Path(argv[1]).read_text(encoding="utf-8")
    vms: list[Vm] = json.loads(text)
    missing = [vm for vm in vms if not is_settled(vm)]
    for vm in missing:
        unplug(vm)
    if missing:
        plug_all(missing)
    for vm in missing:
        settle(vm)
    if argv[1] == "-":
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        draft = KEPT.with_suffix(".new")
        draft.write_text(text, encoding="utf-8")
        draft.replace(KEPT)
    print(f"{len(missing)} plugged, {len(vms) - len(missing)} there already")


if __name__ == "__main__":
    main(sys.argv)
