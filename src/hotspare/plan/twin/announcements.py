"""What the neighbours have to be told after a promotion: every address, and the mac that it is at."""

from collections.abc import Iterable
from ipaddress import ip_interface

from hotspare.model.dataplane import RouterPlane
from hotspare.model.staging import Announcement

_GLOBAL = 0


def announcements(routers: Iterable[RouterPlane]) -> tuple[Announcement, ...]:
    """Of all global addresses of the routers: the outside ones (gateways', floating ones) before the inside ones."""
    found = (
        Announcement(router.namespace, name, router.plugs[name].mac, str(ip_interface(address.cidr).ip))
        for router in routers
        for name, device in router.devices.items()
        if name in router.plugs
        for address in device.addresses
        if address.scope == _GLOBAL
    )
    return tuple(
        sorted(found, key=lambda one: (not one.device.startswith("qg-"), one.namespace, one.device, one.address))
    )
