"""Connections through a router go on when its twin takes over: real kernels' tables, real streams, real silences."""

import asyncio
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import pytest

from crossing import (
    FLOATING,
    FORWARDED,
    GATEWAY,
    INSIDE,
    OUTSIDE,
    OUTSIDE6,
    SERVED,
    VM,
    VM6,
    VM_FLOATING,
    VM_SERVED,
    Crossing,
    Stream,
    crossing,
    ip,
    sysctl,
)
from hotspare.adapters import ctnetlink_socket
from hotspare.adapters.conntrack import CarrierConnections, SpareConnections
from hotspare.codec import connection_batch, ctnetlink
from hotspare.lab import image, namespace
from hotspare.model.connection import (
    ASSURED,
    CLOSE,
    ESTABLISHED,
    SEEN_REPLY,
    TCP,
    TIME_WAIT,
    UDP,
    Connection,
    Direction,
    Key,
    Tcp,
)

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]
PROCESS = Path(__file__).parents[1] / "connections_process.py"
SIZE = struct.Struct("!I")
OWN = frozenset(socket.inet_aton(address) for address in (INSIDE, GATEWAY, FLOATING))


@pytest.fixture
def routers() -> Iterator[Crossing]:
    with crossing("hct", image.ensure_image(print)) as made:
        yield made


@pytest.fixture
def bare() -> Iterator[tuple[str, str]]:
    """Two namespaces with nothing in them: their tables can be written to all the same."""
    names = (f"hcta{os.getpid()}", f"hctb{os.getpid()}")
    try:
        for name in names:
            ip("netns", "add", name)
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


class InStep:
    """Carrier and spare in a thread; what the carrier says of namespace `a` is done to `b`."""

    def __init__(self, a: str, b: str, own: frozenset[bytes] = frozenset(), **options: float) -> None:
        self.carrier, self.spare = CarrierConnections(every_s=0.02, **options), SpareConnections()
        self._names, self._own = (a, b), own
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._task: asyncio.Task[None] | None = None
        self._running = threading.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._running.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._task.get_loop().call_soon_threadsafe(self._task.cancel)
        self._thread.join()

    async def _run(self) -> None:
        self._task = asyncio.current_task()
        self.carrier.watch({self._names[0]: self._own})
        self._running.set()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._mend())
                async for batch in self.carrier.batches():
                    await self.spare.apply(renamed(batch, self._names[1]))
        except asyncio.CancelledError:
            await self.carrier.close()
            await self.spare.close()

    async def _mend(self) -> None:
        while True:
            await self.spare.mend([self._names[1]])
            await asyncio.sleep(0.1)


def renamed(batch: bytes, name: str) -> bytes:
    return connection_batch.write([one._replace(namespace=name) for one in connection_batch.read(batch)])


def table(name: str) -> dict[Key, tuple[Direction, int | None]]:
    """What the kernel has in the namespace: how it is translated, and the state of TCP."""
    with ctnetlink_socket.requests(name) as asking:
        return {
            one.key: (one.reply, one.tcp.state if one.tcp else None)
            for one in ctnetlink_socket.dumped(asking)
            if one.status & SEEN_REPLY
        }


def wait(condition: Callable[[], bool], *, within_s: float = 15.0) -> None:
    limit = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < limit, "not in time"
        time.sleep(0.01)


def made(number: int, *, protocol: int = TCP, ports: int = 1000) -> Connection:
    """A connection that is translated to another source port."""
    source, target = socket.inet_aton(f"10.0.{number >> 8}.{number & 255}"), socket.inet_aton(OUTSIDE)
    key = Key(protocol, Direction(source, ports, target, 80))
    tcp = Tcp(ESTABLISHED, 7, 7, 3, 3) if protocol == TCP else None
    reply = Direction(target, 80, socket.inet_aton(GATEWAY), 10000 + number)
    return Connection(key, reply, SEEN_REPLY | ASSURED, 300, 0, tcp)


def put(name: str, *connections: Connection) -> None:
    """They are in the kernel's table, and there are events of them as of real ones that are established."""
    do(name, *(lambda number, one=one: ctnetlink.create(one, number) for one in connections))
    do(name, *(lambda number, one=one: ctnetlink.update(one, number) for one in connections))


def end(name: str, *connections: Connection) -> None:
    do(name, *(lambda number, one=one: ctnetlink.delete(one.key, number) for one in connections))


def do(name: str, *wanted: ctnetlink_socket.Request) -> None:
    with ctnetlink_socket.requests(name) as asking:
        assert ctnetlink_socket.carried_out(asking, wanted) == {}


DIALS = {
    "shared SNAT": (("inside", VM), ("outside", OUTSIDE), 7001, (OUTSIDE, 7001)),
    "floating IP, outward": (("inside", VM_FLOATING), ("outside", OUTSIDE), 7002, (OUTSIDE, 7002)),
    "floating IP, inward": (("outside", OUTSIDE), ("inside", VM_FLOATING), 7003, (FLOATING, 7003)),
    "port forwarding": (("outside", OUTSIDE), ("inside", VM_SERVED), SERVED, (GATEWAY, FORWARDED)),
    "IPv6": (("inside", VM6), ("outside", OUTSIDE6), 7004, (OUTSIDE6, 7004)),
}


def dial(routers: Crossing, way: str) -> Stream:
    near, far, port, to = DIALS[way]
    stream = Stream(routers, near, far, port=port, to=to)
    stream.talk()
    return stream


def test_a_stream_goes_on_through_the_twin_and_back(routers: Crossing) -> None:
    with InStep(routers.a, routers.b, OWN):
        streams = {way: dial(routers, way) for way in DIALS}
        wait(lambda: len(table(routers.a)) == len(DIALS) and table(routers.a) == table(routers.b))
    for router in (routers.b, routers.a):
        routers.wire(router)
        for way, stream in streams.items():
            inside_is_far = DIALS[way][0][0] == "outside"
            stream.talk(far_first=inside_is_far)
    for stream in streams.values():
        stream.close()


@pytest.mark.parametrize("way", [way for way in DIALS if way != "IPv6"])
def test_it_dies_without(routers: Crossing, way: str) -> None:
    """The host inside speaks first after the takeover, and the twin gives its words another source port."""
    stream = dial(routers, way)
    routers.wire(routers.b)
    with pytest.raises(ConnectionResetError):
        stream.talk(far_first=DIALS[way][0][0] == "outside")
    stream.close()


def ask(client: socket.socket, server: socket.socket) -> tuple[str, int]:
    """A question and its answer; whom the server saw."""
    client.sendto(b"?", (OUTSIDE, 7005))
    _, peer = server.recvfrom(16)
    server.sendto(b"!", peer)
    assert client.recvfrom(16)[0] == b"!"
    return peer


@pytest.mark.parametrize("kept", [True, False])
def test_a_server_sees_the_same_client_over_udp_only_if_it_was_kept(routers: Crossing, kept: bool) -> None:
    client = routers.socket(("inside", VM), socket.SOCK_DGRAM)
    server = routers.socket(("outside", OUTSIDE), socket.SOCK_DGRAM, 7005)
    before = ask(client, server)
    if kept:
        with InStep(routers.a, routers.b, OWN):
            wait(lambda: bool(table(routers.b)) and table(routers.a) == table(routers.b))
    routers.wire(routers.b)
    assert (ask(client, server) == before) == kept
    client.close()
    server.close()


def test_a_ping_has_the_same_identifier_outside(routers: Crossing) -> None:
    echo = struct.pack("!BBHHH", 8, 0, 0, 0x1234, 1)
    total = sum(struct.unpack("!4H", echo))
    echo = struct.pack("!BBHHH", 8, 0, ~(total & 0xFFFF) & 0xFFFF, 0x1234, 1)
    with namespace.entered(routers.inside):
        pinging = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    pinging.settimeout(10)
    pinging.bind((VM, 0))
    with InStep(routers.a, routers.b, OWN):
        pinging.sendto(echo, (OUTSIDE, 0))
        assert pinging.recv(100)[20] == 0
        wait(lambda: bool(table(routers.b)) and table(routers.a) == table(routers.b))
    routers.wire(routers.b)
    before = table(routers.b)
    pinging.sendto(echo, (OUTSIDE, 0))
    assert pinging.recv(100)[20] == 0
    assert table(routers.b) == before
    pinging.close()


def test_what_began_before_is_found_and_what_is_over_goes(routers: Crossing) -> None:
    """The kernel tells nothing of the end of what began before anybody listened: a look finds it."""
    old = dial(routers, "shared SNAT")
    with InStep(routers.a, routers.b, OWN, look_every_s=0.5):
        wait(lambda: len(table(routers.b)) == 1)
        young = dial(routers, "floating IP, inward")
        wait(lambda: len(table(routers.b)) == 2)
        old.close()
        young.close()
        wait(lambda: table(routers.b) == {})


def test_what_ends_on_the_router_itself_is_not_kept(routers: Crossing) -> None:
    with InStep(routers.a, routers.b, OWN):
        with namespace.entered(routers.a):
            listener = socket.create_server((GATEWAY, 9697))
        client = routers.socket(("inside", VM), socket.SOCK_STREAM)
        client.connect((GATEWAY, 9697))
        other = dial(routers, "shared SNAT")
        wait(lambda: bool(table(routers.b)))
        assert len(table(routers.a)) == 2
        assert [key.original.target_port for key in table(routers.b)] == [7001]
        for end_of_it in (listener, client, other):
            end_of_it.close()


def test_a_namespace_that_comes_later_or_again_has_all(bare: tuple[str, str]) -> None:
    a, b = bare
    ip("netns", "del", b)
    put(a, *map(made, range(20)))
    with InStep(a, b) as step:
        wait(lambda: step.spare.sums().absent == {b})
        for _ in range(2):
            ip("netns", "add", b)
            wait(lambda: table(a) == table(b))
            assert step.spare.sums().absent == set()
            ip("netns", "del", b)
        ip("netns", "add", b)
        ip("netns", "del", a)
        wait(lambda: step.carrier.sums().namespaces == 0)
        wait(lambda: len(table(b)) == 20)
        ip("netns", "add", a)
        put(a, made(7))
        wait(lambda: table(b).keys() == {made(7).key})


def test_what_the_twin_has_otherwise_is_put_right(bare: tuple[str, str]) -> None:
    a, b = bare
    wanted, udp = made(1), made(2, protocol=UDP)
    other = wanted._replace(reply=wanted.reply._replace(target_port=4))
    put(b, other, made(3), udp)
    put(a, wanted, udp)
    with InStep(a, b) as step:
        wait(lambda: table(a) == table(b))
        end(b, wanted)
        put(b, other)
        step.carrier.renew()
        wait(lambda: table(a) == table(b))


def test_what_was_ended_or_changed_here_meanwhile_is_made_anew(bare: tuple[str, str]) -> None:
    a, b = bare
    wanted = made(1)
    put(a, wanted)
    with InStep(a, b) as step:
        wait(lambda: table(a) == table(b))
        end(b, wanted)
        do(a, lambda number: ctnetlink.update(wanted._replace(mark=5), number))
        wait(lambda: table(a) == table(b))
        assert step.spare.sums().refused == {}


def test_events_that_the_kernel_had_to_drop_are_made_good(bare: tuple[str, str]) -> None:
    a, b = bare
    with InStep(a, b, receive_buffer=1) as step:
        wait(lambda: step.carrier.sums().namespaces == 1)
        many = list(map(made, range(600)))
        put(a, *many)
        end(a, *many[::2])
        wait(lambda: step.carrier.sums().overruns > 0)
        wait(lambda: len(table(b)) == 300 and table(a) == table(b))


def test_a_twin_lives_at_least_until_the_carrier_has_looked_again(bare: tuple[str, str]) -> None:
    a, b = bare
    put(a, made(1)._replace(timeout_s=5), made(2)._replace(timeout_s=3000))
    with InStep(a, b):
        wait(lambda: len(table(b)) == 2)
        with ctnetlink_socket.requests(b) as asking:
            short, long = sorted(one.timeout_s for one in ctnetlink_socket.dumped(asking))
        assert 5 < short <= 150
        assert 150 < long <= 3000


def test_a_life_that_packets_prolong_is_prolonged_in_the_twin(routers: Crossing) -> None:
    """The kernel says no word of it: it is asked."""
    client = routers.socket(("inside", VM), socket.SOCK_DGRAM)
    server = routers.socket(("outside", OUTSIDE), socket.SOCK_DGRAM, 7005)
    ask(client, server)
    with InStep(routers.a, routers.b, ask_every_s=0.2, look_every_s=1000):
        wait(lambda: bool(table(routers.b)))
        assert lives_s(routers.b) <= 150
        for kind in ("udp_timeout", "udp_timeout_stream"):
            sysctl(routers.a, f"net/netfilter/nf_conntrack_{kind}", "3000")
        ask(client, server)
        wait(lambda: lives_s(routers.b) > 2000)
    client.close()
    server.close()


def lives_s(name: str) -> int:
    """What remains of the life of the only connection."""
    with ctnetlink_socket.requests(name) as asking:
        (one,) = ctnetlink_socket.dumped(asking)
        return one.timeout_s


def heard(listening: socket.socket) -> list[ctnetlink.Kind]:
    return [message.kind for datagram in ctnetlink_socket.Heard(listening) for message in ctnetlink.read(datagram)]


@pytest.mark.parametrize("state", [None, *range(1, 9)])
@pytest.mark.parametrize("status", [0, SEEN_REPLY, SEEN_REPLY | ASSURED])
def test_only_what_matters_wakes_the_carrier(bare: tuple[str, str], status: int, state: int | None) -> None:
    """Of TCP: that it is established or over, and the end of what was not over."""
    one = made(1, protocol=UDP if state is None else TCP)._replace(status=status)
    if state is not None:
        one = one._replace(tcp=Tcp(state, 7, 7, 3, 3))
    over = state in (TIME_WAIT, CLOSE)
    with ctnetlink_socket.events(bare[0], receive_buffer=1 << 16) as listening:
        put(bare[0], one)
        alive = [ctnetlink.Kind.LIVES] if status and (state in (None, ESTABLISHED) or over) else []
        assert heard(listening) == alive
        end(bare[0], one)
        assert heard(listening) == ([ctnetlink.Kind.ENDED] if status and not over else [])


@contextmanager
def process(part: str, name: str, **pipes: int) -> Iterator[subprocess.Popen[bytes]]:
    running = subprocess.Popen([sys.executable, str(PROCESS), part, name], **pipes)
    try:
        yield running
    finally:
        running.kill()
        running.wait()
        for pipe in (running.stdin, running.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


@contextmanager
def carrying(source: subprocess.Popen[bytes], sink: subprocess.Popen[bytes], name: str) -> Iterator[None]:
    """Batches go from one to the other, until one of them is dead, which has to be before this is left."""

    def carry() -> None:
        with suppress(OSError, ValueError, struct.error):
            while True:
                batch = renamed(source.stdout.read(SIZE.unpack(source.stdout.read(SIZE.size))[0]), name)
                sink.stdin.write(SIZE.pack(len(batch)) + batch)
                sink.stdin.flush()

    thread = threading.Thread(target=carry)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_either_side_may_be_killed_at_any_time(bare: tuple[str, str]) -> None:
    a, b = bare

    def more(number: int) -> None:
        """Half of what there is ends, and others begin; the twin follows."""
        end(a, *(made(one) for one in range(number * 50 - 25, number * 50)))
        put(a, *(made(one) for one in range(number * 50, number * 50 + 50)))

    def in_step() -> bool:
        return bool(table(a)) and table(a) == table(b)

    put(a, *map(made, range(50)))
    with process("spare", b, stdin=subprocess.PIPE) as spare:
        with process("carrier", a, stdout=subprocess.PIPE) as carrier, carrying(carrier, spare, b):
            wait(in_step)
            carrier.kill()
        more(1)
        assert not in_step()
        with process("carrier", a, stdout=subprocess.PIPE) as carrier:
            with carrying(carrier, spare, b):
                wait(in_step)
                spare.kill()
                more(2)
            with process("spare", b, stdin=subprocess.PIPE) as other, carrying(carrier, other, b):
                carrier.send_signal(signal.SIGUSR1)
                wait(in_step)
                carrier.kill()
