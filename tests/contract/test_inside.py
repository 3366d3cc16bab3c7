"""Namespaces of routers, real ones of this machine under names of their own: seen, staged elsewhere, watched."""

import asyncio
import fcntl
import os
import struct
import subprocess
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, aclosing, asynccontextmanager, suppress
from functools import wraps
from pathlib import Path

import pytest

from hotspare.adapters import netns
from hotspare.adapters.inside import sysctls
from hotspare.adapters.inside.namespaces import Namespaces
from hotspare.model.dataplane import Address, Family, Neighbour, Route
from hotspare.model.errors import RefusedError
from hotspare.model.staging import (
    AddNamespace,
    DropNamespace,
    Inside,
    InsideLook,
    MoveDevice,
    SetAddresses,
    SetRoutes,
    SetRules,
    SetSysctls,
)

pytestmark = pytest.mark.lab

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x2, 0x1000  # linux/if_tun.h
QG, QR, QR2 = "qg-1f0c2d3e-4a", "qr-2b5d6f70-81", "qr-3c9e8d7f-60"
MACS = {QG: "fa:16:3e:00:00:01", QR: "fa:16:3e:00:00:02", QR2: "fa:16:3e:00:00:03"}

# As neutron-l3-agent writes them: a router with two floating IPs, a port forwarding, metadata and shared SNAT.
RULES_V4 = f"""*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:neutron-l3-agent-PREROUTING - [0:0]
:neutron-l3-agent-OUTPUT - [0:0]
-A PREROUTING -j neutron-l3-agent-PREROUTING
-A OUTPUT -j neutron-l3-agent-OUTPUT
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:neutron-l3-agent-PREROUTING - [0:0]
:neutron-l3-agent-OUTPUT - [0:0]
:neutron-l3-agent-POSTROUTING - [0:0]
:neutron-l3-agent-fip-pf - [0:0]
:neutron-l3-agent-pf-5c2a0f7e - [0:0]
:neutron-l3-agent-float-snat - [0:0]
:neutron-l3-agent-snat - [0:0]
:neutron-postrouting-bottom - [0:0]
-A PREROUTING -j neutron-l3-agent-PREROUTING
-A OUTPUT -j neutron-l3-agent-OUTPUT
-A POSTROUTING -j neutron-l3-agent-POSTROUTING
-A POSTROUTING -j neutron-postrouting-bottom
-A neutron-l3-agent-PREROUTING -j neutron-l3-agent-fip-pf
-A neutron-l3-agent-PREROUTING -d 169.254.169.254/32 -i qr-+ -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 9697
-A neutron-l3-agent-PREROUTING -d 203.0.113.21/32 -j DNAT --to-destination 10.0.0.21
-A neutron-l3-agent-PREROUTING -d 203.0.113.22/32 -j DNAT --to-destination 10.0.0.22
-A neutron-l3-agent-OUTPUT -d 203.0.113.21/32 -j DNAT --to-destination 10.0.0.21
-A neutron-l3-agent-OUTPUT -d 203.0.113.22/32 -j DNAT --to-destination 10.0.0.22
-A neutron-l3-agent-POSTROUTING ! -o {QG} -m conntrack ! --ctstate DNAT -j ACCEPT
-A neutron-l3-agent-fip-pf -j neutron-l3-agent-pf-5c2a0f7e
-A neutron-l3-agent-pf-5c2a0f7e -d 203.0.113.23/32 -p tcp -m tcp --dport 2222 -j DNAT --to-destination 10.0.0.23:22
-A neutron-l3-agent-float-snat -s 10.0.0.21/32 -j SNAT --to-source 203.0.113.21 --random-fully
-A neutron-l3-agent-float-snat -s 10.0.0.22/32 -j SNAT --to-source 203.0.113.22 --random-fully
-A neutron-l3-agent-snat -j neutron-l3-agent-float-snat
-A neutron-l3-agent-snat -o {QG} -j SNAT --to-source 203.0.113.10 --random-fully
-A neutron-l3-agent-snat -m mark ! --mark 0x2/0xffff -m conntrack --ctstate DNAT -j SNAT --to-source 203.0.113.10
-A neutron-postrouting-bottom -m comment --comment "Perform source NAT on outgoing traffic." -j neutron-l3-agent-snat
COMMIT
*mangle
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:neutron-l3-agent-mark - [0:0]
-A PREROUTING -j neutron-l3-agent-mark
-A neutron-l3-agent-mark -i {QG} -j MARK --set-xmark 0x2/0xffff
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:neutron-filter-top - [0:0]
:neutron-l3-agent-INPUT - [0:0]
-A INPUT -j neutron-l3-agent-INPUT
-A FORWARD -j neutron-filter-top
-A neutron-l3-agent-INPUT -m mark --mark 0x1/0xffff -j ACCEPT
-A neutron-l3-agent-INPUT -p tcp -m tcp --dport 9697 -j DROP
COMMIT
"""
RULES_V6 = f"""*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:neutron-l3-agent-FORWARD - [0:0]
-A FORWARD -j neutron-l3-agent-FORWARD
-A neutron-l3-agent-FORWARD -i {QG} -p ipv6-icmp -j ACCEPT
COMMIT
"""
ROUTER = f"""
link set lo up
link set {QG} address {MACS[QG]} mtu 1500 up
link set {QR} address {MACS[QR]} mtu 1450 up
link set {QR2} address {MACS[QR2]} mtu 1442 up
address add 203.0.113.10/24 brd + dev {QG}
address add 203.0.113.21/32 dev {QG}
address add 203.0.113.22/32 dev {QG}
address add 2001:db8:f::10/64 dev {QG}
address add 10.0.0.1/24 brd + dev {QR}
address add 10.0.1.1/24 brd + dev {QR}
address add 2001:db8:1::1/64 dev {QR}
address add 169.254.7.1/16 brd + scope link dev {QR2}
address add fe80::1/64 dev {QR2}
route add 198.51.100.0/30 dev {QG} scope link proto static
route add default via 203.0.113.1 dev {QG} proto static
route add 192.0.2.0/24 via 10.0.0.254 dev {QR} proto static
route add 192.0.2.128/25 via 10.0.1.254 dev {QR} metric 50 src 10.0.1.1
route add 10.9.0.0/16 via 10.0.1.253 dev {QR} table 1234
route add ::/0 via 2001:db8:f::1 dev {QG} proto static
route add ::/0 via fe80::99 dev {QG} proto ra metric 2048 expires 600
route add 2001:db8:2::/64 via 2001:db8:1::fe dev {QR} proto static metric 77
"""
SYSCTLS = {
    "ipv4/conf/all/promote_secondaries": "1",
    "netfilter/nf_conntrack_tcp_be_liberal": "1",
    "ipv4/ip_forward": "1",
    "ipv4/conf/all/arp_ignore": "1",
    "ipv4/conf/all/arp_announce": "2",
    "ipv6/conf/all/forwarding": "1",
    f"ipv6/conf/{QG}/accept_ra": "2",
    f"ipv6/conf/{QR2}/forwarding": "0",
}


def asynchronous(test):
    """The test is run in an event loop of its own."""

    @wraps(test)
    def in_loop(**fixtures):
        asyncio.run(test(**fixtures))

    return in_loop


def run(*argv: str, stdin: str = "") -> str:
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    return done.stdout


def within(name: str, *argv: str, stdin: str = "") -> str:
    return run("nsenter", f"--net=/run/netns/{name}", *argv, stdin=stdin)


def count(directory: str) -> int:
    return len(list(Path(directory).iterdir()))


def homes_of_threads() -> set[int]:
    """The network namespaces in which the threads of this process are."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # one that was joined is still on its way out
            found.add((task / "ns/net").stat().st_ino)
    return found


class Node:
    """What a test makes on this machine; all of it goes with the test."""

    def __init__(self) -> None:
        self.switch = f"switch-{uuid.uuid4().hex[:8]}"
        self.names: list[str] = []
        self._ends = 0
        run("ip", "netns", "add", self.switch)

    def name(self) -> str:
        self.names.append(f"qrouter-{uuid.uuid4()}")
        return self.names[-1]

    def half_made(self) -> str:
        """A name without a namespace behind it."""
        name = self.name()
        (netns.DIRECTORY / name).touch()
        return name

    def plug(self, *devices: str) -> None:
        """The devices are in the node's own namespace, down, and have somebody at the other end of the cable."""
        for device in devices:
            self._ends += 1
            end = f"end{self._ends}"
            run("ip", "link", "add", device, "type", "veth", "peer", "name", end, "netns", self.switch)
            run("ip", "-n", self.switch, "link", "set", end, "up")

    def ends(self) -> set[str]:
        lines = run("ip", "-n", self.switch, "-o", "link").splitlines()
        return {line.split()[1].partition("@")[0] for line in lines} - {"lo:"}

    def router(self) -> str:
        """A router as Neutron's agent makes it, by the tools."""
        name = self.name()
        run("ip", "netns", "add", name)
        self.plug(QG, QR, QR2)
        for device in (QG, QR, QR2):
            run("ip", "link", "set", device, "netns", name)
        settings = [f"net.{key.replace('/', '.')}={value}" for key, value in SYSCTLS.items()]
        within(name, "sysctl", "-q", "-w", *settings)
        within(name, "ip", "-batch", "-", stdin=ROUTER)
        within(name, "iptables-restore", stdin=RULES_V4)
        within(name, "ip6tables-restore", stdin=RULES_V6)
        return name

    def clean(self) -> None:
        for name in [*self.names, self.switch]:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
            Path("/run/netns", name).unlink(missing_ok=True)
        for device in (QG, QR, QR2):
            subprocess.run(["ip", "link", "delete", device], capture_output=True, check=False)


@pytest.fixture
def node() -> Iterator[Node]:
    made = Node()
    try:
        yield made
    finally:
        made.clean()


def staging(name: str, wanted: InsideLook) -> list[Inside]:
    """All steps from nothing."""
    devices = wanted.devices.values()
    return [
        AddNamespace(name),
        *(MoveDevice(device.name, name, device.mac, device.mtu) for device in devices),
        SetSysctls(name, wanted.sysctls),
        *(SetAddresses(name, device.name, tuple(device.addresses), ()) for device in devices),
        SetRoutes(name, tuple(wanted.routes), ()),
        *(SetRules(name, family, text) for family, text in wanted.rules.items()),
    ]


async def looked(name: str) -> InsideLook:
    return (await Namespaces().look([name]))[name]


@asynchronous
async def test_a_look_tells_what_neutron_made_and_nothing_that_the_kernel_adds(node):
    seen = await looked(node.router())
    assert seen.unstaged == ()
    assert {name: (device.mac, device.mtu, device.up) for name, device in seen.devices.items()} == {
        QG: (MACS[QG], 1500, True),
        QR: (MACS[QR], 1450, True),
        QR2: (MACS[QR2], 1442, True),
    }
    assert seen.devices[QG].addresses == {
        Address("203.0.113.10/24"), Address("203.0.113.21/32"), Address("203.0.113.22/32"),
        Address("2001:db8:f::10/64"),
    }  # fmt: skip
    assert seen.devices[QR2].addresses == {Address("169.254.7.1/16", 253), Address("fe80::1/64", 253)}
    assert seen.routes == {
        Route("198.51.100.0/30", device=QG, protocol=4, scope=253),
        Route("0.0.0.0/0", "203.0.113.1", QG, protocol=4),
        Route("192.0.2.0/24", "10.0.0.254", QR, protocol=4),
        Route("192.0.2.128/25", "10.0.1.254", QR, "10.0.1.1", 50),
        Route("10.9.0.0/16", "10.0.1.253", QR, table=1234),
        Route("::/0", "2001:db8:f::1", QG, metric=1024, protocol=4),
        Route("::/0", "fe80::99", QG, metric=2048, protocol=9),
        Route("2001:db8:2::/64", "2001:db8:1::fe", QR, metric=77, protocol=4),
    }
    assert seen.sysctls.items() >= SYSCTLS.items()
    for family, rules in ((Family.V4, RULES_V4), (Family.V6, RULES_V6)):
        assert sorted(seen.rules[family].splitlines()) == sorted(rules.splitlines())


@asynchronous
async def test_a_device_that_nobody_holds_any_more_is_told_from_one_that_is_held(node):
    """A tap has a carrier for as long as a process holds it. Source: linux, drivers/net/tun.c."""
    name = node.router()
    for device in ("qr-held", "qr-orphan"):
        within(name, "ip", "tuntap", "add", device, "mode", "tap")
        within(name, "ip", "link", "set", device, "up")
    with ExitStack() as stack:
        with netns.entered(name):
            held = os.open("/dev/net/tun", os.O_RDWR)
            stack.callback(os.close, held)
            fcntl.ioctl(held, TUNSETIFF, struct.pack("16sH22x", b"qr-held", IFF_TAP | IFF_NO_PI))
        seen = (await looked(name)).devices
    assert {device: seen[device].wired for device in ("qr-held", "qr-orphan", QR)} == {
        "qr-held": True, "qr-orphan": False, QR: True,
    }  # fmt: skip


@asynchronous
async def test_what_was_seen_is_staged_elsewhere_just_so(node):
    wanted = await looked(node.router())
    node.plug(QG, QR, QR2)
    twin = node.name()
    assert await Namespaces().carry_out(staging(twin, wanted)) == {}
    assert await looked(twin) == wanted
    # And as the tools see it, with what is not in the model: broadcast addresses above all.
    lines = [within(name, "ip", "-4", "-o", "address").splitlines() for name in node.names]
    assert {line.partition(":")[2] for line in lines[0]} == {line.partition(":")[2] for line in lines[1]}


@asynchronous
async def test_twice_is_as_good_as_once(node):
    wanted = await looked(node.router())
    node.plug(QG, QR, QR2)
    twin = node.name()
    namespaces = Namespaces()
    for _ in range(2):
        assert await namespaces.carry_out(staging(twin, wanted)) == {}
        assert (await namespaces.look([twin]))[twin] == wanted


@asynchronous
async def test_what_was_cut_anywhere_is_finished_by_the_next(node):
    wanted = await looked(node.router())
    namespaces = Namespaces()
    count = len(staging("", wanted))
    for done in range(count):
        twin = node.name()
        node.plug(QG, QR, QR2)
        steps = staging(twin, wanted)
        assert await namespaces.carry_out(steps[:done]) == {}
        assert await namespaces.carry_out(steps) == {}
        assert (await namespaces.look([twin]))[twin] == wanted, f"cut after {done} of {count}"
        assert await namespaces.carry_out([DropNamespace(twin)]) == {}


@asynchronous
async def test_a_device_that_was_moved_and_no_more_is_set_up_by_the_next(node):
    name = node.name()
    node.plug(QR)
    run("ip", "netns", "add", name)
    run("ip", "link", "set", QR, "netns", name)
    namespaces = Namespaces()
    for mtu in (1450, 1400, None):
        assert await namespaces.carry_out([MoveDevice(QR, name, MACS[QR], mtu)]) == {}
        seen = (await namespaces.look([name]))[name].devices[QR]
        assert (seen.mac, seen.mtu, seen.up) == (MACS[QR], mtu or 1400, True)


@asynchronous
async def test_a_change_takes_away_and_gives(node):
    name = node.router()
    namespaces = Namespaces()
    steps = [
        SetAddresses(name, QG, (Address("203.0.113.24/32"),), (Address("203.0.113.21/32"), Address("203.0.113.99/32"))),
        SetRoutes(
            name,
            (Route("0.0.0.0/0", "203.0.113.2", QG, protocol=4), Route("::/0", "fe80::2", QG, metric=1024, protocol=4)),
            (Route("192.0.2.0/24", "10.0.0.254", QR, protocol=4), Route("192.0.2.64/26", "10.0.0.254", "qr-gone")),
        ),
        SetRules(name, Family.V4, "*filter\n:INPUT DROP [0:0]\nCOMMIT\n"),
        SetRules(name, Family.V6, ""),
    ]
    before = (await namespaces.look([name]))[name]
    for _ in range(2):
        assert await namespaces.carry_out(steps) == {}
        after = (await namespaces.look([name]))[name]
        assert before.devices[QG].addresses - after.devices[QG].addresses == {Address("203.0.113.21/32")}
        assert after.devices[QG].addresses - before.devices[QG].addresses == {Address("203.0.113.24/32")}
        assert {route.destination for route in before.routes - after.routes} == {"0.0.0.0/0", "192.0.2.0/24", "::/0"}
        assert after.routes - before.routes == set(steps[1].add)
        # The kernel's other chains of the table are there again, and whole tables are gone.
        assert after.rules[Family.V4].splitlines()[:2] == ["*filter", ":FORWARD ACCEPT [0:0]"]
        assert after.rules[Family.V6] == ""


@asynchronous
async def test_half_made_namespaces_are_made_whole_and_dropped(node):
    namespaces = Namespaces()
    plain, bare = node.half_made(), node.half_made()
    assert await namespaces.look([plain, bare]) == {}
    assert await namespaces.carry_out([AddNamespace(plain), DropNamespace(bare)]) == {}
    assert (await namespaces.look([plain, bare])).keys() == {plain}
    assert "UP" in within(plain, "ip", "link", "show", "lo")
    assert bare not in netns.listed()
    # As ip-netns(8) makes it: the tools drop it, and see it in their mounts.
    run("ip", "netns", "delete", plain)
    assert await namespaces.look([plain]) == {}
    assert await namespaces.carry_out([DropNamespace(plain)]) == {}


@asynchronous
async def test_a_failure_is_told_and_stops_no_other(node):
    good, bad, worse = node.name(), node.name(), node.name()
    node.plug(QR)
    namespaces = Namespaces()
    on = {"ipv4/ip_forward": "1"}
    failures = await namespaces.carry_out(
        [
            AddNamespace(bad), MoveDevice(QG, bad, MACS[QG], 1500), SetSysctls(bad, on),
            AddNamespace(good), MoveDevice(QR, good, MACS[QR], 1500), SetSysctls(good, on),
            SetSysctls(worse, on),
        ]
    )  # fmt: skip
    assert failures.keys() == {bad, worse}
    assert all(isinstance(failure, RefusedError) for failure in failures.values())
    assert QG in failures[bad].message
    seen = await namespaces.look([good, bad])
    assert (seen[good].sysctls["ipv4/ip_forward"], seen[bad].sysctls["ipv4/ip_forward"]) == ("1", "0")
    assert seen[good].devices.keys() == {QR}


@asynchronous
async def test_whom_one_router_knows_its_twin_knows_and_says_nothing_about_it(node):
    name, twin = node.router(), node.name()
    entries = (
        (QR, "10.0.0.5", "fa:16:3e:00:00:05", "reachable"),
        (QG, "203.0.113.1", "fa:16:3e:00:00:01", "stale"),
        (QR, "2001:db8:a::5", "fa:16:3e:00:00:06", "delay"),
        (QR, "10.0.0.6", "fa:16:3e:00:00:07", "noarp"),
    )
    for device, address, mac, state in entries:
        within(name, "ip", "neighbour", "replace", address, "lladdr", mac, "dev", device, "nud", state)
    within(name, "ip", "neighbour", "replace", "10.0.0.7", "dev", QR, "nud", "failed")
    known = (await Namespaces().neighbours())[name]
    assert known == {Neighbour(device, address, mac) for device, address, mac, _ in entries[:3]}

    await Namespaces().carry_out([DropNamespace(name)])
    node.plug(QR)
    await Namespaces().carry_out([AddNamespace(twin), MoveDevice(QR, twin, MACS[QR], 1500)])
    assert (
        await Namespaces().introduce({twin: known, "qrouter-gone": known}, {"qrouter-left": known}, parked=True) == {}
    )

    def told() -> list[list[str]]:
        return [line.split() for line in within(twin, "ip", "-o", "neighbour", "show", "dev", QR).splitlines()]

    assert sorted(words[0] for words in told()) == ["10.0.0.5", "2001:db8:a::5"]
    assert {words[-1] for words in told()} == {"STALE"}, "nobody is asked before there is something for one"

    assert all("extern_learn" in words for words in told()), "the kernel does not forget whom nobody asks for"
    assert (await Namespaces().neighbours())[twin] == {one for one in known if one.device == QR}
    within(twin, "sysctl", "-qw", f"net/ipv4/neigh/{QR}/retrans_time_ms=1000")  # as a device that agents made
    (five,) = (one for one in known if one.address == "10.0.0.5")
    assert await Namespaces().introduce({twin: {five}}, {twin: known - {five}}, parked=True) == {}
    assert [words[0] for words in told()] == ["10.0.0.5"], "nobody else is known any more"
    brisk = within(twin, "sysctl", "-n", f"net/ipv4/neigh/{QR}/retrans_time_ms")
    assert brisk.strip() == str(sysctls.ASK_AGAIN_MS)
    assert await Namespaces().introduce({twin: {five}}, {}, parked=False) == {}
    assert [("extern_learn" in words, words[-1]) for words in told()] == [(False, "STALE")]


@asynchronous
async def test_a_twins_devices_ask_again_soon_for_a_neighbour_that_does_not_answer(node):
    name = node.name()
    node.plug(QR)
    assert await Namespaces().carry_out([AddNamespace(name), MoveDevice(QR, name, MACS[QR], 1500)]) == {}
    for family in ("ipv4", "ipv6"):
        value = within(name, "sysctl", "-n", f"net/{family}/neigh/{QR}/retrans_time_ms")
        assert value.strip() == str(sysctls.ASK_AGAIN_MS)


@asynchronous
async def test_rules_that_are_wrong_change_nothing(node):
    name = node.router()
    before = await looked(name)
    failures = await Namespaces().carry_out([SetRules(name, Family.V4, "*nat\n-F\n-A NOWHERE -j ACCEPT\nCOMMIT\n")])
    assert "iptables-restore" in failures[name].message
    assert await looked(name) == before


@pytest.mark.parametrize("name", ["../etc", "qrouter-/../../etc/passwd", "qdhcp-1"])
@asynchronous
async def test_only_routers_namespaces_are_touched(name):
    failures = await Namespaces().carry_out([AddNamespace(name), DropNamespace(name)])
    assert "no router's namespace" in failures[name].message
    assert await Namespaces().look([name]) == {}


@pytest.mark.parametrize("value", ["../kernel/hostname", "ipv4/../../kernel/hostname", "core/somaxconn"])
@asynchronous
async def test_only_values_of_the_network_are_set(node, value):
    name = node.name()
    failures = await Namespaces().carry_out([AddNamespace(name), SetSysctls(name, {value: "1"})])
    assert value in failures[name].message


@asynchronous
async def test_others_are_untouched_and_no_thread_or_descriptor_is_left_behind(node):
    bystander = node.router()
    namespaces = Namespaces()
    before = await namespaces.look([bystander])
    descriptors = count("/proc/self/fd")
    for _ in range(3):
        node.plug(QG, QR, QR2)
        twin = node.name()
        assert await namespaces.carry_out(staging(twin, before[bystander])) == {}
        assert (await namespaces.look([twin]))[twin] == before[bystander]
        assert await namespaces.carry_out([DropNamespace(twin)]) == {}
    assert await namespaces.look([bystander]) == before
    assert count("/proc/self/fd") == descriptors
    assert len(homes_of_threads()) == 1


@asynchronous
async def test_a_namespace_made_anew_is_not_taken_for_the_one_before(node):
    name = node.name()
    namespaces = Namespaces()
    for target in ("ACCEPT", "DROP"):  # the same generation of rules, in namespaces of the same inode
        text = f"*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j {target}\nCOMMIT\n"
        assert await namespaces.carry_out([AddNamespace(name), SetRules(name, Family.V4, text)]) == {}
        assert f"-A INPUT -j {target}\n" in (await namespaces.look([name]))[name].rules[Family.V4]
        assert await namespaces.carry_out([DropNamespace(name)]) == {}


@asynchronous
async def test_rules_are_read_again_only_when_they_changed(node):
    name = node.router()
    namespaces = Namespaces()
    first = (await namespaces.look([name]))[name]
    within(name, "ip", "address", "add", "203.0.113.77/32", "dev", QG)
    second = (await namespaces.look([name]))[name]
    assert second.devices != first.devices
    assert second.rules is first.rules
    within(name, "iptables", "-A", "INPUT", "-j", "ACCEPT")
    assert (await namespaces.look([name]))[name].rules[Family.V4] != first.rules[Family.V4]


@pytest.mark.parametrize(
    ("made", "word"),
    [
        (("tc", "qdisc", "add", "dev", QG, "root", "handle", "1:", "htb"), f"QoS of {QG}: htb"),
        (("tc", "qdisc", "add", "dev", QG, "ingress"), f"QoS of {QG}: ingress"),
        (("ip", "rule", "add", "from", "10.0.0.21", "lookup", "16", "priority", "57481"), "ip rule 57481 to table 16"),
        (
            ("ip", "-6", "rule", "add", "from", "2001:db8::/64", "lookup", "16", "priority", "9"),
            "ip rule 9 to table 16",
        ),
        (("ip", "link", "add", "ha-1f0c2d3e-4a", "type", "bridge"), "device ha-1f0c2d3e-4a"),
        (("ip", "link", "add", "rfp-1f0c2d3e-4", "type", "veth"), "device rfp-1f0c2d3e-4"),
        (
            ("ip", "route", "add", "10.7.0.0/16", "nexthop", "via", "10.0.0.7", "nexthop", "via", "10.0.1.7"),
            "the route to 10.7.0.0/16 in table 254",
        ),
        (("ip", "route", "add", "blackhole", "10.8.0.0/16"), "the route to 10.8.0.0/16 in table 254"),
        (
            ("ip", "route", "append", "192.0.2.0/24", "via", "10.0.0.253", "dev", QR),
            "several routes to 192.0.2.0/24 in table 254",
        ),
        (("sysctl", "-w", f"net.ipv6.conf.{QG}.proxy_ndp=1"), f"NDP proxy of {QG}"),
        (
            ("iptables-legacy", "-A", "INPUT", "-j", "ACCEPT"),
            "Warning: iptables-legacy tables present, use iptables-legacy-save to see them",
        ),
        (
            ("iptables", "-A", "INPUT", "-m", "policy", "--dir", "in", "--pol", "ipsec", "-j", "ACCEPT"),
            "an IPsec policy in its rules",
        ),
    ],
)
@asynchronous
async def test_what_is_not_understood_is_named(node, made, word):
    name = node.router()
    within(name, *made)
    assert word in (await looked(name)).unstaged


class Listener:
    """What is told by `changes`, in step with what is done: a change in a namespace of its own marks the end."""

    def __init__(self, told: AsyncIterator[frozenset[str]], mark: str) -> None:
        self.told = told
        self._mark = mark
        self._mtu = 20000

    async def told_of(self, change: Callable[[], object]) -> set[str]:
        """The namespaces that are told between the change and the mark after it."""
        await self._marked()
        change()
        return await self._marked()

    async def _marked(self) -> set[str]:
        self._mtu += 1
        within(self._mark, "ip", "link", "set", "lo", "mtu", str(self._mtu))
        told: set[str] = set()
        async with asyncio.timeout(20):
            while self._mark not in told:
                told |= await anext(self.told)
        return told - {self._mark}


@asynccontextmanager
async def listening(node: Node) -> AsyncIterator[Listener]:
    mark = node.name()
    run("ip", "netns", "add", mark)
    async with aclosing(Namespaces().changes()) as told:
        assert await anext(told) >= set(node.names)
        yield Listener(told, mark)


CHANGES = {
    "address": ("ip", "address", "add", "203.0.113.77/32", "dev", QG),
    "address gone": ("ip", "address", "delete", "203.0.113.21/32", "dev", QG),
    "IPv6 address": ("ip", "address", "add", "2001:db8:77::1/64", "dev", QR),
    "mtu": ("ip", "link", "set", QR, "mtu", "1400"),
    "link down": ("ip", "link", "set", QR2, "down"),
    "device": ("ip", "link", "add", "ha-1f0c2d3e-4a", "type", "bridge"),
    "route": ("ip", "route", "add", "10.77.0.0/16", "via", "10.0.0.7"),
    "IPv6 route": ("ip", "-6", "route", "delete", "2001:db8:2::/64"),
    "policy rule": ("ip", "rule", "add", "lookup", "16"),
    "IPv6 policy rule": ("ip", "-6", "rule", "add", "lookup", "16"),
    "queueing": ("tc", "qdisc", "add", "dev", QG, "root", "handle", "1:", "htb"),
    "forwarding": ("sysctl", "-w", "net.ipv4.ip_forward=0"),
    "IPv6 forwarding": ("sysctl", "-w", f"net.ipv6.conf.{QG}.forwarding=0"),
    "iptables": ("iptables", "-t", "nat", "-A", "neutron-l3-agent-snat", "-j", "ACCEPT"),
    "ip6tables": ("ip6tables", "-D", "FORWARD", "1"),
}


@asynchronous
async def test_every_kind_of_change_is_told_and_none_that_was_not(node):
    changed, quiet = node.router(), node.name()
    run("ip", "netns", "add", quiet)
    async with listening(node) as listener:
        assert await listener.told_of(lambda: None) == set()
        assert await listener.told_of(lambda: within(changed, "iptables-save")) == set()
        for what, argv in CHANGES.items():
            assert await listener.told_of(lambda argv=argv: within(changed, *argv)) == {changed}, what


@asynchronous
async def test_namespaces_that_come_and_go_are_told_and_not_kept(node):
    namespaces = Namespaces()

    async def by_the_tool(name: str) -> None:
        run("ip", "netns", "add", name)

    async def by_us(name: str) -> None:
        assert await namespaces.carry_out([AddNamespace(name)]) == {}

    async with listening(node) as listener, asyncio.timeout(30):
        for make in (by_the_tool, by_us):
            name = node.name()
            before = node.ends()
            node.plug(QR)
            await make(name)
            run("ip", "link", "set", QR, "netns", name)
            # Whoever looks at what is told comes to see what happened last.
            while QR not in getattr((await namespaces.look([name])).get(name), "devices", ()):
                assert name in await anext(listener.told)
            assert name in await listener.told_of(lambda name=name: run("ip", "netns", "delete", name))
            while node.ends() != before:  # the other end goes when nothing keeps the namespace
                await asyncio.to_thread(os.sched_yield)


@asynchronous
async def test_more_changes_than_a_socket_can_hold_are_told_as_well(node):
    name = node.router()
    async with listening(node) as listener:
        many = "".join(
            f"address add 10.200.{index % 250}.1/32 dev {QR}\naddress delete 10.200.{index % 250}.1/32 dev {QR}\n"
            for index in range(3000)
        )
        assert await listener.told_of(lambda: within(name, "ip", "-batch", "-", stdin=many)) == {name}
        assert await listener.told_of(lambda: within(name, *CHANGES["route"])) == {name}


def test_the_names_are_those_of_ip_netns():
    assert Path("/run/netns") == netns.DIRECTORY
