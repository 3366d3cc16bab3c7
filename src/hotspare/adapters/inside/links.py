"""Devices, addresses, neighbours, routes, policy rules and queueing of the network namespace that a socket belongs to.

Source: rtnetlink(7), linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h, linux/fib_rules.h,
linux/neighbour.h.
"""

import errno
import socket
import struct
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_interface, ip_network

from hotspare.adapters.inside.netlink import CREATE, REPLACE, Netlink, Request, attribute, attributes
from hotspare.model.dataplane import Address, Neighbour, Route, link_local

LOOPBACK = "lo"

_GETLINK, _SETLINK = 18, 19
_NEWADDR, _DELADDR, _GETADDR = 20, 21, 22
_NEWROUTE, _DELROUTE, _GETROUTE = 24, 25, 26
_NEWNEIGH, _DELNEIGH, _GETNEIGH = 28, 29, 30
_GETRULE, _GETQDISC = 34, 38

_LINK = struct.Struct("=BxHiII")  # struct ifinfomsg
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_NET_NS_FD, _IFLA_EXT_MASK, _IFLA_CARRIER = 1, 3, 4, 28, 29, 33
_SKIP_STATISTICS = 1 << 3
_UP = 1

_ADDRESS = struct.Struct("=BBBBI")  # struct ifaddrmsg
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST, _IFA_FLAGS, _IFA_PROTO = 1, 2, 4, 8, 11
_NODAD, _PERMANENT = 0x02, 0x80
_MADE_BY_KERNEL = (1, 2, 3)
"""IFAPROT_KERNEL_LO, _RA and _LL; before Linux 5.18 an address does not tell."""

_NEIGHBOUR = struct.Struct("=BxxxiHBB")  # struct ndmsg
_NDA_DST, _NDA_LLADDR = 1, 2
_STALE = 0x04
_ANSWERED = 0x02 | _STALE | 0x08 | 0x10
"""NUD_REACHABLE, _STALE, _DELAY and _PROBE: its mac was known, and is still used."""
_PROXY, _LEARNT_ELSEWHERE = 0x08, 0x10  # NTF_PROXY, NTF_EXT_LEARNED
_MAC_BYTES, _IPV4_BYTES = 6, 4
_IDENTITY_BYTES = {socket.AF_INET: 20, socket.AF_INET6: 32}
"""Address and mac come first, each with its header, filled up to four bytes; what changes all the time follows. Source:
net/core/neighbour.c, neigh_fill_info.
"""
_REMEMBERED_MAX = 8192
"""Addresses, in either notation: a hundred routers on one network know up to ten thousand neighbours, who are hundreds.
"""

_ROUTE = struct.Struct("=BBBBBBBBI")  # struct rtmsg
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC = 1, 4, 5, 6, 7
_RTA_METRICS, _RTA_MULTIPATH, _RTA_TABLE, _RTA_VIA, _RTA_ENCAP, _RTA_EXPIRES, _RTA_NH_ID = 8, 9, 15, 18, 22, 23, 30
_TABLE_LOCAL, _TABLE_COMPAT = 255, 252
_UNICAST = 1
_BY_REDIRECT, _BY_KERNEL, _BY_ADVERTISEMENT = 1, 2, 9
_CLONED, _ONLINK = 0x200, 0x4
_ADVERTISED_S = 1800
"""How long a route that a router advertised is believed without another advertisement. Source: RFC 4861 6.2.1, three
times the longest interval.
"""

_RULE = struct.Struct("=BBBBBBBBI")  # struct fib_rule_hdr
_FRA_PRIORITY, _FRA_TABLE = 6, 15
_RULES = frozenset({(0, 255), (32766, 254), (32767, 253)})
"""(priority, table) of those that every namespace begins with."""

_QDISC = struct.Struct("=BxxxiIII")  # struct tcmsg
_TCA_KIND = 1
_QDISCS = frozenset({"noqueue", "pfifo_fast", "fq_codel", "mq"})

_FALLBACK_TUNNELS = frozenset(
    {"tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "sit0", "ip6tnl0", "ip6gre0", "ip6_vti0"}
)
"""The kernel puts these into every namespace, down, where their module was loaded (fb_tunnels_only_for_init_net)."""


@dataclass(frozen=True, slots=True)
class Link:
    """A device as rtnetlink tells of it."""

    index: int
    name: str
    mac: str
    mtu: int
    up: bool
    wired: bool
    """Whether it has a carrier: a device of the switch has one for as long as the switch holds it."""

    @property
    def is_idle_tunnel(self) -> bool:
        """Whether the kernel made it and nobody uses it."""
        return self.name in _FALLBACK_TUNNELS and not self.up


def links(kernel: Netlink) -> dict[str, Link]:
    """All devices, by name."""
    asked = _LINK.pack(0, 0, 0, 0, 0) + attribute(_IFLA_EXT_MASK, struct.pack("=I", _SKIP_STATISTICS))
    found = {}
    for _, data in kernel.dump(_GETLINK, asked):
        _, _, index, flags, _ = _LINK.unpack_from(data)
        said = attributes(data[_LINK.size :])
        name = said[_IFLA_IFNAME].rstrip(b"\0").decode()
        mtu = struct.unpack("=I", said[_IFLA_MTU])[0]
        mac = said.get(_IFLA_ADDRESS, b"").hex(":")
        found[name] = Link(index, name, mac, mtu, bool(flags & _UP), said.get(_IFLA_CARRIER) != b"\0")
    return found


def addresses(kernel: Netlink, known: Mapping[int, Link]) -> dict[str, frozenset[Address]]:
    """Device → addresses that somebody gave it; devices by index in `known`."""
    found: dict[str, set[Address]] = {}
    for _, data in kernel.dump(_GETADDR, _ADDRESS.pack(0, 0, 0, 0, 0)):
        family, length, flags, scope, index = _ADDRESS.unpack_from(data)
        said = attributes(data[_ADDRESS.size :])
        if family not in (socket.AF_INET, socket.AF_INET6) or (link := known.get(index)) is None:
            continue
        flags = struct.unpack("=I", said[_IFA_FLAGS])[0] if _IFA_FLAGS in said else flags
        interface = ip_interface((said.get(_IFA_LOCAL) or said[_IFA_ADDRESS], length))
        made_by_kernel = (
            not flags & _PERMANENT  # of a router's advertisement
            or said.get(_IFA_PROTO, b"\0")[0] in _MADE_BY_KERNEL
            or interface.ip == link_local(link.mac)
        )
        if not made_by_kernel:
            found.setdefault(link.name, set()).add(Address(interface.with_prefixlen, scope))
    return {name: frozenset(some) for name, some in found.items()}


def neighbours(kernel: Netlink, known: Mapping[int, Link]) -> frozenset[Neighbour]:
    """Those whose macs are in use, on devices by index in `known`."""
    found = set()
    for _, data in kernel.dump(_GETNEIGH, _NEIGHBOUR.pack(0, 0, 0, 0, 0)):
        family, index, state, flags, _ = _NEIGHBOUR.unpack_from(data)
        if family not in _IDENTITY_BYTES or not state & _ANSWERED or flags & _PROXY or index not in known:
            continue
        end = _NEIGHBOUR.size + _IDENTITY_BYTES[family]
        if (whom := _whom(data[_NEIGHBOUR.size : end])) is not None:
            found.add(Neighbour(known[index].name, *whom))
    return frozenset(found)


@lru_cache(_REMEMBERED_MAX)
def _whom(identity: bytes) -> tuple[str, str] | None:
    """Address and mac; None where it has none as Ethernet has."""
    said = attributes(identity)
    mac = said.get(_NDA_LLADDR, b"")
    return (_written(said[_NDA_DST]), mac.hex(":")) if _NDA_DST in said and len(mac) == _MAC_BYTES else None


def acquainted(
    known: Mapping[str, Link], some: Collection[Neighbour], gone: Collection[Neighbour], *, parked: bool
) -> list[Request]:
    """These are known, as long as they are what they were: stale ones are used, and asked after some seconds later.
    Those are known no more. A device that is not there knows nobody.

    Who is parked has no use for them, and the kernel would forget them: after a minute, or sooner where its table,
    which all namespaces share, fills. Those that were learnt elsewhere it keeps, and they do not count there. Source:
    arp(7), `delay_first_probe_time`, `gc_stale_time`, `gc_thresh1`; linux/neighbour.h, `NTF_EXT_LEARNED`.
    """
    flags = _LEARNT_ELSEWHERE if parked else 0
    absent = frozenset({errno.ENOENT})
    forgotten = [
        Request(_DELNEIGH, 0, _neighbour(known[one.device], one, 0), f"{one.address} stays known", absent)
        for one in sorted(gone)
        if one.device in known
    ]
    return forgotten + [
        Request(_NEWNEIGH, CREATE | REPLACE, _neighbour(known[one.device], one, flags), f"{one.address} stays unknown")
        for one in sorted(some)
        if one.device in known
    ]


def _neighbour(link: Link, one: Neighbour, flags: int) -> bytes:
    address = _packed(one.address)
    family = socket.AF_INET if len(address) == _IPV4_BYTES else socket.AF_INET6
    payload = _NEIGHBOUR.pack(family, link.index, _STALE, flags, 0)
    payload += attribute(_NDA_DST, address)
    return payload + attribute(_NDA_LLADDR, bytes.fromhex(one.mac.replace(":", "")))


def routes(kernel: Netlink, known: Mapping[int, Link]) -> tuple[frozenset[Route], list[str]]:
    """Routes that somebody set, and in words those that `Route` cannot describe."""
    found = []
    words = []
    for _, data in kernel.dump(_GETROUTE, _ROUTE.pack(0, 0, 0, 0, 0, 0, 0, 0, 0)):
        family, length, source_length, tos, table, protocol, scope, kind, flags = _ROUTE.unpack_from(data)
        if (
            family not in (socket.AF_INET, socket.AF_INET6)
            or table == _TABLE_LOCAL
            or protocol in (_BY_KERNEL, _BY_REDIRECT)
            or flags & _CLONED
        ):
            continue
        said = attributes(data[_ROUTE.size :])
        table = _number(said, _RTA_TABLE, table)
        destination = _network(family, said.get(_RTA_DST), length)
        link = known.get(_number(said, _RTA_OIF, 0))
        strange = said.keys() & {_RTA_MULTIPATH, _RTA_VIA, _RTA_ENCAP, _RTA_NH_ID}
        tuned = _RTA_METRICS in said and protocol != _BY_ADVERTISEMENT
        if kind != _UNICAST or source_length or tos or strange or tuned or flags & _ONLINK or link is None:
            words.append(f"the route to {destination} in table {table}")
            continue
        found.append(
            Route(
                destination, _ip(said, _RTA_GATEWAY), link.name, _ip(said, _RTA_PREFSRC),
                _number(said, _RTA_PRIORITY, 0), table, protocol, scope,
            )
        )  # fmt: skip
    # The kernel can have several where one has been appended to the other; they are not told apart by a replacement.
    places = Counter((route.destination, route.metric, route.table) for route in found)
    words += [f"several routes to {place[0]} in table {place[2]}" for place, count in places.items() if count > 1]
    return frozenset(found), words


def _network(family: int, octets: bytes | None, length: int) -> str:
    if octets is None:
        return "0.0.0.0/0" if family == socket.AF_INET else "::/0"
    return str(ip_network((octets, length)))


def _ip(said: Mapping[int, bytes], kind: int) -> str:
    return _written(said[kind]) if kind in said else ""


@lru_cache(_REMEMBERED_MAX)
def _written(address: bytes) -> str:
    return str(ip_address(address))


@lru_cache(_REMEMBERED_MAX)
def _packed(address: str) -> bytes:
    return ip_address(address).packed


def _number(said: Mapping[int, bytes], kind: int, otherwise: int) -> int:
    return int(struct.unpack("=I", said[kind])[0]) if kind in said else otherwise


def policy(kernel: Netlink) -> list[str]:
    """In words, what chooses routes beside the rules that every namespace has."""
    words = []
    for _, data in kernel.dump(_GETRULE, _RULE.pack(0, 0, 0, 0, 0, 0, 0, 0, 0)):
        family, to_length, from_length, tos, table, *_ = _RULE.unpack_from(data)
        said = attributes(data[_RULE.size :])
        place = _number(said, _FRA_PRIORITY, 0), _number(said, _FRA_TABLE, table)
        if family in (socket.AF_INET, socket.AF_INET6) and (place not in _RULES or to_length or from_length or tos):
            words.append(f"ip rule {place[0]} to table {place[1]}")
    return words


def queueing(kernel: Netlink, known: Mapping[int, Link]) -> list[str]:
    """In words, the devices on which somebody queues or limits what passes."""
    words = []
    for _, data in kernel.dump(_GETQDISC, _QDISC.pack(0, 0, 0, 0, 0)):
        _, index, handle, _, _ = _QDISC.unpack_from(data)
        kind = attributes(data[_QDISC.size :])[_TCA_KIND].rstrip(b"\0").decode()
        # What the kernel chose by itself (net.core.default_qdisc) has no handle.
        if handle and kind not in _QDISCS and index in known:
            words.append(f"QoS of {known[index].name}: {kind}")
    return words


def moved(name: str, namespace: int) -> Request:
    """To the namespace of the descriptor, from the one of the socket."""
    payload = _LINK.pack(0, 0, 0, 0, 0)
    payload += attribute(_IFLA_IFNAME, name.encode() + b"\0") + attribute(_IFLA_NET_NS_FD, struct.pack("=i", namespace))
    return Request(_SETLINK, 0, payload, f"device {name} cannot be moved")


def shaped(link: Link, *, mac: str = "", mtu: int | None = None) -> list[Request]:
    """The device is up, with the mac and the mtu where they are given; nothing where it is so."""
    changes = b""
    if mac and mac.lower() != link.mac:
        changes += attribute(_IFLA_ADDRESS, bytes.fromhex(mac.replace(":", "")))
    if mtu is not None and mtu != link.mtu:
        changes += attribute(_IFLA_MTU, struct.pack("=I", mtu))
    if not changes and link.up:
        return []
    payload = _LINK.pack(0, 0, link.index, _UP, _UP) + changes
    return [Request(_SETLINK, 0, payload, f"device {link.name} cannot be set up")]


def addressed(link: Link, add: Collection[Address], remove: Collection[Address]) -> list[Request]:
    """The device has these addresses more and those less. Of one network the first in order is the primary one."""
    gone = [
        Request(_DELADDR, 0, _address(link, one), f"{one.cidr} of {link.name} stays", frozenset({errno.EADDRNOTAVAIL}))
        for one in sorted(remove)
    ]
    return gone + [
        Request(_NEWADDR, CREATE | REPLACE, _address(link, one), f"{link.name} cannot have {one.cidr}")
        for one in sorted(add, key=lambda one: (ip_interface(one.cidr).network.prefixlen, one))
    ]


def _address(link: Link, address: Address) -> bytes:
    interface = ip_interface(address.cidr)
    length = interface.network.prefixlen
    family = socket.AF_INET if interface.version == 4 else socket.AF_INET6
    # The gateway is on one node at a time, which is the cluster's duty: an address is not to wait for being unique.
    flags = _NODAD if family == socket.AF_INET6 else 0
    payload = _ADDRESS.pack(family, length, flags, address.scope, link.index)
    payload += attribute(_IFA_LOCAL, interface.ip.packed) + attribute(_IFA_ADDRESS, interface.ip.packed)
    if family == socket.AF_INET and length < 31:
        payload += attribute(_IFA_BROADCAST, interface.network.broadcast_address.packed)
    return payload


def routed(known: Mapping[str, Link], add: Collection[Route], remove: Collection[Route]) -> list[Request]:
    """These routes are there, instead of others of the same place, and those are not. First what others go through.

    Raises:
        KeyError: there is no such device.
    """
    # A route through a device that is not there went with it.
    gone = [
        Request(_DELROUTE, 0, _route(route, known), f"the route to {route.destination} stays", frozenset({errno.ESRCH}))
        for route in sorted(remove)
        if not route.device or route.device in known
    ]
    return gone + [
        Request(_NEWROUTE, CREATE | REPLACE, _route(route, known), f"there can be no route to {route.destination}")
        for route in sorted(add, key=lambda route: (bool(route.via), route))
    ]


def _route(route: Route, known: Mapping[str, Link]) -> bytes:
    network = ip_network(route.destination)
    family = socket.AF_INET if network.version == 4 else socket.AF_INET6
    table = route.table if route.table < 256 else _TABLE_COMPAT
    payload = _ROUTE.pack(family, network.prefixlen, 0, 0, table, route.protocol, route.scope, _UNICAST, 0)
    payload += attribute(_RTA_TABLE, struct.pack("=I", route.table))
    if network.prefixlen:
        payload += attribute(_RTA_DST, network.network_address.packed)
    if route.via:
        payload += attribute(_RTA_GATEWAY, _packed(route.via))
    if route.device:
        payload += attribute(_RTA_OIF, struct.pack("=I", known[route.device].index))
    if route.source:
        payload += attribute(_RTA_PREFSRC, _packed(route.source))
    if route.metric:
        payload += attribute(_RTA_PRIORITY, struct.pack("=I", route.metric))
    if route.protocol == _BY_ADVERTISEMENT:
        payload += attribute(_RTA_EXPIRES, struct.pack("=I", _ADVERTISED_S))
    return payload
