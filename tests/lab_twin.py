"""The lab with a gateway of strategy `twin`: who carries it, how its spare stands, what a node says on its cables."""

import json
import select
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hotspare.lab.cluster_file import GATEWAY, cluster_yaml
from hotspare.lab.layout import GATEWAY_VTEP, Choices
from hotspare.lab.namespace import entered
from hotspare.model.drill import Strategy
from lab_parts import HOTSPARE, Lab, eventually

NODES = ("net1", "net2")
FRESH_S = 400
DRILL_LIMIT_S = 900
LIVE_PORTS = (
    "ovs-vsctl --bare --columns=name find Port tag!=4095 | grep -E '^(qr|qg)-' || : ; "
    "ovs-vsctl --bare --columns=name find Interface external_ids:iface-id!=none | grep -E '^(qr|qg)-' || :"
)
_ETH_P_ALL = 3  # linux/if_ether.h
_MAC_OF_NEUTRON = b"\xfa\x16\x3e"
"""How the macs of its ports begin. Source: Neutron, `base_mac`."""
_IPV4, _ARP = b"\x08\x00", b"\x08\x06"
_VXLAN = (4789).to_bytes(2)
"""Its port of UDP. Source: RFC 7348, 5."""


def drilled(twin: "Twin", output: Path, fault: str) -> dict[str, Any]:
    """The report of a drill that said yes to everything."""
    twin.fresh()
    twin.lab.hotspare("drill", fault, "--yes", "--output", str(output), timeout_s=DRILL_LIMIT_S)
    report: dict[str, Any] = json.loads((output / "report.json").read_text())
    assert report["verdict"] == "yes", report["why"]
    assert report["routers"]["back"] == report["routers"]["total"] > 0
    assert {audit["answer"] for audit in report["audits"]} == {"yes"}
    return report


def silent(twin: "Twin", node: str) -> bool:
    """Whether no router's port on the node may forward."""
    return twin.lab.ssh(node, LIVE_PORTS).strip() == ""


@contextmanager
def twinned(lab: Lab) -> Iterator["Twin"]:
    """The lab's gateway is of strategy `twin`, with a fresh spare; afterwards it is as its file says."""
    own = lab.layout.cluster_yaml.read_text()
    lab.layout.cluster_yaml.write_text(cluster_yaml(lab.layout, Choices(Strategy.TWIN)))
    try:
        lab.hotspare("apply", timeout_s=600)
        twin = Twin(lab)
        twin.fresh()
        yield twin
    finally:
        lab.layout.cluster_yaml.write_text(own)
        lab.hotspare("apply", timeout_s=600)


def grown(lab: Lab, routers: int) -> None:
    """The lab has so many routers, if it had fewer. Whether they are served is not waited for."""
    strategy = ("--strategy", str(Strategy.TWIN))
    lab.lab("up", *strategy, "--routers", str(routers), timeout_s=900)


@dataclass(frozen=True)
class Twin:
    """The gateway of a lab."""

    lab: Lab

    def line(self) -> dict[str, Any]:
        """What `hotspare status` says of the gateway."""
        return next(line for line in self._status()["gateways"] if line["name"] == GATEWAY)

    def carrier(self) -> str:
        return str(self.line()["carrier"])

    def spare(self) -> str:
        """The other node that may carry it."""
        carrier = self.carrier()
        return next(node for node in NODES if node != carrier)

    def is_fenced(self, node: str) -> bool:
        """Whether the cluster has lost the node, and proved it off: powered on, it stays on."""
        told = next(line for line in self._status()["nodes"] if line["name"] == node)
        return not told["online"] and not told["unclean"]

    def state(self, node: str) -> dict[str, Any]:
        """What the stager tells of itself; empty where it does not answer."""
        ask = "import json; from hotspare_ocf import daemon; print(json.dumps(daemon.ask('{}', within_s=5)))"
        ask = ask.format(f"/run/hotspare/{GATEWAY}.stager.sock")
        told = self.lab.ssh(node, f'PYTHONPATH=/usr/lib/ocf/lib/hotspare python3 -c "{ask}" 2>/dev/null || echo "{{}}"')
        state: dict[str, Any] = json.loads(told)
        return state

    def fresh(self) -> None:
        """Everything is well: every router served, and the spare's twin as fresh as it can be."""
        told: dict[str, Any] = {}

        def well() -> bool:
            told.update(self._status())
            return told["answer"] == "yes"

        eventually(well, within_s=FRESH_S, what=lambda: f"all is well: {told.get('lines')}")

    def stager_pid(self, node: str) -> str:
        return self.lab.ssh(node, f"head -1 /run/hotspare/{GATEWAY}.stager.pid 2>/dev/null || :").strip()

    def kill_stager(self, node: str) -> None:
        """It has seen its last instruction."""
        self.lab.ssh(node, f"kill -9 {self.stager_pid(node)}")

    def _status(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.lab.desk("sh", "-c", f"{HOTSPARE} status --json || :", timeout_s=120))
        return told


@dataclass
class Overheard:
    """Frames that a node sent in a router's name, by cable: from a mac of Neutron's, in a tunnel, or as its end."""

    frames: Counter[str] = field(default_factory=Counter)


@contextmanager
def overhearing(lab: Lab, node: str) -> Iterator[Overheard]:
    """What the node says in a router's name, on its public and its tenant network, for as long as this lasts.

    Taken at the other end of its cables, where every frame of it has to pass.
    """
    heard = Overheard()
    with entered(lab.layout.switch):
        cables = [lab.layout.machine(node).cable(network) for network in ("public", "tenant")]
        taps = {cable: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL)) for cable in cables}
        for cable, tap in taps.items():
            tap.bind((cable, 0))
    ending, end = socket.socketpair()
    listening = threading.Thread(target=_listen, args=(taps, ending, heard))
    listening.start()
    try:
        yield heard
    finally:
        end.close()
        listening.join()
        ending.close()
        for tap in taps.values():
            tap.close()


def _listen(taps: dict[str, socket.socket], ending: socket.socket, heard: Overheard) -> None:
    while True:
        ready, _, _ = select.select([ending, *taps.values()], [], [])
        if ending in ready:
            return
        for cable, tap in taps.items():
            if tap in ready:
                frame, (_, _, kind, *_) = tap.recvfrom(2048)
                if kind != socket.PACKET_OUTGOING and _is_a_routers(frame):
                    heard.frames[cable] += 1


def _is_a_routers(frame: bytes) -> bool:
    """Ethernet without a tag, and IPv4 without options, where it is about tunnels."""
    if frame[12:14] == _IPV4:
        in_a_tunnel = frame[36:38] == _VXLAN or frame[26:30] == GATEWAY_VTEP.ip.packed
    else:
        in_a_tunnel = frame[12:14] == _ARP and frame[28:32] == GATEWAY_VTEP.ip.packed
    return in_a_tunnel or frame[6:9] == _MAC_OF_NEUTRON
