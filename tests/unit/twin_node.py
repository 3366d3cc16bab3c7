"""A node as values, and what the steps of a twin do to it: as harshly as the kernel and Open vSwitch would."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import singledispatchmethod

from hotspare.codec import openflow
from hotspare.model.dataplane import (
    DROP_PARKED,
    TUNNEL_BRIDGE,
    Address,
    Bridge,
    DataPlane,
    Device,
    Family,
    HelperFile,
    Plug,
    Route,
    RouterPlane,
    Tunnel,
)
from hotspare.model.staging import (
    AddNamespace,
    DropNamespace,
    InsideLook,
    MoveDevice,
    NodeLook,
    Park,
    RemoveFile,
    RemovePlugs,
    SeenDevice,
    SeenPlug,
    SetAddresses,
    SetFlows,
    SetRoutes,
    SetRules,
    SetSysctls,
    SetTunnels,
    StagePlugs,
    Step,
    SwitchLook,
    Unpark,
    WriteFile,
)
from hotspare.plan.twin.flows import drops

GATEWAY = "neutron-gateway"
ROOT = ""
NORMAL = "priority=0 actions=NORMAL"


def plug(name: str, *, tag: int = 1, bridge: str = "br-int", mac: str = "") -> Plug:
    mac = mac or f"fa:16:3e:00:00:{sum(map(ord, name)) % 256:02x}"
    return Plug(
        name, bridge, f"port-of-{name}", mac, 1450, tag,
        {"iface-id": f"port-of-{name}", "attached-mac": mac, "iface-status": "active"}, {"tag": str(tag)},
    )  # fmt: skip


def router(id_: str, *ports: str, last: int = 1, **changes) -> RouterPlane:
    """A router with these ports; `last` is in all of its values, so that another one differs in all of them."""
    plugs = {name: plug(name) for name in ports}
    devices = {name: Device(name, frozenset([Address(f"10.{at}.0.{last}/24")])) for at, name in enumerate(ports)}
    made = RouterPlane(
        id_, plugs, devices,
        routes=frozenset(Route(f"10.9{at}.{last}.0/24", f"10.{at}.0.9", name) for at, name in enumerate(ports)),
        sysctls={"ipv4/ip_forward": "1"} | {f"ipv6/conf/{name}/accept_ra": str(last % 2) for name in ports},
        rules=dict.fromkeys(Family, f"*nat\n-A POSTROUTING -j ACCEPT {last}\nCOMMIT\n"),
        files=frozenset([HelperFile(f"/var/lib/neutron/ns-metadata-proxy/{id_}.conf", f"listen {last}")]),
    )  # fmt: skip
    return replace(made, **changes)


def tunnel(number: int, *, local: str = "10.9.0.100") -> Tunnel:
    return Tunnel(f"vxlan-0a09000{number}", "vxlan", {"local_ip": local, "remote_ip": f"10.9.0.{number}"})


def tunnel_bridge(*tunnels: Tunnel) -> Bridge:
    """Its flows name them."""
    flows = [f'in_port="{one.name}" actions=output:"patch-int"' for one in tunnels]
    return Bridge(
        TUNNEL_BRIDGE, frozenset([*flows, 'in_port="patch-int" actions=drop']), {one.name: one for one in tunnels}
    )


def plane(
    *routers: RouterPlane,
    flows: Iterable[str] = (NORMAL, DROP_PARKED),
    gateway: str = GATEWAY,
    tunnels: Iterable[Tunnel] | None = None,
) -> DataPlane:
    """Without tunnels, there is no bridge for them."""
    bridges = {"br-int": Bridge("br-int", frozenset(flows)), "br-ex": Bridge("br-ex", frozenset([NORMAL]))}
    if tunnels is not None:
        bridges[TUNNEL_BRIDGE] = tunnel_bridge(*tunnels)
    return DataPlane(gateway, {one.router: one for one in routers}, bridges)


@dataclass
class Namespace:
    routes: frozenset[Route] = frozenset()
    sysctls: dict[str, str] = field(default_factory=dict)
    rules: dict[Family, str] = field(default_factory=dict)


@dataclass
class Node:
    """A freshly booted one: bridges without flows, which drop all."""

    plugs: dict[str, SeenPlug] = field(default_factory=dict)
    flows: dict[str, frozenset[str]] = field(default_factory=lambda: {"br-int": frozenset(), "br-ex": frozenset()})
    tunnels: dict[str, Tunnel] = field(default_factory=dict)
    namespaces: dict[str, Namespace] = field(default_factory=dict)
    devices: dict[str, tuple[str, SeenDevice]] = field(default_factory=dict)
    """Name → where it is."""
    orphans: dict[tuple[str, str], SeenDevice] = field(default_factory=dict)
    """Namespace and name → a device that the switch does not hold any more; one of the same name may be elsewhere."""
    files: dict[str, str] = field(default_factory=dict)
    carried: str = ""
    known: frozenset[str] = frozenset()

    def look(self) -> NodeLook:
        insides = {
            name: InsideLook(
                {device: seen for device, (place, seen) in self.devices.items() if place == name}
                | {device: seen for (place, device), seen in self.orphans.items() if place == name},
                space.routes, dict(space.sysctls), dict(space.rules),
            )
            for name, space in self.namespaces.items()
        }  # fmt: skip
        bridges = {name: Bridge(name, flows) for name, flows in self.flows.items()}
        if TUNNEL_BRIDGE in bridges:
            bridges[TUNNEL_BRIDGE] = replace(bridges[TUNNEL_BRIDGE], tunnels=dict(self.tunnels))
        loose = frozenset(name for name, (place, _) in self.devices.items() if place == ROOT)
        switch = SwitchLook(dict(self.plugs), bridges, devices=loose & self.plugs.keys())
        return NodeLook(switch, insides, dict(self.files), self.carried, self.known)

    def forwarding(self) -> set[str]:
        """Plugs that can send to somebody: unparked, or where nothing drops VLAN 4095."""
        return {
            name
            for name, seen in self.plugs.items()
            if (flows := self.flows[seen.plug.bridge]) and not (seen.parked and drops(flows))
        }

    def live(self) -> set[str]:
        return {name for name, seen in self.plugs.items() if not seen.parked}

    def carry_out(self, steps: Iterable[Step]) -> "Node":
        for step in steps:
            self._do(step)
        return self

    def agents_plug(self, namespace: str, found: Plug, *, owner: str = "", addresses=frozenset()) -> None:
        """As Neutron's agents do."""
        self.namespaces.setdefault(namespace, Namespace())
        self.plugs[found.name] = SeenPlug(found, parked=False, hidden=False, owner=owner)
        self.devices[found.name] = namespace, SeenDevice(found.name, found.mac, 1450, up=True, addresses=addresses)

    def restart_switch(self) -> None:
        """Open vSwitch in user space lets go of its devices, which stay, and makes others beside them."""
        for name in self.plugs:
            place, seen = self.devices.pop(name, (ROOT, None))
            if place != ROOT and seen is not None:
                self.orphans[place, name] = replace(seen, wired=False)
            self._plugged(name)

    @singledispatchmethod
    def _do(self, step: Step) -> None:
        raise NotImplementedError(step)

    @_do.register
    def _(self, step: Park) -> None:
        for one in step.plugs:
            if one.name in self.plugs:
                self.plugs[one.name] = SeenPlug(one, parked=True, hidden=True, owner=step.gateway)

    @_do.register
    def _(self, step: StagePlugs) -> None:
        for one in step.plugs:
            assert one.name not in self.plugs or self.plugs[one.name].plug.bridge == one.bridge
            self.plugs[one.name] = SeenPlug(one, parked=True, hidden=True, owner=step.gateway)
            self._plugged(one.name)

    @_do.register
    def _(self, step: Unpark) -> None:
        for one in step.plugs:
            assert one.name in self.plugs
            self.plugs[one.name] = SeenPlug(one, parked=False, hidden=False, owner="")

    @_do.register
    def _(self, step: RemovePlugs) -> None:
        for name in step.names:
            if self.plugs.pop(name, None):
                self._lose(name)

    @_do.register
    def _(self, step: SetTunnels) -> None:
        self.flows.setdefault(TUNNEL_BRIDGE, frozenset())
        self.tunnels = {one.name: one for one in step.tunnels}

    @_do.register
    def _(self, step: SetFlows) -> None:
        """Flows that name a port which is not there are refused."""
        assert step.bridge in self.flows
        assert {name for name in openflow.ports(step.flows) if name.startswith("vxlan")} <= self.tunnels.keys()
        self.flows[step.bridge] = step.flows

    @_do.register
    def _(self, step: AddNamespace) -> None:
        self.namespaces.setdefault(step.namespace, Namespace())

    @_do.register
    def _(self, step: DropNamespace) -> None:
        for name in [name for name, (place, _) in self.devices.items() if place == step.namespace]:
            del self.devices[name]
            if name in self.plugs:
                self._plugged(name)
        self.orphans = {key: seen for key, seen in self.orphans.items() if key[0] != step.namespace}
        self.namespaces.pop(step.namespace, None)

    @_do.register
    def _(self, step: MoveDevice) -> None:
        """A device that is set anew was down for a moment, and has lost all."""
        place, _ = self.devices[step.name]
        assert place in (ROOT, step.namespace)
        assert step.namespace in self.namespaces
        assert (step.namespace, step.name) not in self.orphans
        self._lose(step.name)
        self.devices[step.name] = step.namespace, SeenDevice(step.name, step.mac, step.mtu or 1500, up=True)

    @_do.register
    def _(self, step: SetAddresses) -> None:
        place, seen = self.devices[step.device]
        assert place == step.namespace
        assert (place, step.device) not in self.orphans
        addresses = (seen.addresses - set(step.remove)) | set(step.add)
        self.devices[step.device] = place, replace(seen, addresses=addresses)

    @_do.register
    def _(self, step: SetRoutes) -> None:
        assert all(self.devices[route.device][0] == step.namespace for route in step.add)
        space = self.namespaces[step.namespace]
        space.routes = (space.routes - set(step.remove)) | set(step.add)

    @_do.register
    def _(self, step: SetSysctls) -> None:
        here = {name for name, (place, _) in self.devices.items() if place == step.namespace}
        assert {path.split("/")[2] for path in step.values if "/conf/" in path} <= here | {"all"}
        self.namespaces[step.namespace].sysctls |= step.values

    @_do.register
    def _(self, step: SetRules) -> None:
        self.namespaces[step.namespace].rules[step.family] = step.text

    @_do.register
    def _(self, step: WriteFile) -> None:
        self.files[step.file.path] = step.file.text

    @_do.register
    def _(self, step: RemoveFile) -> None:
        self.files.pop(step.path, None)

    def _plugged(self, name: str) -> None:
        """The switch makes its device where the switch is."""
        self.devices.setdefault(name, (ROOT, SeenDevice(name, "", 1500, up=False)))

    def _lose(self, name: str) -> None:
        """What goes by a device, and its values, go with it."""
        place, _ = self.devices.pop(name, (ROOT, None))
        if place in self.namespaces:
            space = self.namespaces[place]
            space.routes = frozenset(route for route in space.routes if route.device != name)
            space.sysctls = {path: value for path, value in space.sysctls.items() if name not in path}


def is_twin(node: Node, wanted: RouterPlane, gateway: str = GATEWAY) -> bool:
    """Whether the node has the router, whole and silent."""
    space = node.namespaces[wanted.namespace]
    return (
        all(
            node.plugs[name] == SeenPlug(wanted.plugs[name], parked=True, hidden=True, owner=gateway)
            and node.devices[name]
            == (
                wanted.namespace,
                SeenDevice(name, wanted.plugs[name].mac, 1450, up=True, addresses=device.addresses),
            )
            for name, device in wanted.devices.items()
        )
        and {name for name, (place, _) in node.devices.items() if place == wanted.namespace} == set(wanted.devices)
        and not any(place == wanted.namespace for place, _ in node.orphans)
        and (space.routes, space.rules) == (wanted.routes, dict(wanted.rules))
        and wanted.sysctls.items() <= space.sysctls.items()
        and all(node.files.get(file.path) == file.text for file in wanted.files)
    )
