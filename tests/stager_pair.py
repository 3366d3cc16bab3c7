"""Two nodes and a cable: one carries a gateway whose routers are made by hand, the other keeps its twin.

The resource agent, the stagers, their channel and Open vSwitch are the real ones. There is no Pacemaker, which tests
are themselves, and no Neutron.
"""

import base64
import json
import os
import shlex
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hotspare
from hotspare.adapters import bundle
from hotspare.adapters.certificate import self_signed
from hotspare.model.dataplane import Plug
from lab_parts import eventually
from ocf_node import OcfNode, Said, booted
from switch_node import HOME, SwitchNode, plugs, words_as_neutron

GATEWAY = "edge"
KEY = "/etc/hotspare/twin.pem"
NEUTRON_PYTHON = "/opt/openstack/bin/python3"
NODES = {"net1": "172.31.0.1", "net2": "172.31.0.2"}
MAC_OF_NEUTRON = "fa:16:3e"
"""How the macs of its ports begin. Source: Neutron, `base_mac`."""
EARS = ("uplink", "trunk")
"""Where a node is overheard: beyond its physical bridge, and at a port of br-int that gets all VLANs."""

_BRIDGES = """
ovs-vsctl --may-exist add-br br-ex -- set bridge br-ex datapath_type=netdev fail_mode=secure
for end in uplink trunk telltale; do
  ip netns add of-$end
  ip link add $end type veth peer name o-$end
  ip link set o-$end up
  ip link set $end netns of-$end
  ip -n of-$end link set $end up
done
ovs-vsctl add-port br-ex o-uplink -- add-port br-int o-trunk -- add-port br-int o-telltale \
  -- add-port br-int int-br-ex -- set interface int-br-ex type=patch options:peer=phy-br-ex \
  -- add-port br-ex phy-br-ex -- set interface phy-br-ex type=patch options:peer=int-br-ex
for bridge in br-int br-ex; do ovs-ofctl add-flow $bridge priority=0,actions=NORMAL; done
"""
_SEEN_INSIDE = """
for name in $(ip netns list | cut -d' ' -f1 | grep '^qrouter-'); do
  nsenter --net=/run/netns/$name sh -c 'ip -br link; ip -br address; ip route; ip -6 route; iptables-save' |
    sed "s/^/$name /"
done
"""


_PROXY = "/var/lib/neutron/ns-metadata-proxy/{0}.conf"
_ADVERTISER = "/var/lib/neutron/ra/{0}.radvd.conf"
"""What haproxy and radvd read. Source: Neutron, agent/metadata/driver_base.py and agent/linux/ra.py."""
_SERVED = """
global
    user root
    pidfile /var/lib/neutron/external/pids/{0}.pid.haproxy
    daemon
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
listen listener
    bind :::9697
    http-request return status 200 content-type text/plain string {0}
"""
_ADVERTISED = "interface {0}\n{{\n   AdvSendAdvert on;\n}};\n"


@dataclass(frozen=True)
class MadeRouter:
    """A router with an outside port, a network, and another network that it may be given or may lose."""

    number: int
    qr: Plug
    qg: Plug
    more: Plug

    @property
    def id(self) -> str:
        return f"{self.number:08x}-0000-4000-8000-{self.number:012x}"

    @property
    def namespace(self) -> str:
        return f"qrouter-{self.id}"

    @property
    def files(self) -> dict[str, str]:
        """What its haproxy and its radvd read."""
        return {
            _PROXY.format(self.id): _SERVED.format(self.id),
            _ADVERTISER.format(self.id): _ADVERTISED.format(self.qr.name),
        }

    @property
    def loses_a_network(self) -> bool:
        return self.number % 4 == 1

    @property
    def gets_a_network(self) -> bool:
        return self.number % 4 == 2

    def inside(self, plug: Plug) -> str:
        """What is in its namespace for this port, for `ip -batch`."""
        addresses = {
            self.qr.name: (f"10.1.{self.number}.1/24",),
            self.more.name: (f"10.2.{self.number}.1/24",),
            self.qg.name: (f"10.30.{self.number}.1/16", f"10.30.{self.number}.2/32"),
        }
        lines = [f"link set {plug.name} address {plug.mac} mtu {plug.mtu or 1500} up"]
        lines += [f"address add {address} dev {plug.name}" for address in addresses[plug.name]]
        if plug == self.qg:
            lines.append("route add default via 10.30.0.1 proto static")
        return "\n".join(lines)

    def rules(self, floating: int) -> str:
        """NAT as the L3 agent writes it, of a floating IP that ends so."""
        public, private = f"10.30.{self.number}.{floating}", f"10.1.{self.number}.21"
        return f"""*nat
:neutron-l3-agent-float-snat - [0:0]
:neutron-l3-agent-PREROUTING - [0:0]
-A PREROUTING -j neutron-l3-agent-PREROUTING
-A POSTROUTING -j neutron-l3-agent-float-snat
-A neutron-l3-agent-PREROUTING -d {public}/32 -j DNAT --to-destination {private}
-A neutron-l3-agent-float-snat -s {private}/32 -j SNAT --to-source {public} --random-fully
-A neutron-l3-agent-float-snat -o {self.qg.name} -j SNAT --to-source 10.30.{self.number}.1 --random-fully
COMMIT
"""


def routers(count: int) -> list[MadeRouter]:
    """That many, none of which is there yet."""
    made = plugs(4 * count)
    return [MadeRouter(number, *made[4 * number : 4 * number + 3]) for number in range(count)]


@dataclass
class StagerNode:
    """A node of the gateway, and what is overheard on its cables."""

    name: str
    node: OcfNode
    switch: SwitchNode = field(init=False)
    _listens: int = 0

    def __post_init__(self) -> None:
        package = Path(hotspare.__file__).parent
        packed = base64.b64encode(bundle.of(bundle.daemons(package)).tar).decode()
        self.node.shell(f"base64 -d <<END | tar -C /usr/lib/ocf -x --no-same-owner\n{packed}\nEND")
        self.switch = SwitchNode(self.node)

    def ready(self, key: str) -> None:
        """An empty node, with the bridges that every node of a cloud has."""
        self.node.reset()
        self.node.shell(f"rm -rf /var/lib/hotspare /var/log/hotspare\nmkdir -p /etc/hotspare\n{_BRIDGES}")
        self.node.run("install", "-m", "600", "/dev/stdin", KEY, stdin=key)

    def gateway(self, action: str, *, level: int = 0) -> Said:
        """An action of the resource agent, called as Pacemaker calls it."""
        return self.node.ocf(
            "hotspare/gateway", action, level=level, gateway=GATEWAY, instance=GATEWAY, strategy="twin", key_file=KEY,
            python=NEUTRON_PYTHON, peers=" ".join(f"{name}={address}" for name, address in NODES.items()),
            CRM_meta_on_node=self.name,
        )  # fmt: skip

    # --- the routers -------------------------------------------------------------------------------------------------

    def make(self, wanted: Sequence[MadeRouter]) -> None:
        """The routers forward, as if Neutron's agents had made them."""
        there = [
            (router, plug)
            for router in wanted
            for plug in (router.qr, router.qg, router.more)
            if plug != router.more or router.loses_a_network
        ]
        self.switch.add_as_neutron([plug for _, plug in there])
        self.node.shell("".join(f"ip netns add {router.namespace}\n" for router in wanted))
        moves = "".join(f"link set {plug.name} netns {router.namespace}\n" for router, plug in there)
        self.node.run("ip", "-batch", "-", stdin=moves)
        inside = {router.namespace: "" for router in wanted}
        for router, plug in there:
            inside[router.namespace] += router.inside(plug) + "\n"
        self.node.shell(
            "".join(
                f"ip -n {router.namespace} -batch - <<END\nlink set lo up\n{inside[router.namespace]}END\n"
                f"ip netns exec {router.namespace} iptables-restore <<END\n{router.rules(2)}END\n"
                for router in wanted
            )
        )

    def write_files(self, wanted: Sequence[MadeRouter]) -> None:
        """What their haproxy and radvd read is there, as if Neutron's agents had written it."""
        for one in wanted:
            for path, text in one.files.items():
                self.node.run("install", "-D", "-m", "444", "/dev/stdin", path, stdin=text)

    def has_files(self, wanted: Sequence[MadeRouter]) -> bool:
        """Whether it is there as it was written."""
        files = {path: text for one in wanted for path, text in one.files.items()}
        return {path: self.node.run("cat", path, expect=(0, 1)) for path in files} == files

    def helpers(self, router: MadeRouter) -> dict[str, str]:
        """Program → its pid, by its pid file, for those of the router's helpers that live in its namespace."""
        there = self.node.run("ip", "netns", "pids", router.namespace, expect=(0, 1)).split()
        base = f"/var/lib/neutron/external/pids/{router.id}.pid"
        pids = {name: self.node.run("cat", f"{base}.{name}", expect=(0, 1)).strip() for name in ("haproxy", "radvd")}
        return {name: pid for name, pid in pids.items() if pid in there}

    def change(self, wanted: Sequence[MadeRouter]) -> None:
        """Every router has another address, and half of them each: other rules, a network more or less, another local
        VLAN. All kinds at once, each as fast as the tools are.
        """
        addresses = "".join(
            f"ip -n {router.namespace} -batch - <<END\n"
            f"address add 10.30.{router.number}.3/32 dev {router.qg.name}\n"
            f"address delete 10.30.{router.number}.2/32 dev {router.qg.name}\n"
            "END\n"
            for router in wanted
        )
        rules = "".join(
            f"nsenter --net=/run/netns/{router.namespace} iptables-restore <<END\n{router.rules(3)}END\n"
            for router in wanted
            if router.number % 2
        )
        less = [router.more for router in wanted if router.loses_a_network]
        retagged = [router.qr for router in wanted if router.number % 2 == 0]
        words = " ".join(f"-- del-port {plug.name}" for plug in less)
        words += "".join(f" -- set port {plug.name} tag=77 other_config:tag=77" for plug in retagged)
        more = [router for router in wanted if router.gets_a_network]
        networks = "".join(
            f"ip link set {router.more.name} netns {router.namespace}\n"
            f"ip -n {router.namespace} -batch - <<END\n{router.inside(router.more)}\nEND\n"
            for router in more
        )
        adding = shlex.join(words_as_neutron([router.more for router in more]))
        self.node.shell(f"({addresses}) &\n({rules}) &\novs-vsctl {words} {adding}\n{networks}wait\n")

    def plane(self) -> dict[str, list[str]]:
        """What the routers are, as the tools tell it: lines by namespace, and by port with Neutron's ids."""
        found: dict[str, list[str]] = {}
        for line in self.node.shell(_SEEN_INSIDE, timeout_s=120).splitlines():
            name, _, said = line.partition(" ")
            if not said.startswith("#"):
                # Without counters; in one order.
                found.setdefault(name, []).append(" ".join(sorted(said.partition(" [")[0].split())))
        return {name: sorted(lines) for name, lines in (found | self.ports()).items()}

    def ports(self) -> dict[str, list[str]]:
        """Routers' ports, parked or not: what they forward with, or would."""
        found: dict[str, list[str]] = {}
        for columns in (("port", "name", "other_config"), ("interface", "name", "external_ids", "mtu_request", "type")):
            for name, *values in self._rows(*columns):
                if name.startswith(("qr-", "qg-")):
                    ids = dict(values[0][1])
                    ids.pop("hotspare-gateway", None)
                    shown = [f"{key.removeprefix('hotspare-')}={value}" for key, value in ids.items()]
                    found.setdefault(name, []).extend([*shown, str(values[1:])])
        return found

    def live_ports(self) -> set[str]:
        """Routers' ports that pass frames, or that an agent could make pass them."""
        ports = self._rows("port", "name", "tag", "vlan_mode", "trunks")
        loose = {row[0] for row in ports if row[1:] != [4095, "trunk", 4095]}
        ids = self._rows("interface", "name", "external_ids")
        shown = {name for name, (_, pairs) in ids if "iface-id" in dict(pairs)}
        return {name for name in loose | shown if name.startswith(("qr-", "qg-"))}

    def _rows(self, table: str, *columns: str) -> list[list[Any]]:
        text = self.node.run("ovs-vsctl", "--format=json", f"--columns={','.join(columns)}", "list", table)
        rows: list[list[Any]] = json.loads(text)["data"]
        return rows

    # --- the stager --------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """What the stager tells of itself; empty where it does not answer."""
        ask = "import json; from hotspare_ocf import daemon; print(json.dumps(daemon.ask('{}', within_s=2)))"
        ask = ask.format(f"/run/hotspare/{GATEWAY}.stager.sock")
        told = self.node.shell(f'PYTHONPATH=/usr/lib/ocf/lib/hotspare python3 -c "{ask}" 2>/dev/null || echo "{{}}"')
        state: dict[str, Any] = json.loads(told)
        return state

    def kill_stager(self) -> None:
        """It has seen its last instruction, where it was alive."""
        self.node.shell(f"kill -9 $(head -1 /run/hotspare/{GATEWAY}.stager.pid) 2>/dev/null || :")

    @contextmanager
    def killing_stager(self, after_s: float) -> Iterator[None]:
        """The stager is killed so long after this has begun, and has been when it ends."""
        killing = threading.Timer(after_s, self.kill_stager)
        killing.start()
        try:
            yield
        finally:
            killing.join()

    # --- what is overheard -------------------------------------------------------------------------------------------

    def listen(self) -> None:
        """Anew: what was heard before is forgotten."""
        self._listens += 1
        for ear in EARS:
            hear = f"ip netns exec of-{ear} python3 {HOME}/frames_on_node.py hear {ear} {self._file(ear)}"
            self.node.shell(f"setsid {hear} >/dev/null 2>&1 </dev/null &")
        for ear in EARS:
            self.node.wait(lambda ear=ear: "listening" in self._said(ear), within_s=20, until=f"{ear} listens")

    def heard(self) -> set[str]:
        """Macs of Neutron's that were heard since, after all that was sent before this was asked has come."""
        for ear in EARS:
            self.node.wait(lambda ear=ear: self._tells(ear), within_s=30, until=f"the telltale is heard at {ear}")
        return {mac for ear in EARS for mac in self._said(ear) if mac.startswith(MAC_OF_NEUTRON)}

    def shout(self, namespace: str, device: str) -> None:
        """Whatever a router or a host could say, some times."""
        shout = f"{HOME}/frames_on_node.py shout {device} 3"
        self.node.run("ip", "netns", "exec", namespace, "python3", *shout.split())

    def _tells(self, ear: str) -> bool:
        mac = self.node.shell("ip netns exec of-telltale cat /sys/class/net/telltale/address").strip()
        self.shout("of-telltale", "telltale")
        return mac in self._said(ear)

    def _said(self, ear: str) -> list[str]:
        return self.node.run("cat", self._file(ear), expect=(0, 1)).split()

    def _file(self, ear: str) -> str:
        return f"/run/heard-{ear}-{self._listens}"


@dataclass(frozen=True)
class Pair:
    """The carrier, and the spare."""

    carrier: StagerNode
    spare: StagerNode

    def begin(self) -> None:
        """Both are empty nodes of a gateway that has no router yet, and the spare is listened to."""
        key = self_signed().value.decode()
        ends = [f"pair{os.getpid()}-{place}" for place in "ab"]
        self.carrier.ready(key)
        self.spare.ready(key)
        subprocess.run(["ip", "link", "add", ends[0], "type", "veth", "peer", "name", ends[1]], check=True)
        for end, one in zip(ends, (self.carrier, self.spare), strict=True):
            one.node.take(end, f"{NODES[one.name]}/24")
            assert one.gateway("start").code == 0
        assert self.carrier.gateway("promote").code == 0
        self.spare.listen()

    def turned(self) -> "Pair":
        """After a takeover."""
        return Pair(self.spare, self.carrier)

    def equal(self, *, within_s: float = 60) -> None:
        """The spare's twin has become what the carrier is, as the tools tell it, and as the stager does."""
        eventually(
            self._is_equal,
            within_s=within_s,
            what=lambda: f"the twin is equal to the carrier's plane: {self._difference()}",
        )

    def _difference(self) -> str:
        """What is not equal, for whoever reads a failure."""
        carrier, spare = self.carrier.plane(), self.spare.plane()
        differ = sorted(name for name in carrier.keys() | spare.keys() if carrier.get(name) != spare.get(name))
        log = f"tail -30 /var/log/hotspare/{GATEWAY}.stager.log"
        told = "\n".join(f"{one.name}: {one.state()}\n{one.node.shell(log)}" for one in (self.carrier, self.spare))
        return f"{len(differ)} differ: {differ[:5]}\n{told}"

    def _is_equal(self) -> bool:
        if not str(self.spare.state().get("twin", "")).startswith("fresh"):
            return False
        return self.spare.ports() == self.carrier.ports() and self.spare.plane() == self.carrier.plane()


@contextmanager
def paired(image: Path) -> Iterator[Pair]:
    """Both nodes, booted over the image."""
    with ExitStack() as stack:
        yield Pair(*(StagerNode(name, stack.enter_context(booted(image))) for name in NODES))
