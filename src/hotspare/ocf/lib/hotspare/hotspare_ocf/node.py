"""A network node as values: what Neutron's L3 agent leaves on it, seen in one look. Nothing here touches the system."""

from __future__ import annotations

from dataclasses import dataclass

PORT_PREFIXES = ("qr-", "qg-", "sg-", "fg-", "ha-", "rfp-")
"""Devices of routers. Source: neutron/agent/l3/{router_info,dvr_*,ha_router}.py and neutron_lib.constants."""

NAMESPACE_PREFIXES = ("qrouter-", "snat-", "fip-")

DEAD_VLAN = 4095
"""A port with this tag is parked: Open vSwitch drops what it sends and sends it nothing."""

_HEX = frozenset("0123456789abcdef-")


def is_router_device(name: str) -> bool:
    """Whether Neutron's L3 agent names its devices so: prefix and the first 11 characters of the port's id (15 is
    Linux's longest name).
    """
    for prefix in PORT_PREFIXES:
        if name.startswith(prefix):
            rest = name[len(prefix) :]
            return len(rest) in (10, 11) and _HEX.issuperset(rest)
    return False


def router_of(namespace: str) -> str | None:
    """The id in the name of a router's namespace; None for everybody else's."""
    for prefix in NAMESPACE_PREFIXES:
        if namespace.startswith(prefix):
            rest = namespace[len(prefix) :]
            return rest if len(rest) == 36 and _HEX.issuperset(rest) else None
    return None


@dataclass(frozen=True, slots=True)
class Port:
    """A router's port in the integration bridge."""

    row: str
    name: str
    is_live: bool
    in_root: bool
    """Its device stands in the node's own namespace, without a router around it: what a reboot leaves."""
    has_device: bool


@dataclass(frozen=True, slots=True)
class Switch:
    """What OVSDB says; `bridge` is None where the integration bridge does not exist."""

    bridge: str | None
    ports: tuple[Port, ...]


@dataclass(frozen=True, slots=True)
class Namespace:
    """A router's namespace with a name. `inode` is None where the name is left of an earlier mount."""

    name: str
    inode: int | None


@dataclass(frozen=True, slots=True)
class Resident:
    """A process that lives in a router's namespace. `namespace` is None where that has lost its name (it was deleted
    around the process).
    """

    pid: int
    start_ticks: int
    program: str
    inode: int
    namespace: str | None


@dataclass(frozen=True, slots=True)
class AgentProcess:
    """A running Neutron agent; `is_ours` where a resource of the cluster started it."""

    pid: int
    start_ticks: int
    program: str
    is_ours: bool


@dataclass(frozen=True, slots=True)
class Node:
    """One look. `switch` is None where ovsdb-server did not answer, and then `switch_trouble` says why."""

    switch: Switch | None
    switch_trouble: str
    namespaces: tuple[Namespace, ...]
    residents: tuple[Resident, ...]
    files: tuple[str, ...]
    agents: tuple[AgentProcess, ...]
