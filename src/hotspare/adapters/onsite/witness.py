"""Capture on cables and print, as JSON lines, who speaks for which IPv4 address, and when.

Stand-alone (standard library, root): `python3 - '{"cables": {"net1-public": "in"}, "limit_s": 900}'`. A cable is an
interface; `in` counts frames that arrive on it (the switch's end of a node's cable), `out` frames that leave by it (the
node itself watches). Seen are ARP replies, gratuitous ARP, ARP requests (their sender claims an address too) and ICMP
echo replies. One packet socket takes all interfaces, so that a cable that is made anew when its node is powered on is
watched from its first frame. It ends when its reader is gone (it writes at least every 0.25 s) or after `limit_s`.

Lines: {"k": "hello"} · {"k": "cable", "at": s, "name": cable, "up": bool}
       {"k": "seen", "s": [[cable, kind, address, MAC, first, last, count], …], "lost": frames the kernel dropped}
"""

import contextlib
import ctypes
import json
import os
import socket
import struct
import sys
import time
from typing import Any

Ancillary = list[tuple[int, int, bytes]]
ETH_P_ALL = 0x0003
ETH_P_ARP = 0x0806
ETH_P_IP = 0x0800
SO_ATTACH_FILTER = 26
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
SOL_PACKET = 263
PACKET_STATISTICS = 6
BUFFER_BYTES = 64 << 20
"""Ten seconds of a hundred routers' answers, for a machine on which this process does not get a core meanwhile; the
kernel takes memory only for what waits.
"""
FLUSH_S = 0.25
ARP_REPLY = 2

# Classic BPF (linux/filter.h), jump counts relative to the next line: keeps ARP and ICMP echo replies only.
FILTER = (
    (0x28, 0, 0, 12),  #  0 ldh [12]            ethertype
    (0x15, 6, 0, ETH_P_ARP),  #  1 jeq ARP -> accept
    (0x15, 0, 6, ETH_P_IP),  #  2 jeq IPv4, else drop
    (0x30, 0, 0, 23),  #  3 ldb [23]            protocol
    (0x15, 0, 4, 1),  #  4 jeq ICMP, else drop
    (0xB1, 0, 0, 14),  #  5 ldxb 4*([14]&0xf)   length of the IPv4 header
    (0x50, 0, 0, 14),  #  6 ldb [x+14]          ICMP type
    (0x15, 0, 1, 0),  #  7 jeq echo reply, else drop
    (0x06, 0, 0, 0xFFFF),  #  8 accept
    (0x06, 0, 0, 0),  #  9 drop
)
# The same of frames in one direction only, put before the others: SKF_AD_OFF + SKF_AD_PKTTYPE.
DIRECTION = 0x30, 0, 0, 0xFFFFF004  # ldb [type]  PACKET_OUTGOING or another one
NOT_LEAVING = DIRECTION, (0x15, len(FILTER) - 1, 0, 4)  # jeq PACKET_OUTGOING -> drop
LEAVING = DIRECTION, (0x15, 0, len(FILTER) - 1, 4)  # jeq PACKET_OUTGOING, else drop


def attach_filter(tap: socket.socket, directions: "set[str]") -> None:
    """Let the kernel drop all but the frames that say whose an address is."""
    first = NOT_LEAVING if directions == {"in"} else LEAVING if directions == {"out"} else ()
    lines = (*first, *FILTER)
    code = b"".join(struct.pack("HBBI", *line) for line in lines)
    room = ctypes.create_string_buffer(code)
    program = struct.pack("HP", len(lines), ctypes.addressof(room))
    tap.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def packet_socket(directions: "set[str]") -> socket.socket:
    """All interfaces of this network namespace, filtered, with the kernel's stamps."""
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    attach_filter(tap, directions)
    tap.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            tap.recv(64)  # what came between the socket and its filter is not judged
    tap.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    try:
        tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
    except OSError:
        tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    tap.settimeout(FLUSH_S / 2)
    return tap


def claim(frame: bytes) -> "tuple[str, str, str] | None":
    """(kind, address, MAC) of who speaks for which address in this frame, or None."""
    mac = frame[6:12].hex(":")
    if frame[12:14] == b"\x08\x06":
        if len(frame) < 42:
            return None
        operation = struct.unpack("!H", frame[20:22])[0]
        sender, target = frame[28:32], frame[38:42]
        if sender == b"\0\0\0\0":
            return None  # a probe for a free address claims nothing (RFC 5227)
        if sender == target:
            return ("garp", socket.inet_ntoa(sender), frame[22:28].hex(":"))
        kind = "arp-reply" if operation == ARP_REPLY else "arp-request"
        return (kind, socket.inet_ntoa(sender), frame[22:28].hex(":"))
    if len(frame) < 34:
        return None
    return ("echo-reply", socket.inet_ntoa(frame[26:30]), mac)


def kernel_stamp(ancillary: Ancillary) -> float:
    """When the kernel got the frame, wall clock, or now where it did not say."""
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(content) >= 16:
            seconds, nanoseconds = struct.unpack("qq", content[:16])
            return float(seconds + nanoseconds / 1e9)
    return time.time()


class Witness:
    """What was seen since the last line."""

    def __init__(self, cables: "dict[str, str]") -> None:
        self.cables = cables
        self.tap = packet_socket(set(cables.values()))
        self.seen: dict[tuple[str, str, str, str], tuple[float, float, int]] = {}
        self.up: dict[str, bool | None] = dict.fromkeys(cables)
        self.anchor_s = time.time() - time.monotonic()

    def take(self) -> None:
        """Take one frame, if there is one."""
        try:
            frame, ancillary, _flags, sender = self.tap.recvmsg(128, 256)
        except TimeoutError:
            return
        except OSError:
            return  # ENETDOWN: a cable went away; the others are still watched
        name, direction = sender[0], "out" if sender[2] == socket.PACKET_OUTGOING else "in"
        if self.cables.get(name) != direction:
            return
        found = claim(frame)
        if found is None:
            return
        drift_s = time.time() - (self.anchor_s + time.monotonic())
        at_s = kernel_stamp(ancillary) - drift_s
        first_s, _last_s, count = self.seen.get((name, *found), (at_s, at_s, 0))
        self.seen[(name, *found)] = (first_s, at_s, count + 1)

    def write(self) -> None:
        """Write what was seen, and which cables came or went."""
        there = {name for _number, name in socket.if_nameindex()}
        for name in self.cables:
            if self.up[name] != (name in there):
                self.up[name] = name in there
                print(json.dumps({"k": "cable", "at": round(time.time(), 4), "name": name, "up": self.up[name]}))
        statistics = self.tap.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        lost = struct.unpack("II", statistics)[1]
        seen = [[*who, round(first, 5), round(last, 5), count] for who, (first, last, count) in self.seen.items()]
        print(json.dumps({"k": "seen", "at": round(time.time(), 4), "s": seen, "lost": lost}), flush=True)
        self.seen = {}


def run(options: "dict[str, Any]") -> None:
    """Watch until the reader is gone or the limit has passed."""
    witness = Witness(options["cables"])
    print(json.dumps({"k": "hello", "wall": time.time()}), flush=True)
    began_s = written_s = time.monotonic()
    while (now_s := time.monotonic()) - began_s < options["limit_s"]:
        witness.take()
        if now_s - written_s >= FLUSH_S:
            witness.write()
            written_s = now_s
    witness.write()


if __name__ == "__main__":
    try:
        run(json.loads(sys.argv[1]))
    except BrokenPipeError:
        os._exit(0)
