"""What the node that carries a gateway publishes: the gateway's data plane, from a look at the node."""

from collections.abc import Mapping

from hotspare.model.dataplane import DataPlane, Device, HelperFile, Plug, RouterPlane
from hotspare.model.staging import InsideLook, NodeLook, SeenPlug
from hotspare.plan.twin.holdings import NAMESPACE


def observed(gateway: str, seen: NodeLook) -> DataPlane:
    """All routers of the node that carries the gateway, as they forward now.

    A port that the agents have not wired yet, or a device that is not up, is not there yet: with it the router would
    not be whole, and a spare would let go of a twin that serves all but the newest of its networks. Nor is a device
    there whose port the agents have just removed.
    """
    routers = {
        name.removeprefix(NAMESPACE): _router(name.removeprefix(NAMESPACE), look, seen)
        for name, look in sorted(seen.insides.items())
        if name.startswith(NAMESPACE)
    }
    return DataPlane(gateway, {id_: router for id_, router in routers.items() if router.plugs}, seen.switch.bridges)


def _router(id_: str, look: InsideLook, seen: NodeLook) -> RouterPlane:
    plugs = _wired(look, seen.switch.plugs)
    absent = (look.devices.keys() | seen.switch.plugs.keys()) - plugs.keys()
    return RouterPlane(
        id_,
        plugs,
        {name: Device(name, device.addresses) for name, device in look.devices.items() if name in plugs},
        frozenset(route for route in look.routes if route.device not in absent),
        {name: value for name, value in look.sysctls.items() if absent.isdisjoint(name.split("/"))},
        look.rules,
        frozenset(HelperFile(path, text) for path, text in seen.files.items() if id_ in path),
        look.unstaged,
    )


def _wired(look: InsideLook, plugs: Mapping[str, SeenPlug]) -> dict[str, Plug]:
    return {
        name: plugs[name].plug
        for name, device in sorted(look.devices.items())
        if device.up and name in plugs and not plugs[name].parked
    }
