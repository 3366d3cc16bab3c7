"""A network node as values: what Neutron's L3 agent leaves on it, seen in one look. Nothing here touches the system.

Values are named tuples: dataclasses take 10 ms to import, and a node is not silent before.
"""

from __future__ import annotations

from typing import NamedTuple

DEVICE_PREFIXES = ("qr-", "qg-", "sg-", "fg-", "ha-", "rfp-", "fpr-")
"""Devices of routers. Source: neutron/agent/l3/{router_info,dvr_*,ha_router}.py and neutron_lib.constants."""

_ROUTER_PREFIXES = ("qrouter-", "snat-")
_EXTERNAL_NETWORK_PREFIX = "fip-"
"""A distributed router's floating IPs pass through a namespace that is called by the external network's id."""

HELPERS = frozenset({b"haproxy", b"radvd", b"keepalived", b"conntrackd", b"neutron-keepalived-state-change"})
"""Programs that an L3 agent runs for one router each. Source: neutron/agent/linux/{keepalived,conntrackd,ra}.py,
neutron/agent/metadata/driver_base.py, neutron/agent/l3/ha_router.py.
"""

_WRAPPERS = frozenset({b"ip", b"sudo", b"neutron-rootwrap"})
"""What an L3 agent that is not root starts its helpers through."""

DEAD_VLAN = 4095
"""A port with this tag is parked: Open vSwitch drops what it sends and sends it nothing."""

_HEX = frozenset("0123456789abcdef-")


def is_router_device(name: str) -> bool:
    """Whether Neutron's L3 agent names its devices so: prefix and the first 11 characters of the port's id (15 is
    Linux's longest name).
    """
    for prefix in DEVICE_PREFIXES:
        if name.startswith(prefix):
            rest = name[len(prefix) :]
            return len(rest) in (10, 11) and _HEX.issuperset(rest)
    return False


def port_of(device: str) -> str:
    """The beginning of the port's id in a device's name: `tap` or what goes before the first dash is left out."""
    return device.removeprefix("tap") if device.startswith("tap") else device.partition("-")[2]


def is_network_namespace(name: str) -> bool:
    """Whether the DHCP agent names its namespaces so."""
    return name.startswith("qdhcp-") and is_id(name.removeprefix("qdhcp-"))


def router_of(namespace: str) -> str | None:
    """The router's id in the name of its namespace; None for everybody else's."""
    for prefix in _ROUTER_PREFIXES:
        if namespace.startswith(prefix):
            return namespace[len(prefix) :] if is_id(namespace[len(prefix) :]) else None
    return None


def is_router_namespace(name: str) -> bool:
    """Whether the L3 agent names its namespaces so."""
    if name.startswith(_EXTERNAL_NETWORK_PREFIX):
        return is_id(name[len(_EXTERNAL_NETWORK_PREFIX) :])
    return router_of(name) is not None


def is_id(text: str) -> bool:
    """Whether Neutron's ids look so."""
    return len(text) == 36 and _HEX.issuperset(text)


def serves_a_router(command_line: bytes, program: bytes, routers: frozenset[str]) -> bool:
    """Whether the process is an L3 agent's helper for a router: one of its programs, with the router's id or namespace
    among the arguments, or what runs such a one or enters a router's namespace (`sudo`, `ip netns exec`).

    Wherever it lives: the state-change monitor of a VRRP router lives in the node's own namespace. An editor that has
    the helper's log open is none.
    """
    if program not in HELPERS and program not in _WRAPPERS:
        return False
    words = command_line.split(b"\0")
    spaces = {word for word in words if is_router_namespace(word.decode(errors="replace"))}
    if any(words[at - 2 : at] == [b"netns", b"exec"] for at, word in enumerate(words) if word in spaces):
        return True
    runs_helper = any(word.rpartition(b"/")[2] in HELPERS for word in words)
    return runs_helper and (bool(spaces) or any(router.encode() in command_line for router in routers))


class Port(NamedTuple):
    """A router's port in the integration bridge."""

    row: str
    name: str
    is_live: bool
    in_root: bool
    """Its device stands in the node's own namespace, without a router around it: what a reboot leaves."""
    has_device: bool


class Switch(NamedTuple):
    """What OVSDB says; `bridge` is None where the integration bridge does not exist."""

    bridge: str | None
    ports: tuple[Port, ...]


class Namespace(NamedTuple):
    """A router's namespace with a name. `inode` is None where the name is left of an earlier mount.

    A link that is up can answer for every address of the namespace; only with all of them down (`lo` does not count) is
    it silent. So `has_link_up` is true as well where it was not looked at, or cannot be told.
    """

    name: str
    inode: int | None
    has_link_up: bool


class Resident(NamedTuple):
    """A process that lives in a router's namespace. `namespace` is None where that has lost its name (it was deleted
    around the process).
    """

    pid: int
    start_ticks: int
    program: str
    inode: int
    namespace: str | None


class Helper(NamedTuple):
    """A router's helper that lives in the node's own namespace; left behind, it tells the next agent of its router."""

    pid: int
    start_ticks: int
    program: str


class AgentProcess(NamedTuple):
    """A running Neutron agent. `resource` is the cluster's that started it, empty where none did; `host` the identity
    that it got from there, None where that is not known any more.
    """

    pid: int
    start_ticks: int
    program: str
    resource: str
    host: str | None


class Node(NamedTuple):
    """One look. `switch` is None where ovsdb-server did not answer, and then `switch_trouble` says why.

    `started` has the cluster's resources that were started here and not stopped since, `promoted` the gateways that may
    forward here, `twins` those whose stager lives here.
    """

    switch: Switch | None
    switch_trouble: str
    namespaces: tuple[Namespace, ...]
    residents: tuple[Resident, ...]
    helpers: tuple[Helper, ...]
    files: tuple[str, ...]
    agents: tuple[AgentProcess, ...]
    started: tuple[str, ...]
    promoted: tuple[str, ...]
    twins: tuple[str, ...] = ()
