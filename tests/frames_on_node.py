"""Run in a namespace of a node: says on a device all that a router or a host could say, or writes down who is heard."""

import socket
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path

BROADCAST = b"\xff" * 6
ALL_NODES = bytes.fromhex("333300000001")
OUTGOING = 4
"""Source: linux/if_packet.h, PACKET_OUTGOING."""
SO_TIMESTAMPNS = 35
"""Source: asm-generic/socket.h."""
TAGS = (0, 7, 4095)
ROUND_S = 0.005


def _mac(device: str) -> bytes:
    return bytes.fromhex(Path(f"/sys/class/net/{device}/address").read_text(encoding="ascii").strip().replace(":", ""))


def _payloads(mac: bytes) -> list[tuple[bytes, bytes]]:
    """Destination, and the frame from its type on: ARP both ways, neighbour discovery both ways, IPv4 broadcast."""
    address = socket.inet_aton("10.1.0.9")
    told: list[tuple[bytes, bytes]] = []
    for operation in (1, 2):
        arp = struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, operation) + mac + address + bytes(6) + address
        told.append((BROADCAST, arp))
    source = bytes.fromhex("fe80000000000000f8163efffe000009")
    group = bytes.fromhex("ff020000000000000000000000000001")
    for kind in (135, 136):
        body = struct.pack("!BBHI", kind, 0, 0, 0) + source + bytes((2, 1)) + mac
        told.append((ALL_NODES, struct.pack("!HIHBB", 0x86DD, 6 << 28, len(body), 58, 255) + source + group + body))
    packet = (
        struct.pack("!BBHHHBBH", 0x45, 0, 28, 0, 0, 64, 17, 0)
        + address
        + b"\xff" * 4
        + struct.pack("!HHHH", 9, 9, 8, 0)
    )
    told.append((BROADCAST, struct.pack("!H", 0x0800) + packet))
    told.append((bytes.fromhex("02000000aa01"), struct.pack("!H", 0x0800) + packet))
    return told


def shout(device: str, rounds: int) -> None:
    """`rounds` times; 0: until killed."""
    mac = _mac(device)
    line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    line.bind((device, 0))
    done = 0
    while not rounds or done < rounds:
        for target, frame in _payloads(mac):
            for tag in (b"", *(struct.pack("!HH", 0x8100, tag) for tag in TAGS)):
                with suppress(OSError):  # the device has no switch any more, or its queue is full
                    line.send((target + mac + tag + frame).ljust(60, b"\0"))
        done += 1
        time.sleep(ROUND_S)


def hear(device: str, path: str) -> None:
    """Who sends what comes in, each once, a line each."""
    line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    line.bind((device, 3))
    heard: set[bytes] = set()
    with Path(path).open("w", encoding="ascii") as file:
        print("listening", file=file, flush=True)
        while True:
            try:
                frame, (_, _, kind, _, _) = line.recvfrom(2048)
            except OSError:
                continue  # the device was down for a moment
            if kind != OUTGOING and frame[6:12] not in heard:
                heard.add(frame[6:12])
                print(frame[6:12].hex(":"), file=file, flush=True)


def date(device: str, path: str, mac: str) -> None:
    """When each frame of the mac came in, by the kernel's clock of the day, a line each."""
    line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    line.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    line.bind((device, 3))
    wanted = bytes.fromhex(mac.replace(":", ""))
    with Path(path).open("w", encoding="ascii") as file:
        print("listening", file=file, flush=True)
        while True:
            frame, told, _, _ = line.recvmsg(2048, 64)
            if frame[6:12] == wanted:
                seconds, rest = struct.unpack("qq", told[0][2])
                print(seconds + rest / 1e9, file=file, flush=True)


match sys.argv[1:]:
    case ["shout", device, rounds]:
        shout(device, int(rounds))
    case ["hear", device, path]:
        hear(device, path)
    case ["date", device, path, mac]:
        date(device, path, mac)
