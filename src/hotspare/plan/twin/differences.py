"""From what a spare has to a fresh parked twin, in steps that may be cut anywhere.

The order is what keeps it silent: what forwards is parked before all else, the bridges drop VLAN 4095 before a port is
plugged, and a port is plugged parked.
"""

from collections.abc import Iterator

from hotspare.model.dataplane import DataPlane, RouterPlane
from hotspare.model.errors import InvariantError
from hotspare.model.staging import AddNamespace, Inside, NodeLook, Park, StagePlugs, Step, WriteFile
from hotspare.plan.twin import flows, inside, staged
from hotspare.plan.twin.clearing import Clearing, clearing, described
from hotspare.plan.twin.holdings import Holdings, held, is_loose


def differences(wanted: DataPlane, seen: NodeLook) -> tuple[Step, ...]:
    """The steps after which the node has a parked twin of all routers that it can have one of (see `left_out`).

    A router that something keeps from being staged now is left as it is; one that is not in the plane, or not described
    by it, is cleared away.

    Raises:
        InvariantError: the gateway is promoted on this node.
    """
    if seen.carried == wanted.gateway:
        raise InvariantError(f"gateway {wanted.gateway} is promoted on this node: its ports are not to be parked")
    holdings = held(wanted, seen)
    out = staged.left_out(wanted, seen)
    routers = [router for id_, router in sorted(wanted.routers.items()) if id_ not in out]
    gone = clearing(wanted, seen, holdings, keep=described(wanted), mend=[router.router for router in routers])
    return (
        *_parked(wanted, seen, holdings),
        *gone.steps(),
        *flows.staged(wanted, seen),
        *(AddNamespace(router.namespace) for router in routers if _is_missing(router, seen, gone)),
        *_plugged(wanted, routers, seen, gone),
        *_insides(routers, seen, gone),
        *_files(routers, seen),
    )


def _parked(wanted: DataPlane, seen: NodeLook, holdings: Holdings) -> Iterator[Park]:
    loose = [name for name in sorted(holdings.plugs) if is_loose(seen, name)]
    if loose:
        yield Park(wanted.gateway, tuple(seen.switch.plugs[name].plug for name in loose))


def _is_missing(router: RouterPlane, seen: NodeLook, gone: Clearing) -> bool:
    return router.namespace not in seen.insides or router.namespace in gone.adrift


def _plugged(wanted: DataPlane, routers: list[RouterPlane], seen: NodeLook, gone: Clearing) -> Iterator[StagePlugs]:
    """One transaction for all."""
    there = {
        name: found.plug
        for name, found in seen.switch.plugs.items()
        if name not in gone.plugs and found.owner == wanted.gateway
    }
    plugs = [plug for router in routers for plug in staged.plugs(router) if there.get(plug.name) != plug]
    if plugs:
        yield StagePlugs(wanted.gateway, tuple(plugs))


def _insides(routers: list[RouterPlane], seen: NodeLook, gone: Clearing) -> Iterator[Inside]:
    """Kind by kind, all routers at once: they are carried out in parallel."""
    found = [
        inside.differences(
            router,
            None if router.namespace in gone.adrift else seen.insides.get(router.namespace),
            replugged=gone.plugs,
        )
        for router in routers
    ]
    for kind in zip(*found, strict=True):
        for steps in kind:
            yield from steps


def _files(routers: list[RouterPlane], seen: NodeLook) -> Iterator[WriteFile]:
    for router in routers:
        for file in sorted(router.files, key=lambda file: file.path):
            if seen.files.get(file.path) != file.text:
                yield WriteFile(file)
