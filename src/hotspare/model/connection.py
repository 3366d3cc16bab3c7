"""A connection as the kernel tracks it: what is needed to have the same one on another node.

These are made by the ten thousand, so they are named tuples: they cost a third of a frozen dataclass.
"""

import ipaddress
from collections.abc import Mapping
from typing import NamedTuple

TCP, UDP = 6, 17
ICMP, ICMPV6 = 1, 58
SCTP = 132

SEEN_REPLY, ASSURED = 0x02, 0x04
"""Status bits of a connection that may be given to another node. Source: linux/netfilter/nf_conntrack_common.h."""

ESTABLISHED, TIME_WAIT, CLOSE = 3, 7, 8
"""States of TCP. Source: linux/netfilter/nf_conntrack_tcp.h."""


class Direction(NamedTuple):
    """Packets of one direction, as they come in."""

    source: bytes
    """4 or 16 bytes."""
    source_port: int
    """ICMP: the identifier. 0 where the protocol has none."""
    target: bytes
    target_port: int
    """ICMP: the type in the upper byte, the code in the lower."""

    def mirrored(self) -> "Direction":
        """What comes back if nothing is translated (not of ICMP, whose replies have another type)."""
        return Direction(self.target, self.target_port, self.source, self.source_port)

    def __str__(self) -> str:
        source, target = ipaddress.ip_address(self.source), ipaddress.ip_address(self.target)
        return f"{source} {self.source_port} > {target} {self.target_port}"


class Key(NamedTuple):
    """What tells a connection from all others of its network namespace."""

    protocol: int
    original: Direction
    zone: int = 0


class Tcp(NamedTuple):
    """What the kernel remembers of TCP, without sequence numbers: it takes those from the next packets."""

    state: int
    scale_original: int
    scale_reply: int
    flags_original: int
    flags_reply: int


class Connection(NamedTuple):
    """One connection. How it is translated follows from its two directions."""

    key: Key
    reply: Direction
    status: int
    """SEEN_REPLY and ASSURED; no other bits."""
    timeout_s: int
    """What remains of its life if no packet comes."""
    mark: int = 0
    tcp: Tcp | None = None
    """None also where the kernel's message has no word of it."""


class Batch(NamedTuple):
    """What has become of the connections of one network namespace."""

    namespace: str
    whole: bool
    """Whether there are no connections but these."""
    lives: tuple[Connection, ...]
    """New ones, and changed ones as they are now."""
    ended: tuple[Key, ...] = ()
    age_s: float = 0.0
    """How long ago the oldest of it was heard, when the batch was made."""


class Carried(NamedTuple):
    """What the carrier tells of the connections that it gives out."""

    namespaces: int
    connections: int
    events: int
    """Heard from the kernel so far."""
    overruns: int
    """How often the kernel had more events than the buffer holds; the namespace was looked at as a whole then."""
    lag_s: float
    """How old the oldest event of the last batch was, when the batch was made."""
    failures: Mapping[str, str]
    """Namespaces that are there and cannot be watched, and why."""


class Kept(NamedTuple):
    """What a spare tells of the connections that it has in its twins."""

    namespaces: int
    connections: int
    absent: frozenset[str]
    """Namespaces that have connections, and are not here yet."""
    lag_s: float
    """From the carrier's hearing to the kernel here, without the way between, of the last batch."""
    refused: Mapping[str, int]
    """What the kernel here refused so far, and how often: `ENOMEM` where its table is full."""
    failures: Mapping[str, str]
    """Namespaces that are there and cannot be written to, and why."""
