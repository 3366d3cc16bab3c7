"""Whether the routers of this node really forward: their ports are wired, and beyond each of them somebody answers.

What is wrong with single routers is told, never a failure: agents wire ports one after the other, an upstream router
may be away, and no restart here would bring it back. Only two things prove that nothing forwards: a dead or hung
ovs-vswitchd, and one that holds no router's device, as after a restart where it forwards in user space.
"""

from __future__ import annotations

import fcntl
import os
import resource
import select
import socket
import struct
import time

from hotspare_ocf import namespaces, vswitchd
from hotspare_ocf.look import NETNS_DIR
from hotspare_ocf.node import router_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hotspare_ocf.node import Port
    from hotspare_ocf.sweep import Site

_ETH_P_ARP = 0x0806
_SIOCGIFFLAGS, _SIOCGIFADDR, _SIOCGIFHWADDR = 0x8913, 0x8915, 0x8927  # linux/sockios.h
_IFF_UP, _IFF_RUNNING = 0x1, 0x40  # linux/if.h
_ASK_TIMES = 3
_ASK_WAIT_S = 0.5
"""An upstream router answers ARP in milliseconds; one lost frame is no silence, so it is asked three times."""

_PORTS = ("qr-", "qg-")
"""A centralized router's devices; each is a port of the integration bridge."""

_NAMED_MAX = 3


class Probe:
    """A question to a router's gateway that waits for its answer: ARP, asked on the very device that traffic uses."""

    __slots__ = ("frame", "gateway", "namespace", "socket")

    def __init__(self, namespace: str, gateway: bytes, frame: bytes, asking: socket.socket) -> None:
        self.namespace = namespace
        self.gateway = gateway
        self.frame = frame
        self.socket = asking

    def ask(self) -> str:
        """The question is sent; what is wrong where it could not be."""
        try:
            self.socket.send(self.frame)
        except OSError as error:
            return error.strerror or str(error)
        return ""

    def is_answered(self) -> bool:
        """Whether what has come is the gateway's answer."""
        try:
            frame = self.socket.recv(64)
        except OSError:
            return False
        return frame[20:22] == b"\0\2" and frame[28:32] == self.gateway


def outage(patience_s: float) -> str:
    """Why no router of this node can forward at all; empty where they may, and where none is here."""
    try:
        names = os.listdir(NETNS_DIR)
    except FileNotFoundError:
        return ""
    if not any(router_of(name) for name in names):
        return ""
    if trouble := vswitchd.trouble(within_s=min(vswitchd.RESTART_S, patience_s / 2)):
        return trouble
    devices = {
        (name, device): wired
        for name, inside in _insides([name for name in names if name.startswith("qrouter-")], probes=False).items()
        for device, wired in inside.wired.items()
    }
    if devices and not any(devices.values()):
        return f"Open vSwitch does not hold any of the routers' {len(devices)} devices; was it restarted?"
    return ""


def trouble(place: Site) -> str:
    """What keeps routers of this node from forwarding, in one sentence; empty where all of them do, or none is here."""
    node = place.look()
    routers = [one for one in node.namespaces if one.name.startswith("qrouter-")]
    if node.switch is None:
        return f"cannot tell whether the routers forward: {node.switch_trouble}" if routers else ""
    ports = {port.name: port for port in node.switch.ports}
    insides = _insides([one.name for one in routers if one.inode])
    unanswered = _unanswered([probe for inside in insides.values() for probe in inside.probes])
    broken = {one.name: "its namespace is gone, only the name is left" for one in routers if not one.inode}
    for name, inside in insides.items():
        wrong = [inside.trouble, *(_port_trouble(device, ports.get(device)) for device in inside.wired)]
        wrong += [f"Open vSwitch does not hold {device}" for device, wired in inside.wired.items() if not wired]
        if said := next(filter(None, [*wrong, unanswered.get(name)]), None):
            broken[name] = said
    if not broken:
        return ""
    named = "; ".join(f"{name}: {said}" for name, said in sorted(broken.items())[:_NAMED_MAX])
    more = f"; and {len(broken) - _NAMED_MAX} more" if len(broken) > _NAMED_MAX else ""
    return f"{len(broken)} of {len(routers)} routers do not forward: {named}{more}"


def _port_trouble(name: str, port: Port | None) -> str:
    if port is None:
        return f"{name} is in no bridge"
    if not port.is_live:
        return f"{name} is on the dead VLAN; the Open vSwitch agent has not wired it"
    return "" if port.has_device else f"{name} has no device in the datapath"


class _Inside:
    """What is in a router's namespace: its ports' devices, and questions to its gateways, not asked yet."""

    __slots__ = ("probes", "trouble", "wired")

    def __init__(self) -> None:
        self.wired: dict[str, bool] = {}
        """Device → whether it is down, or the switch holds its other end (it has a carrier)."""
        self.probes: list[Probe] = []
        self.trouble = ""


def _insides(names: list[str], *, probes: bool = True) -> dict[str, _Inside]:
    # A probe holds a descriptor, and Pacemaker passes on a limit of 1024.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    found: dict[str, _Inside] = {}

    def see(path: str) -> None:
        name = path.rpartition("/")[2]
        inside = found[name] = _Inside()
        inside.wired = {device: _is_wired(device) for _, device in socket.if_nameindex() if device.startswith(_PORTS)}
        inside.trouble = "" if inside.wired else "it has no port"
        for device, gateway in _default_gateways() if probes else ():
            try:
                inside.probes.append(_probe(name, device, gateway))
            except OSError as error:
                inside.trouble = f"{device}: {error.strerror or error}"

    for failure in namespaces.inside((f"{NETNS_DIR}/{name}" for name in names), see):
        path, _, said = failure.partition(": ")
        found.setdefault(path.rpartition("/")[2], _Inside()).trouble = said
    return found


def _is_wired(device: str) -> bool:
    """Of the namespace that this thread is in."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        try:
            answer = fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("256s", device.encode()))
        except OSError:
            return True  # it has just gone
    flags = struct.unpack_from("=H", answer, 16)[0]
    return not flags & _IFF_UP or bool(flags & _IFF_RUNNING)


def _default_gateways() -> list[tuple[str, bytes]]:
    """(device, IPv4 address) of the default routes of the namespace that this thread is in. Source: proc(5), net/route;
    addresses are in the machine's byte order there.
    """
    with open("/proc/thread-self/net/route", encoding="ascii") as file:
        rows = [line.split() for line in file.read().splitlines()[1:]]
    return [
        (row[0], struct.pack("=I", int(row[2], 16)))
        for row in rows
        if row[1] == "00000000" and row[2] != "00000000" and row[0].startswith(_PORTS)
    ]


def _probe(namespace: str, device: str, gateway: bytes) -> Probe:
    """A probe from the namespace that this thread is in; its socket stays there."""
    name = struct.pack("256s", device.encode())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        mac = fcntl.ioctl(control, _SIOCGIFHWADDR, name)[18:24]
        own = fcntl.ioctl(control, _SIOCGIFADDR, name)[20:24]
    asking = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ARP))
    asking.bind((device, _ETH_P_ARP))
    asking.setblocking(False)
    # RFC 826: Ethernet and IPv4, request, sender, target.
    frame = b"\xff" * 6 + mac + struct.pack("!HHHBBH", _ETH_P_ARP, 1, 0x0800, 6, 4, 1) + mac + own + bytes(6) + gateway
    return Probe(namespace, gateway, frame, asking)


def _unanswered(probes: list[Probe]) -> dict[str, str]:
    """Namespace → in words, for every probe that nobody answered; all are asked together."""
    poll = select.poll()
    waiting = {probe.socket.fileno(): probe for probe in probes}
    for descriptor in waiting:
        poll.register(descriptor, select.POLLIN)
    failed: dict[int, str] = {}
    for _ in range(_ASK_TIMES):
        for descriptor, probe in waiting.items():
            failed[descriptor] = probe.ask()
        until = time.monotonic() + _ASK_WAIT_S
        while waiting and (left_s := until - time.monotonic()) > 0:
            for descriptor, _event in poll.poll(int(left_s * 1000) + 1):
                if waiting[descriptor].is_answered():
                    poll.unregister(descriptor)
                    del waiting[descriptor]
    for probe in probes:
        probe.socket.close()
    return {
        probe.namespace: failed[descriptor]
        or f"its gateway {socket.inet_ntoa(probe.gateway)} does not answer (upstream away, or this node's uplink)"
        for descriptor, probe in waiting.items()
    }
