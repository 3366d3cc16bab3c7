"""Runs a command that cleans the node of routers and sees from outside when it is done. Prints JSON, in s since the
command's start: `silent`, the last answer of any of the routers watched; `gone`, when no trace of any router was left
(name, namespace, process, port); `ended`, the command's end.

Routers are asked by unicast ARP from a port of the same bridge and VLAN, every 10 ms while they answer. One that is
silent is asked every 200 ms on, so that asking, which the bridge then floods, costs neither side much.

Argument: JSON with `argv`, `environ`, `netns` and `device` to ask from, `targets` ([[ip, mac], ...]), `limit_s`.
"""

import ctypes
import json
import os
import socket
import struct
import subprocess
import sys
import time

ASK_S, ASK_SILENT_S = 0.010, 0.2
SILENT_AFTER = 5  # questions without an answer
TRACE_S = 0.02
CALM_S = 1.0  # how long nothing may answer any more before the watch ends
SOURCE = socket.inet_aton("10.30.255.254")
CLONE_NEWNET = 0x40000000


def packet_socket(netns: str, device: str) -> socket.socket:
    """A socket for ARP that stays in its namespace when this process goes home."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net") as home, open(f"/run/netns/{netns}") as away:
        if libc.setns(away.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), netns)
        arp = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
        arp.bind((device, 0x0806))
        if libc.setns(home.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "home")
    return arp


class Asked:
    """A router's address: how often it was asked in vain, when it last answered, when to ask again."""

    def __init__(self, ip: str, mac: str) -> None:
        self.ip = socket.inet_aton(ip)
        self.mac = bytes.fromhex(mac.replace(":", ""))
        self.vain = 0
        self.answered = 0.0
        self.due = 0.0

    def question(self, source_mac: bytes) -> bytes:
        return (self.mac + source_mac + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1)
                + source_mac + SOURCE + bytes(6) + self.ip)  # fmt: skip


class Watch:
    def __init__(self, arp: socket.socket, targets: "list[list[str]]") -> None:
        self.arp = arp
        self.mac = arp.getsockname()[4]
        self.asked = {one.ip: one for one in (Asked(*target) for target in targets)}

    def turn(self) -> None:
        """Ask who is due, and hear who answers, for 2 ms at most."""
        now = time.monotonic()
        for one in self.asked.values():
            if now >= one.due:
                one.vain += 1
                one.due = now + (ASK_S if one.vain <= SILENT_AFTER else ASK_SILENT_S)
                self.arp.send(one.question(self.mac))
        self.arp.settimeout(0.002)
        try:
            while True:
                frame = self.arp.recv(64)
                if frame[20:22] == b"\0\2" and (one := self.asked.get(frame[28:32])):
                    one.answered, one.vain = time.monotonic(), 0
                if time.monotonic() > now + 0.005:
                    return
        except TimeoutError:
            return

    def last_answer(self) -> float:
        return max(one.answered for one in self.asked.values())


def trace(inodes: "set[int]") -> bool:
    """Whether anything of the routers is left; the cheap questions come first."""
    if any(name.startswith("qrouter-") for name in os.listdir("/run/netns")):
        return True
    for pid in os.listdir("/proc"):
        try:
            if pid.isdigit() and os.stat(f"/proc/{pid}/ns/net").st_ino in inodes:
                return True
        except OSError:
            continue
    ports = subprocess.run(["ovs-vsctl", "list-ports", "br-int"], check=True, capture_output=True, text=True).stdout
    return any(port.startswith(("qr-", "qg-")) for port in (*ports.split(), *os.listdir("/sys/class/net")))


def main() -> None:
    order = json.loads(sys.argv[1])
    watch = Watch(packet_socket(order["netns"], order["device"]), order["targets"])
    before = time.monotonic() + 1
    while time.monotonic() < before:
        watch.turn()
    if not all(one.answered > before - 0.2 for one in watch.asked.values()):
        sys.exit("not every router answers before the cleaning: nothing could be told")
    inodes = {os.stat(f"/run/netns/{name}").st_ino for name in os.listdir("/run/netns") if name.startswith("qrouter-")}
    begun = time.monotonic()
    command = subprocess.Popen(order["argv"], env=order["environ"], stdout=sys.stderr)
    ended = gone = 0.0
    looked = 0.0
    while not (ended and gone and time.monotonic() > max(ended, gone, watch.last_answer()) + CALM_S):
        watch.turn()
        now = time.monotonic()
        if now > begun + order["limit_s"]:
            sys.exit(f"not over after {order['limit_s']} s")
        if not ended and command.poll() is not None:
            ended = now
        if not gone and now > looked + TRACE_S:
            gone = 0.0 if trace(inodes) else now
            looked = time.monotonic()
    if command.returncode:
        sys.exit(f"{order['argv']} ended with {command.returncode}")
    json.dump({"silent": watch.last_answer() - begun, "gone": gone - begun, "ended": ended - begun}, sys.stdout)


main()
