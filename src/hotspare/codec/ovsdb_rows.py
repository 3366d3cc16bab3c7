"""Rows of Open vSwitch's database as values, and values as its JSON. Source: RFC 7047 (notation),
ovs-vswitchd.conf.db(5) (tables).

A parked port is Neutron's dead one (ovs_lib.py, `_set_port_dead`) whose Interface hides its external ids: each is kept
under its name with HIDING before it. What only hotspare knows of it is in the external ids of the Port, where no agent
looks, and is gone when the port forwards.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hotspare.model.dataplane import PARKED_TAG, Plug, Tunnel
from hotspare.model.staging import SeenPlug

DATABASE = "Open_vSwitch"
HIDING = "hotspare-"
OWNER = "hotspare-gateway"
"""Of the Port: the gateway that staged or parked it."""
REMEMBERED_TAG = "hotspare-tag"
"""Of the Port: the local VLAN in which it forwards when it is not parked."""
PARKED: Mapping[str, object] = {"tag": PARKED_TAG, "vlan_mode": "trunk", "trunks": PARKED_TAG}
"""Columns of a Port that neither sends nor receives."""

KEPT_KINDS = ("qr-", "qg-")
FOREIGN_KINDS = ("sg-", "fg-", "ha-", "rfp-")
KINDS = (*KEPT_KINDS, *FOREIGN_KINDS)
"""Names of routers' ports begin so. Source: Neutron, agent/linux/interface.py and agent/l3."""
TUNNELS = ("vxlan", "gre", "geneve")
"""Types of an Interface, and how the names of tunnels begin. Source: Neutron, ovs_neutron_agent.py,
`get_tunnel_name`.
"""

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "Bridge": ("_uuid", "name", "ports", "datapath_type", "fail_mode", "protocols", "controller", "other_config"),
    "Port": ("_uuid", "name", "interfaces", "tag", "vlan_mode", "trunks", "other_config", "external_ids"),
    "Interface": ("_uuid", "name", "type", "mtu_request", "mac_in_use", "external_ids", "options", "ofport", "error"),
    "Controller": ("_uuid", "target"),
}

Operation = dict[str, Any]
BUMP: Operation = {"op": "mutate", "table": DATABASE, "where": [], "mutations": [["next_cfg", "+=", 1]]}
READ_NEXT: Operation = {"op": "select", "table": DATABASE, "where": [], "columns": ["next_cfg"]}
"""Together, and last in a transaction: the number that ovs-vswitchd raises `cur_cfg` to when it has it. Source:
ovs-vswitchd.conf.db(5).
"""


@dataclass(frozen=True, slots=True)
class PortRow:
    """A Port with one Interface."""

    id: str
    interface: str
    """The id of its row."""
    name: str
    bridge: str
    tag: int | None
    vlan_mode: str
    trunks: frozenset[int]
    other_config: Mapping[str, str]
    own: Mapping[str, str]
    """The Port's external ids."""
    ids: Mapping[str, str]
    """The Interface's external ids."""
    mtu: int | None
    mac: str
    """What the device has, where the switch knows it."""
    fault: str
    kind: str
    """The Interface's type."""
    options: Mapping[str, str]
    """The Interface's."""

    @property
    def owner(self) -> str:
        return self.own.get(OWNER, "")

    @property
    def is_parked(self) -> bool:
        return (self.tag, self.vlan_mode, self.trunks) == (PARKED_TAG, "trunk", frozenset({PARKED_TAG}))

    @property
    def is_hidden(self) -> bool:
        return not {"iface-id", "attached-mac"} & self.ids.keys() and f"{HIDING}iface-id" in self.ids

    @property
    def shown_ids(self) -> dict[str, str]:
        """The external ids as Neutron's agents want them; one that is there both ways is as they see it."""
        kept = {name.removeprefix(HIDING): value for name, value in self.ids.items() if name.startswith(HIDING)}
        return kept | {name: value for name, value in self.ids.items() if not name.startswith(HIDING)}

    @property
    def live_tag(self) -> int:
        """The local VLAN in which it forwards, also while it is parked; PARKED_TAG where nobody gave it one."""
        if self.tag != PARKED_TAG:
            return self.tag or 0
        told = (self.own.get(REMEMBERED_TAG), self.other_config.get("tag"))
        return next((int(text) for text in told if text and text.isdecimal()), PARKED_TAG)

    def tunnel(self) -> Tunnel:
        """What it is, where its kind is one of TUNNELS."""
        return Tunnel(self.name, self.kind, self.options)

    def seen(self) -> SeenPlug:
        ids = self.shown_ids
        plug = Plug(
            name=self.name,
            bridge=self.bridge,
            port=ids.get("iface-id", ""),
            mac=ids.get("attached-mac", self.mac),
            mtu=self.mtu,
            tag=self.live_tag,
            external_ids=ids,
            other_config=self.other_config,
        )
        return SeenPlug(plug, parked=self.is_parked, hidden=self.is_hidden, owner=self.owner)


@dataclass(frozen=True, slots=True)
class BridgeRow:
    """A bridge and how it is set up."""

    id: str
    name: str
    datapath: str
    """`netdev`, or the kernel's: empty or `system`."""
    fail_mode: str
    protocols: frozenset[str]
    controllers: frozenset[str]
    """Their targets."""
    other_config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Rows:
    """The switch at one instant."""

    bridges: Mapping[str, BridgeRow] = field(default_factory=dict)
    ports: Mapping[str, PortRow] = field(default_factory=dict)
    """All, also those that are no router's; by name."""


def selects() -> list[Operation]:
    """What to ask for `rows`."""
    return [
        {"op": "select", "table": table, "where": [], "columns": list(columns)} for table, columns in COLUMNS.items()
    ]


def rows(results: Sequence[Mapping[str, Any]]) -> Rows:
    """The answer to `selects`."""
    found = {table: list(result["rows"]) for table, result in zip(COLUMNS, results, strict=True)}
    targets = {reference(row["_uuid"]): str(row["target"]) for row in found["Controller"]}
    interfaces = {reference(row["_uuid"]): row for row in found["Interface"]}
    bridge_of = {reference(port): str(row["name"]) for row in found["Bridge"] for port in atoms(row["ports"])}
    ports = [_port(row, bridge_of, interfaces) for row in found["Port"]]
    return Rows(
        bridges={str(row["name"]): _bridge(row, targets) for row in found["Bridge"]},
        ports={port.name: port for port in ports},
    )


def next_cfg(results: Sequence[Mapping[str, Any]]) -> int:
    """What READ_NEXT said."""
    return int(results[-1]["rows"][0]["next_cfg"])


def confirmation(wanted: int, within_s: float) -> Operation:
    """Waits in ovsdb-server until ovs-vswitchd has carried `wanted` out."""
    return {
        "op": "wait",
        "timeout": max(1, int(within_s * 1000)),
        "table": DATABASE,
        "where": [["cur_cfg", "<", wanted]],
        "columns": ["cur_cfg"],
        "until": "==",
        "rows": [],
    }


def atoms(value: Any) -> list[Any]:
    """The members of a set; a lone atom stands for a set of one."""
    if isinstance(value, list) and len(value) == 2 and value[0] == "set":
        return list(value[1])
    return [value]


def mapping(value: Any) -> dict[str, str]:
    return {str(name): str(text) for name, text in value[1]}


def reference(value: Any) -> str:
    """The id of a row, from `["uuid", id]`."""
    return str(value[1])


def row_id(text: str) -> list[str]:
    return ["uuid", text]


def as_map(values: Mapping[str, str]) -> list[Any]:
    return ["map", [[name, value] for name, value in sorted(values.items())]]


def as_set(values: Iterable[Any]) -> list[Any]:
    return ["set", list(values)]


def hidden(ids: Mapping[str, str]) -> dict[str, str]:
    """Neutron's external ids as no agent sees them."""
    return {f"{HIDING}{name}": value for name, value in ids.items()}


def changed_names(updates: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> frozenset[str]:
    """Routers' ports and tunnels in a monitor's `table-updates`. A changed row is told whole in `new`.

    Source: RFC 7047, 4.1.6.
    """
    names = {
        str((change.get("new") or change.get("old") or {}).get("name", ""))
        for table in ("Port", "Interface")
        for change in updates.get(table, {}).values()
    }
    told = (*KINDS, *(f"{kind}-" for kind in TUNNELS))
    return frozenset(name for name in names if name.startswith(told))


def _bridge(row: Mapping[str, Any], targets: Mapping[str, str]) -> BridgeRow:
    return BridgeRow(
        id=reference(row["_uuid"]),
        name=str(row["name"]),
        datapath=str(row["datapath_type"]),
        fail_mode=_optional(row["fail_mode"]) or "",
        protocols=frozenset(map(str, atoms(row["protocols"]))),
        controllers=frozenset(targets[reference(one)] for one in atoms(row["controller"])),
        other_config=mapping(row["other_config"]),
    )


def _port(row: Mapping[str, Any], bridge_of: Mapping[str, str], interfaces: Mapping[str, Mapping[str, Any]]) -> PortRow:
    first = reference(atoms(row["interfaces"])[0])
    interface = interfaces[first]
    gone = "" if _optional(interface["ofport"]) != -1 else "it has no device"
    return PortRow(
        id=reference(row["_uuid"]),
        interface=first,
        name=str(row["name"]),
        bridge=bridge_of.get(reference(row["_uuid"]), ""),
        tag=_optional(row["tag"]),
        vlan_mode=_optional(row["vlan_mode"]) or "",
        trunks=frozenset(map(int, atoms(row["trunks"]))),
        other_config=mapping(row["other_config"]),
        own=mapping(row["external_ids"]),
        ids=mapping(interface["external_ids"]),
        mtu=_optional(interface["mtu_request"]),
        mac=_optional(interface["mac_in_use"]) or "",
        fault=_optional(interface["error"]) or gone,
        kind=str(interface["type"]),
        options=mapping(interface["options"]),
    )


def _optional(value: Any) -> Any:
    """The member of a set of at most one, or None."""
    return next(iter(atoms(value)), None)
