"""Announcements in real network namespaces: a neighbour that knew an address elsewhere has learnt where it is now."""

import asyncio
import json
import os
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from hotspare.adapters.announcer import Announcer, Frames
from hotspare.lab.namespace import entered
from hotspare.model.errors import RefusedError
from hotspare.model.staging import Announced, Announcement, Outlet

pytestmark = pytest.mark.lab

OLD, NEW = "02:00:00:00:00:0f", "02:00:00:00:00:01"
NEW_MAC = bytes.fromhex(NEW.replace(":", ""))
EXPERIMENT = bytes.fromhex("88b5")
WITHIN_S = 10.0
_ETH_P_ALL = 3  # linux/if_ether.h


def ip(*argv: str) -> str:
    return subprocess.run(["ip", *argv], check=True, capture_output=True, text=True).stdout


class Cable:
    """A router's namespace with its device, and a neighbour's at the other end."""

    def __init__(self) -> None:
        tag = uuid.uuid4().hex[:6]
        self.router, self.neighbour, self.device = f"hs-ann-{tag}-r", f"hs-ann-{tag}-n", f"qg-{tag}"

    def lay(self) -> None:
        for name in (self.router, self.neighbour):
            ip("netns", "add", name)
        ends = ("address", NEW, "netns", self.router, "type", "veth", "peer", "name", "eth0", "netns", self.neighbour)
        ip("link", "add", self.device, *ends)
        ip("-n", self.router, "link", "set", self.device, "up")
        ip("-n", self.neighbour, "link", "set", "eth0", "up")
        ip("-n", self.neighbour, "address", "add", "10.30.0.1/24", "dev", "eth0")
        ip("-n", self.neighbour, "address", "add", "2001:db8::1/64", "dev", "eth0", "nodad")

    def remember(self, address: str) -> None:
        """The neighbour has talked to the address when it was elsewhere."""
        known = ("lladdr", OLD, "dev", "eth0", "nud", "reachable")
        ip("-n", self.neighbour, "neighbour", "replace", address, *known)

    def known(self, address: str) -> dict[str, object]:
        (entry,) = json.loads(ip("-n", self.neighbour, "-json", "neighbour", "show", "to", address, "dev", "eth0"))
        return dict(entry)

    def announce(self, address: str, **changes: str) -> Announced:
        told = {"namespace": self.router, "device": self.device, "mac": NEW, "address": address} | changes
        return asyncio.run(Announcer(no_bridge).prepare([Announcement(**told)]).send())


async def no_bridge(bridge: str, frames: Frames) -> None:
    raise AssertionError(f"nothing is said at {bridge}: {frames}")


@contextmanager
def heard(cable: Cable) -> Iterator[Callable[[], list[bytes]]]:
    """What the neighbour's end of the cable has received until it is asked."""
    with entered(cable.neighbour), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL)) as wire:
        wire.setblocking(False)
        found: list[bytes] = []

        def frames() -> list[bytes]:
            with suppress(BlockingIOError):
                while True:
                    found.append(wire.recv(2048))
            return found

        yield frames


@pytest.fixture
def cable() -> Iterator[Cable]:
    if os.geteuid() != 0:
        pytest.skip("namespaces need root")
    one = Cable()
    try:
        one.lay()
        yield one
    finally:
        for name in (one.router, one.neighbour):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


@pytest.mark.parametrize("address", ["10.30.0.7", "2001:db8::7"])
def test_a_neighbour_learns_the_new_mac(cable: Cable, address: str) -> None:
    cable.remember(address)
    assert cable.known(address)["lladdr"] == OLD
    done = cable.announce(address)
    assert (done.sent, done.missed, done.failures) == (1 if ":" in address else 2, 0, ())
    limit_s = time.monotonic() + WITHIN_S
    while cable.known(address)["lladdr"] != NEW:
        assert time.monotonic() < limit_s, cable.known(address)
    if ":" in address:
        assert "router" in cable.known(address), "or hosts would take it off their list of routers"


def namespaces_of_threads() -> set[int]:
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            found.add((task / "ns/net").stat().st_ino)
    return found


def test_this_process_stays_where_it_was(cable: Cable) -> None:
    before = Path("/proc/self/ns/net").stat().st_ino
    cable.announce("10.30.0.7")
    limit_s = time.monotonic() + WITHIN_S
    while namespaces_of_threads() != {before}:
        assert time.monotonic() < limit_s, "a thread is left in another namespace"


def test_what_is_not_there_is_counted_and_told_and_the_rest_is_sent(cable: Cable) -> None:
    good = Announcement(cable.router, cable.device, NEW, "10.30.0.7")
    burst = Announcer(no_bridge).prepare([
        Announcement("qrouter-gone", "qg-gone", NEW, "10.30.0.8"),
        Announcement(cable.router, "qg-gone", NEW, "10.30.0.9"),
        Announcement(cable.router, "lo", NEW, "2001:db8::9"),
        good,
    ])  # fmt: skip
    cable.remember("10.30.0.7")
    done = asyncio.run(burst.send())
    assert (done.sent, done.missed) == (2, 5)
    assert done.failures == (
        "qrouter-gone: No such file or directory",
        f"qg-gone in {cable.router}: No such device",
        f"lo in {cable.router}: Network is down",
    )
    again = asyncio.run(burst.send())
    assert (again.sent, again.missed) == (2, 5), "a burst is sent as often as wanted"


def test_nothing_to_say_is_nothing_sent() -> None:
    assert asyncio.run(Announcer(no_bridge).prepare([]).send()).sent == 0


def test_what_has_an_outlet_is_said_there_and_the_device_only_shows_where_it_is(cable: Cable) -> None:
    said: list[tuple[str, Frames]] = []

    async def bridge(name: str, frames: Frames) -> None:
        said.append((name, frames))

    outlet = Outlet("br-public", "phy-br-public", 6)
    addresses = ("10.30.0.7", "10.30.0.8")
    told = [Announcement(cable.router, cable.device, NEW, address, outlet) for address in addresses]
    cable.remember("10.30.0.7")
    with heard(cable) as frames:
        done = asyncio.run(Announcer(bridge).prepare(told).send())
        limit_s = time.monotonic() + WITHIN_S
        while not any(frame[12:14] == EXPERIMENT for frame in frames()):
            assert time.monotonic() < limit_s, "the device says nothing"
        (lesson,) = (frame for frame in frames() if frame[12:14] == EXPERIMENT)
    assert (done.sent, done.missed) == (5, 0)
    assert [(name, len(frames)) for name, frames in said] == [("br-public", 1), ("br-public", 3)], "each mac's first"
    at_bridge = [one for _, frames in said for one in frames]
    assert {port for port, _ in at_bridge} == {"phy-br-public"}
    assert [frame[12:18].hex() for _, frame in at_bridge] == ["810000060806"] * 4
    assert lesson[:12] == NEW_MAC + NEW_MAC, "the switch learns, and nobody else hears"
    assert cable.known("10.30.0.7")["lladdr"] == OLD


def test_what_a_bridge_does_not_take_is_said_from_the_device(cable: Cable) -> None:
    async def bridge(*_: object) -> None:
        raise RefusedError("there is no such bridge", code=1)

    told = [Announcement(cable.router, cable.device, NEW, "10.30.0.7", Outlet("br-public", "phy-br-public", 6))]
    cable.remember("10.30.0.7")
    done = asyncio.run(Announcer(bridge).prepare(told).send())
    assert (done.sent, done.missed, done.failures) == (3, 0, ("br-public: there is no such bridge",))
    limit_s = time.monotonic() + WITHIN_S
    while cable.known("10.30.0.7")["lladdr"] != NEW:
        assert time.monotonic() < limit_s, cable.known("10.30.0.7")
