"""Send an ICMP echo to every target every interval and print, as JSON lines, what was sent and what came back.

Stand-alone, root for the raw socket: `python3 - '{"targets": ["10.30.1.7"], "interval_s": 0.04, "limit_s": 900}'`.
It decides nothing: rounds that were sent late, answers, and errors are printed as they are. It ends when its reader is
gone (a write fails; it writes at least every 0.25 s) or after `limit_s`.

Lines: {"k": "hello", "wall": …, "source": {target: local address}}
       {"k": "rounds", "first": n, "at": [seconds, …]}        when each round n, n+1, … was sent, wall clock
       {"k": "replies", "r": [[target index, round, seconds], …]}   kernel's receive stamp
       {"k": "errors", "e": [[target index, round, "EHOSTUNREACH"], …]}
A round that fell due while this process was not running is skipped, never sent in a burst: the gap shows in `at`.
"""

import errno
import json
import os
import select
import socket
import struct
import sys
import time
from contextlib import suppress
from typing import Any

Ancillary = list[tuple[int, int, bytes]]
ECHO_REPLY = 0
ECHO_REQUEST = 8
ICMP_FILTER = 1  # linux/icmp.h: a set bit blocks that type
SOL_RAW = 255
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
BUFFER_BYTES = 4 << 20
FLUSH_S = 0.25
MAGIC = b"hotspare"


def checksum(packet: bytes) -> int:
    """The internet checksum of an even number of bytes. Source: RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def echo_request(ident: int, number: int) -> bytes:
    """An echo request whose payload carries the whole round number: the sequence field alone wraps at 65536."""
    payload = MAGIC + struct.pack("!Q", number)
    head = struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, ident, number & 0xFFFF)
    return struct.pack("!BBHHH", ECHO_REQUEST, 0, checksum(head + payload), ident, number & 0xFFFF) + payload


def answered_round(packet: bytes, ident: int) -> "int | None":
    """The round that this IPv4 packet answers, or None where it is no answer to us."""
    if len(packet) < 20:
        return None
    start = (packet[0] & 0x0F) * 4
    body = packet[start:]
    if len(body) < 24 or body[0] != ECHO_REPLY or struct.unpack("!H", body[4:6])[0] != ident:
        return None
    if body[8:16] != MAGIC:
        return None
    return int.from_bytes(body[16:24], "big")


def kernel_stamp(ancillary: Ancillary) -> "float | None":
    """When the kernel got the packet, wall clock, or None where it did not say."""
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(content) >= 16:
            seconds, nanoseconds = struct.unpack("qq", content[:16])
            return float(seconds + nanoseconds / 1e9)
    return None


def raw_socket() -> socket.socket:
    """A socket that gives echo replies only, with the kernel's receive stamps and room for a stall of ours."""
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    raw.setblocking(False)
    raw.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("I", ~(1 << ECHO_REPLY) & 0xFFFFFFFF))
    raw.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    try:
        raw.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
    except OSError:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    return raw


def local_addresses(targets: "list[str]") -> "dict[str, str]":
    """Which local address each target is reached from, where there is a route at all."""
    found = {}
    for target in targets:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((target, 9))
                found[target] = probe.getsockname()[0]
            except OSError:
                continue
    return found


class Pinger:
    """One run: what is due, what came, and the lines not yet written."""

    def __init__(self, targets: "list[str]", interval_s: float) -> None:
        self.targets = targets
        self.index = {target: number for number, target in enumerate(targets)}
        self.interval_s = interval_s
        self.ident = os.getpid() & 0xFFFF
        self.raw = raw_socket()
        self.anchor_s = time.time() - time.monotonic()  # fixed: a clock step during the run moves no send stamp
        self.first = 0
        self.sent_at: list[float] = []
        self.replies: list[tuple[int, int, float]] = []
        self.errors: list[tuple[int, int, str]] = []

    def send_round(self, number: int) -> None:
        """Send to every target at once; a gap in the numbers means that rounds fell out."""
        if self.sent_at and self.first + len(self.sent_at) != number:
            self.write()
        if not self.sent_at:
            self.first = number
        self.sent_at.append(round(self.anchor_s + time.monotonic(), 5))
        packet = echo_request(self.ident, number)
        for place, target in enumerate(self.targets):
            try:
                self.raw.sendto(packet, (target, 0))
            except OSError as failed:
                self.errors.append((place, number, errno.errorcode.get(failed.errno or 0, str(failed))))

    def receive(self) -> None:
        """Take all answers that wait."""
        while True:
            try:
                packet, ancillary, _flags, (source, _port) = self.raw.recvmsg(2048, 256)
            except BlockingIOError:
                return
            except OSError:
                continue  # an error of an earlier send, told there; the receive queue is still good
            number = answered_round(packet, self.ident)
            place = self.index.get(source)
            if number is None or place is None:
                continue
            stamp = kernel_stamp(ancillary)
            seen_s = time.time() if stamp is None else stamp
            drift_s = time.time() - (self.anchor_s + time.monotonic())  # not 0 only after a step of the wall clock
            self.replies.append((place, number, round(seen_s - drift_s, 5)))

    def write(self) -> None:
        """Write what happened since the last time; an empty line of rounds is the sign of life."""
        print(json.dumps({"k": "rounds", "first": self.first, "at": self.sent_at}))
        if self.replies:
            print(json.dumps({"k": "replies", "r": self.replies}))
        if self.errors:
            print(json.dumps({"k": "errors", "e": self.errors}))
        sys.stdout.flush()
        self.sent_at, self.replies, self.errors = [], [], []


def go_first() -> None:
    """Be punctual on a busy machine, where that is allowed: of a round that is not sent nobody knows what became of it.
    What it takes is a few hundredths of a core. Source: sched(7), SCHED_RR.
    """
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))


def run(options: "dict[str, Any]") -> None:
    """Ping until the reader is gone or the limit has passed."""
    go_first()
    pinger = Pinger(options["targets"], options["interval_s"])
    hello = {"k": "hello", "wall": time.time(), "source": local_addresses(options["targets"])}
    print(json.dumps(hello), flush=True)
    began_s = time.monotonic()
    number, written_s = 0, began_s
    while (now_s := time.monotonic()) - began_s < options["limit_s"]:
        due = int((now_s - began_s) / pinger.interval_s)
        if due >= number:
            pinger.send_round(due)
            number = due + 1
        if now_s - written_s >= FLUSH_S:
            pinger.write()
            written_s = now_s
        wait_s = began_s + number * pinger.interval_s - time.monotonic()
        if wait_s > 0:
            select.select([pinger.raw], [], [], wait_s)
        pinger.receive()
    pinger.write()


if __name__ == "__main__":
    try:
        run(json.loads(sys.argv[1]))
    except BrokenPipeError:
        os._exit(0)  # the reader is gone: nothing is left to flush
