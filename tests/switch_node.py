"""The adapter of the switch, run where it runs in a cloud: on the node, by the node's Python, with what is shipped."""

import base64
import io
import json
import pickle
import tarfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hotspare
from hotspare.adapters import bundle
from hotspare.model.dataplane import Plug, Tunnel
from hotspare.model.staging import InSwitch, SwitchChange, SwitchLook
from ocf_node import OcfNode

HOME = "/usr/lib/hotspare-test"
DRIVER = ("env", f"PYTHONPATH={HOME}", "/opt/openstack/bin/python3", f"{HOME}/switch_driver.py")
CHANGES = "/run/changes"
PORT_COLUMNS = ("name", "tag", "vlan_mode", "trunks", "other_config", "external_ids", "_uuid")
INTERFACE_COLUMNS = ("name", "type", "external_ids", "mtu_request", "other_config", "options", "mac", "ofport", "_uuid")
WITHIN_S = 30.0

Calls = list[tuple[str, tuple[object, ...], dict[str, object]]]
"""Methods of a switch, each with its arguments."""


class RefusedThereError(Exception):
    """What the adapter raised: its type's name and its words."""


@dataclass
class SwitchNode:
    node: OcfNode

    def __post_init__(self) -> None:
        package = Path(hotspare.__file__).parent
        modules = bundle.closure(package, ("hotspare.adapters.switch",))
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for path in modules.values():
                tar.add(path, arcname=str(path.relative_to(package.parent)))
            for name in ("switch_driver.py", "frames_on_node.py"):
                tar.add(Path(__file__).with_name(name), arcname=name)
        text = base64.b64encode(packed.getvalue()).decode()
        self.node.shell(f"mkdir -p {HOME}; base64 -d <<END | tar -C {HOME} -x --no-same-owner\n{text}\nEND")
        self.took_s = self.ended_at = 0.0

    def look(self, *, flows: bool = False) -> SwitchLook:
        return self._call("look", flows=flows)

    def carry_out(self, step: InSwitch, *, within_s: float = WITHIN_S) -> None:
        self._call("carry_out", step, within_s=within_s)

    def look_and_then(self, *steps: InSwitch) -> None:
        """One and the same switch looks, and carries these out."""
        carried = [("carry_out", (step,), {"within_s": WITHIN_S}) for step in steps]
        self._answered([("look", (), {"flows": False}), *carried])

    def carry_out_for(self, step: InSwitch, life_s: float) -> None:
        """Whoever carries the step out is killed after `life_s`."""
        asked = _written([("carry_out", (step,), {"within_s": WITHIN_S})])
        self.node.run("timeout", "-s", "KILL", f"{life_s:.3f}", *DRIVER, stdin=asked, expect=(0, 137, -9))

    def put_out(self, bridge: str, frames: Sequence[tuple[str, bytes]]) -> None:
        self._call("put_out", bridge, frames)

    def watch(self) -> None:
        self.node.shell(f"rm -f {CHANGES}; setsid {' '.join(DRIVER)} changes >{CHANGES} 2>&1 </dev/null &")
        self.node.wait(lambda: bool(self.changes()), within_s=20, until="the watch has begun")

    def changes(self) -> list[SwitchChange]:
        lines = self.node.run("cat", CHANGES).splitlines()
        return [pickle.loads(base64.b64decode(line)) for line in lines]  # noqa: S301  # of our own driver

    def rows(self, names: Collection[str]) -> list[dict[str, Any]]:
        """What Neutron and the switch see of the ports, columns of Port and Interface."""
        told = []
        for table, columns in (("port", PORT_COLUMNS), ("interface", INTERFACE_COLUMNS)):
            text = self.node.run("ovs-vsctl", "--format=json", f"--columns={','.join(columns)}", "list", table)
            answer = json.loads(text)
            rows = [dict(zip(answer["headings"], row, strict=True)) for row in answer["data"]]
            told += sorted((row for row in rows if row["name"] in names), key=lambda row: row["name"])
        return told

    def transactions(self) -> list[set[str]]:
        """Ids of the rows of Port that each transaction of the database changed, oldest first."""
        lines = self.node.run("cat", "/etc/openvswitch/conf.db").splitlines()
        records = [json.loads(line) for line in lines if line.startswith("{")]
        return [set(record["Port"]) for record in records if "Port" in record]

    def add_as_neutron(self, plugs: Sequence[Plug], *, kind: str = "internal") -> None:
        """Ports that forward, as the L3 agent plugs and the OVS agent wires them."""
        self.node.run("ovs-vsctl", *words_as_neutron(plugs, kind=kind))

    def _call(self, method: str, *arguments: object, **named: object) -> Any:
        return self._answered([(method, arguments, named)])

    def _answered(self, calls: Calls) -> Any:
        line = self.node.run(*DRIVER, stdin=_written(calls))
        error, result, self.took_s, self.ended_at = pickle.loads(base64.b64decode(line))  # noqa: S301  # of our own driver
        if error:
            raise RefusedThereError(f"{error}: {result}")
        return result


def _written(calls: Calls) -> str:
    return base64.b64encode(pickle.dumps(calls)).decode()


def words_as_neutron(plugs: Sequence[Plug], *, kind: str = "internal") -> list[str]:
    """What `ovs-vsctl` is told so that the ports forward."""
    words = []
    for plug in plugs:
        words += ["--", "add-port", plug.bridge, plug.name, f"tag={plug.tag}"]
        words += [f"other_config:{name}={value}" for name, value in plug.other_config.items()]
        words += ["--", "set", "interface", plug.name, f"type={kind}"]
        words += [f'external_ids:{name}="{value}"' for name, value in plug.external_ids.items()]
        if plug.mtu:
            words.append(f"mtu_request={plug.mtu}")
    return words


def plugs(count: int, *, first: int = 0) -> tuple[Plug, ...]:
    """Ports of as many routers' networks."""
    return tuple(map(_plug, range(first, first + count)))


def tunnels(count: int) -> tuple[Tunnel, ...]:
    """To as many other nodes, as Neutron's agent makes them. The local address is nowhere."""
    options = {
        "df_default": "true",
        "egress_pkt_mark": "0",
        "in_key": "flow",
        "out_key": "flow",
        "local_ip": "10.9.0.100",
    }
    remotes = {f"vxlan-0a0901{number:02x}": f"10.9.1.{number}" for number in range(count)}
    return tuple(Tunnel(name, "vxlan", {**options, "remote_ip": remote}) for name, remote in remotes.items())


def _plug(number: int) -> Plug:
    port = f"{number:08x}-4bcd-4f00-8000-{number:012x}"
    mac = f"fa:16:3e:00:{number >> 8:02x}:{number & 255:02x}"
    return Plug(
        name=f"{'qg' if number % 2 else 'qr'}-{port[:11]}",
        bridge="br-int",
        port=port,
        mac=mac,
        mtu=1450 if number % 2 else None,
        tag=number % 4000 + 1,
        external_ids={"iface-id": port, "iface-status": "active", "attached-mac": mac},
        other_config={
            "net_uuid": f"{number:08x}-0000-4000-8000-000000000000",
            "network_type": "vlan",
            "physical_network": "physnet1",
            "segmentation_id": str(number + 100),
            "tag": str(number % 4000 + 1),
        },
    )
