"""A router on two nodes, as network namespaces: hosts inside, hosts outside, and router A with its twin B between them,
both with the same addresses, macs and iptables; only one of the two is on the wire.
"""

import os
import select
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hotspare.lab import namespace

VM, VM_FLOATING, VM_SERVED = "10.0.0.11", "10.0.0.12", "10.0.0.13"
INSIDE, GATEWAY, FLOATING, OUTSIDE = "10.0.0.1", "192.0.2.1", "192.0.2.12", "192.0.2.100"
VM6, INSIDE6, GATEWAY6, OUTSIDE6 = "2001:db8:1::11", "2001:db8:1::1", "2001:db8:2::1", "2001:db8:2::100"
FORWARDED, SERVED = 8080, 80

RULES = f"""*nat
-A PREROUTING -d {FLOATING}/32 -j DNAT --to-destination {VM_FLOATING}
-A PREROUTING -d {GATEWAY}/32 -p tcp -m tcp --dport {FORWARDED} -j DNAT --to-destination {VM_SERVED}:{SERVED}
-A PREROUTING -d 169.254.169.254/32 -i qr-0 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 9697
-A POSTROUTING -s {VM_FLOATING}/32 -o qg-0 -j SNAT --to-source {FLOATING} --random-fully
-A POSTROUTING -s 10.0.0.0/24 -o qg-0 -m conntrack ! --ctstate DNAT -j SNAT --to-source {GATEWAY} --random-fully
COMMIT
"""
"""As Neutron's L3 agent has them, without its chains."""
RULES6 = "*filter\n-A FORWARD -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n"


Host = tuple[str, str]
"""`inside` or `outside`, and the address."""


@dataclass(frozen=True)
class Crossing:
    """Names of the namespaces."""

    mark: str
    image: Path

    @property
    def a(self) -> str:
        return f"{self.mark}a"

    @property
    def b(self) -> str:
        return f"{self.mark}b"

    @property
    def inside(self) -> str:
        return f"{self.mark}i"

    @property
    def outside(self) -> str:
        return f"{self.mark}o"

    def names(self) -> tuple[str, ...]:
        return (self.a, self.b, self.inside, self.outside, f"{self.mark}w", f"{self.mark}x")

    def up(self) -> None:
        """Router A is on the wire, its twin is not."""
        for name in self.names():
            ip("netns", "add", name)
            sysctl(name, "net/ipv6/conf/default/accept_dad", "0")
        for switch in self.names()[4:]:
            ip("-n", switch, "link", "add", "br0", "type", "bridge")
            ip("-n", switch, "link", "set", "br0", "up")
        inner, outer = self.names()[4:]
        self._host(self.inside, inner, (VM, VM_FLOATING, VM_SERVED, VM6), INSIDE, INSIDE6)
        self._host(self.outside, outer, (OUTSIDE, OUTSIDE6), "", GATEWAY6)
        self.make_router(self.a)
        self.make_router(self.b)
        self.wire(self.a)

    def make_router(self, name: str) -> None:
        """The router's devices, off the wire, and its rules."""
        inner, outer = self.names()[4:]
        sysctl(name, "net/ipv4/ip_forward", "1")
        sysctl(name, "net/ipv6/conf/all/forwarding", "1")
        sysctl(name, "net/netfilter/nf_conntrack_tcp_be_liberal", "1")
        self._plug(name, inner, "qr-0", "02:00:00:00:00:01", f"{INSIDE}/24", f"{INSIDE6}/64")
        self._plug(
            name, outer, "qg-0", "02:00:00:00:00:02", f"{GATEWAY}/24", f"{FLOATING}/32", f"{GATEWAY6}/64", off=True
        )
        ip("-n", inner, "link", "set", f"qr-0{name}", "down")
        self.tool(name, "iptables-restore", stdin=RULES)
        self.tool(name, "ip6tables-restore", stdin=RULES6)

    def wire(self, name: str) -> None:
        """This router is on the wire, and the other is not."""
        inner, outer = self.names()[4:]
        for other in (self.a, self.b):
            for switch, device in ((inner, f"qr-0{other}"), (outer, f"qg-0{other}")):
                state = "up" if other == name else "down"
                subprocess.run(["ip", "-n", switch, "link", "set", device, state], check=other == name)

    def tool(self, name: str, *argv: str, stdin: str = "") -> str:
        """A command of the lab's image in a namespace of ours."""
        return subprocess.run(
            ["nsenter", f"--net=/run/netns/{name}", "chroot", str(self.image), *argv],
            input=stdin, capture_output=True, text=True, check=True, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        ).stdout  # fmt: skip

    def down(self) -> None:
        for name in self.names():
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)

    def _host(self, name: str, switch: str, addresses: tuple[str, ...], via: str, via6: str) -> None:
        self._plug(name, switch, "eth0", "", *(f"{one}/{64 if ':' in one else 24}" for one in addresses))
        if via:
            ip("-n", name, "route", "add", "default", "via", via)
        ip("-n", name, "-6", "route", "add", "default", "via", via6)

    def _plug(self, name: str, switch: str, device: str, mac: str, *addresses: str, off: bool = False) -> None:
        end = f"{device}{name}"
        ip("-n", switch, "link", "add", end, "type", "veth", "peer", "name", device, "netns", name)
        ip("-n", switch, "link", "set", end, "master", "br0")
        if mac:
            ip("-n", name, "link", "set", device, "address", mac)
        ip("-n", name, "link", "set", "lo", "up")
        ip("-n", name, "link", "set", device, "up")
        for address in addresses:
            ip("-n", name, "address", "add", address, "dev", device, *(["nodad"] if ":" in address else []))
        if not off:
            ip("-n", switch, "link", "set", end, "up")

    def socket(self, host: Host, kind: int, port: int = 0) -> socket.socket:
        """A socket of the host, bound; it waits at most ten seconds for anything."""
        side, address = host
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with namespace.entered(self.inside if side == "inside" else self.outside):
            made = socket.socket(family, kind)
        made.settimeout(10)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        return made


class Stream:
    """A TCP connection through the router, both ends held here: `near` has dialled."""

    def __init__(self, crossing: Crossing, dialler: Host, dialled: Host, *, port: int, to: tuple[str, int]) -> None:
        listener = crossing.socket(dialled, socket.SOCK_STREAM, port)
        listener.listen()
        self.near = crossing.socket(dialler, socket.SOCK_STREAM)
        self.near.connect(to)
        self.far, self.peer = listener.accept()
        self.far.settimeout(10)
        listener.close()
        for end in (self.near, self.far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.counted = 0

    def talk(self, *, far_first: bool = False) -> None:
        """One message each way. OSError: the connection is dead."""
        one, other = (self.far, self.near) if far_first else (self.near, self.far)
        for speaker, hearer in ((one, other), (other, one)):
            self.counted += 1
            words = b"%08d" % self.counted
            speaker.sendall(words)
            ready, *_ = select.select([hearer, speaker], [], [], 10)
            if speaker in ready:
                speaker.recv(1)  # nothing is due there but a reset, which this raises
            assert hearer.recv(8, socket.MSG_WAITALL) == words

    def close(self) -> None:
        self.near.close()
        self.far.close()


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, stdin=subprocess.DEVNULL)


def sysctl(name: str, key: str, value: str) -> None:
    with namespace.entered(name):
        (Path("/proc/sys") / key).write_text(value, encoding="ascii")


@contextmanager
def crossing(mark: str, image: Path) -> Iterator[Crossing]:
    """As above; nothing of it is left afterwards."""
    made = Crossing(f"{mark}{os.getpid() % 10000}", image)
    try:
        made.up()
        yield made
    finally:
        made.down()
