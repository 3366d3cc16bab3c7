"""What a stager is told at its start, and what it tells of itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Settings:
    """The stager of one gateway on one node."""

    gateway: str
    resource: str
    """The gateway's resource in Pacemaker."""
    node: str
    """This node."""
    peers: Mapping[str, tuple[str, ...]]
    """Every node that may carry the gateway, this one too, with its address on each ring."""
    port: int
    key_file: str
    """The cluster's key and certificate, PEM."""
    stale_after_s: float
    """A twin that was not equal to the carrier's data plane for so long is told as stale."""
    connections: bool
    """Whether connections are kept in step as well."""
    state_dir: str
    socket: str
    installed: str = ""
    """Which installation of the package this is; a stager is launched anew when there is another one."""


class Role(StrEnum):
    """What a stager does."""

    SPARE = "spare"
    CARRIER = "carrier"


@dataclass(frozen=True, slots=True)
class State:
    """A stager at one moment."""

    gateway: str
    node: str
    role: Role
    score: int
    """Pacemaker's promotion score for this node."""
    twin: str
    """The twin in words: `fresh (2 s), 40 routers`; empty on the carrier."""
    equal_s: float | None
    """Seconds since the twin was known to be equal to the carrier; 0 on the carrier itself, None: it never was."""
    routers: int
    cold: Mapping[str, str] = field(default_factory=dict)
    """Router → why there is no twin of it."""
    peers: Mapping[str, str] = field(default_factory=dict)
    """The other nodes → how they are reached, in words."""
    connections: int = 0
    trouble: str = ""
    """What needs a hand; empty: nothing."""


@dataclass(frozen=True, slots=True)
class Promoted:
    """What a promotion came to."""

    warm: int
    """Routers that forward by their twin."""
    cold: Mapping[str, str]
    """Router → why the agents have to build it."""
    announced: int
    """Frames."""
    took_s: float
