"""One connection between two stagers: TLS in which either side takes exactly the cluster's certificate, frames with
limits, and what went wrong, counted and told.
"""

import asyncio
import errno
import os
import socket
import ssl
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self, TypeVar

from hotspare.codec import twin_frames
from hotspare.codec.twin_frames import Beat, Frame, FrameError, Hello, OversizedError
from hotspare.model.errors import RefusedError
from hotspare.ports import Tell

T = TypeVar("T")

PORT = 5409
"""TCP. Nothing of Debian 12's /etc/services, OpenStack, Open vSwitch or Pacemaker is there (Corosync's links are UDP,
from 5405 on), and Linux gives its clients ports from 32768 on.
"""

CONTROL_BYTES_MAX = 4096
"""Greetings and signs of life are short; a server takes nothing else in."""
_PIECE_BYTES = 1 << 16
_BUFFER_BYTES = 1 << 18
_TELL_EVERY_S = 10.0
_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of openssl/x509_vfy.h: the certificate is a pin, and a node whose clock is wrong after a
boot must not lose its twin for that.
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much, of one channel; all nodes have the same."""

    heartbeat_s: float = 0.5
    silence_s: float = 2.0
    """A link on which nothing came for so long is dead."""
    greeting_s: float = 3.0
    """For the TLS handshake, and again for the greeting after it."""
    connect_s: float = 1.0
    retry_s: float = 0.2
    """Between two rounds through a peer's addresses; it doubles up to `retry_s_max`."""
    retry_s_max: float = 2.0
    frame_bytes_max: int = 16 << 20
    """Of one frame, packed and unpacked."""
    queued_bytes_max: int = 8 << 20
    """What may wait for a slow spare; beyond it, the spare gets a whole state later."""
    strangers_max: int = 16
    """Connections that have not proved themselves yet; of more, the oldest is closed."""


class Trouble(StrEnum):
    """Why a connection ended or never was one."""

    UNREACHABLE = "unreachable"
    NO_KEY = "the cluster's key is not here"
    NO_TLS = "no TLS with us"
    """Plaintext, garbage, a port scan, another TLS version, or nothing at all before the limit."""
    WRONG_CERTIFICATE = "not the cluster's certificate"
    NO_GREETING = "no greeting"
    STRANGER = "not who was expected"
    MALFORMED = "malformed frame"
    OVERSIZED = "oversized frame"
    HALF_FRAME = "half a frame"
    SILENT = "silent"
    CLOSED = "closed by the other side"
    CROWDED = "closed for newer connections"
    REPLACED = "replaced by a newer connection of the same node"
    NO_DESCRIPTOR = "cannot be accepted"


class EndedError(Exception):
    """The connection is over."""

    def __init__(self, trouble: Trouble, words: str = "") -> None:
        super().__init__(f"{trouble.value}: {words}" if words else trouble.value)
        self.trouble = trouble


class Troubles:
    """Counts by reason. Told is the first of a reason, and then, while they go on, their number now and then."""

    def __init__(self, side: str, *, now: Callable[[], float], tell: Tell) -> None:
        self._side, self._now, self._tell = side, now, tell
        self._told_s: dict[Trouble, float] = {}
        self.counts: Counter[Trouble] = Counter()

    def add(self, ended: EndedError, whose: str) -> None:
        """One more."""
        self.counts[ended.trouble] += 1
        now_s = self._now()
        if now_s - self._told_s.get(ended.trouble, -_TELL_EVERY_S) < _TELL_EVERY_S:
            return
        self._told_s[ended.trouble] = now_s
        facts = {"side": self._side, "peer": whose, "why": str(ended), "count": self.counts[ended.trouble]}
        self._tell("channel.trouble", facts)


class Credentials:
    """The cluster's key and certificate. Whoever holds them is one of us, and nobody else is."""

    def __init__(self, file: Path) -> None:
        """Of a PEM file with both; read now, and again whenever the file is another one.

        Raises:
            RefusedError: it is not there, not root's alone, or does not hold both.
        """
        self._file = file
        self._seen: tuple[int, ...] = ()
        self.renew()

    def renew(self) -> None:
        """They are those of the file as it is now; where that cannot be, they are as they were.

        Raises:
            RefusedError: as above.
        """
        try:
            about = self._file.stat()
            seen = (about.st_dev, about.st_ino, about.st_mode, about.st_size, about.st_mtime_ns)
            if seen != self._seen:
                self._read(about.st_mode)
                self._seen = seen
        except OSError as error:  # of which ssl.SSLError is one
            raise RefusedError(f"{self._file}: {error.strerror or error}", code=error.errno or errno.EIO) from error
        except ValueError as error:
            words = f"{self._file} holds no key and certificate in PEM: {error}"
            raise RefusedError(words, code=errno.EINVAL) from error

    def _read(self, mode: int) -> None:
        if mode & 0o077:
            raise RefusedError(f"{self._file} may be read by others (mode {mode & 0o777:04o})", code=errno.EPERM)
        text = self._file.read_text(encoding="ascii")
        certificate = ssl.PEM_cert_to_DER_cert(text[text.index(ssl.PEM_HEADER) :].strip())
        server = self._context(ssl.PROTOCOL_TLS_SERVER, certificate)
        client = self._context(ssl.PROTOCOL_TLS_CLIENT, certificate)
        self._certificate, self.server, self.client = certificate, server, client

    def _context(self, protocol: "ssl._SSLMethod", certificate: bytes) -> ssl.SSLContext:
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= _NO_CHECK_TIME
        context.load_cert_chain(self._file, password=_no_password)
        context.load_verify_locations(cadata=certificate)
        if protocol is ssl.PROTOCOL_TLS_SERVER:
            context.num_tickets = 0  # every connection proves itself anew
        return context

    def check(self, transport: asyncio.BaseTransport) -> None:
        """The other side has proved that it has this very certificate, not one that was signed with its key.

        Raises:
            EndedError: it has another one.
        """
        tls: ssl.SSLObject = transport.get_extra_info("ssl_object")
        if tls.getpeercert(binary_form=True) != self._certificate:
            raise EndedError(Trouble.WRONG_CERTIFICATE)


def _no_password() -> str:
    """Else OpenSSL would ask on the terminal."""
    raise ValueError("the key is encrypted")


class Wire:
    """Frames over one TLS connection whose other side has the certificate."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limits: Limits, now: Callable[[], float]
    ) -> None:
        self._reader, self._writer, self._limits, self._now = reader, writer, limits, now
        self.heard_s = now()
        """When a byte came last."""
        writer.transport.set_write_buffer_limits(high=_BUFFER_BYTES)

    @classmethod
    @asynccontextmanager
    async def accepted(
        cls, sock: socket.socket, credentials: Credentials, limits: Limits, now: Callable[[], float]
    ) -> AsyncGenerator[Self]:
        """A connection that came in; closed with the context.

        Raises:
            EndedError: it is none of ours.
        """
        _renewed(credentials)
        reader, protocol = _streams()
        loop = asyncio.get_running_loop()
        with _handshaking():
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol, sock, ssl=credentials.server, ssl_handshake_timeout=limits.greeting_s
            )
        async with cls._closing(reader, protocol, transport, credentials, limits, now) as wire:
            yield wire

    @classmethod
    @asynccontextmanager
    async def connected(
        cls, address: str, port: int, credentials: Credentials, limits: Limits, now: Callable[[], float]
    ) -> AsyncGenerator[Self]:
        """A connection to a server; closed with the context.

        Raises:
            EndedError: there is none, or it is not the cluster's.
        """
        _renewed(credentials)
        reader, protocol = _streams()
        loop = asyncio.get_running_loop()
        sock = await _dialled(address, port, limits.connect_s)
        with _handshaking():
            transport, _ = await loop.create_connection(
                lambda: protocol,
                sock=sock,
                ssl=credentials.client,
                server_hostname="",
                ssl_handshake_timeout=limits.greeting_s,
            )
        async with cls._closing(reader, protocol, transport, credentials, limits, now) as wire:
            yield wire

    @classmethod
    @asynccontextmanager
    async def _closing(
        cls,
        reader: asyncio.StreamReader,
        protocol: asyncio.StreamReaderProtocol,
        transport: asyncio.Transport,
        credentials: Credentials,
        limits: Limits,
        now: Callable[[], float],
    ) -> AsyncGenerator[Self]:
        writer = asyncio.StreamWriter(transport, protocol, reader, asyncio.get_running_loop())
        try:
            credentials.check(transport)
            yield cls(reader, writer, limits, now)
        finally:
            # A link is given up because it is dead or hostile: nothing is flushed and no farewell is waited for.
            transport.abort()
            with suppress(OSError):
                await writer.wait_closed()

    async def send(self, raw: bytes) -> None:
        """The bytes are on their way; waits while too many are.

        Raises:
            EndedError: the connection is over.
        """
        try:
            self._writer.write(raw)
            await self._writer.drain()
        except OSError as error:
            raise EndedError(Trouble.CLOSED, error.strerror or str(error)) from error

    async def receive(self, *, bytes_max: int, within_s: float) -> Frame:
        """The next frame. `within_s` is how long nothing at all may come.

        Raises:
            EndedError: there is none, or it is none of ours.
        """
        try:
            raw = await self._exactly(twin_frames.HEADER_BYTES, within_s)
            about = twin_frames.head(raw, bytes_max=bytes_max)
            body = await self._exactly(about.length, within_s, begun=True)
            return twin_frames.decoded(about, body, bytes_max=bytes_max)
        except OversizedError as error:
            raise EndedError(Trouble.OVERSIZED, str(error)) from error
        except FrameError as error:
            raise EndedError(Trouble.MALFORMED, str(error)) from error

    async def _exactly(self, count: int, within_s: float, *, begun: bool = False) -> bytes:
        came = bytearray()
        while len(came) < count:
            try:
                async with asyncio.timeout(within_s):
                    piece = await self._reader.read(min(count - len(came), _PIECE_BYTES))
            except TimeoutError:
                raise EndedError(Trouble.SILENT, f"nothing for {within_s:g} s") from None
            except ssl.SSLError as error:
                raise EndedError(_of_tls(error), error.reason or "") from error
            except OSError as error:
                raise EndedError(Trouble.CLOSED, error.strerror or str(error)) from error
            if not piece:
                raise EndedError(Trouble.HALF_FRAME if came or begun else Trouble.CLOSED)
            self.heard_s = self._now()
            came += piece
        return bytes(came)


def _renewed(credentials: Credentials) -> None:
    try:
        credentials.renew()
    except RefusedError as error:
        raise EndedError(Trouble.NO_KEY, error.message) from error


def _streams() -> tuple[asyncio.StreamReader, asyncio.StreamReaderProtocol]:
    reader = asyncio.StreamReader(limit=_BUFFER_BYTES)
    return reader, asyncio.StreamReaderProtocol(reader)


async def _dialled(address: str, port: int, within_s: float) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        async with asyncio.timeout(within_s):
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except TimeoutError:
        sock.close()
        raise EndedError(Trouble.UNREACHABLE, f"no answer within {within_s:g} s") from None
    except OSError as error:
        sock.close()
        raise EndedError(Trouble.UNREACHABLE, os.strerror(error.errno or 0)) from error  # asyncio has words of its own
    except BaseException:
        sock.close()
        raise
    return sock


@contextmanager
def _handshaking() -> Generator[None]:
    """What goes wrong in a handshake is a reason of ours."""
    try:
        yield
    except ssl.SSLError as error:
        raise EndedError(_of_tls(error), error.reason or str(error)) from error
    except OSError as error:  # asyncio's own limit is a ConnectionAbortedError
        raise EndedError(Trouble.NO_TLS, error.strerror or str(error)) from error


_CERTIFICATE_WORDS = ("CERTIFICATE", "UNKNOWN_CA")


def _of_tls(error: ssl.SSLError) -> Trouble:
    """Also of what the other side says of ours, such as TLSV13_ALERT_CERTIFICATE_REQUIRED, TLSV1_ALERT_UNKNOWN_CA."""
    about_certificate = any(word in (error.reason or "") for word in _CERTIFICATE_WORDS)
    return Trouble.WRONG_CERTIFICATE if about_certificate else Trouble.NO_TLS


async def hello(wire: Wire, limits: Limits) -> Hello:
    try:
        async with asyncio.timeout(limits.greeting_s):
            frame = await wire.receive(bytes_max=CONTROL_BYTES_MAX, within_s=limits.greeting_s)
    except TimeoutError:
        raise EndedError(Trouble.NO_GREETING, f"not within {limits.greeting_s:g} s") from None
    except EndedError as ended:
        if ended.trouble is Trouble.SILENT:
            raise EndedError(Trouble.NO_GREETING, f"not within {limits.greeting_s:g} s") from ended
        raise
    return read(twin_frames.read_hello, frame)


async def beat(wire: Wire, limits: Limits) -> Beat:
    frame = await wire.receive(bytes_max=CONTROL_BYTES_MAX, within_s=limits.silence_s)
    return read(twin_frames.read_beat, frame)


def read(reader: Callable[[Frame], T], frame: Frame) -> T:
    try:
        return reader(frame)
    except FrameError as error:
        raise EndedError(Trouble.MALFORMED, str(error)) from error


async def first_to_end(*talks: Coroutine[Any, Any, None]) -> None:
    """All of them, until one ends; then none, and its reason is raised."""
    tasks = [asyncio.create_task(talk) for talk in talks]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException) and not isinstance(end, asyncio.CancelledError):
            raise end
