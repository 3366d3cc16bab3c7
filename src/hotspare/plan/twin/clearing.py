"""What a node has of a gateway and shall not have: routers that the carrier has no more, ports out of place."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from hotspare.model.dataplane import DataPlane, RouterPlane
from hotspare.model.staging import DropNamespace, NodeLook, RemoveFile, RemovePlugs
from hotspare.plan.twin import staged
from hotspare.plan.twin.holdings import Holdings, router_devices


@dataclass(frozen=True, slots=True)
class Clearing:
    """What has to go. A namespace goes before its ports: by them it is known whose it is, also after a cut."""

    namespaces: tuple[str, ...] = ()
    plugs: tuple[str, ...] = ()
    adrift: tuple[str, ...] = ()
    """Namespaces to be made anew: a device in there has lost its port, or the switch does not hold it any more. They go
    after the ports.
    """
    files: tuple[str, ...] = ()

    def steps(self) -> Iterator[DropNamespace | RemovePlugs | RemoveFile]:
        """In their order."""
        yield from map(DropNamespace, self.namespaces)
        if self.plugs:
            yield RemovePlugs(self.plugs)
        yield from map(DropNamespace, self.adrift)
        yield from map(RemoveFile, self.files)


def described(wanted: DataPlane) -> frozenset[str]:
    """Routers whose leftovers are of use: the others' would only keep the agents from building them."""
    return frozenset(id_ for id_, router in wanted.routers.items() if not staged.undescribed(router))


def clearing(
    wanted: DataPlane, seen: NodeLook, holdings: Holdings, *, keep: Collection[str], mend: Collection[str]
) -> Clearing:
    """What goes so that of the gateway's only the routers in `keep` are left, and those in `mend` can be made whole."""
    homes = {wanted.routers[id_].namespace for id_ in keep}
    gone = holdings.namespaces - homes
    adrift = {wanted.routers[id_].namespace for id_ in mend if _has_lost_a_port(wanted.routers[id_], seen, holdings)}
    kept = {plug.name for id_ in keep for plug in staged.plugs(wanted.routers[id_])}
    unfit = {name for id_ in mend for name in _unfit(wanted.routers[id_], seen, holdings, adrift)}
    plugs = {name for name in holdings.plugs if name not in kept or name in unfit}
    return Clearing(
        tuple(sorted(gone)), tuple(sorted(plugs)), tuple(sorted(adrift)), tuple(_files(wanted, seen, keep=keep))
    )


def _has_lost_a_port(router: RouterPlane, seen: NodeLook, holdings: Holdings) -> bool:
    look = seen.insides.get(router.namespace)
    return (
        look is not None
        and router.namespace in holdings.namespaces
        and any(name not in seen.switch.plugs or not look.devices[name].wired for name in router_devices(look))
    )


def _unfit(router: RouterPlane, seen: NodeLook, holdings: Holdings, adrift: Collection[str]) -> Iterator[str]:
    """Ports that have to be made anew: on another bridge, in another namespace, or their namespace is made anew; or
    their device has gone, with a namespace that somebody else has removed, and the switch does not make another. One
    that it cannot make is no better the second time.
    """
    for name in filter(holdings.plugs.__contains__, router.plugs):
        place = holdings.places.get(name, router.namespace)
        elsewhere = seen.switch.plugs[name].plug.bridge != router.plugs[name].bridge
        gone = name not in holdings.places and name not in seen.switch.devices and name not in seen.switch.faults
        if elsewhere or gone or place != router.namespace or (name in holdings.places and place in adrift):
            yield name


def _files(wanted: DataPlane, seen: NodeLook, *, keep: Collection[str]) -> Iterator[str]:
    """A helper's file is its router's whose id is in the path. Source: Neutron, external_process.py, ra.py."""
    ours = wanted.routers.keys() | (seen.known if seen.carried in ("", wanted.gateway) else frozenset())
    wanted_paths = {file.path for id_ in keep for file in wanted.routers[id_].files}
    for path in sorted(seen.files):
        if path not in wanted_paths and any(router in path for router in ours):
            yield path
