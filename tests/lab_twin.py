"""The lab with a gateway of strategy `twin`: who carries it, how its spare stands, what a node says on its cables."""

import json
import select
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from itertools import groupby
from pathlib import Path
from typing import Any

from hotspare.codec import crm_mon_xml
from hotspare.lab.cluster_file import GATEWAY, cluster_yaml
from hotspare.lab.layout import GATEWAY_VTEP, Choices
from hotspare.lab.namespace import entered
from hotspare.model.cluster import ClusterStatus
from hotspare.model.drill import Strategy
from hotspare.plan.names import agents_of
from lab_parts import HOTSPARE, Lab, eventually

NODES = ("net1", "net2")
WITNESS = "net3"
"""The node that has a vote, and never carries the gateway."""
FRESH_S = 400
DRILL_LIMIT_S = 900
LIVE_PORTS = (
    "ovs-vsctl --bare --columns=name find Port tag!=4095 | grep -E '^(qr|qg)-' || : ; "
    "ovs-vsctl --bare --columns=name find Interface external_ids:iface-id!=none | grep -E '^(qr|qg)-' || :"
)
MARKER = f"/run/hotspare/{GATEWAY}.gateway"
_PARTS_OF_A_ROUTER = """
ip -n qrouter-{0} -brief address || exit 0
ip -n qrouter-{0} neigh
ip netns exec qrouter-{0} iptables-save -t nat | grep -e DNAT -e SNAT
for port in $(ip -n qrouter-{0} -brief link | grep -oE '^q[rg]-[^ @]+'); do
    ovs-vsctl --bare --columns=name,tag,other_config list Port $port
    ovs-vsctl --bare --columns=ofport,error,external_ids list Interface $port
done
"""
"""What a node has of a router."""
_L3_LOG = "/var/log/neutron/neutron-l3-agent.log"
_L3_BEGAN, _L3_FINISHED = "L3 agent started", "Finished a router update for"
"""Source: Neutron, agent/l3/agent.py."""
_ETH_P_ALL = 3  # linux/if_ether.h
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h
_MAC_OF_NEUTRON = b"\xfa\x16\x3e"
"""How the macs of its ports begin. Source: Neutron, `base_mac`."""
_IPV4, _IPV6, _ARP = b"\x08\x00", b"\x86\xdd", b"\x08\x06"
_ICMPV6, _NEIGHBOUR_ADVERTISEMENT, _SOLICITED = 58, 136, 0x40
"""Source: RFC 4861, 4.4."""
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
    lab.lab("up", "--strategy", str(Strategy.TWIN), "--routers", str(routers), timeout_s=900)


@dataclass(frozen=True)
class Twin:
    """The gateway of a lab."""

    lab: Lab

    def line(self) -> dict[str, Any]:
        """What `hotspare status` says of the gateway."""
        return next(line for line in self._status()["gateways"] if line["name"] == GATEWAY)

    def lines(self) -> list[dict[str, Any]]:
        """All that it says, line by line."""
        told: list[dict[str, Any]] = self._status()["lines"]
        return told

    def carrier(self) -> str:
        return str(self.line()["carrier"])

    def spare(self) -> str:
        """The other node that may carry it."""
        carrier = self.carrier()
        return next(node for node in NODES if node != carrier)

    def is_fenced(self, node: str) -> bool:
        """Whether the cluster has lost the node, and proved it off: powered on, it stays on."""
        told = self._cluster().node(node)
        return told is not None and not told.online and not told.unclean

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

    def standing(self) -> tuple[str, str]:
        """The carrier and the spare, as by `carrier` and `spare`; sooner told."""
        (carrier,) = self.promoted()
        return carrier, next(node for node in NODES if node != carrier)

    def promoted(self) -> list[str]:
        """Where the cluster has the gateway."""
        return list(self._cluster().promoted_on(GATEWAY))

    def _cluster(self) -> ClusterStatus:
        """As a node tells it that nothing is done to."""
        return crm_mon_xml.read(self.lab.ssh(WITNESS, " ".join(crm_mon_xml.CRM_MON)))

    def routers(self) -> dict[str, str]:
        """Id → floating IP."""
        topology = json.loads(self.lab.layout.topology_json.read_text())
        return {router["id"]: router["floating_ip"] for router in topology["routers"]}

    def adopted(self, node: str) -> set[str]:
        """Routers that the L3 agent on the node has found right, or put right, since it began, by its log."""
        log = self.lab.ssh(node, f"grep -soE '{_L3_BEGAN}|{_L3_FINISHED} [0-9a-f-]+' {_L3_LOG} || :")
        return set(log.rpartition(_L3_BEGAN)[2].replace(_L3_FINISHED, "").split())

    def proxies_around_l3(self, node: str) -> tuple[int, int]:
        """How many haproxies of routers are there that began before the L3 agent on the node, and how many after it."""
        pids = self.lab.ssh(node, f"head -1 /run/hotspare/{GATEWAY}-l3.pid; pgrep -xd' ' haproxy || :").split()
        stats = self.lab.ssh(node, "; ".join(f"cat /proc/{pid}/stat" for pid in pids)).splitlines()
        l3, *proxies = [int(stat.rpartition(")")[2].split()[19]) for stat in stats]
        return sum(began < l3 for began in proxies), sum(began >= l3 for began in proxies)

    def unserved(self) -> dict[str, str]:
        """Router → its floating IP that does not answer from outside within a second."""
        routers = {address: id_ for id_, address in self.routers().items()}
        asks = [f"{{ ping -q -c 1 -W 1 {address} >/dev/null || echo {address}; }}" for address in routers]
        return {routers[address]: address for address in self.lab.ssh("ext", "; ".join(asks)).split()}

    def served_by(self, node: str, *, with_agents: bool = False, within_s: float = 120) -> None:
        """The node carries the gateway, and every router passes packets; its agents run, if that is asked for."""

        def serves() -> bool:
            cluster = self._cluster()
            agents = agents_of(GATEWAY) if with_agents else ()
            running = all(list(cluster.running_on(agent)) == [node] for agent in agents)
            return list(cluster.promoted_on(GATEWAY)) == [node] and running and not self.unserved()

        eventually(serves, within_s=within_s, what=lambda: f"{node} serves all routers\n{self._unserved_on(node)}")

    def _unserved_on(self, node: str) -> str:
        """What the node has of the routers that do not answer. How the cluster stands every failure tells."""
        said = []
        for router, address in self.unserved().items():
            parts = self.lab.ssh(node, _PARTS_OF_A_ROUTER.format(router))
            said.append(f"{address} does not answer; router {router} on {node}:\n{parts}")
        return "\n".join(said)

    def ipv6(self, node: str) -> frozenset[str]:
        """The addresses of the routers' devices there that have one that somebody gave them, those of the link too."""
        ask = "for name in $(ip netns list | grep -o '^qrouter-[^ ]*'); do ip -n $name -6 -json address; done"
        devices = [device for line in self.lab.ssh(node, ask).splitlines() for device in json.loads(line)]
        addresses = [[(one["scope"], one["local"]) for one in device.get("addr_info", ())] for device in devices]
        return frozenset(local for its in addresses if "global" in dict(its) for _, local in its)

    def standby(self, node: str) -> None:
        """The cluster has been told that nothing is to run on the node."""
        self.lab.ssh(WITNESS, f"crm_attribute --node {node} --name standby --update on")

    def online(self, node: str) -> None:
        """As before `standby`."""
        self.lab.ssh(WITNESS, f"crm_attribute --node {node} --name standby --delete")

    def has_started_l3(self, node: str) -> bool:
        """Whether the L3 agent's start there has ended well, by what the cluster has heard; a node that was fenced is
        forgotten.
        """
        ops = f"//node_state[@uname='{node}']//lrm_resource[@id='{GATEWAY}-l3']/lrm_rsc_op[@operation='start']"
        return 'rc-code="0"' in self.lab.ssh(WITNESS, f'cibadmin --query --xpath "{ops}" 2>/dev/null || :')

    def is_fresh(self, node: str) -> bool:
        """Whether the node's stager keeps a twin that is as good as it can be."""
        return str(self.state(node).get("twin", "")).startswith("fresh")

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
    """Frames that nodes sent in a router's name: from a mac of Neutron's, in a tunnel, or as its end."""

    frames: Counter[str] = field(default_factory=Counter)
    """By cable."""
    said: list[tuple[float, str]] = field(default_factory=list)
    """When, by the kernel's clock, and which node."""
    advertised: list[tuple[float, str, str]] = field(default_factory=list)
    """When, which node, and the IPv6 address that it told all nodes of, unasked."""

    def turns(self) -> list[str]:
        """The nodes one after the other: each one is named as often as it began to speak after another one had."""
        return [node for node, _ in groupby(node for _, node in sorted(self.said))]

    def advertisements(self, address: str) -> list[tuple[float, str]]:
        """When which node told of the address, sooner ones first."""
        return sorted((at_s, node) for at_s, node, told in self.advertised if told == address)


@contextmanager
def overhearing(lab: Lab, *nodes: str) -> Iterator[Overheard]:
    """What the nodes say in a router's name, on their public and tenant networks, for as long as this lasts.

    Taken at the other end of their cables, where every frame of theirs has to pass.
    """
    heard = Overheard()
    taps: dict[socket.socket, tuple[str, str]] = {}
    with entered(lab.layout.switch):
        for node in nodes:
            for cable in (lab.layout.machine(node).cable(network) for network in ("public", "tenant")):
                tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
                tap.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
                tap.bind((cable, 0))
                taps[tap] = (node, cable)
    ending, end = socket.socketpair()
    listening = threading.Thread(target=_listen, args=(taps, ending, heard))
    listening.start()
    try:
        yield heard
    finally:
        end.close()
        listening.join()
        ending.close()
        for tap in taps:
            tap.close()


def _listen(taps: dict[socket.socket, tuple[str, str]], ending: socket.socket, heard: Overheard) -> None:
    while True:
        ready, _, _ = select.select([ending, *taps], [], [])
        if ending in ready:
            return
        for tap, (node, cable) in taps.items():
            if tap in ready:
                frame, told, _, (_, _, kind, *_) = tap.recvmsg(2048, 64)
                if kind != socket.PACKET_OUTGOING and _is_a_routers(frame):
                    heard.frames[cable] += 1
                    heard.said.append((_at_s(told), node))
                    if address := _advertised(frame):
                        heard.advertised.append((_at_s(told), node, address))


def _at_s(told: list[tuple[int, int, bytes]]) -> float:
    """Source: socket(7), SO_TIMESTAMPNS, a struct timespec."""
    for _, kind, stamp in told:
        if kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack("qq", stamp)
            return float(seconds + nanoseconds / 1e9)
    return time.time()


def _advertised(frame: bytes) -> str:
    """The address of an unsolicited neighbour advertisement, in IPv6 without extensions; empty where it is none."""
    if frame[12:14] != _IPV6 or len(frame) < 78 or frame[20] != _ICMPV6 or frame[54] != _NEIGHBOUR_ADVERTISEMENT:
        return ""
    return "" if frame[58] & _SOLICITED else str(IPv6Address(frame[62:78]))


def _is_a_routers(frame: bytes) -> bool:
    """Ethernet without a tag, and IPv4 without options, where it is about tunnels."""
    if frame[12:14] == _IPV4:
        in_a_tunnel = frame[36:38] == _VXLAN or frame[26:30] == GATEWAY_VTEP.ip.packed
    else:
        in_a_tunnel = frame[12:14] == _ARP and frame[28:32] == GATEWAY_VTEP.ip.packed
    return in_a_tunnel or frame[6:9] == _MAC_OF_NEUTRON
