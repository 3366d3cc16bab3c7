"""What the neighbours have to be told after a promotion: every address, and the mac that it is at."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_interface

from hotspare.model.dataplane import Device, RouterPlane, link_local
from hotspare.model.staging import Announcement

_HOST = 254


def announcements(routers: Iterable[RouterPlane]) -> tuple[Announcement, ...]:
    """Of all addresses of the routers: the outside ones (gateways', floating ones) before the inside ones."""
    found = (
        Announcement(router.namespace, name, router.plugs[name].mac, str(address))
        for router in routers
        for name, device in router.devices.items()
        if name in router.plugs
        for address in _addresses(device, router.plugs[name].mac)
    )
    return tuple(
        sorted(found, key=lambda one: (not one.device.startswith("qg-"), one.namespace, one.device, one.address))
    )


def _addresses(device: Device, mac: str) -> frozenset[IPv4Address | IPv6Address]:
    """With IPv6 there is the one that the kernel made as well: the next hop of hosts that heard a router's
    advertisement. It is in no plane.
    """
    given = frozenset(ip_interface(address.cidr).ip for address in device.addresses if address.scope != _HOST)
    made = link_local(mac)
    return given | {made} if made and any(address.version == 6 for address in given) else given
