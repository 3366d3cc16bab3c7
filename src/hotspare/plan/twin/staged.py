"""Which routers a spare can have a twin of, and which ports of theirs; the others go the cold way, and why."""

from collections import Counter
from collections.abc import Mapping

from hotspare.model.dataplane import DataPlane, Plug, RouterPlane
from hotspare.model.staging import NodeLook
from hotspare.plan.twin import flows
from hotspare.plan.twin.holdings import Holdings, held, router_devices

_LEGACY = ("qr-", "qg-")


def plugs(router: RouterPlane) -> tuple[Plug, ...]:
    """Those of its ports that are in its namespace; one that is still on the way there is the agents' to finish."""
    return tuple(plug for name, plug in sorted(router.plugs.items()) if name in router.devices)


def left_out(wanted: DataPlane, seen: NodeLook) -> Mapping[str, str]:
    """Router → why this node cannot keep a twin of it, as things are."""
    holdings = held(wanted, seen)
    everyone = _common_trouble(wanted, seen)
    shared = Counter(name for router in wanted.routers.values() for name in router.plugs)
    found = {
        id_: undescribed(router) or everyone or _in_the_way(router, seen, holdings, shared)
        for id_, router in sorted(wanted.routers.items())
    }
    out = {id_: why for id_, why in found.items() if why}
    while more := {id_: why for id_ in wanted.routers.keys() - out if (why := _held_back(id_, wanted, seen, out))}:
        out |= more
    return dict(sorted(out.items()))


def _held_back(id_: str, wanted: DataPlane, seen: NodeLook, out: Mapping[str, str]) -> str:
    """Its namespace has a port of a router that is left as it is."""
    router = wanted.routers[id_]
    look = seen.insides.get(router.namespace)
    others = (router_devices(look) if look else frozenset[str]()) - router.plugs.keys()
    for other in sorted(out):
        if not undescribed(wanted.routers[other]) and (held := sorted(others & wanted.routers[other].plugs.keys())):
            return f"its namespace has port {held[0]} of router {other}, which is left as it is"
    return ""


def undescribed(router: RouterPlane) -> str:
    """What forwards of it and is not in its plane, in words; empty: nothing."""
    if router.unstaged:
        return ", ".join(router.unstaged)
    if odd := sorted(name for name in router.plugs if not name.startswith(_LEGACY)):
        return f"its port {odd[0]} is none of a legacy router"
    if odd := sorted(router.devices.keys() - router.plugs.keys()):
        return f"its device {odd[0]} is no port of the switch"
    return ""


def _common_trouble(wanted: DataPlane, seen: NodeLook) -> str:
    if missing := flows.bridges_missing(wanted, seen):
        return f"bridge {missing[0]} is not on this node"
    if seen.carried not in ("", wanted.gateway):
        for name in sorted(flows.plugged(wanted)):
            if not flows.drops(seen.switch.bridges[name].flows):
                return f"bridge {name}, by which gateway {seen.carried} forwards, does not drop VLAN 4095 yet"
    return ""


def _in_the_way(router: RouterPlane, seen: NodeLook, holdings: Holdings, shared: Counter[str]) -> str:
    for name in sorted(router.plugs):
        if name in holdings.strange:
            return f"port {name} is {_whose(seen, name)}"
        if shared[name] > 1:
            return f"port {name} is another router's, too"
        place = holdings.places.get(name, router.namespace)
        if name not in seen.switch.plugs and place != router.namespace:
            return f"a device {name} that has lost its port is in {place}"
    return _in_its_namespace(router, seen, holdings)


def _in_its_namespace(router: RouterPlane, seen: NodeLook, holdings: Holdings) -> str:
    look = seen.insides.get(router.namespace)
    devices = router_devices(look) if look else frozenset[str]()
    if others := sorted(devices & holdings.strange):
        return f"its namespace has port {others[0]}, which is {_whose(seen, others[0])}"
    if devices and router.namespace not in holdings.namespaces:
        return f"its namespace has device {min(devices)}, and may be of gateway {seen.carried}"
    return ""


def _whose(seen: NodeLook, name: str) -> str:
    owner = seen.switch.plugs[name].owner
    return f"of gateway {owner}" if owner else "of an agent that is not the gateway's"
