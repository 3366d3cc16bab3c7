"""Steps in the switch as OVSDB transactions, against a small database that does what RFC 7047 says."""

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotspare.adapters.ovsdb import Messages
from hotspare.codec import ovsdb_rows, ovsdb_transaction
from hotspare.codec.ovsdb_rows import DATABASE, Operation, as_map, as_set, atoms, reference, row_id
from hotspare.model.dataplane import PARKED_TAG, Plug, Tunnel
from hotspare.model.errors import InvariantError, RefusedError
from hotspare.model.staging import Park, RemovePlugs, SetTunnels, StagePlugs, Unpark
from switch_node import plugs, tunnels

Row = dict[str, Any]
EMPTY: Mapping[str, Row] = {
    "Port": {"tag": as_set(()), "vlan_mode": as_set(()), "trunks": as_set(()), "other_config": as_map({})},
    "Interface": {
        "type": "",
        "options": as_map({}),
        "mtu_request": as_set(()),
        "mac_in_use": as_set(()),
        "ofport": 1,
        "error": as_set(()),
    },
    "Controller": {},
    "Bridge": {
        "ports": as_set(()),
        "datapath_type": "",
        "fail_mode": as_set(()),
        "protocols": as_set(()),
        "controller": as_set(()),
        "other_config": as_map({}),
    },
}


class Database:
    """Rows by table and id. A transaction whose guard does not hold changes nothing."""

    def __init__(self, *bridges: str) -> None:
        self._numbers = count(1)
        self.tables: dict[str, dict[str, Row]] = {"Port": {}, "Interface": {}, "Controller": {}}
        self.tables["Bridge"] = {f"bridge-{name}": {"name": name, **EMPTY["Bridge"]} for name in bridges}
        self.tables[DATABASE] = {"root": {"bridges": as_set(row_id(id_) for id_ in self.tables["Bridge"])}}

    def rows(self) -> ovsdb_rows.Rows:
        return ovsdb_rows.rows(
            [
                {
                    "rows": [
                        {column: row_id(id_) if column == "_uuid" else row[column] for column in asked["columns"]}
                        for id_, row in self.tables[asked["table"]].items()
                    ]
                }
                for asked in ovsdb_rows.selects()
            ]
        )

    def transact(self, operations: list[Operation]) -> None:
        before = json.dumps(self.tables)
        names: dict[str, str] = {}
        for operation in operations:
            if operation["op"] == "wait" and not self._holds(operation):
                self.tables = json.loads(before)
                raise RefusedError("timed out", code=0)
            getattr(self, f"_{operation['op']}")(operation, names)
        told = {port[1] for row in self.tables["Bridge"].values() for port in atoms(row["ports"])}
        self.tables["Port"] = {id_: row for id_, row in self.tables["Port"].items() if id_ in told}

    def do(self, step: ovsdb_transaction.InDatabase) -> None:
        self.transact(ovsdb_transaction.operations(step, self.rows()))

    def add_as_neutron(self, *plugs: Plug) -> None:
        self.do(StagePlugs("gw", plugs))
        self.do(Unpark(plugs))

    def _holds(self, operation: Operation) -> bool:
        row = self.tables[operation["table"]].get(operation["where"][0][2][1])
        return row is not None and [{name: row[name] for name in operation["columns"]}] == operation["rows"]

    def _wait(self, operation: Operation, _names: dict[str, str]) -> None:
        assert operation["timeout"] == 0

    def _insert(self, operation: Operation, names: dict[str, str]) -> None:
        id_ = names[operation["uuid-name"]] = f"row-{next(self._numbers)}"
        row = {"external_ids": as_map({}), **EMPTY[operation["table"]], **operation["row"]}
        self.tables[operation["table"]][id_] = self._resolved(row, names)

    def _update(self, operation: Operation, _names: dict[str, str]) -> None:
        self._row(operation).update(operation["row"])

    def _mutate(self, operation: Operation, names: dict[str, str]) -> None:
        row = self._row(operation)
        for column, mutator, value in self._resolved(operation["mutations"], names):
            if value[0] == "map":
                row[column] = as_map({**dict(value[1]), **dict(row[column][1])})
            elif row[column][0] == "map":
                row[column] = as_map({name: text for name, text in row[column][1] if name not in value[1]})
            else:
                others = [one for one in atoms(row[column]) if one not in value[1]]
                row[column] = as_set(others + (value[1] if mutator == "insert" else []))

    def _row(self, operation: Operation) -> Row:
        rows = self.tables[operation["table"]]
        return rows[operation["where"][0][2][1]] if operation["where"] else next(iter(rows.values()))

    def _resolved(self, value: Any, names: Mapping[str, str]) -> Any:
        if isinstance(value, list) and value[:1] == ["named-uuid"]:
            return row_id(names[value[1]])
        if isinstance(value, list):
            return [self._resolved(one, names) for one in value]
        return {name: self._resolved(one, names) for name, one in value.items()} if isinstance(value, dict) else value


def seen(database: Database) -> Mapping[str, Plug]:
    return {name: port.seen().plug for name, port in database.rows().ports.items()}


def by_name(wanted: tuple[Plug, ...]) -> Mapping[str, Plug]:
    return {plug.name: plug for plug in wanted}


@given(st.lists(st.sampled_from(["stage", "park", "unpark"]), max_size=6))
def test_whatever_is_done_in_whatever_order_a_port_is_parked_and_hidden_or_neutrons(words: list[str]) -> None:
    wanted = plugs(3)
    database = Database("br-int")
    database.do(StagePlugs("gw", wanted))
    is_parked = True
    for word in words:
        if word == "stage" and is_parked:
            database.do(StagePlugs("gw", wanted))
        elif word != "stage":
            database.do(Park("gw", wanted) if word == "park" else Unpark(wanted))
            is_parked = word == "park"
        assert seen(database) == by_name(wanted)
        for name, port in database.rows().ports.items():
            assert (port.is_parked, port.is_hidden, port.owner) == (is_parked, is_parked, "gw" if is_parked else "")
            assert is_parked or (dict(port.ids), dict(port.own)) == (by_name(wanted)[name].external_ids, {})


def test_what_is_as_it_has_to_be_needs_no_operation() -> None:
    wanted = plugs(2)
    database = Database("br-int")
    database.do(StagePlugs("gw", wanted))
    assert ovsdb_transaction.operations(StagePlugs("gw", wanted), database.rows()) == []
    assert ovsdb_transaction.operations(Park("gw", wanted), database.rows()) == []
    database.do(Unpark(wanted))
    assert ovsdb_transaction.operations(Unpark(wanted), database.rows()) == []
    assert ovsdb_transaction.operations(RemovePlugs(("qr-none",)), database.rows()) == []


@pytest.mark.parametrize("step", ["stage", "park", "unpark", "remove"])
def test_a_port_made_anew_meanwhile_makes_the_whole_transaction_fail(step: str) -> None:
    old, other = plugs(2)
    database = Database("br-int")
    database.do(StagePlugs("gw", (old, other)))
    if step == "park":
        database.do(Unpark((old, other)))
    changed = tuple(replace(plug, mtu=1300) for plug in (old, other))
    steps = {"stage": StagePlugs("gw", changed), "park": Park("gw", changed), "unpark": Unpark(changed)}
    steps["remove"] = RemovePlugs((old.name, other.name))
    operations = ovsdb_transaction.operations(steps[step], database.rows())
    database.do(RemovePlugs((old.name,)))
    database.do(StagePlugs("gw", (old,)))
    before = database.rows()
    with pytest.raises(RefusedError):
        database.transact(operations)
    assert database.rows() == before
    guards = [number for number, operation in enumerate(operations) if operation["op"] == "wait"]
    assert guards == [0, 1]
    assert {ovsdb_transaction.failed(operations, number) for number in guards} == {old.name, other.name}
    assert ovsdb_transaction.failed(operations, len(operations)) == ""


def test_what_forbids_a_step_is_told_at_once_and_how_much_more() -> None:
    ours, foreign, absent, lost, moved = plugs(5)
    database = Database("br-int", "br-ex")
    database.do(StagePlugs("gw", (ours, moved)))
    database.do(StagePlugs("another", (foreign,)))
    lost = replace(lost, bridge="br-none")
    with pytest.raises(RefusedError) as refused:
        database.do(StagePlugs("gw", (ours, foreign, lost, replace(moved, bridge="br-ex"))))
    for said in (f"{foreign.name}: it is of gateway another", "no bridge br-none", "in bridge br-int, not in br-ex"):
        assert said in str(refused.value)
    with pytest.raises(RefusedError, match=f"{absent.name}: there is no such port"):
        database.do(Park("gw", (ours, absent)))
    with pytest.raises(RefusedError, match=f"of Neutron's port {ours.port}, not of other"):
        database.do(Unpark((replace(ours, port="other"),)))
    with pytest.raises(RefusedError, match="there is no such port and 95 more"):
        database.do(Unpark(plugs(105)[5:]))


def test_what_agents_have_or_have_just_made_is_not_unparked() -> None:
    (plug,) = plugs(1)
    database = Database("br-int")
    database.add_as_neutron(plug)
    (row,) = database.tables["Port"].values()
    row.update(ovsdb_rows.PARKED)
    with pytest.raises(RefusedError, match="not staged by hotspare"):
        database.do(Unpark((plug,)))
    with pytest.raises(RefusedError, match="not staged by hotspare"):
        database.do(StagePlugs("gw", (plug,)))


def test_nothing_but_routers_ports_is_staged_or_removed() -> None:
    (plug,) = plugs(1)
    with pytest.raises(InvariantError):
        Database("br-int").do(StagePlugs("gw", (replace(plug, name="tapdhcp"),)))
    with pytest.raises(InvariantError):
        Database("br-int").do(RemovePlugs(("int-br-ex",)))


def test_the_vlan_in_which_a_port_forwarded_is_kept_also_where_neutron_did_not_write_it_down() -> None:
    (plug,) = (replace(one, other_config={}) for one in plugs(1))
    database = Database("br-int")
    database.add_as_neutron(plug)
    database.do(Park("gw", (replace(plug, tag=99),)))
    assert seen(database) == {plug.name: plug}
    dead = replace(plug, tag=PARKED_TAG)
    database = Database("br-int")
    database.add_as_neutron(dead)
    assert database.rows().ports[plug.name].is_parked
    assert not database.rows().ports[plug.name].is_hidden
    assert seen(database) == {plug.name: dead}
    (trunk,) = database.tables["Port"].values()
    trunk.update(tag=as_set(()), vlan_mode=as_set(()), trunks=as_set(()))
    assert seen(database)[plug.name].tag == 0


def test_a_bridge_is_set_up_once_and_keeps_what_it_has() -> None:
    database = Database("br-int")
    database.tables["Bridge"]["bridge-br-int"] |= {"protocols": "OpenFlow15", "other_config": as_map({"a": "b"})}
    database.transact(ovsdb_transaction.bridge_set_up(database.rows().bridges["br-int"]))
    bridge = database.rows().bridges["br-int"]
    assert bridge.fail_mode == "secure"
    assert bridge.protocols == {"OpenFlow10", "OpenFlow13", "OpenFlow14", "OpenFlow15"}
    assert bridge.controllers == {"tcp:127.0.0.1:6633"}
    assert bridge.other_config == {"a": "b", "disable-in-band": "true"}
    assert ovsdb_transaction.bridge_set_up(bridge) == []


def test_missing_patch_ports_are_made_with_their_peers_and_no_others() -> None:
    database = Database("br-int", "br-ex", "br-tun")
    names = {"int-br-ex", "patch-tun", "int-br-none", "vxlan-0a000001"}
    database.transact(ovsdb_transaction.patches("br-int", names, database.rows()))
    homes = {"int-br-ex": "br-int", "phy-br-ex": "br-ex", "patch-tun": "br-int", "patch-int": "br-tun"}
    assert {name: port.bridge for name, port in database.rows().ports.items()} == homes
    peers = {row["name"]: dict(row["options"][1])["peer"] for row in database.tables["Interface"].values()}
    assert peers == {
        "int-br-ex": "phy-br-ex",
        "phy-br-ex": "int-br-ex",
        "patch-tun": "patch-int",
        "patch-int": "patch-tun",
    }
    for bridge, name in (("br-ex", "phy-br-ex"), ("br-tun", "patch-int"), ("br-int", "int-br-ex")):
        assert ovsdb_transaction.patches(bridge, [name], database.rows()) == []
    fresh = Database("br-other", "br-ex")
    fresh.add_as_neutron(*(replace(plug, bridge="br-other") for plug in plugs(1)))
    fresh.transact(ovsdb_transaction.patches("br-ex", ["phy-br-ex"], fresh.rows()))
    assert {fresh.rows().ports[name].bridge for name in ("phy-br-ex", "int-br-ex")} == {"br-ex", "br-other"}


def test_tunnels_come_change_and_go_in_a_bridge_that_is_made_for_them_and_fails_closed() -> None:
    database = Database("br-int")
    database.tables["Bridge"]["bridge-br-int"]["datapath_type"] = "netdev"
    wanted = tunnels(3)
    database.do(SetTunnels(wanted))
    bridge = database.rows().bridges["br-tun"]
    assert (bridge.datapath, bridge.fail_mode) == ("netdev", "secure")
    assert bridge.id in map(reference, atoms(database.tables[DATABASE]["root"]["bridges"]))
    assert told(database) == wanted
    assert ovsdb_transaction.operations(SetTunnels(wanted), database.rows()) == []

    moved = tuple(replace(one, options={**one.options, "local_ip": "10.9.0.7"}) for one in wanted[1:])
    ids = {port.id for port in database.rows().ports.values()}
    database.do(SetTunnels(moved))
    assert told(database) == moved
    assert {port.id for port in database.rows().ports.values()} < ids
    database.do(SetTunnels(()))
    assert told(database) == ()
    assert set(database.rows().ports) == {"br-tun"}


def test_a_tunnel_bridge_without_a_tunnel_has_the_kernels_datapath_where_nothing_else_is_known() -> None:
    database = Database()
    database.do(SetTunnels(()))
    assert database.rows().bridges["br-tun"].datapath == ""


def test_what_is_no_tunnel_of_the_tunnel_bridge_is_neither_made_one_nor_removed() -> None:
    (wanted,) = tunnels(1)
    database = Database("br-int", "br-tun")
    database.transact(ovsdb_transaction.patches("br-int", ["patch-tun"], database.rows()))
    database.do(SetTunnels(()))
    assert set(database.rows().ports) == {"patch-tun", "patch-int"}
    database.do(StagePlugs("gw", plugs(1)))
    (own,) = plugs(1)
    with pytest.raises(RefusedError, match="it is in bridge br-int, and is no tunnel of br-tun"):
        database.do(SetTunnels((replace(wanted, name=own.name),)))
    with pytest.raises(InvariantError, match="is no tunnel, but internal"):
        database.do(SetTunnels((replace(wanted, kind="internal"),)))


def told(database: Database) -> tuple[Tunnel, ...]:
    """Its tunnels."""
    return tuple(port.tunnel() for _, port in sorted(database.rows().ports.items()) if port.kind == "vxlan")


def test_a_monitor_tells_routers_ports_and_tunnels_that_came_changed_and_went() -> None:
    updates = {
        "Port": {"1": {"old": {"tag": 1}, "new": {"name": "qr-1"}}, "2": {"old": {"name": "qg-2"}}},
        "Interface": {"3": {"new": {"name": "ha-3"}}, "4": {"new": {"name": "tap4"}}, "5": {"new": {"name": "gre-5"}}},
    }
    assert ovsdb_rows.changed_names(updates) == {"qr-1", "qg-2", "ha-3", "gre-5"}


def test_a_port_that_the_switch_could_not_make_says_why() -> None:
    database = Database("br-int")
    database.do(StagePlugs("gw", plugs(2)))
    first, second = database.tables["Interface"].values()
    first.update(ofport=-1)
    second.update(ofport=-1, error="could not open network device")
    assert [port.fault for port in database.rows().ports.values()] == [
        "it has no device",
        "could not open network device",
    ]


@given(st.lists(st.dictionaries(st.text(max_size=3), st.text(alphabet='}{"é,\\', max_size=5)), max_size=5), st.data())
def test_messages_are_whole_however_the_stream_is_cut(told: list[dict[str, str]], data: st.DataObject) -> None:
    stream = "".join(json.dumps(one, ensure_ascii=False) for one in told).encode()
    messages, read = Messages(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        read += messages.take(stream[:size])
        stream = stream[size:]
    assert read == told


def test_the_number_that_is_waited_for_is_the_one_that_was_read() -> None:
    assert ovsdb_rows.next_cfg([{}, {"count": 1}, {"rows": [{"next_cfg": 7}]}]) == 7
    assert ovsdb_rows.confirmation(7, 0.0001)["timeout"] == 1
    assert ovsdb_rows.confirmation(7, 2)["where"] == [["cur_cfg", "<", 7]]
