"""What Neutron sets below /proc/sys/net of a router's namespace, and what a twin has besides, for the namespace that
this thread is in.

Source: neutron's agent/linux/ip_lib.py (IpNetnsCommand.add), agent/l3/namespaces.py (Namespace.create),
agent/linux/interface.py (configure_ipv6_ra, configure_ipv6_forwarding), agent/l3/extensions/ndp_proxy.py.
"""

import errno
import re
from collections.abc import Collection, Mapping
from pathlib import Path

_DIRECTORY = Path("/proc/sys/net")
_OF_ROUTER = (
    "ipv4/ip_forward",
    "ipv4/conf/all/arp_announce",
    "ipv4/conf/all/arp_ignore",
    "ipv4/conf/all/promote_secondaries",
    "ipv6/conf/all/forwarding",
    "netfilter/nf_conntrack_tcp_be_liberal",
)
_OF_DEVICE = ("ipv6/conf/{}/accept_ra", "ipv6/conf/{}/forwarding")
_OF_TWINS_DEVICE = ("ipv4/neigh/{}/retrans_time_ms", "ipv6/neigh/{}/retrans_time_ms")
ASK_AGAIN_MS = 40
"""Milliseconds. A twin that is let go asks for the neighbours that it was not told of, and a hundred routers ask at
once: of the answers some are lost. By the kernel's own second between two questions a third of a hundred routers came
back a second after the others (measured).
"""
_PROXY_NDP = "ipv6/conf/{}/proxy_ndp"
_NAME = re.compile(r"(ipv4|ipv6|netfilter)(/(?!\.)[A-Za-z0-9_.-]+)+")


def read(devices: Collection[str]) -> dict[str, str]:
    """Values by name; without those that this kernel does not have."""
    names = [*_OF_ROUTER, *(pattern.format(device) for device in sorted(devices) for pattern in _OF_DEVICE)]
    return {name: value for name in names if (value := _value(name)) is not None}


def proxies(devices: Collection[str]) -> list[str]:
    """In words, the devices that answer for others' IPv6 addresses."""
    return [f"NDP proxy of {device}" for device in sorted(devices) if _value(_PROXY_NDP.format(device)) == "1"]


def ask_neighbours_briskly(device: str) -> None:
    """The device asks again soon for a neighbour that has not answered. Source: arp(7)."""
    for pattern in _OF_TWINS_DEVICE:
        name = pattern.format(device)
        if _value(name) is not None:
            (_DIRECTORY / name).write_text(f"{ASK_AGAIN_MS}\n", encoding="ascii")


def write(values: Mapping[str, str]) -> None:
    """Each has its value.

    Raises:
        OSError: it cannot be set, or there is no such value.
    """
    for name in sorted(values, key=_order):
        if not _NAME.fullmatch(name):
            raise OSError(errno.EPERM, f"{name!r} is no value of a network", name)
        if _value(name) != values[name]:
            (_DIRECTORY / name).write_text(f"{values[name]}\n", encoding="ascii")


def _order(name: str) -> tuple[bool, bool, str]:
    """ip_forward, and what is for all devices, sets others anew when it changes. Source: the kernel's ip-sysctl.rst."""
    return name != "ipv4/ip_forward", "/all/" not in name, name


def _value(name: str) -> str | None:
    try:
        return (_DIRECTORY / name).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
