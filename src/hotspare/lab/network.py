"""The lab's switch and cables: bridges in one namespace, one veth pair a NIC, all of it by name.

A cable's two ends live as long as the lab. While a machine is off, its ends are parked in the switch's namespace, down
(so the switch sees no carrier, and a capture on the switch's end goes on through a power cycle); a machine that is
powered on gets a new namespace and its ends moved into it. Nothing that a dead machine left in its namespace, such as
the persistent taps of a userspace Open vSwitch, can come back with it.
"""

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pyroute2 import IPRoute

from hotspare.lab import namespace
from hotspare.lab.command import run
from hotspare.lab.layout import NETNS_PREFIX, NETWORK, NETWORKS, STATE_ROOT, Layout, Machine, Nic
from hotspare.model.errors import Problem, RefusedError, SpecError

_SIOCETHTOOL = 0x8946
# Source: linux/ethtool.h. Userspace Open vSwitch drops or miscounts packets whose checksum or segmentation the sender
# left to the NIC; pings pass and TCP dies, so both ends of every cable compute all of it themselves.
_OFFLOADS = (0x17, 0x1F, 0x24)  # ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO

_NETNS_MOUNT_MARK = STATE_ROOT / "netns-mount"
"""There when the first lab found /run/netns not yet a mount (`ip netns add` makes it one): the last lab undoes it."""


@contextmanager
def _links(netns: str) -> Iterator[IPRoute]:
    with namespace.entered(netns):
        route = IPRoute()
    with closing(route):
        yield route


def _index(route: IPRoute, name: str) -> int | None:
    found = route.link_lookup(ifname=name)
    return int(found[0]) if found else None


@contextmanager
def _handle(netns: str) -> Iterator[int]:
    handle = os.open(namespace.NAMED / netns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


def _offloads_off(netns: str, interface: str) -> None:
    with namespace.entered(netns), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for command in _OFFLOADS:
            value = ctypes.create_string_buffer(struct.pack("II", command, 0))
            request = struct.pack("16sP16x", interface.encode(), ctypes.addressof(value))
            fcntl.ioctl(control, _SIOCETHTOOL, request)


def add_namespace(name: str) -> None:
    """A new, empty network namespace of that name is there, with its loopback up."""
    _remember_netns_mount()
    run(("ip", "netns", "add", name), timeout_s=10)
    with _links(name) as route:
        route.link("set", index=1, state="up")


def remove_namespace(name: str) -> bool:
    """The name is gone (the namespace itself ends with its last process). True if it was there."""
    if not os.path.lexists(namespace.NAMED / name):
        return False
    run(("ip", "netns", "delete", name), timeout_s=10)
    return True


def _remember_netns_mount() -> None:
    if not os.path.ismount(namespace.NAMED):
        STATE_ROOT.mkdir(parents=True, exist_ok=True)
        _NETNS_MOUNT_MARK.touch()


def forget_netns_mount() -> None:
    """/run/netns is as it was before the first lab, where this was the last one. Somebody else's namespaces keep it."""
    if not _NETNS_MOUNT_MARK.exists():
        return
    left = [path.name for path in namespace.NAMED.iterdir()] if namespace.NAMED.is_dir() else []
    if any(name.startswith(NETNS_PREFIX) for name in left):
        return
    if not left and os.path.ismount(namespace.NAMED):
        run(("umount", str(namespace.NAMED)), timeout_s=10)
    _NETNS_MOUNT_MARK.unlink(missing_ok=True)


def create_switch(layout: Layout) -> None:
    """The switch's namespace is there with a bridge a network, the operator's addresses and the BMCs'."""
    add_namespace(layout.switch)
    with _links(layout.switch) as route:
        for network in NETWORKS:
            # No snooping: without a querier it would eat Neutron's and IPv6's multicast after some minutes.
            route.link(
                "add",
                ifname=network.bridge,
                kind="bridge",
                address=network.mac,
                br_stp_state=0,
                br_forward_delay=0,
                br_mcast_snooping=0,
            )
            index = _index(route, network.bridge)
            if network.subnet is not None and network.operator is not None:
                route.addr("add", index=index, address=str(network.operator), prefixlen=network.subnet.prefixlen)
            if network.name == "oob":
                for machine in layout.machines:
                    route.addr("add", index=index, address=machine.bmc, prefixlen=32)
            route.link("set", index=index, state="up")
    _packet_filter_off(layout.switch)


def _packet_filter_off(netns: str) -> None:
    """Frames on the lab's bridges pass by the host's iptables, where br_netfilter is loaded."""
    with namespace.entered(netns):
        for family in ("iptables", "ip6tables", "arptables"):
            knob = Path(f"/proc/sys/net/bridge/bridge-nf-call-{family}")
            if knob.exists():
                knob.write_text("0\n")


def _parked(machine: Machine, nic: Nic) -> str:
    """The name of a machine's end while it is parked in the switch's namespace."""
    return f"{machine.name}-{nic.interface}"


def plug(layout: Layout, machine: Machine) -> None:
    """Every cable of the machine is in its namespace, addressed and up; the namespace is made where it is not there."""
    netns = layout.netns(machine.name)
    if not namespace.exists(netns):
        remove_namespace(netns)
        add_namespace(netns)
    with _links(layout.switch) as switch, _links(netns) as inside:
        for nic in machine.nics:
            _bring_end(layout, machine, nic, switch, inside)
            index = _index(inside, nic.interface)
            if nic.address is not None:
                address, prefix = str(nic.address.ip), nic.address.network.prefixlen
                inside.addr("replace", index=index, address=address, prefixlen=prefix)
            inside.link("set", index=index, state="up")


def _bring_end(layout: Layout, machine: Machine, nic: Nic, switch: IPRoute, inside: IPRoute) -> None:
    """The machine's end is inside and the switch's on its bridge; a pair of which an end is lost is made anew."""
    cable = machine.cable(nic.network)
    with _handle(layout.netns(machine.name)) as target:
        parked = _index(switch, _parked(machine, nic))
        if parked is not None:
            switch.link("set", index=parked, net_ns_fd=target, ifname=nic.interface)
            return
        if _index(inside, nic.interface) is not None:
            return
        lost = _index(switch, cable)
        if lost is not None:
            switch.link("del", index=lost)
        # Made parked and moved last, so that an end inside is always one of a finished cable.
        parked_name = _parked(machine, nic)
        switch.link("add", ifname=cable, kind="veth", peer={"ifname": parked_name, "address": nic.mac})
        for end in (cable, parked_name):
            _offloads_off(layout.switch, end)
        index = _index(switch, cable)
        switch.link("set", index=index, master=_index(switch, NETWORK[nic.network].bridge))
        switch.link("set", index=index, state="up")
        switch.link("set", index=_index(switch, parked_name), net_ns_fd=target, ifname=nic.interface)


def darken(layout: Layout, machine: Machine) -> None:
    """No frame leaves the machine any more: all its ends are down."""
    netns = layout.netns(machine.name)
    if not namespace.exists(netns):
        return
    with _links(netns) as inside:
        for nic in machine.nics:
            index = _index(inside, nic.interface)
            if index is not None:
                inside.link("set", index=index, state="down")


def unplug(layout: Layout, machine: Machine) -> None:
    """The machine's ends are parked, down, and its namespace is a new and empty one."""
    netns = layout.netns(machine.name)
    if namespace.exists(netns):
        with _links(netns) as inside, _handle(layout.switch) as target:
            for nic in machine.nics:
                index = _index(inside, nic.interface)
                if index is not None:
                    inside.link("set", index=index, net_ns_fd=target, ifname=_parked(machine, nic))
    remove_namespace(netns)
    add_namespace(netns)


def is_plugged(layout: Layout, machine: Machine) -> bool:
    """The machine's first end is in its namespace: it is on, or died without having been unplugged."""
    netns = layout.netns(machine.name)
    if not namespace.exists(netns):
        return False
    with _links(netns) as inside:
        return _index(inside, machine.nics[0].interface) is not None


def set_cable(layout: Layout, machine: Machine, network: str, *, up: bool) -> None:
    """The switch's end of the cable is up or down; it stays so through power cycles.

    Raises:
        SpecError: the machine has no such cable.
        RefusedError: it has one, and the lab is not whole.
    """
    has = [nic.network for nic in machine.nics]
    if network not in has:
        raise SpecError(
            (Problem("", "", f"{machine.name} has no cable to {network!r}"),), hint=f"it has: {', '.join(has)}"
        )
    with _links(layout.switch) as switch:
        index = _index(switch, machine.cable(network))
        if index is None:
            raise RefusedError(
                f"{machine.name}'s cable to {network} is not there",
                code=1,
                hint=f"hotspare lab up --name {layout.name}",
            )
        switch.link("set", index=index, state="up" if up else "down")


def cut_cables(layout: Layout) -> frozenset[str]:
    """The names of the switch's ends that are administratively down."""
    names = {machine.cable(nic.network) for machine, nic in layout.cables()}
    with _links(layout.switch) as switch:
        return frozenset(
            str(link.get("ifname"))
            for link in switch.get_links()
            if link.get("ifname") in names and not link["flags"] & 1  # IFF_UP
        )
