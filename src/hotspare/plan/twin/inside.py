"""What one router's namespace still needs."""

from collections.abc import Collection, Iterator

from hotspare.model.dataplane import Route, RouterPlane
from hotspare.model.staging import (
    Inside,
    InsideLook,
    MoveDevice,
    SeenDevice,
    SetAddresses,
    SetRoutes,
    SetRules,
    SetSysctls,
)
from hotspare.plan.twin import staged

Kinds = tuple[tuple[Inside, ...], ...]
"""Devices, values of the kernel, addresses, routes, rules: each needs those before it."""


def differences(router: RouterPlane, look: InsideLook | None, *, replugged: Collection[str]) -> Kinds:
    """The steps, by kind. `look` is None for a new namespace; the devices of `replugged` ports are new, too.

    A device that is moved or set anew may lose its addresses, its values and what goes by it, so all that is set again.
    """
    seen = look or InsideLook()
    there = {name: device for name, device in seen.devices.items() if name not in replugged}
    moves = tuple(
        MoveDevice(plug.name, router.namespace, plug.mac, plug.mtu)
        for plug in staged.plugs(router)
        if not is_device(there.get(plug.name), plug.mac, plug.mtu)
    )
    moved = frozenset(move.name for move in moves)
    return (
        moves,
        tuple(_sysctls(router, seen, anew=bool(moved))),
        tuple(addresses(router, there, moved=moved)),
        tuple(_routes(router, seen, anew=bool(moved))),
        tuple(_rules(router, seen)),
    )


def is_device(found: SeenDevice | None, mac: str, mtu: int | None) -> bool:
    """Whether it is a plug's of this mac and mtu, up, and the switch holds it."""
    return found is not None and found.up and found.wired and found.mac == mac and mtu in (None, found.mtu)


def addresses(
    router: RouterPlane, there: dict[str, SeenDevice], *, moved: Collection[str] = ()
) -> Iterator[SetAddresses]:
    """Of every device of the router that is there, or will be."""
    for name, device in sorted(router.devices.items()):
        has = there[name].addresses if name in there else frozenset()
        add = device.addresses if name in moved else device.addresses - has
        remove = has - device.addresses
        if add or remove:
            yield SetAddresses(router.namespace, name, tuple(sorted(add)), tuple(sorted(remove)))


def _sysctls(router: RouterPlane, seen: InsideLook, *, anew: bool) -> Iterator[SetSysctls]:
    values = {name: value for name, value in sorted(router.sysctls.items()) if anew or seen.sysctls.get(name) != value}
    if values:
        yield SetSysctls(router.namespace, values)


def _routes(router: RouterPlane, seen: InsideLook, *, anew: bool) -> Iterator[SetRoutes]:
    """A next hop has to be reachable when its route is set, so routes without one come first and go last."""
    add = router.routes if anew else router.routes - seen.routes
    remove = seen.routes - router.routes
    if add or remove:
        yield SetRoutes(
            router.namespace,
            tuple(sorted(add, key=lambda route: (_hops(route), route))),
            tuple(sorted(remove, key=lambda route: (-_hops(route), route))),
        )


def _hops(route: Route) -> int:
    return int(bool(route.via))


def _rules(router: RouterPlane, seen: InsideLook) -> Iterator[SetRules]:
    for family, text in sorted(router.rules.items()):
        if seen.rules.get(family) != text:
            yield SetRules(router.namespace, family, text)
