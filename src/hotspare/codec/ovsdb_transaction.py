"""A step in the switch as the operations of one OVSDB transaction, given the rows as they were just read.

Rows are named by their ids, and the first operations wait, without patience, for these to be what they were: where a
port was made anew or removed in between, the transaction fails whole. Source: RFC 7047, 5.2.6 (wait).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from hotspare.codec.ovsdb_rows import (
    DATABASE,
    KINDS,
    OWNER,
    PARKED,
    REMEMBERED_TAG,
    TUNNELS,
    BridgeRow,
    Operation,
    PortRow,
    Rows,
    as_map,
    as_set,
    hidden,
    row_id,
)
from hotspare.model.dataplane import PARKED_TAG, TUNNEL_BRIDGE, Plug, Tunnel
from hotspare.model.errors import InvariantError, RefusedError
from hotspare.model.staging import Park, RemovePlugs, SetTunnels, StagePlugs, Unpark
from hotspare.model.wording import some

Change = Callable[[Plug, PortRow], list[Operation] | str]
"""What makes a port that is there what it has to be, or why that must not be done."""
InDatabase = StagePlugs | RemovePlugs | Unpark | Park | SetTunnels

PROTOCOLS = frozenset({"OpenFlow10", "OpenFlow13", "OpenFlow14"})
CONTROLLER = "tcp:127.0.0.1:6633"
"""Neutron's OVS agent sleeps a second for each bridge where it has to set this or PROTOCOLS itself. Source: ovs_lib.py,
`set_controller` and `add_protocols`.
"""
SET_UP = {"disable-in-band": "true"}
"""Of a bridge's other_config. Source: Neutron, ovs_bridge.py, `setup_controllers`."""
_PATCH_PREFIXES = {"int-": "phy-", "phy-": "int-"}
"""Neutron's patch ports between the integration bridge and a physical one: `int-<physical>`, `phy-<physical>`."""
_TUNNEL_PATCHES = {"patch-tun": "patch-int", "patch-int": "patch-tun"}
"""Between the integration bridge and the tunnel bridge, seen from either. Source: ovs_conf.py, defaults."""


def operations(step: InDatabase, rows: Rows) -> list[Operation]:
    """What makes the step true, all or nothing; what is true already needs nothing.

    Raises:
        RefusedError: a port is missing, or is not what the step may change; all of them are told.
    """
    match step:
        case StagePlugs():
            return _stage(step, rows)
        case RemovePlugs(names):
            return _remove(names, rows)
        case Unpark(plugs):
            return _changes(plugs, rows, _unparked)
        case Park(gateway, plugs):
            return _changes(plugs, rows, lambda plug, row: _parked(gateway, plug, row))
        case SetTunnels(tunnels):
            return _tunnels(tunnels, rows)


def bridge_set_up(bridge: BridgeRow) -> list[Operation]:
    """The bridge fails closed, and is as Neutron's OVS agent wants it."""
    row: dict[str, Any] = {}
    mutations: list[Any] = []
    inserts: list[Operation] = []
    if bridge.fail_mode != "secure":
        row["fail_mode"] = "secure"
    if not bridge.protocols >= PROTOCOLS:
        row["protocols"] = as_set(sorted(bridge.protocols | PROTOCOLS))
    if CONTROLLER not in bridge.controllers:
        inserts = [{"op": "insert", "table": "Controller", "row": {"target": CONTROLLER}, "uuid-name": "controller"}]
        mutations.append(["controller", "insert", as_set([["named-uuid", "controller"]])])
    mutations += _exchange("other_config", bridge.other_config, {**bridge.other_config, **SET_UP})
    changes = [*_update("Bridge", bridge.id, row), *_mutate("Bridge", bridge.id, mutations)]
    return [_bridge_stands(bridge), *inserts, *changes] if changes else []


def patches(bridge: str, names: Iterable[str], rows: Rows) -> list[Operation]:
    """Those of the names that are Neutron's patch ports and are missing on the bridge, each with its peer on the other
    bridge.
    """
    made: list[Operation] = []
    joined: dict[str, list[str]] = {}
    for name in sorted(names):
        ends = _patch(bridge, name, rows)
        if name in rows.ports or ends is None:
            continue
        for port, (home, peer) in ends.items():
            if port not in rows.ports:
                made += _insert_port(port, {"type": "patch", "options": as_map({"peer": peer})}, {}, len(made))
                joined.setdefault(home, []).append(f"port{len(made) - 2}")
    homes = [rows.bridges[home] for home in joined]
    return [*map(_bridge_stands, homes), *made, *(_join(home, joined[home.name]) for home in homes)]


def failed(operations: list[Operation], index: int) -> str:
    """The name of what an operation is about, where it says it."""
    operation = operations[index] if index < len(operations) else {}
    rows = operation.get("rows") or [operation.get("row", {})]
    return str(rows[0].get("name", "")) if rows else ""


def _stage(step: StagePlugs, rows: Rows) -> list[Operation]:
    _none_wrong(_unstageable(step, rows))
    present = [plug for plug in step.plugs if plug.name in rows.ports]
    new = [plug for plug in step.plugs if plug.name not in rows.ports]
    made: list[Operation] = []
    joined: dict[str, list[str]] = {}
    for plug in new:
        interface = {
            "type": "internal",
            "mtu_request": _set_of(plug.mtu),
            "external_ids": as_map(hidden(plug.external_ids)),
        }
        port = {
            **PARKED,
            "other_config": as_map(plug.other_config),
            "external_ids": as_map(_ours(step.gateway, plug.tag)),
        }
        joined.setdefault(plug.bridge, []).append(f"port{len(made)}")
        made += _insert_port(plug.name, interface, port, len(made))
    homes = [rows.bridges[name] for name in sorted(joined)]
    changes = _changes(present, rows, lambda plug, row: _staged(step.gateway, plug, row))
    return [*changes, *map(_bridge_stands, homes), *made, *(_join(home, joined[home.name]) for home in homes)]


def _unstageable(step: StagePlugs, rows: Rows) -> Iterator[str]:
    for plug in step.plugs:
        row = rows.ports.get(plug.name)
        if not plug.name.startswith(KINDS):
            raise InvariantError(f"{plug.name} is no router's port")
        if row is None:
            if plug.bridge not in rows.bridges:
                yield f"{plug.name}: there is no bridge {plug.bridge}"
        elif row.owner != step.gateway:
            yield f"{plug.name}: it is {f'of gateway {row.owner}' if row.owner else 'not staged by hotspare'}"
        elif row.bridge != plug.bridge:
            yield f"{plug.name}: it is in bridge {row.bridge}, not in {plug.bridge}"


def _tunnels(tunnels: Iterable[Tunnel], rows: Rows) -> list[Operation]:
    wanted = {tunnel.name: tunnel for tunnel in tunnels}
    _none_wrong(_not_tunnels(wanted.values(), rows))
    there = {name: rows.ports[name] for name in wanted if name in rows.ports}
    gone = [row for name, row in rows.ports.items() if is_tunnel(row) and name not in wanted]
    made: list[Operation] = []
    new: list[str] = []
    for name, tunnel in wanted.items():
        if name not in there:
            new.append(f"port{len(made)}")
            made += _insert_port(name, {"type": tunnel.kind, "options": as_map(tunnel.options)}, {}, len(made))
    changed = [row for name, row in there.items() if row.tunnel() != wanted[name]]
    return [
        *map(_port_stands, (*changed, *gone)),
        *(change for row in changed for change in _retunnelled(row, wanted[row.name])),
        *made,
        *_tunnel_bridge(new, gone, rows),
    ]


def is_tunnel(row: PortRow) -> bool:
    """Whether the port is one of the tunnel bridge's to other nodes."""
    return row.bridge == TUNNEL_BRIDGE and row.kind in TUNNELS


def _not_tunnels(tunnels: Iterable[Tunnel], rows: Rows) -> Iterator[str]:
    for tunnel in tunnels:
        row = rows.ports.get(tunnel.name)
        if tunnel.kind not in TUNNELS:
            raise InvariantError(f"{tunnel.name} is no tunnel, but {tunnel.kind}")
        if row is not None and not is_tunnel(row):
            yield f"{tunnel.name}: it is in bridge {row.bridge}, and is no tunnel of {TUNNEL_BRIDGE}"


def _retunnelled(row: PortRow, tunnel: Tunnel) -> list[Operation]:
    return _update("Interface", row.interface, {"type": tunnel.kind, "options": as_map(tunnel.options)})


def _tunnel_bridge(new: Iterable[str], gone: Iterable[PortRow], rows: Rows) -> list[Operation]:
    """It has these ports, new in this transaction, and none that is gone; it is made where it is not there."""
    bridge = rows.bridges.get(TUNNEL_BRIDGE)
    if bridge is None:
        return _insert_bridge(TUNNEL_BRIDGE, new, datapath=_datapath(rows))
    joining = [["named-uuid", port] for port in new]
    leaving = [row_id(row.id) for row in gone]
    mutations = [["ports", verb, as_set(ids)] for verb, ids in (("insert", joining), ("delete", leaving)) if ids]
    changes = _mutate("Bridge", bridge.id, mutations)
    return [_bridge_stands(bridge), *changes] if changes else []


def _insert_bridge(name: str, ports: Iterable[str], *, datapath: str) -> list[Operation]:
    """Its own port is named like it. Source: ovs-vswitchd.conf.db(5), Bridge, `name`."""
    bridge = {
        "name": name,
        "datapath_type": datapath,
        "fail_mode": "secure",
        "ports": as_set([["named-uuid", port] for port in ("own_port", *ports)]),
    }
    own = {"name": name, "interfaces": ["named-uuid", "own_interface"]}
    joined = [["bridges", "insert", as_set([["named-uuid", "bridge"]])]]
    return [
        {"op": "insert", "table": "Interface", "row": {"name": name, "type": "internal"}, "uuid-name": "own_interface"},
        {"op": "insert", "table": "Port", "row": own, "uuid-name": "own_port"},
        {"op": "insert", "table": "Bridge", "row": bridge, "uuid-name": "bridge"},
        {"op": "mutate", "table": DATABASE, "where": [], "mutations": joined},
    ]


def _datapath(rows: Rows) -> str:
    """The integration bridge's: bridges that have patch ports to each other share one."""
    home = rows.bridges.get(_integration_bridge(rows))
    return home.datapath if home else ""


def _remove(names: Iterable[str], rows: Rows) -> list[Operation]:
    if strangers := [name for name in names if not name.startswith(KINDS)]:
        raise InvariantError(f"no routers' ports: {', '.join(strangers)}")
    there = [rows.ports[name] for name in names if name in rows.ports]
    leaving: dict[str, list[list[str]]] = {}
    for row in there:
        leaving.setdefault(row.bridge, []).append(row_id(row.id))
    return [
        *map(_port_stands, there),
        *(
            operation
            for bridge, ids in leaving.items()
            for operation in _mutate("Bridge", rows.bridges[bridge].id, [["ports", "delete", as_set(ids)]])
        ),
    ]


def _changes(plugs: Iterable[Plug], rows: Rows, change: Change) -> list[Operation]:
    """What `change` says of each, behind guards for all of them."""
    plugs = tuple(plugs)
    _none_wrong(f"{plug.name}: there is no such port" for plug in plugs if plug.name not in rows.ports)
    guards, changes, wrong = [], [], []
    for plug in plugs:
        row = rows.ports[plug.name]
        made = change(plug, row)
        if isinstance(made, str):
            wrong.append(f"{row.name}: {made}")
        elif made:
            guards.append(_port_stands(row))
            changes += made
    _none_wrong(wrong)
    return [*guards, *changes]


def _staged(gateway: str, plug: Plug, row: PortRow) -> list[Operation]:
    port = {} if row.is_parked else dict(PARKED)
    interface = {} if plug.mtu == row.mtu else {"mtu_request": _set_of(plug.mtu)}
    kept = {name: value for name, value in row.own.items() if name not in {OWNER, REMEMBERED_TAG}}
    own = _exchange("external_ids", row.own, {**kept, **_ours(gateway, plug.tag)})
    own += _exchange("other_config", row.other_config, plug.other_config)
    return [
        *_update("Port", row.id, port),
        *_mutate("Port", row.id, own),
        *_update("Interface", row.interface, interface),
        *_mutate("Interface", row.interface, _exchange("external_ids", row.ids, hidden(plug.external_ids))),
    ]


def _parked(gateway: str, plug: Plug, row: PortRow) -> list[Operation]:
    tag = plug.tag if row.live_tag == PARKED_TAG else row.live_tag
    return [
        *_update("Port", row.id, {} if row.is_parked else dict(PARKED)),
        *_mutate("Port", row.id, _exchange("external_ids", row.own, {**row.own, **_ours(row.owner or gateway, tag)})),
        *_mutate("Interface", row.interface, _exchange("external_ids", row.ids, hidden(row.shown_ids))),
    ]


def _unparked(plug: Plug, row: PortRow) -> list[Operation] | str:
    """A port without a local VLAN is as Neutron's agents had it: dead, and seen by them, which will give it one."""
    live: dict[str, object] = {"tag": plug.tag, "vlan_mode": as_set(()), "trunks": as_set(())}
    is_live = (row.tag, row.vlan_mode, row.trunks) == (plug.tag, "", frozenset())
    if plug.tag == PARKED_TAG:
        live, is_live = dict(PARKED), row.is_parked
    if not (row.owner or row.is_hidden) and not (is_live and row.ids.get("iface-id") == plug.port):
        return "it is not staged by hotspare"
    if row.shown_ids.get("iface-id") != plug.port:
        return f"it is of Neutron's port {row.shown_ids.get('iface-id', '')}, not of {plug.port}"
    kept = {name: value for name, value in row.own.items() if name not in {OWNER, REMEMBERED_TAG}}
    return [
        *_update("Port", row.id, {} if is_live else live),
        *_mutate("Port", row.id, _exchange("external_ids", row.own, kept)),
        *_mutate("Interface", row.interface, _exchange("external_ids", row.ids, plug.external_ids)),
    ]


def _none_wrong(problems: Iterable[str]) -> None:
    if told := tuple(problems):
        raise RefusedError(f"nothing was changed in the switch: {some(told, apart='; ')}", code=0, hint="look again")


def _ours(gateway: str, tag: int) -> dict[str, str]:
    return {OWNER: gateway, REMEMBERED_TAG: str(tag)}


def _insert_port(name: str, interface: Mapping[str, Any], port: Mapping[str, Any], number: int) -> list[Operation]:
    joined = {"name": name, "interfaces": ["named-uuid", f"interface{number}"], **port}
    return [
        {"op": "insert", "table": "Interface", "row": {"name": name, **interface}, "uuid-name": f"interface{number}"},
        {"op": "insert", "table": "Port", "row": joined, "uuid-name": f"port{number}"},
    ]


def _join(bridge: BridgeRow, ports: Iterable[str]) -> Operation:
    """These ports, new in this transaction, are in the bridge."""
    (operation,) = _mutate("Bridge", bridge.id, [["ports", "insert", as_set([["named-uuid", port] for port in ports])]])
    return operation


def _patch(bridge: str, name: str, rows: Rows) -> dict[str, tuple[str, str]] | None:
    """Both ends, each with its bridge and its peer; None where the name is no patch port's of this bridge, or the
    physical bridge or the integration bridge cannot be told.
    """
    prefix, rest = name[:4], name[4:]
    if name in _TUNNEL_PATCHES:
        peer = _TUNNEL_PATCHES[name]
        other = TUNNEL_BRIDGE if name == "patch-tun" else _integration_bridge(rows)
    elif prefix in _PATCH_PREFIXES:
        peer = f"{_PATCH_PREFIXES[prefix]}{rest}"
        other = rest if prefix == "int-" else _integration_bridge(rows)
    else:
        return None
    if other not in rows.bridges or other == bridge:
        return None
    return {name: (bridge, peer), peer: (other, name)}


def _integration_bridge(rows: Rows) -> str:
    """The one that has routers' ports; Neutron's default where there is none yet."""
    homes = {port.bridge for port in rows.ports.values() if port.name.startswith(KINDS)}
    return homes.pop() if len(homes) == 1 else "br-int"


def _port_stands(row: PortRow) -> Operation:
    same = {"name": row.name, "interfaces": row_id(row.interface)}
    return _stands("Port", row.id, same)


def _bridge_stands(row: BridgeRow) -> Operation:
    return _stands("Bridge", row.id, {"name": row.name})


def _stands(table: str, id_: str, same: Mapping[str, Any]) -> Operation:
    where = [["_uuid", "==", row_id(id_)]]
    return {
        "op": "wait",
        "timeout": 0,
        "table": table,
        "where": where,
        "columns": list(same),
        "until": "==",
        "rows": [dict(same)],
    }


def _update(table: str, id_: str, row: Mapping[str, Any]) -> list[Operation]:
    where = [["_uuid", "==", row_id(id_)]]
    return [{"op": "update", "table": table, "where": where, "row": dict(row)}] if row else []


def _mutate(table: str, id_: str, mutations: list[Any]) -> list[Operation]:
    where = [["_uuid", "==", row_id(id_)]]
    return [{"op": "mutate", "table": table, "where": where, "mutations": mutations}] if mutations else []


def _exchange(column: str, old: Mapping[str, str], new: Mapping[str, str]) -> list[Any]:
    """Mutations of a map column: what differs is exchanged, and what somebody else adds meanwhile stays."""
    leaving = [name for name, value in old.items() if new.get(name) != value]
    coming = {name: value for name, value in new.items() if old.get(name) != value}
    told: list[Any] = []
    # Inserting does not replace: a name that is there goes first, whatever it has by now.
    if doomed := sorted({*leaving, *coming}):
        told.append([column, "delete", as_set(doomed)])
    if coming:
        told.append([column, "insert", as_map(coming)])
    return told


def _set_of(value: int | None) -> Any:
    return as_set(()) if value is None else value
