"""What changes from one data plane of a gateway to the next, and the next one from that."""

from hotspare.model.dataplane import Bridge, BridgeChange, DataPlane, PlaneDelta


def delta(before: DataPlane, after: DataPlane) -> PlaneDelta:
    """What has to be told to who has `before`. Both are of one gateway."""
    return PlaneDelta(
        routers={id_: router for id_, router in after.routers.items() if before.routers.get(id_) != router},
        routers_gone=frozenset(before.routers.keys() - after.routers.keys()),
        bridges={
            name: BridgeChange(bridge.flows - _flows(before, name), _flows(before, name) - bridge.flows, bridge.tunnels)
            for name, bridge in after.bridges.items()
            if before.bridges.get(name) != bridge
        },
        bridges_gone=frozenset(before.bridges.keys() - after.bridges.keys()),
    )


def applied(plane: DataPlane, change: PlaneDelta) -> DataPlane:
    """The data plane after the change.

    Raises:
        ValueError: the change was made from another one.
    """
    _refuse_another(plane, change)
    routers = {id_: router for id_, router in plane.routers.items() if id_ not in change.routers_gone}
    bridges = {name: bridge for name, bridge in plane.bridges.items() if name not in change.bridges_gone}
    for name, flows in change.bridges.items():
        bridges[name] = Bridge(name, (_flows(plane, name) - flows.remove) | flows.add, flows.tunnels)
    return DataPlane(plane.gateway, routers | dict(change.routers), bridges)


def _refuse_another(plane: DataPlane, change: PlaneDelta) -> None:
    unknown = [
        *sorted(change.routers_gone - plane.routers.keys()),
        *sorted(change.bridges_gone - plane.bridges.keys()),
        *(
            flow
            for name, flows in sorted(change.bridges.items())
            for flow in sorted(flows.remove - _flows(plane, name))
        ),
    ]
    if unknown:
        raise ValueError(f"a change of another data plane than this: it takes away {unknown[0]!r}, which is not here")


def _flows(plane: DataPlane, name: str) -> frozenset[str]:
    return plane.bridges[name].flows if name in plane.bridges else frozenset()
