"""What of a node is one gateway's: the rest is nobody's to touch.

A port is known by the gateway that is written on it; one without (an agent has made it) by its name or by the router in
whose namespace its device is, and only where no other gateway is promoted: else it is that one's.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from hotspare.model.dataplane import DataPlane
from hotspare.model.staging import InsideLook, NodeLook

NAMESPACE = "qrouter-"
PORTS = ("qr-", "qg-", "sg-", "fg-", "ha-")
"""How the names of router ports begin; DHCP's and machines' are `tap…`, `qvo…`, `vhu…`. Source: neutron_lib,
constants.py and Neutron, agent/l3.
"""


@dataclass(frozen=True, slots=True)
class Holdings:
    """The gateway's plugs and namespaces on the node, and where every router port's device is."""

    plugs: frozenset[str]
    namespaces: frozenset[str]
    strange: frozenset[str]
    """Router ports that somebody else has."""
    places: dict[str, str]
    """Device → namespace."""


def held(wanted: DataPlane, seen: NodeLook) -> Holdings:
    """What the gateway has on the node, wanted or not."""
    places = {device: name for name, look in sorted(seen.insides.items()) for device in look.devices}
    free = _is_free(wanted.gateway, seen)
    routers = (wanted.routers.keys() | seen.known) if free else frozenset[str]()
    homes = {f"{NAMESPACE}{router}" for router in routers}
    names = {name for router in wanted.routers.values() for name in router.plugs} if free else set()
    plugs: set[str] = set()
    strange: set[str] = set()
    for name, plug in seen.switch.plugs.items():
        if not name.startswith(PORTS):
            continue
        by_its_place = not plug.owner and (name in names or places.get(name) in homes)
        (plugs if plug.owner == wanted.gateway or by_its_place else strange).add(name)
    return Holdings(frozenset(plugs), frozenset(_namespaces(seen, homes, plugs, strange)), frozenset(strange), places)


def live(gateway: str, seen: NodeLook) -> tuple[str, ...]:
    """Router ports of the gateway that forward, or that Neutron's agents could make forward.

    An agent's ports are those of the gateway that is promoted here; where none is, they are nobody else's.
    """
    owners = (gateway, "") if _is_free(gateway, seen) else (gateway,)
    return tuple(
        name
        for name, plug in sorted(seen.switch.plugs.items())
        if name.startswith(PORTS) and plug.owner in owners and is_loose(seen, name)
    )


def is_loose(seen: NodeLook, name: str) -> bool:
    """Whether the plug is not both parked and hidden."""
    return not (seen.switch.plugs[name].parked and seen.switch.plugs[name].hidden)


def router_devices(look: InsideLook) -> frozenset[str]:
    """Those that are a port of the switch, or were."""
    return frozenset(name for name in look.devices if name.startswith(PORTS))


def _is_free(gateway: str, seen: NodeLook) -> bool:
    return seen.carried in ("", gateway)


def _namespaces(seen: NodeLook, homes: set[str], plugs: set[str], strange: set[str]) -> Iterable[str]:
    for name, look in seen.insides.items():
        ours = name in homes or not plugs.isdisjoint(look.devices)
        if name.startswith(NAMESPACE) and ours and strange.isdisjoint(look.devices):
            yield name
