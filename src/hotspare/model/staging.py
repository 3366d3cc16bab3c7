"""What is done to a node so that it has a twin, forwards by it, and is silent again: one value a side effect.

All are idempotent: carried out twice they are as good as once, and one that was cut is finished by the next.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hotspare.model.dataplane import Address, Bridge, Family, HelperFile, Plug, Route, Tunnel


@dataclass(frozen=True, slots=True)
class SeenPlug:
    """A plug as the switch has it now."""

    plug: Plug
    parked: bool
    """Whether it can neither send nor receive: tag and trunk are PARKED_TAG and nothing else."""
    hidden: bool
    """Whether Neutron's agents do not see it: Neutron's external ids are kept under other names."""
    owner: str
    """The gateway that staged it (`external_ids:hotspare-gateway`); empty: not ours, above all Neutron's agents."""


@dataclass(frozen=True, slots=True)
class SwitchLook:
    """Routers' ports, as they were at one instant, and bridges."""

    plugs: Mapping[str, SeenPlug]
    """All router ports, by name, whoever they belong to: also those of kinds that are not kept as a twin (`sg-`, `fg-`,
    `ha-`, `rfp-`)."""
    bridges: Mapping[str, Bridge] = field(default_factory=dict)
    """By name; empty where flows were not asked for."""
    faults: Mapping[str, str] = field(default_factory=dict)
    """Ports that have no device in the switch, with what ovs-vswitchd says of it."""
    devices: frozenset[str] = frozenset()
    """Router ports' devices that are where the switch has made them, in no namespace."""


@dataclass(frozen=True, slots=True)
class SwitchChange:
    """Something in the switch is not as it was."""

    names: frozenset[str] = frozenset()
    """Routers' ports and tunnels whose rows were made, changed or removed."""
    restarted: str = ""
    """ovsdb-server or ovs-vswitchd was lost or came back, in words: any port and any flow may be another now."""


@dataclass(frozen=True, slots=True)
class SeenDevice:
    """A device as its namespace has it now."""

    name: str
    mac: str
    mtu: int
    up: bool
    addresses: frozenset[Address] = frozenset()
    wired: bool = True
    """Whether the switch holds it. Where Open vSwitch forwards in user space, one that has been restarted makes its
    devices anew beside the old ones, which stay where they are and pass nothing."""


@dataclass(frozen=True, slots=True)
class InsideLook:
    """What a router's namespace has, at one moment."""

    devices: Mapping[str, SeenDevice] = field(default_factory=dict)
    """By name, without the loopback."""
    routes: frozenset[Route] = frozenset()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[Family, str] = field(default_factory=dict)
    unstaged: tuple[str, ...] = ()
    """As of RouterPlane."""


@dataclass(frozen=True, slots=True)
class NodeLook:
    """All that a node has which a gateway's twin is made of, or could be in the way of one."""

    switch: SwitchLook
    insides: Mapping[str, InsideLook]
    """By namespace: every `qrouter-…` of the node."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Path → text of the helper files of routers."""
    carried: str = ""
    """The gateway that is promoted on this node; empty: none."""
    known: frozenset[str] = frozenset()
    """Routers that the gateway had here, or was told to have here, by the node's own record."""


@dataclass(frozen=True, slots=True)
class AddNamespace:
    """A router's namespace is there, with its loopback up."""

    namespace: str


@dataclass(frozen=True, slots=True)
class DropNamespace:
    """It is gone, with all that is in it."""

    namespace: str


@dataclass(frozen=True, slots=True)
class StagePlugs:
    """These plugs are in the switch, parked and hidden, in one transaction; other values of theirs are as given."""

    gateway: str
    plugs: tuple[Plug, ...]


@dataclass(frozen=True, slots=True)
class RemovePlugs:
    """No port of these names is in the switch; one transaction."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unpark:
    """These plugs forward, each in its local VLAN, and Neutron's agents see them; one transaction."""

    plugs: tuple[Plug, ...]


@dataclass(frozen=True, slots=True)
class Park:
    """These plugs are parked and hidden; one transaction."""

    gateway: str
    plugs: tuple[Plug, ...]


@dataclass(frozen=True, slots=True)
class SetTunnels:
    """The tunnel bridge is there and has these tunnels and no others; one transaction. A new one has no flow, and fails
    closed from its first moment.
    """

    tunnels: tuple[Tunnel, ...]


@dataclass(frozen=True, slots=True)
class SetFlows:
    """The bridge forwards by these flows and no others; one OpenFlow bundle. It fails closed (`fail_mode=secure`)."""

    bridge: str
    flows: frozenset[str]


@dataclass(frozen=True, slots=True)
class MoveDevice:
    """The switch's device is in the namespace, up, with its mac and mtu."""

    name: str
    namespace: str
    mac: str
    mtu: int | None


@dataclass(frozen=True, slots=True)
class SetAddresses:
    """The device has these addresses more, and those less."""

    namespace: str
    device: str
    add: tuple[Address, ...]
    remove: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class SetRoutes:
    """The namespace has these routes more, and those less."""

    namespace: str
    add: tuple[Route, ...]
    remove: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class SetSysctls:
    """Values below /proc/sys/net of the namespace."""

    namespace: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SetRules:
    """The namespace has these rules and no others, of one family."""

    namespace: str
    family: Family
    text: str


@dataclass(frozen=True, slots=True)
class WriteFile:
    """The file is as given, root's, replaced at once."""

    file: HelperFile


@dataclass(frozen=True, slots=True)
class RemoveFile:
    """There is no such file."""

    path: str


@dataclass(frozen=True, slots=True)
class Helper:
    """A router's haproxy or radvd, which Neutron's agents run and a twin has not."""

    router: str
    namespace: str
    file: HelperFile
    """What it reads."""


InSwitch = StagePlugs | RemovePlugs | Unpark | Park | SetTunnels | SetFlows
Inside = AddNamespace | DropNamespace | MoveDevice | SetAddresses | SetRoutes | SetSysctls | SetRules
Step = InSwitch | Inside | WriteFile | RemoveFile


@dataclass(frozen=True, slots=True, order=True)
class Outlet:
    """Where frames of a network leave a node for the wire: a bridge beside the one that routers are plugged into."""

    bridge: str
    port: str
    """Of that bridge, to the routers' one."""
    vlan: int
    """The local one, by which the bridge knows the network."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """The address is at this mac now: an ARP request and reply for IPv4, an unsolicited neighbour advertisement for
    IPv6.
    """

    namespace: str
    device: str
    mac: str
    address: str
    """Without prefix length."""
    outlet: Outlet | None = None
    """Where it is said to the wire alone, and not to all ports on this node as well; None: from the device."""


@dataclass(frozen=True, slots=True)
class Announced:
    """What a burst of announcements came to."""

    sent: int
    """Frames."""
    missed: int
    """Frames that could not be sent."""
    failures: tuple[str, ...]
    """Why, in words: one for each namespace or device."""
    took_s: float
