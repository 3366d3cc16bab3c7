"""The data plane of a gateway: all that the kernel and Open vSwitch need to forward for its routers.

The node that carries the gateway has it, and a spare keeps it as a parked twin. Values are what the kernel and OVSDB
say, in a form that is the same on both nodes: no interface index, port number, cookie, handle or pid.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv6Address

PARKED_TAG = 4095
"""The VLAN that Open vSwitch drops. Source: Neutron, `DEAD_VLAN_TAG`; br_int.py installs the drop."""
DROP_PARKED = f"priority=65535,dl_vlan={PARKED_TAG} actions=drop"
"""The flow that keeps parked ports silent, also towards each other. Source: Neutron, br_int.py, setup_default_table."""

TUNNEL_BRIDGE = "br-tun"
"""The bridge of tunnels to other nodes, which Neutron's OVS agent makes. Source: ovs_conf.py, `tunnel_bridge`."""


@dataclass(frozen=True, slots=True)
class Plug:
    """A router's port in the switch: a row of OVSDB's Port and the one of its Interface."""

    name: str
    """`qr-…` or `qg-…`."""
    bridge: str
    port: str
    """Neutron's id (`iface-id`)."""
    mac: str
    mtu: int | None
    """`mtu_request`; None where the switch chooses."""
    tag: int
    """The local VLAN in which it forwards, also while it is parked."""
    external_ids: Mapping[str, str]
    """Of the Interface, as Neutron's agents want them: `iface-id`, `attached-mac`, `iface-status`, …"""
    other_config: Mapping[str, str]
    """Of the Port: `net_uuid`, `segmentation_id`, `network_type`, `physical_network`, `tag`."""


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """An address of a device, without what the kernel adds by itself (link-local, broadcast)."""

    cidr: str
    """`10.0.0.1/24`, `2001:db8::1/64`: in the canonical form of `ipaddress`."""
    scope: int = 0
    """0 global, 253 link, 254 host. Source: linux/rtnetlink.h, rt_scope_t."""


def link_local(mac: str) -> IPv6Address | None:
    """The address that the kernel derives from the mac; None where that is none. Source: RFC 4291, appendix A."""
    octets = bytes.fromhex(mac.replace(":", ""))
    if len(octets) != 6:
        return None
    identifier = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return IPv6Address(bytes.fromhex("fe80000000000000") + identifier)


@dataclass(frozen=True, slots=True)
class Device:
    """A router's end of a plug, in its namespace; the device is up, or it would not forward."""

    name: str
    addresses: frozenset[Address]


@dataclass(frozen=True, slots=True, order=True)
class Neighbour:
    """Whom a router knows on one of its networks. In no data plane: it comes and goes with the traffic."""

    device: str
    """Of the router."""
    address: str
    mac: str


@dataclass(frozen=True, slots=True, order=True)
class Route:
    """A route that somebody set; not what the kernel derives from addresses (protocol kernel)."""

    destination: str
    """A network in canonical form; `0.0.0.0/0` and `::/0` are the default ones."""
    via: str = ""
    device: str = ""
    source: str = ""
    metric: int = 0
    table: int = 254
    protocol: int = 3
    scope: int = 0


class Family(StrEnum):
    """Whose rules."""

    V4 = "ipv4"
    V6 = "ipv6"


@dataclass(frozen=True, slots=True)
class HelperFile:
    """A file that a router's haproxy or radvd reads, as Neutron's agent wrote it."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class RouterPlane:
    """One router as one node has it."""

    router: str
    """Neutron's id; its namespace is `qrouter-<id>`."""
    plugs: Mapping[str, Plug] = field(default_factory=dict)
    """By name."""
    devices: Mapping[str, Device] = field(default_factory=dict)
    """By name; a plug without a device here is in the switch and not in the namespace."""
    routes: frozenset[Route] = frozenset()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    """Below /proc/sys/net, with slashes: `ipv4/ip_forward`."""
    rules: Mapping[Family, str] = field(default_factory=dict)
    """`iptables-save` and `ip6tables-save`, without comments and counters."""
    files: frozenset[HelperFile] = frozenset()
    unstaged: tuple[str, ...] = ()
    """What forwards of it and is not described here, in words (`QoS of qg-…`): such a router is not kept as a twin, and
    the agents build it after a takeover."""

    @property
    def namespace(self) -> str:
        return f"qrouter-{self.router}"


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A port of the tunnel bridge, to one other node. It says nothing by itself: only what flows give it."""

    name: str
    """`vxlan-ac100383`, by the other node's address; flows name it."""
    kind: str
    """Of the Interface: `vxlan`, `gre`, `geneve`."""
    options: Mapping[str, str]
    """Of the Interface: `local_ip`, `remote_ip`, `in_key`, …; the local address is the gateway's, wherever it is."""


@dataclass(frozen=True, slots=True)
class Bridge:
    """A bridge of the switch, and how it forwards."""

    name: str
    flows: frozenset[str]
    """As `ovs-ofctl --names dump-flows` says them, without cookies, counters and ages."""
    tunnels: Mapping[str, Tunnel] = field(default_factory=dict)
    """By name; of the tunnel bridge alone."""


@dataclass(frozen=True, slots=True)
class DataPlane:
    """All of a gateway's."""

    gateway: str
    routers: Mapping[str, RouterPlane]
    """By id."""
    bridges: Mapping[str, Bridge]
    """By name: the integration bridge, the physical bridges, the tunnel bridge."""


@dataclass(frozen=True, slots=True)
class BridgeChange:
    """Flows that a bridge has more, and those that it has less; a bridge that was not there had none."""

    add: frozenset[str] = frozenset()
    remove: frozenset[str] = frozenset()
    tunnels: Mapping[str, Tunnel] = field(default_factory=dict)
    """All that it has, by name."""


@dataclass(frozen=True, slots=True)
class PlaneDelta:
    """What makes one data plane of a gateway another one of it."""

    routers: Mapping[str, RouterPlane] = field(default_factory=dict)
    """By id: new ones, and those in which anything differs, whole."""
    routers_gone: frozenset[str] = frozenset()
    bridges: Mapping[str, BridgeChange] = field(default_factory=dict)
    """By name."""
    bridges_gone: frozenset[str] = frozenset()
