"""What the neighbours have to be told after a promotion: every address, and the mac that it is at."""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_interface

from hotspare.model.dataplane import Device, RouterPlane, link_local
from hotspare.model.staging import Announcement, Outlet

_HOST = 254


_OUTSIDE = "qg-"


def announcements(routers: Iterable[RouterPlane], outlets: Mapping[int, Outlet]) -> tuple[Announcement, ...]:
    """Of all addresses of the routers: the outside ones (gateways', floating ones) before the inside ones.

    All routers share an outside network, so there what one says from its device comes to all others: 400 frames of a
    hundred routers were 40,000, for which user space's switch took half a second (measured). There it is said at the
    outlet of its local VLAN.
    """
    found = (
        Announcement(
            router.namespace,
            name,
            router.plugs[name].mac,
            str(address),
            outlets.get(router.plugs[name].tag) if name.startswith(_OUTSIDE) else None,
        )
        for router in routers
        for name, device in router.devices.items()
        if name in router.plugs
        for address in _addresses(device, router.plugs[name].mac)
    )
    return tuple(
        sorted(found, key=lambda one: (not one.device.startswith(_OUTSIDE), one.namespace, one.device, one.address))
    )


def _addresses(device: Device, mac: str) -> frozenset[IPv4Address | IPv6Address]:
    """With IPv6 there is the one that the kernel made as well: the next hop of hosts that heard a router's
    advertisement. It is in no plane.
    """
    given = frozenset(ip_interface(address.cidr).ip for address in device.addresses if address.scope != _HOST)
    made = link_local(mac)
    return given | {made} if made and any(address.version == 6 for address in given) else given
