"""The step by which a twin forwards, and what goes with it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hotspare.model.dataplane import DataPlane, Plug, RouterPlane
from hotspare.model.errors import InvariantError
from hotspare.model.staging import (
    Announcement,
    Helper,
    InsideLook,
    NodeLook,
    Park,
    SeenPlug,
    SetAddresses,
    SetFlows,
    SetTunnels,
    Step,
    Unpark,
)
from hotspare.plan.twin import flows, inside, staged
from hotspare.plan.twin.announcements import announcements
from hotspare.plan.twin.clearing import clearing
from hotspare.plan.twin.holdings import Holdings, held, is_loose


@dataclass(frozen=True, slots=True)
class Promotion:
    """How a node comes to forward for the gateway: `first`, `unpark`, then the announcements; at last `clear`."""

    first: tuple[Park | SetTunnels | SetFlows | SetAddresses, ...]
    """What would make it forward wrongly is put right before: a port that forwards and shall not, a local VLAN that is
    another network by now, an address that is elsewhere by now. Nothing where the twin is fresh.
    """
    unpark: Unpark
    announcements: tuple[Announcement, ...]
    clear: tuple[Step, ...]
    """Leftovers that would keep the agents from building the cold routers: before the agents start."""
    warm: tuple[str, ...]
    """The routers that forward then, by id."""
    cold: Mapping[str, str]
    """Router → why it is not among them: the agents build it."""
    helpers: tuple[Helper, ...]
    """What serves the warm routers beside forwarding, and can wait until they forward."""


def promotion(plane: DataPlane, seen: NodeLook) -> Promotion:
    """How this node forwards for the gateway by what it has now, on the carrier's last word.

    A router is warm if nothing of it is missing that it would do harm without: all its ports are plugged, their devices
    are in its namespace, and it has rules. The agents put the rest right (an address, a route, a rule of today).

    Raises:
        InvariantError: another gateway is promoted on this node.
    """
    if seen.carried not in ("", plane.gateway):
        raise InvariantError(f"this node carries gateway {seen.carried}; a node carries one at a time")
    holdings = held(plane, seen)
    out = staged.left_out(plane, seen)
    cold = {id_: why for id_, router in sorted(plane.routers.items()) if (why := out.get(id_) or _lacks(router, seen))}
    warm = [router for id_, router in sorted(plane.routers.items()) if id_ not in cold]
    plugs = tuple(plug for router in warm for plug in staged.plugs(router))
    ids = tuple(router.router for router in warm)
    return Promotion(
        first=(
            *(() if seen.carried else _loose(plane, seen, holdings, frozenset(plug.name for plug in plugs))),
            *(flows.forwarding(plane, seen) if plugs else ()),
            *(step for router in warm for step in inside.addresses(router, dict(_inside(router, seen).devices))),
        ),
        unpark=Unpark(plugs),
        announcements=announcements(warm, flows.outlets(plane)),
        clear=() if seen.carried else tuple(clearing(plane, seen, holdings, keep=ids, mend=()).steps()),
        warm=ids,
        cold=cold,
        helpers=tuple(
            Helper(router.router, router.namespace, file)
            for router in warm
            for file in sorted(router.files, key=lambda file: file.path)
            if seen.files.get(file.path) == file.text
        ),
    )


def _loose(plane: DataPlane, seen: NodeLook, holdings: Holdings, unparked: frozenset[str]) -> Iterator[Park]:
    """What forwards and shall not."""
    loose = [name for name in sorted(holdings.plugs - unparked) if is_loose(seen, name)]
    if loose:
        yield Park(plane.gateway, tuple(seen.switch.plugs[name].plug for name in loose))


def _lacks(router: RouterPlane, seen: NodeLook) -> str:
    """What the router could not be unparked without; empty: nothing."""
    look = _inside(router, seen)
    for plug in staged.plugs(router):
        if trouble := _unplugged(plug, seen.switch.plugs.get(plug.name)):
            return trouble
        if not inside.is_device(look.devices.get(plug.name), plug.mac, None):
            return f"device {plug.name} is not ready in its namespace"
    for family, text in sorted(router.rules.items()):
        if _has_rules(text) and not _has_rules(look.rules.get(family, "")):
            return f"its {family} rules are not set"
    return ""


def _unplugged(plug: Plug, found: SeenPlug | None) -> str:
    if found is None:
        return f"port {plug.name} is not in the switch"
    if not found.owner and found.parked:
        return f"port {plug.name} is in the switch, but nobody has staged it"
    same = (found.plug.bridge, found.plug.port, found.plug.mac) == (plug.bridge, plug.port, plug.mac)
    return "" if same else f"port {plug.name} is staged as another one"


def _has_rules(text: str) -> bool:
    """Whether there is more than the chains that are always there. Source: iptables-save(8)."""
    return any(line.startswith("-A ") for line in text.splitlines())


def _inside(router: RouterPlane, seen: NodeLook) -> InsideLook:
    return seen.insides.get(router.namespace, InsideLook())
