"""The channel between stagers, over real sockets and real certificates: what is published arrives, how fresh it is can
be told, and whoever has not the cluster's key gets nothing and does no harm.
"""

import asyncio
import os
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hotspare.adapters.twin_channel.publisher import Publisher
from hotspare.adapters.twin_channel.subscriber import Away, Came, Fresh, Link, Lost, Standing, Subscriber, Whole
from hotspare.adapters.twin_channel.wire import Credentials, Limits, Trouble
from hotspare.codec.twin_frames import Control, Frame, Hello, encoded, hello
from hotspare.model.errors import InvariantError, RefusedError

LOOPBACK = "127.0.0.1"
LIMITS = Limits(heartbeat_s=0.02, silence_s=1.0, greeting_s=1.0, connect_s=1.0, retry_s=0.02, retry_s_max=0.1)
HASTY = replace(LIMITS, silence_s=0.2, greeting_s=0.2)
"""For what has to run out."""
HELLO = encoded(hello(Hello("gw", "net2", carries=False)))
PATIENCE_S = 20.0
LONG = datetime(2001, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
YEAR_2001 = datetime(2001, 1, 1, tzinfo=UTC), datetime(2001, 12, 31, tzinfo=UTC)


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("key") / "twin.pem", key_and_certificate())


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("key") / "twin.pem", key_and_certificate())


def key_and_certificate(valid: tuple[datetime, datetime] = LONG) -> bytes:
    """An authority of its own, that signs nobody else."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hotspare twin")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), *valid)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain) + certificate


def written(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


async def until(condition: Callable[[], object], words: str) -> None:
    limit_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < limit_s, f"not within {PATIENCE_S} s: {words}"
        await asyncio.sleep(0.005)


class Carrier:
    """A publisher, with the state that it publishes."""

    def __init__(self, pem: Path, limits: Limits = LIMITS, *, node: str = "net1") -> None:
        self.state: tuple[Frame, ...] = (Frame(16, b"r1"), Frame(16, b"r2"))
        self.told: list[dict[str, object]] = []
        self.publisher = Publisher(
            "gw", node, Credentials(pem), whole=lambda: self.state, limits=limits, now=time.monotonic,
            tell=lambda _what, facts: self.told.append(dict(facts)),
        )  # fmt: skip
        self.port = 0

    @asynccontextmanager
    async def open(self, *, carries: bool = True) -> AsyncGenerator["Carrier"]:
        async with self.publisher.open([LOOPBACK], self.port) as (self.port,):
            self.publisher.carry(carries=carries)
            yield self

    def counted(self, trouble: Trouble) -> int:
        return self.publisher.troubles.get(trouble, 0)


class Ear:
    """A subscriber, with all that came."""

    def __init__(
        self, pem: Path, *addresses: tuple[str, int], limits: Limits = LIMITS, node: str = "net2", gateway: str = "gw"
    ) -> None:
        self.came: list[Came] = []
        self.open = asyncio.Event()
        self.open.set()
        self.subscriber = Subscriber(
            gateway, node, Credentials(pem), {"net1": addresses}, take=self._take, limits=limits, now=time.monotonic,
            tell=lambda _what, _facts: None,
        )  # fmt: skip

    async def _take(self, _peer: str, came: Came) -> None:
        await self.open.wait()
        self.came.append(came)

    @property
    def link(self) -> Link | Away:
        return self.subscriber.links()["net1"]

    @property
    def even_s(self) -> float:
        return (self.link.even_s or 0.0) if isinstance(self.link, Link) else 0.0

    def payloads(self) -> list[bytes]:
        return [came.payload for came in self.came if isinstance(came, Frame)]

    def counted(self, trouble: Trouble) -> int:
        return self.subscriber.troubles.get(trouble, 0)

    @asynccontextmanager
    async def listening(self) -> AsyncGenerator["Ear"]:
        running = asyncio.create_task(self.subscriber.run())
        try:
            yield self
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


@asynccontextmanager
async def linked(pem: Path, limits: Limits = LIMITS) -> AsyncGenerator[tuple[Carrier, Ear]]:
    async with (
        Carrier(pem, limits).open() as carrier,
        Ear(pem, (LOOPBACK, carrier.port), limits=limits).listening() as ear,
    ):
        await until(lambda: ear.even_s, "the spare is even")
        yield carrier, ear


class Proxy:
    """A cable between the two: it records what a client says, and can be cut without a word."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.port = 0
        self.said = bytearray()
        self.whole = asyncio.Event()
        self.whole.set()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator["Proxy"]:
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._came, LOOPBACK, 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(LOOPBACK, self._port)
        for source, target, record in ((reader, back, self.said), (there, writer, None)):
            self._tasks.add(asyncio.create_task(self._relay(source, target, record)))

    async def _relay(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, record: bytearray | None
    ) -> None:
        try:
            while piece := await source.read(65536):
                await self.whole.wait()
                if record is not None:
                    record += piece
                target.write(piece)
                await target.drain()
        finally:
            target.transport.abort()


def client_of(pem: Path | None, highest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """Of somebody who checks nothing, and may have the key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = highest
    if pem:
        context.load_cert_chain(pem)
    return context


async def answer_to(port: int, said: bytes, *, tls: ssl.SSLContext | None = None, end: bool = True) -> bytes:
    """All that comes back to the bytes, until the other side hangs up."""
    try:
        reader, writer = await asyncio.open_connection(LOOPBACK, port, ssl=tls)
    except OSError:
        return b""
    try:
        writer.write(said)
        if end and tls is None:
            writer.write_eof()
        with suppress(OSError):
            async with asyncio.timeout(PATIENCE_S):
                return await reader.read()
        return b""
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


# --- what it is for ---------------------------------------------------------------------------------------------------


def test_a_spare_gets_the_whole_state_and_then_what_changes_it(pem: Path) -> None:
    async def script() -> None:
        async with linked(pem) as (carrier, ear):
            carrier.publisher.publish([Frame(16, b"r3"), Frame(17, b"x" * 100_000)])
            await until(lambda: len(ear.came) >= 7, "changes came")
            assert ear.came == [
                Standing(True), Fresh(), Frame(16, b"r1"), Frame(16, b"r2"), Whole(), Frame(16, b"r3"),
                Frame(17, b"x" * 100_000),
            ]  # fmt: skip
            assert ear.subscriber.carriers() == ("net1",)
            (spare,) = carrier.publisher.spares()
            assert (spare.node, spare.address, spare.whole_states) == ("net2", LOOPBACK, 1)

    asyncio.run(script())


def test_many_spares_hear_the_same(pem: Path) -> None:
    async def script() -> None:
        async with Carrier(pem).open() as carrier:
            ears = [Ear(pem, (LOOPBACK, carrier.port), node=f"spare{n}") for n in range(8)]
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(ear.subscriber.run()) for ear in ears]
                await until(lambda: all(ear.even_s for ear in ears), "all are even")
                carrier.publisher.publish([Frame(16, b"r3")])
                await until(lambda: all(ear.payloads() == [b"r1", b"r2", b"r3"] for ear in ears), "all have all")
                for task in tasks:
                    task.cancel()

    asyncio.run(script())


def test_who_carries_the_gateway_is_told_at_once_and_a_new_carrier_gives_its_whole_state(pem: Path) -> None:
    async def script() -> None:
        async with Carrier(pem).open(carries=False) as carrier:
            ear = Ear(pem, (LOOPBACK, carrier.port))
            async with ear.listening():
                await until(lambda: ear.came, "the link is up")
                assert ear.came == [Standing(False)]
                assert ear.subscriber.carriers() == ()
                with pytest.raises(InvariantError):
                    carrier.publisher.publish([Frame(16, b"r3")])
                carrier.publisher.carry(carries=True)
                await until(lambda: ear.even_s, "the spare is even")
                carrier.publisher.carry(carries=False)
                await until(lambda: ear.came[-1] == Standing(False), "it stands down")
                assert ear.came[1:-1] == [Standing(True), Fresh(), Frame(16, b"r1"), Frame(16, b"r2"), Whole()]
                assert isinstance(ear.link, Link)
                assert ear.link.even_s is None

    asyncio.run(script())


def test_a_spare_that_says_it_is_even_has_all_that_was_published_by_then(pem: Path) -> None:
    async def script() -> None:
        async with linked(pem) as (carrier, ear):
            for number in range(50):
                carrier.publisher.publish([Frame(16, b"%d" % number)])
                at_s = time.monotonic()
                await until(lambda at_s=at_s: ear.even_s > at_s, "even with it")
                assert ear.payloads()[-1] == b"%d" % number

    asyncio.run(script())


def test_a_dead_cable_is_known_on_both_sides_and_ages_what_the_spare_has(pem: Path) -> None:
    async def script() -> None:
        async with Carrier(pem, HASTY).open() as carrier, Proxy(carrier.port).open() as proxy:
            ear = Ear(pem, (LOOPBACK, proxy.port), limits=HASTY)
            async with ear.listening():
                await until(lambda: ear.even_s, "the spare is even")
                proxy.whole.clear()
                cut_s = time.monotonic()
                await until(lambda: isinstance(ear.link, Away), "the spare knows")
                await until(lambda: not carrier.publisher.spares(), "the carrier knows")
                assert isinstance(ear.came[-1], Lost)
                assert ear.counted(Trouble.SILENT) == carrier.counted(Trouble.SILENT) == 1
                assert isinstance(ear.link, Away)
                assert ear.link.since_s > cut_s
                proxy.whole.set()
                await until(lambda: ear.even_s > cut_s, "the spare is even again")

    asyncio.run(script())


def test_a_slow_spare_is_given_a_whole_state_later_and_nothing_piles_up(pem: Path) -> None:
    limits = replace(LIMITS, queued_bytes_max=1 << 20)

    async def script() -> None:
        async with linked(pem, limits) as (carrier, ear):
            ear.open.clear()
            most = 0
            for number in range(200):
                state = Frame(16, os.urandom(100_000))
                carrier.state = (state, Frame(17, b"%d" % number))
                carrier.publisher.publish([state])
                most = max(most, carrier.publisher.spares()[0].queued_bytes)
                await asyncio.sleep(0)
            assert most <= limits.queued_bytes_max
            even_s = ear.even_s
            ear.open.set()
            await until(lambda: ear.even_s > even_s and ear.payloads()[-1] == b"199", "even again")
            last = max(at for at, came in enumerate(ear.came) if came == Fresh())
            assert ear.came[last:] == [Fresh(), *carrier.state, Whole()]
            assert carrier.publisher.spares()[0].whole_states >= 2
            assert not carrier.publisher.troubles

    asyncio.run(script())


def test_a_link_comes_back_when_its_carrier_does(pem: Path) -> None:
    async def script() -> None:
        carrier = Carrier(pem)
        async with carrier.open():
            ear = Ear(pem, (LOOPBACK, carrier.port))
            running = asyncio.create_task(ear.subscriber.run())
            await until(lambda: ear.even_s, "the spare is even")
        await until(lambda: isinstance(ear.link, Away), "the link is gone")
        async with carrier.open():
            await until(lambda: ear.even_s, "the spare is even again")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert [type(came) for came in ear.came].count(Lost) >= 1

    asyncio.run(script())


def test_a_peer_is_reached_by_the_ring_that_is_left(pem: Path) -> None:
    async def script() -> None:
        async with Carrier(pem).open() as carrier:
            with socket.create_server((LOOPBACK, 0)) as nobody:
                closed = nobody.getsockname()[1]
            async with Ear(pem, (LOOPBACK, closed), (LOOPBACK, carrier.port)).listening() as ear:
                await until(lambda: ear.even_s, "the spare is even")
                assert ear.counted(Trouble.UNREACHABLE) == 1

    asyncio.run(script())


def test_a_peer_without_any_ring_is_away_with_a_reason_for_each(pem: Path) -> None:
    async def script() -> None:
        with socket.create_server((LOOPBACK, 0)) as nobody:
            closed = nobody.getsockname()[1]
        async with Ear(pem, (LOOPBACK, closed), ("127.0.0.2", closed)).listening() as ear:
            await until(lambda: ear.counted(Trouble.UNREACHABLE) >= 6, "it goes on trying")
            assert isinstance(ear.link, Away)
            assert [why.partition(":")[0] for why in ear.link.why] == [LOOPBACK, "127.0.0.2"]
            assert "refused" in ear.link.why[0]

    asyncio.run(script())


def test_ipv6_and_an_address_that_is_not_there_yet_are_listened_on(pem: Path) -> None:
    async def script() -> None:
        carrier = Carrier(pem)
        async with carrier.publisher.open(["::1", "192.0.2.1"], 0) as ports:
            ear = Ear(pem, ("::1", ports[0]))
            async with ear.listening():
                await until(lambda: ear.came, "the link is up")

    asyncio.run(script())


def test_a_port_that_is_taken_is_told(pem: Path) -> None:
    async def script() -> None:
        async with Carrier(pem).open() as carrier:
            with pytest.raises(RefusedError, match="cannot listen"):
                async with Carrier(pem).publisher.open([LOOPBACK], carrier.port):
                    pass

    asyncio.run(script())


def test_the_newest_link_of_a_node_is_the_one_that_counts(pem: Path) -> None:
    async def script() -> None:
        async with Carrier(pem).open() as carrier:
            first, second = (Ear(pem, (LOOPBACK, carrier.port)) for _ in range(2))
            async with first.listening():
                await until(lambda: first.even_s, "the first is even")
                async with second.listening():
                    await until(lambda: carrier.counted(Trouble.REPLACED), "one was replaced")
                    assert len(carrier.publisher.spares()) <= 1

    asyncio.run(script())


def test_what_a_user_of_the_channel_gets_wrong_is_not_hidden(pem: Path) -> None:
    class OwnError(Exception):
        pass

    async def fail(_peer: str, _came: Came) -> None:
        raise OwnError

    async def script() -> None:
        async with Carrier(pem).open() as carrier:
            with pytest.raises(InvariantError):
                carrier.publisher.publish([Frame(Control.WHOLE)])
            with pytest.raises(InvariantError):
                carrier.publisher.publish([Frame(16, bytes(LIMITS.frame_bytes_max + 1))])
            subscriber = Subscriber(
                "gw", "net2", Credentials(pem), {"net1": [(LOOPBACK, carrier.port)]}, take=fail, limits=LIMITS,
                now=time.monotonic, tell=lambda _what, _facts: None,
            )  # fmt: skip
            with pytest.raises(ExceptionGroup) as raised:
                await subscriber.run()
            assert raised.group_contains(OwnError)

    asyncio.run(script())


# --- who has no business here -----------------------------------------------------------------------------------------


def test_a_peer_with_another_certificate_is_refused_by_either_side(pem: Path, stranger: Path) -> None:
    async def script() -> None:
        async with linked(pem) as (carrier, good):
            async with Ear(stranger, (LOOPBACK, carrier.port), node="net3").listening() as ear:
                await until(lambda: ear.counted(Trouble.WRONG_CERTIFICATE), "the spare refuses the server")
                assert not ear.came
            reply = await answer_to(carrier.port, HELLO, tls=client_of(stranger))
            assert reply == b""
            await until(lambda: carrier.counted(Trouble.WRONG_CERTIFICATE), "the server refuses the spare")
            assert [spare.node for spare in carrier.publisher.spares()] == ["net2"]
            assert good.came.count(Fresh()) == 1

    asyncio.run(script())


def test_without_a_certificate_or_with_an_old_tls_nothing_is_said(pem: Path) -> None:
    async def script() -> None:
        async with Carrier(pem).open() as carrier:
            assert await answer_to(carrier.port, HELLO, tls=client_of(None)) == b""
            assert await answer_to(carrier.port, HELLO, tls=client_of(pem, ssl.TLSVersion.TLSv1_2)) == b""
            await until(lambda: sum(carrier.publisher.troubles.values()) == 2, "both are counted")
            assert carrier.counted(Trouble.WRONG_CERTIFICATE) == carrier.counted(Trouble.NO_TLS) == 1

    asyncio.run(script())


def openssl(*argv: str | Path) -> None:
    subprocess.run(["openssl", *argv], check=True, capture_output=True)


def test_a_certificate_that_the_clusters_key_signed_is_not_the_clusters(tmp_path: Path) -> None:
    """By OpenSSL's own rules it is good: `openssl req -x509` makes an authority."""
    key, crt, leaf_key, leaf = (tmp_path / name for name in ("key", "crt", "leaf.key", "leaf"))
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *new, "-keyout", key, "-out", crt, "-subj", "/CN=edge")
    openssl("req", *new, "-keyout", leaf_key, "-out", tmp_path / "csr", "-subj", "/CN=leaf")
    openssl("x509", "-req", "-in", tmp_path / "csr", "-CA", crt, "-CAkey", key, "-CAcreateserial", "-out", leaf)
    cluster = written(tmp_path / "twin.pem", key.read_bytes() + crt.read_bytes())
    signed = written(tmp_path / "signed.pem", leaf_key.read_bytes() + leaf.read_bytes())

    async def script() -> None:
        async with linked(cluster) as (carrier, _):
            assert await answer_to(carrier.port, HELLO, tls=client_of(signed)) == b""
            await until(lambda: carrier.counted(Trouble.WRONG_CERTIFICATE), "it is counted")

    asyncio.run(script())


def test_an_expired_certificate_is_as_good_as_any(tmp_path: Path) -> None:
    """A node whose clock is wrong after a boot has its twin all the same."""

    async def script() -> None:
        async with linked(written(tmp_path / "twin.pem", key_and_certificate(YEAR_2001))):
            pass

    asyncio.run(script())


@pytest.mark.parametrize(
    "said", [b"", b"\0", HELLO, b"GET / HTTP/1.1\r\n\r\n", b"SSH-2.0-scan\r\n", b"\x16\x03\x01\x02\x00\x01\x00",
             os.urandom(5000)],
    ids=["port scan", "a byte", "plaintext", "http", "ssh", "half a greeting of TLS", "garbage"],
)  # fmt: skip
def test_whoever_speaks_no_tls_is_closed_and_counted_and_harms_nobody(pem: Path, said: bytes) -> None:
    async def script() -> None:
        async with linked(pem) as (carrier, ear):
            reply = await answer_to(carrier.port, said)
            assert reply[:1] in (b"", b"\x15"), "at most an alert of TLS"
            await until(lambda: carrier.counted(Trouble.NO_TLS) == 1, "it is counted")
            assert carrier.told[0]["peer"] == LOOPBACK
            carrier.publisher.publish([Frame(16, b"r3")])
            await until(lambda: ear.payloads()[-1] == b"r3", "the spare hears on")
            assert ear.came.count(Fresh()) == 1

    asyncio.run(script())


def test_a_recorded_session_is_worth_nothing(pem: Path) -> None:
    async def script() -> None:
        async with Carrier(pem).open() as carrier, Proxy(carrier.port).open() as proxy:
            async with Ear(pem, (LOOPBACK, proxy.port)).listening() as ear:
                await until(lambda: ear.even_s, "the spare is even")
            await until(lambda: not carrier.publisher.spares(), "it is gone")
            before = sum(carrier.publisher.troubles.values())
            reply = await answer_to(carrier.port, bytes(proxy.said), end=False)
            assert b"r1" not in reply
            await until(lambda: sum(carrier.publisher.troubles.values()) > before, "it is counted")
            assert carrier.publisher.spares() == ()

    asyncio.run(script())


def test_a_flood_of_strangers_does_not_keep_a_spare_out(pem: Path) -> None:
    async def script() -> None:
        async with Carrier(pem, replace(LIMITS, strangers_max=4, greeting_s=60.0)).open() as carrier:
            idle = [await asyncio.open_connection(LOOPBACK, carrier.port) for _ in range(50)]
            async with Ear(pem, (LOOPBACK, carrier.port)).listening() as ear:
                await until(lambda: ear.even_s, "the spare is even")
                assert carrier.counted(Trouble.CROWDED) >= 46
                assert len(carrier.told) <= 2, "a flood is told once, with its number later"
            for _, writer in idle:
                writer.transport.abort()

    asyncio.run(script())


# --- whoever has the key, and does not behave -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "trouble"),
    [
        (b"", Trouble.NO_GREETING),
        (HELLO[:3], Trouble.NO_GREETING),
        (HELLO, Trouble.SILENT),
        (HELLO + b"\0\0", Trouble.SILENT),
        (b"\xff\xff\xff\xff\x00\x00", Trouble.OVERSIZED),
        (HELLO + b"\0\1\0\0\x01\x00", Trouble.OVERSIZED),
        (HELLO + encoded(Frame(16, b"a spare has nothing to say")), Trouble.MALFORMED),
        (encoded(Frame(Control.HELLO, b"{}")), Trouble.MALFORMED),
        (b"GET / HTTP/1.1\r\n\r\n", Trouble.MALFORMED),
        (encoded(hello(Hello("other", "net2", carries=False))), Trouble.STRANGER),
    ],
)
def test_a_client_that_does_not_behave_is_closed_and_counted(pem: Path, said: bytes, trouble: Trouble) -> None:
    async def script() -> None:
        async with Carrier(pem, HASTY).open(carries=False) as carrier:
            await answer_to(carrier.port, said, tls=client_of(pem))
            await until(lambda: carrier.counted(trouble) == 1, f"{trouble} in {carrier.publisher.troubles}")
            assert carrier.publisher.spares() == ()

    asyncio.run(script())


def test_half_a_frame_is_counted(pem: Path) -> None:
    async def script() -> None:
        async with Carrier(pem).open() as carrier:
            reader, writer = await asyncio.open_connection(LOOPBACK, carrier.port, ssl=client_of(pem))
            writer.write(HELLO + b"\0\0\0\x09\x01")
            await reader.readexactly(1)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            await until(lambda: carrier.counted(Trouble.HALF_FRAME) == 1, "half a frame")

    asyncio.run(script())


@asynccontextmanager
async def false_server(pem: Path, said: Iterable[bytes]) -> AsyncGenerator[int]:
    """It has the key, says these bytes to everybody, and then nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    async def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.writelines(said)
        with suppress(OSError):
            await reader.read()
        writer.transport.abort()

    server = await asyncio.start_server(came, LOOPBACK, 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


CARRIER = encoded(hello(Hello("gw", "net1", carries=True)))


@pytest.mark.parametrize(
    ("said", "trouble"),
    [
        ([], Trouble.NO_GREETING),
        ([CARRIER], Trouble.SILENT),
        ([CARRIER, b"\xff\xff\xff\xff\x10\x00"], Trouble.OVERSIZED),
        ([CARRIER, CARRIER], Trouble.MALFORMED),
        ([CARRIER, encoded(Frame(Control.BEAT, b"?"))], Trouble.MALFORMED),
        ([encoded(hello(Hello("gw", "net3", carries=True)))], Trouble.STRANGER),
        ([encoded(hello(Hello("gw2", "net1", carries=True)))], Trouble.STRANGER),
    ],
)
def test_a_server_that_does_not_behave_is_left_and_tried_again(pem: Path, said: list[bytes], trouble: Trouble) -> None:
    async def script() -> None:
        async with false_server(pem, said) as port, Ear(pem, (LOOPBACK, port), limits=HASTY).listening() as ear:
            await until(lambda: ear.counted(trouble) >= 2, f"{trouble} in {ear.subscriber.troubles}")
            assert ear.payloads() == []

    asyncio.run(script())


# --- the file ---------------------------------------------------------------------------------------------------------


def test_a_new_key_is_taken_up_by_the_next_connection(tmp_path: Path) -> None:
    """Links that stand go on; a node that has the new one already is let in as soon as this one has it."""

    async def script() -> None:
        theirs, ours = (written(tmp_path / name, key_and_certificate()) for name in ("theirs.pem", "ours.pem"))
        async with linked(ours) as (carrier, ear):
            newcomer = Ear(theirs, (LOOPBACK, carrier.port), node="net3")
            async with newcomer.listening():
                await until(lambda: newcomer.counted(Trouble.WRONG_CERTIFICATE), "it is refused")
                written(tmp_path / "fresh.pem", theirs.read_bytes()).rename(ours)
                await until(lambda: newcomer.even_s, "it is let in")
                assert ear.came.count(Fresh()) == 1
                ours.write_bytes(b"garbage")
                async with Ear(theirs, (LOOPBACK, carrier.port), node="net4").listening() as late:
                    await until(lambda: late.counted(Trouble.NO_TLS) + late.counted(Trouble.CLOSED), "it is refused")
                    assert carrier.counted(Trouble.NO_KEY)

    asyncio.run(script())


def test_a_key_that_others_may_read_is_refused(pem: Path, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="may be read by others"):
        Credentials(written(tmp_path / "twin.pem", pem.read_bytes(), 0o640))


@pytest.mark.parametrize("part", ["nothing", "key", "certificate", "garbage"])
def test_a_file_without_key_and_certificate_is_refused(pem: Path, tmp_path: Path, part: str) -> None:
    text = pem.read_bytes()
    cut = text.index(ssl.PEM_HEADER.encode())
    content = {"nothing": b"", "key": text[:cut], "certificate": text[cut:], "garbage": b"\xff\0"}[part]
    with pytest.raises(RefusedError):
        Credentials(written(tmp_path / "twin.pem", content))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="No such file"):
        Credentials(tmp_path / "twin.pem")


def test_a_key_with_a_password_is_refused_and_nobody_is_asked(tmp_path: Path) -> None:
    key, crt = tmp_path / "key", tmp_path / "crt"
    openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-passout", "pass:secret", "-keyout", key, "-out", crt, "-subj", "/CN=e"
    )
    with pytest.raises(RefusedError):
        Credentials(written(tmp_path / "twin.pem", key.read_bytes() + crt.read_bytes()))
