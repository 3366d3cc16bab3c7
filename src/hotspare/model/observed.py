"""What was found on the nodes before anything is planned."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hotspare.model.cib import Element
from hotspare.model.corosync import Section


@dataclass(frozen=True, slots=True)
class Need:
    """A program or file that a node has to have, and what brings it there (on Debian, the package)."""

    path: str
    remedy: str
    or_else: tuple[str, ...] = ()
    """Other places that would do."""


@dataclass(frozen=True, slots=True)
class Query:
    """What to look at on one node."""

    needs: tuple[Need, ...]
    users: tuple[str, ...]
    units: tuple[str, ...]
    files: tuple[str, ...]
    directory: str
    vips: tuple[tuple[str, str], ...]
    """Addresses to ask for on the wire: address and interface."""
    python: str | None = None
    """The interpreter to ask what it is; empty: the one that runs the L3 agent. None: nobody needs to know."""
    modules: tuple[str, ...] = ()
    """What it has to be able to import."""


@dataclass(frozen=True, slots=True)
class FileFact:
    """A file on a node. `digest` is the SHA-256 of what it holds; `text` only where it is no secret."""

    digest: str
    mode: int
    owner: int
    size: int
    text: str | None = None


@dataclass(frozen=True, slots=True)
class UnitFact:
    """A systemd unit on a node."""

    known: bool
    enabled: bool
    active: bool


@dataclass(frozen=True, slots=True)
class PythonFact:
    """An interpreter on a node; `path` is empty where none was found."""

    path: str
    version: tuple[int, int] | None
    """None where it could not be run."""
    lacks: str
    """Why it cannot import what a daemon of ours needs, in its own words; empty where it can."""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """One node, looked at once."""

    name: str
    absent: tuple[str, ...] = ()
    """Paths and programs that were asked for and are not there."""
    users: tuple[str, ...] = ()
    """Users that were asked for and exist."""
    units: Mapping[str, UnitFact] = field(default_factory=dict)
    files: Mapping[str, FileFact] = field(default_factory=dict)
    """By path; those that were asked for and exist, and all in the directory of fence secrets."""
    agents: str | None = None
    """Digest of the resource agents that are installed, as they are now."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Each IP address of the node, and its interface."""
    macs: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()
    corosync: Section | None = None
    """Its corosync.conf, where it has one that can be read."""
    cmap: Mapping[str, str] | None = None
    """What the running Corosync says of itself; None where it does not run."""
    cib: Element | None = None
    """The cluster's configuration; None where Pacemaker does not run or has none yet."""
    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Address that was asked for on the wire → MACs that answered."""
    python: PythonFact | None = None
    """The interpreter that was asked for."""
    troubles: tuple[str, ...] = ()
    """What could not be looked at, in words."""
