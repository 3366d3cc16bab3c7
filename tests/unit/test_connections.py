"""Connections between the kernel's bytes, the wire's bytes, and the decisions about them."""

import socket
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotspare.codec import connection_batch, ctnetlink
from hotspare.codec.ctnetlink import Kind, Message
from hotspare.model.connection import (
    ASSURED,
    ESTABLISHED,
    ICMP,
    ICMPV6,
    SCTP,
    SEEN_REPLY,
    TCP,
    TIME_WAIT,
    UDP,
    Batch,
    Connection,
    Direction,
    Key,
    Tcp,
)
from hotspare.plan.connections import Ledger, Mending, Twin, worth

SNAT = (
    "c4000000000100000000000000000000020000003400018014000180080001000a00000b08000200c00002641c0002800500010006000000"
    "06000200a3850000060003001b5f0000340002801400018008000100c000026408000200c00002011c000280050001000600000006000200"
    "1b5f0000060003004e4b000008000c00663b4b28080003000000019e0800070000069780300004802c000180050001000300000005000200"
    "0a000000050003000a00000006000400230000000600050023000000"
)
"""Heard from Linux 6.18: 10.0.0.11 > 192.0.2.100 port 7007 is established, with a source port of the router's."""
FORWARDED = (
    "c400000000010000000000000000000002000000340001801400018008000100c000026408000200c00002011c0002800500010006000000"
    "06000200ad8f0000060003001f9000003400028014000180080001000a00000d08000200c00002641c000280050001000600000006000200"
    "0050000006000300ad8f000008000c0053291ea008000300000001ae0800070000069780300004802c000180050001000300000005000200"
    "0a000000050003000a00000006000400230000000600050023000000"
)
"""192.0.2.100 > 192.0.2.1 port 8080, which is 10.0.0.13 port 80."""
V6 = (
    "f40000000001000000000000000000000a0000004c0001802c0001801400030020010db80001000000000000000000111400040020010db8"
    "0002000000000000000001001c0002800500010006000000060002008b790000060003001b6200004c0002802c0001801400030020010db8"
    "0002000000000000000001001400040020010db80001000000000000000000111c0002800500010006000000060002001b62000006000300"
    "8b79000008000c00be77b27b080003000000000e0800070000069780300004802c0001800500010003000000050002000a00000005000300"
    "0a00000006000400230000000600050023000000"
)

ports = st.integers(0, 65535)


def directions(size: int) -> st.SearchStrategy[Direction]:
    addresses = st.binary(min_size=size, max_size=size)
    return st.builds(Direction, addresses, ports, addresses, ports)


@st.composite
def connections(draw: st.DrawFn) -> Connection:
    way = directions(draw(st.sampled_from([4, 16])))
    protocol = draw(st.sampled_from([TCP, UDP, ICMP, ICMPV6]))
    key = Key(protocol, draw(way), draw(ports))
    reply = draw(st.one_of(way, st.just(key.original.mirrored())))
    tcp = draw(st.builds(Tcp, *[st.integers(0, 255)] * 5)) if protocol == TCP else None
    number = st.integers(0, 2**32 - 1)
    return Connection(key, reply, draw(st.sampled_from([0, 2, 4, 6])), draw(number), draw(number), tcp)


def way(text: str) -> Direction:
    """`10.0.0.1 80 > 10.0.0.2 90`"""
    source, source_port, _, target, target_port = text.split()
    return Direction(ip_address(source).packed, int(source_port), ip_address(target).packed, int(target_port))


def connection(
    original: str, reply: str = "", protocol: int = UDP, status: int = SEEN_REPLY, timeout_s: int = 100
) -> Connection:
    first = way(original)
    return Connection(Key(protocol, first), way(reply) if reply else first.mirrored(), status, timeout_s)


ONE = connection("10.0.0.1 1 > 192.0.2.9 2", "192.0.2.9 2 > 192.0.2.1 3")
TWO = connection("10.0.0.2 1 > 192.0.2.9 2", "192.0.2.9 2 > 192.0.2.1 4")


@given(connections(), ports)
def test_what_the_kernel_is_told_it_could_tell(wanted: Connection, sequence: int) -> None:
    """But for the translation, which it is told as ranges."""
    (message,) = ctnetlink.read(ctnetlink.create(wanted, sequence))
    assert (message.kind, message.sequence) == (Kind.LIVES, sequence)
    kept = wanted.tcp and wanted.tcp[:3]
    assert message.connection._replace(reply=wanted.reply, tcp=kept) == wanted._replace(tcp=kept)
    assert (message.connection.reply.source, message.connection.reply.target) == wanted.key.original.mirrored()[::2]


def test_a_refusal_is_told_with_the_request_it_is_of() -> None:
    refusal = bytes.fromhex("24000000 0200 0001 05000000 00000000 feffffff".replace(" ", "")) + bytes(16)
    assert ctnetlink.read(refusal) == [Message(Kind.REFUSED, 5, code=2)]


@pytest.mark.parametrize(
    ("captured", "original", "reply", "status"),
    [
        (SNAT, "10.0.0.11 41861 > 192.0.2.100 7007", "192.0.2.100 7007 > 192.0.2.1 20043", 6),
        (FORWARDED, "192.0.2.100 44431 > 192.0.2.1 8080", "10.0.0.13 80 > 192.0.2.100 44431", 6),
        (V6, "2001:db8:1::11 35705 > 2001:db8:2::100 7010", "2001:db8:2::100 7010 > 2001:db8:1::11 35705", 6),
    ],
)
def test_what_a_kernel_said_is_understood(captured: str, original: str, reply: str, status: int) -> None:
    told = Connection(Key(TCP, way(original)), way(reply), status, 432000, 0, Tcp(ESTABLISHED, 10, 10, 35, 35))
    assert ctnetlink.read(bytes.fromhex(captured) * 2) == [Message(Kind.LIVES, 0, told)] * 2
    assert str(told.key.original) == original


@pytest.mark.parametrize(
    ("told", "ranges"),
    [
        (SNAT, "28000680 08000100c0000201 08000200c0000201 14000380 060001004e4b0000 060002004e4b0000"),
        (FORWARDED, "28000d80 080001000a00000d 080002000a00000d 14000380 0600010000500000 0600020000500000"),
    ],
)
def test_a_translation_is_asked_for_as_a_range_of_one(told: str, ranges: str) -> None:
    (message,) = ctnetlink.read(bytes.fromhex(told))
    asked = ctnetlink.create(message.connection, 1).hex()
    assert ranges.replace(" ", "") in asked


def test_nothing_is_translated_where_directions_mirror_each_other() -> None:
    (message,) = ctnetlink.read(bytes.fromhex(V6))
    (told,) = ctnetlink.read(ctnetlink.create(message.connection, 1))
    assert told.connection.reply == message.connection.reply


@given(st.binary(max_size=300))
def test_bytes_of_no_kernel_are_refused_or_ignored(data: bytes) -> None:
    for read in (ctnetlink.read, connection_batch.read):
        try:
            read(data)
        except ValueError:
            continue


@given(st.binary(min_size=1), st.integers(0, 195))
def test_a_message_with_a_broken_part_is_refused_or_read(garbage: bytes, at: int) -> None:
    data = bytearray.fromhex(SNAT)
    data[at : at + len(garbage)] = garbage[: len(data) - at]
    try:
        ctnetlink.read(bytes(data))
    except ValueError:
        return


@given(
    st.text(max_size=60),
    st.booleans(),
    st.lists(connections(), max_size=5).map(tuple),
    st.lists(connections().map(lambda one: one.key), max_size=5).map(tuple),
)
def test_batches_come_over_the_wire(
    name: str, whole: bool, lives: tuple[Connection, ...], ended: tuple[Key, ...]
) -> None:
    batches = (Batch(name, whole, lives, ended, 0.25), Batch("r", whole, lives[:1]))
    data = connection_batch.write(batches)
    assert connection_batch.read(data) == batches
    with pytest.raises(ValueError, match="batches of connections"):
        connection_batch.read(b"\x07" + data[1:])


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        (ONE, True),
        (ONE._replace(status=0), False),
        (connection("10.0.0.1 1 > 192.0.2.9 53"), False),
        (connection("10.0.0.1 1 > 192.0.2.9 53", protocol=TCP)._replace(tcp=Tcp(ESTABLISHED, 0, 0, 0, 0)), True),
        (connection("10.0.0.1 1 > 169.254.169.254 80", "10.0.0.254 9697 > 10.0.0.1 1"), False),
        (connection("10.0.0.1 1 > 10.0.0.254 0", protocol=ICMP), False),
        (connection("10.0.0.254 1 > 10.0.0.1 0", protocol=ICMP), False),
        (connection("192.0.2.9 1 > 10.0.0.254 80", "10.0.0.1 8 > 192.0.2.9 1"), True),
        (ONE._replace(key=ONE.key._replace(protocol=SCTP)), False),
    ],
)
def test_what_nobody_would_miss_is_left(told: Connection, wanted: bool) -> None:
    assert worth(told, {socket.inet_aton("10.0.0.254")}) == wanted


@pytest.mark.parametrize("state", range(10))
def test_of_tcp_is_kept_what_is_past_its_handshake_and_not_over(state: int) -> None:
    told = ONE._replace(key=ONE.key._replace(protocol=TCP), tcp=Tcp(state, 0, 0, 0, 0))
    assert worth(told, ()) == (3 <= state <= 6)


def test_a_batch_has_each_connection_as_it_is_now_and_once() -> None:
    ledger = Ledger()
    ledger.lives(ONE, 0)
    ledger.lives(ONE._replace(mark=5), 1)
    ledger.lives(TWO, 1)
    ledger.ended(TWO.key, 2)
    assert ledger.take("r", 3) == Batch("r", False, (ONE._replace(mark=5, timeout_s=98),), (), 3)
    assert ledger.take("r", 4) is None
    ledger.ended(ONE.key, 5)
    assert ledger.take("r", 6) == Batch("r", False, (), (ONE.key,), 1)
    assert len(ledger) == 0


def test_one_that_ended_and_began_anew_is_told_as_it_is_now() -> None:
    ledger, anew = Ledger(), ONE._replace(reply=TWO.reply)
    ledger.lives(ONE, 0)
    ledger.take("r", 0)
    ledger.ended(ONE.key, 1)
    ledger.lives(anew, 1)
    assert ledger.take("r", 1) == Batch("r", False, (anew,))
    ledger.ended(ONE.key, 1)
    ledger.lives(anew, 1)
    ledger.ended(ONE.key, 1)
    assert ledger.take("r", 1) == Batch("r", False, (), (ONE.key,))


def test_a_connection_that_packets_prolonged_is_told_when_it_is_seen_again() -> None:
    ledger = Ledger()
    ledger.looked([ONE], 0)
    ledger.take("r", 0)
    ledger.looked([ONE._replace(timeout_s=55)], 50)
    assert ledger.take("r", 50) is None
    assert ledger.ending(100) == ()
    assert ledger.ending(101) == (ONE.key,)
    ledger.looked([ONE], 60)
    assert ledger.take("r", 60) == Batch("r", False, (ONE,))


def test_a_message_without_the_state_of_tcp_leaves_it_or_is_asked_about() -> None:
    ledger = Ledger()
    told = ONE._replace(key=ONE.key._replace(protocol=TCP), tcp=Tcp(ESTABLISHED, 7, 7, 3, 3))
    ledger.lives(told._replace(tcp=None), 0)
    assert ledger.take("r", 0) is None
    assert (ledger.unclear(), ledger.unclear()) == ({told.key}, frozenset())
    ledger.lives(told, 0)
    ledger.lives(told._replace(tcp=None, mark=1), 0)
    assert ledger.take("r", 0) == Batch("r", False, (told._replace(mark=1),))
    ledger.lives(told._replace(tcp=Tcp(TIME_WAIT, 7, 7, 3, 3)), 0)
    assert ledger.take("r", 0) == Batch("r", False, (), (told.key,))


steps = st.lists(
    st.tuples(st.sampled_from(["lives", "ended", "looked", "renew", "take"]), st.integers(0, 3), st.integers(0, 2)),
    max_size=30,
)


@given(steps)
def test_whoever_applies_all_batches_has_what_the_carrier_has(steps: list[tuple[str, int, int]]) -> None:
    """And the kernel of the spare too, if it does what it is asked."""
    ledger, twin = Ledger(), Twin(life_min_s=10)
    carrier: dict[Key, Connection] = {}
    spare: dict[Key, Connection] = {}
    for step, number, mark in [*steps, ("take", 0, 0)]:
        one = connection(f"10.0.0.{number} 1 > 192.0.2.9 2", f"192.0.2.9 2 > 192.0.2.1 {mark}")
        if step == "lives":
            carrier[one.key] = one
            ledger.lives(one, 0)
        elif step == "ended":
            carrier.pop(one.key, None)
            ledger.ended(one.key, 0)
        elif step == "looked":
            carrier = {one.key: one}
            ledger.looked([one], 0)
        elif step == "renew":
            ledger.renew(0)
        elif (batch := ledger.take("r", 0)) is not None:
            carried_out(twin.follow(batch, 0), spare)
            if batch.whole:
                carried_out(twin.mending(spare, 0), spare)
            assert spare == carrier
    assert twin.mending(spare, 0) == Mending()


def carried_out(steps: Mending, table: dict[Key, Connection]) -> None:
    for key in steps.remove:
        del table[key]
    for one in steps.make:
        assert one.key not in table
        table[one.key] = one
    for one in steps.alter:
        assert table[one.key].reply == one.reply
        table[one.key] = one


def test_what_the_kernel_has_otherwise_is_put_right() -> None:
    twin = Twin(life_min_s=50)
    twin.follow(Batch("r", True, (ONE, TWO)), 0)
    stray = connection("10.0.0.3 1 > 192.0.2.9 2")
    found = {one.key: one for one in (ONE._replace(mark=1), TWO._replace(reply=ONE.reply), stray)}
    steps = twin.mending(found, 0)
    assert (set(steps.remove), steps.make, steps.alter) == ({TWO.key, stray.key}, (TWO,), (ONE,))
    more = {one.key: one._replace(status=SEEN_REPLY | ASSURED) for one in (ONE, TWO)}
    assert twin.mending(more, 0) == Mending((ONE.key, TWO.key), (ONE, TWO))


def test_a_life_is_as_long_as_it_was_but_not_shorter_than_two_looks() -> None:
    twin = Twin(life_min_s=50)
    twin.follow(Batch("r", True, (ONE,)), 0)
    assert twin.mending({}, 20).make[0].timeout_s == 80
    assert twin.mending({}, 90).make[0].timeout_s == 50
    assert twin.mending({}, 151) == Mending()
    assert len(twin) == 0
