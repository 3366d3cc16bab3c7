"""How a spare's bridges forward: as the carrier's, and never between parked ports."""

import re
from collections.abc import Iterator, Mapping

from hotspare.model.dataplane import DROP_PARKED, PARKED_TAG, TUNNEL_BRIDGE, Bridge, DataPlane
from hotspare.model.staging import NodeLook, Outlet, SetFlows, SetTunnels

_DROP = re.compile(rf"(table=0,\s*)?priority=65535,\s*dl_vlan={PARKED_TAG} actions=drop")

_TO_WIRE = re.compile(r'\bin_port="?(?P<port>[\w.-]+)"?,dl_vlan=(?P<vlan>\d+) actions=(?:.*,)?NORMAL')
"""What comes from the routers' bridge in a local VLAN is given the wire's and sent there. Source: Neutron,
br_phys.py, provision_local_vlan.
"""


def outlets(plane: DataPlane) -> Mapping[int, Outlet]:
    """By local VLAN, where its frames leave for the wire; without those of tunnels."""
    found = {}
    for name in sorted(plane.bridges.keys() - plugged(plane)):
        for flow in map(_TO_WIRE.search, sorted(plane.bridges[name].flows)):
            if flow:
                found[int(flow["vlan"])] = Outlet(name, flow["port"], int(flow["vlan"]))
    return found


def drops(flows: frozenset[str]) -> bool:
    """Whether a bridge with these flows drops all of VLAN 4095."""
    return any(_DROP.fullmatch(flow.strip()) for flow in flows)


def plugged(plane: DataPlane) -> frozenset[str]:
    """The bridges that have router ports."""
    return frozenset(plug.bridge for router in plane.routers.values() for plug in router.plugs.values())


def bridges_missing(plane: DataPlane, seen: NodeLook) -> tuple[str, ...]:
    """Those that the node has to have, and has not; the tunnel bridge is made with its tunnels."""
    needed = (plane.bridges.keys() | plugged(plane)) - {TUNNEL_BRIDGE}
    return tuple(sorted(needed - seen.switch.bridges.keys()))


def staged(plane: DataPlane, seen: NodeLook) -> Iterator[SetTunnels | SetFlows]:
    """What a spare's bridges still need.

    Where gateways share the spare, the flows are of none of them before its promotion: they only have to drop.
    Where another gateway is promoted, its agents have the flows.
    """
    if bridges_missing(plane, seen) or seen.carried:
        return
    if any(plug.owner not in ("", plane.gateway) for plug in seen.switch.plugs.values()):
        for name in sorted(_dropping(plane, seen)):
            if not drops(found := seen.switch.bridges[name].flows):
                yield SetFlows(name, found | {DROP_PARKED})
    else:
        yield from forwarding(plane, seen)


def forwarding(plane: DataPlane, seen: NodeLook) -> Iterator[SetTunnels | SetFlows]:
    """What the bridges need to forward for the gateway. The node has to have all of them but the tunnel bridge.

    Tunnels come before the flows that name them, and patch ports to their bridge.
    """
    dropping = _dropping(plane, seen)
    yield from _tunnels(plane, seen)
    for name in sorted(plane.bridges.keys() | dropping):
        found = seen.switch.bridges.get(name, Bridge(name, frozenset()))
        flows = plane.bridges.get(name, found).flows
        if name in dropping and not drops(flows):
            flows |= {DROP_PARKED}
        if flows != found.flows:
            yield SetFlows(name, flows)


def _tunnels(plane: DataPlane, seen: NodeLook) -> Iterator[SetTunnels]:
    if TUNNEL_BRIDGE not in plane.bridges:
        return
    wanted = plane.bridges[TUNNEL_BRIDGE].tunnels
    found = seen.switch.bridges.get(TUNNEL_BRIDGE)
    if found is None or found.tunnels != wanted:
        yield SetTunnels(tuple(tunnel for _, tunnel in sorted(wanted.items())))


def _dropping(plane: DataPlane, seen: NodeLook) -> frozenset[str]:
    """Bridges that have to drop VLAN 4095: those by which the plane forwards, and those that have a router's port now.

    Where it is dropped now it stays so: that costs nothing, and nobody is let out.
    """
    there = {found.plug.bridge for found in seen.switch.plugs.values()}
    now = {name for name, bridge in seen.switch.bridges.items() if drops(bridge.flows)}
    return plugged(plane) | (seen.switch.bridges.keys() & (there | now))
