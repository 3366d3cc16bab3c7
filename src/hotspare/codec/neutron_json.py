"""Rows of Neutron's API → who may serve what. Names of attributes are those of the Networking API v2.0 reference.

`X_FIELDS` is what to ask for (`fields=`): rows hold no more than is read here, and `id` for the page after.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from hotspare.model.errors import RefusedError
from hotspare.model.routing import AgentFacts, DhcpAgent, DhcpNetwork, RouterFacts, RouterPort

Row = Mapping[str, Any]

L3_AGENT = "L3 agent"
DHCP_AGENT = "DHCP agent"
SWITCH_AGENT = "Open vSwitch agent"

GATEWAY = "network:router_gateway"
INTERFACES = (
    "network:router_interface",
    "network:ha_router_replicated_interface",
    "network:router_interface_distributed",
)
"""Owners of the ports of legacy, VRRP and distributed routers on tenant networks. Source: neutron_lib.constants."""

ACTIVE = "ACTIVE"
"""A port's status when its switch's agent has wired it. Source: neutron_lib.constants, PORT_STATUS_ACTIVE."""

APART = "hotspare-apart="
"""A router's tag `hotspare-apart=GROUP` keeps it away from the others of the group."""

WITH_A_BRIDGE = frozenset({"flat", "vlan"})
TUNNELLED = frozenset({"vxlan", "gre", "geneve"})
"""Of network types; `local` needs neither a bridge nor a tunnel."""

AGENT_FIELDS = ("id", "agent_type", "host", "alive", "admin_state_up", "availability_zone", "configurations")
ROUTER_FIELDS = (
    "id",
    "name",
    "admin_state_up",
    "ha",
    "distributed",
    "availability_zone_hints",
    "external_gateway_info",
    "tags",
)
ROUTER_PORT_FIELDS = ("id", "device_id", "device_owner", "network_id", "status", "binding:host_id")
PORT_FIELDS = ("id", "device_id", "admin_state_up", "status", "binding:host_id", "binding:vif_type")
NETWORK_FIELDS = (
    "id",
    "name",
    "availability_zone_hints",
    "provider:network_type",
    "provider:physical_network",
    "segments",
)
SUBNET_FIELDS = ("id", "network_id")
FLOATING_IP_FIELDS = ("id", "router_id")

Wires = tuple[frozenset[str], frozenset[str]]
"""What a network needs of a switch: physical networks with a bridge, types of tunnels."""


def l3_agents(rows: Iterable[Row]) -> dict[str, AgentFacts]:
    """The L3 agents among all agents by id, each with the Open vSwitch agent of its host."""
    every = tuple(rows)
    switches = _switches(every)
    return {
        row["id"]: AgentFacts(
            id=row["id"],
            host=row["host"],
            alive=row["alive"],
            admin_up=row["admin_state_up"],
            mode=row["configurations"].get("agent_mode", "legacy"),
            zone=row["availability_zone"] or "",
            internal_only=row["configurations"].get("handle_internal_only_routers", True),
            physnets=_reach(switches.get(row["host"]))[0],
            tunnel_types=_reach(switches.get(row["host"]))[1],
            switch_alive=row["host"] in switches and switches[row["host"]]["alive"],
        )
        for row in every
        if row["agent_type"] == L3_AGENT
    }


def dhcp_agents(rows: Iterable[Row]) -> dict[str, DhcpAgent]:
    """The DHCP agents among all agents by id, each with the reach of the Open vSwitch agent of its host."""
    every = tuple(rows)
    switches = _switches(every)
    return {
        row["id"]: DhcpAgent(
            id=row["id"],
            host=row["host"],
            alive=row["alive"],
            admin_up=row["admin_state_up"],
            zone=row["availability_zone"] or "",
            physnets=_reach(switches.get(row["host"]))[0],
            tunnel_types=_reach(switches.get(row["host"]))[1],
        )
        for row in every
        if row["agent_type"] == DHCP_AGENT
    }


def routers(
    rows: Iterable[Row], *, ports: Iterable[Row], networks: Iterable[Row], floating_ips: Iterable[Row]
) -> dict[str, RouterFacts]:
    """The routers by id, with what their interfaces and gateways ask of an agent, and who has wired them.

    Raises:
        RefusedError: Neutron does not tell how networks are wired.
    """
    wires = {row["id"]: _wires(row) for row in networks}
    attached: dict[str, list[str]] = {}
    wired_on: dict[str, set[str]] = {}
    for row in ports:
        if row["device_owner"] in INTERFACES:
            attached.setdefault(row["device_id"], []).append(row["network_id"])
        if row["status"] == ACTIVE:
            wired_on.setdefault(row["device_id"], set()).add(_of_admin(row, "binding:host_id") or "")
    addresses = Counter(row["router_id"] for row in floating_ips)
    return {
        row["id"]: _router(
            row, attached.get(row["id"], []), wires, addresses[row["id"]], frozenset(wired_on.get(row["id"], ()))
        )
        for row in rows
    }


def ports(rows: Iterable[Row]) -> tuple[RouterPort, ...]:
    """Interface and gateway ports, by router and id.

    Raises:
        RefusedError: Neutron does not tell where ports are bound.
    """
    found = (
        RouterPort(
            id=row["id"],
            router=row["device_id"],
            host=_of_admin(row, "binding:host_id") or "",
            active=row["status"] == ACTIVE,
            admin_up=row["admin_state_up"],
            failed=_of_admin(row, "binding:vif_type") == "binding_failed",
        )
        for row in rows
    )
    return tuple(sorted(found, key=lambda port: (port.router, port.id)))


def dhcp_networks(rows: Iterable[Row], *, subnets: Iterable[Row]) -> dict[str, DhcpNetwork]:
    """The networks by id that one of `subnets` (all have DHCP) is of. One of several segments asks for none of them.

    Raises:
        RefusedError: Neutron does not tell how networks are wired.
    """
    leased = {row["network_id"] for row in subnets}
    every = {row["id"]: _dhcp_network(row) for row in rows}
    return {network: facts for network, facts in every.items() if network in leased}


def by_what_is_bound(known: Iterable[str], bound: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """Agent → what it has, turned round: each of `known` → the agents that have it, sorted."""
    agents: dict[str, list[str]] = {one: [] for one in known}
    for agent, things in bound.items():
        for thing in things:
            if thing in agents:
                agents[thing].append(agent)
    return {thing: tuple(sorted(having)) for thing, having in agents.items()}


def _router(
    row: Row, attached: list[str], wires: Mapping[str, Wires], floating_ips: int, wired_on: frozenset[str]
) -> RouterFacts:
    outside = (row["external_gateway_info"] or {}).get("network_id")
    needed = [wires[network] for network in {*attached, outside or ""} if network in wires]
    return RouterFacts(
        id=row["id"],
        name=row["name"] or row["id"],
        admin_up=row["admin_state_up"],
        ha=row.get("ha", False),
        distributed=row.get("distributed", False),
        zones=tuple(row.get("availability_zone_hints") or ()),
        physnets=frozenset().union(*(physnets for physnets, _ in needed)),
        tunnel_types=frozenset().union(*(tunnels for _, tunnels in needed)),
        gateway=outside is not None,
        interfaces=len(attached),
        floating_ips=floating_ips,
        wired_on=wired_on,
        apart=frozenset(tag.removeprefix(APART) for tag in row.get("tags") or () if tag.startswith(APART)),
    )


def _dhcp_network(row: Row) -> DhcpNetwork:
    physnets, tunnels = _wires(row)
    alone = len(physnets) + len(tunnels) == 1
    return DhcpNetwork(
        id=row["id"],
        name=row["name"] or row["id"],
        zones=tuple(row.get("availability_zone_hints") or ()),
        physnet="".join(physnets) if alone else "",
        tunnel_type="".join(tunnels) if alone else "",
    )


def _wires(network: Row) -> Wires:
    """What the network's segment needs. Any of several segments is as good: they need what they have in common."""
    segments = network.get("segments") or [network]
    each = [_segment(segment) for segment in segments]
    return (
        frozenset.intersection(*(physnets for physnets, _ in each)),
        frozenset.intersection(*(tunnels for _, tunnels in each)),
    )


def _segment(row: Row) -> Wires:
    kind = _of_admin(row, "provider:network_type")
    physnet = row.get("provider:physical_network")
    return (
        frozenset({physnet}) if kind in WITH_A_BRIDGE and physnet else frozenset(),
        frozenset({kind}) if kind in TUNNELLED else frozenset(),
    )


def _of_admin(row: Row, name: str) -> Any:
    """An attribute that Neutron's default policy shows to administrators only; others get the row without it."""
    if name not in row:
        raise RefusedError(
            f"Neutron does not show this user `{name}`",
            code=403,
            hint="the cloud's user in clouds.yaml needs the role admin in its project",
        )
    return row[name]


def _switches(rows: Iterable[Row]) -> dict[str, Row]:
    return {row["host"]: row for row in rows if row["agent_type"] == SWITCH_AGENT}


def _reach(switch: Row | None) -> Wires:
    """The physical networks and tunnel types of an Open vSwitch agent. Source: its `configurations`, as it reports."""
    if switch is None:
        return frozenset(), frozenset()
    told = switch["configurations"]
    return frozenset(told.get("bridge_mappings") or {}), frozenset(told.get("tunnel_types") or ())
