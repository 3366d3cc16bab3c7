"""The frames by which neighbours and switches learn where an address is now. Pure."""

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

from hotspare.model.staging import Announcement

_BROADCAST = b"\xff" * 6
_NOBODY = bytes(6)
_ETHERTYPE_ARP, _ETHERTYPE_IPV6 = 0x0806, 0x86DD
_ETHERTYPE_VLAN = 0x8100
_ETHERTYPE_EXPERIMENT = 0x88B5
"""Local Experimental Ethertype 1: of no protocol, so nobody answers. Source: IEEE 802, 9.2.4."""
_FRAME_BYTES_MIN = 60
"""Of Ethernet, without the checksum that the hardware adds."""

_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ARP_REQUEST, _ARP_REPLY = 1, 2

_ALL_NODES = IPv6Address("ff02::1").packed
_ALL_NODES_MAC = bytes.fromhex("333300000001")
"""RFC 2464, 7."""
_ICMPV6, _HOP_LIMIT = 58, 255
"""Neighbours take no other hop limit: such a frame has passed no router. RFC 4861, 7.1.2."""
_NEIGHBOUR_ADVERTISEMENT = 136
_ROUTER, _OVERRIDE = 0x8000_0000, 0x2000_0000
"""RFC 4861, 4.4. Without the first flag hosts would take the sender off their list of routers (7.2.5)."""
_TARGET_MAC_OPTION = b"\x02\x01"
"""RFC 4861, 4.6.1: its type, and its length in units of 8 bytes."""


def frames(one: Announcement) -> tuple[bytes, ...]:
    """Ethernet frames, as they leave the device: a gratuitous ARP request and reply (some neighbours heed only the one,
    some only the other), or an unsolicited neighbour advertisement to all nodes.

    Raises:
        ValueError: this is no address, or no mac.
    """
    mac, address = bytes.fromhex(one.mac.replace(":", "")), ip_address(one.address)
    if len(mac) != len(_NOBODY):
        raise ValueError(f"not a mac: {one.mac}")
    if isinstance(address, IPv4Address):
        # In a reply the target is whose entry is to be updated, too: RFC 5944, 4.6.
        return _arp(_ARP_REQUEST, mac, address, target=_NOBODY), _arp(_ARP_REPLY, mac, address, target=mac)
    return (_advertisement(mac, address),)


def lesson(mac: str) -> bytes:
    """The frame by which the switch learns at which port the mac is, and that it gives to nobody: from the mac to it.

    Source: Open vSwitch, ofproto-dpif-xlate.c, xlate_normal: it learns first, and sends nothing back to where it is.
    """
    octets = bytes.fromhex(mac.replace(":", ""))
    return _ethernet(octets, octets, _ETHERTYPE_EXPERIMENT, b"")


def tagged(frame: bytes, vlan: int) -> bytes:
    """The frame in this VLAN. Source: IEEE 802.1Q, 9."""
    return frame[:12] + struct.pack("!HH", _ETHERTYPE_VLAN, vlan) + frame[12:]


def _arp(operation: int, mac: bytes, address: IPv4Address, *, target: bytes) -> bytes:
    body = _ARP.pack(1, 0x0800, 6, 4, operation, mac, address.packed, target, address.packed)
    return _ethernet(_BROADCAST, mac, _ETHERTYPE_ARP, body)


def _advertisement(mac: bytes, address: IPv6Address) -> bytes:
    def message(checksum: int) -> bytes:
        head = struct.pack("!BBHI", _NEIGHBOUR_ADVERTISEMENT, 0, checksum, _ROUTER | _OVERRIDE)
        return head + address.packed + _TARGET_MAC_OPTION + mac

    body = message(0)
    body = message(_checksum(address.packed + _ALL_NODES + struct.pack("!II", len(body), _ICMPV6) + body))
    header = struct.pack("!IHBB", 6 << 28, len(body), _ICMPV6, _HOP_LIMIT) + address.packed + _ALL_NODES
    return _ethernet(_ALL_NODES_MAC, mac, _ETHERTYPE_IPV6, header + body)


def _ethernet(target: bytes, mac: bytes, kind: int, body: bytes) -> bytes:
    return (target + mac + struct.pack("!H", kind) + body).ljust(_FRAME_BYTES_MIN, b"\0")


def _checksum(covered: bytes) -> int:
    """Of the internet: RFC 1071. What is covered has an even length."""
    total = sum(int.from_bytes(covered[at : at + 2]) for at in range(0, len(covered), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
