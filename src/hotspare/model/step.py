"""Every side effect there is, as a value: printed by `plan`, carried out by `apply`.

Each step is idempotent: carried out twice, or cut and carried out again, it leaves the same state.
"""

from dataclasses import dataclass

from hotspare.model.cib import Change, Wanted


@dataclass(frozen=True, slots=True)
class Text:
    """Content that may be shown."""

    text: str


@dataclass(frozen=True, slots=True)
class Password:
    """The fence password of a node, from the operator's file."""

    node: str


@dataclass(frozen=True, slots=True)
class FreshKey:
    """A new key for Corosync, from the kernel's random numbers; one and the same throughout a run."""


@dataclass(frozen=True, slots=True)
class FreshCertificate:
    """A new key and its certificate, in PEM, for what nodes tell each other; one and the same throughout a run."""


@dataclass(frozen=True, slots=True)
class KeyOf:
    """The key that a node has already, in the file at the path."""

    node: str
    path: str


@dataclass(frozen=True, slots=True)
class CloudEntry:
    """What the operator's clouds.yaml says of one cloud, with its secrets."""

    cloud: str


Content = Text | Password | FreshKey | FreshCertificate | KeyOf | CloudEntry


@dataclass(frozen=True, slots=True)
class WriteFile:
    """The file holds the content, owned by root, replaced atomically; its directory is there with mode 0700 if new."""

    node: str
    path: str
    mode: int
    content: Content
    replaces: str | None = None
    """The text that was there, where it may be shown."""


@dataclass(frozen=True, slots=True)
class RemoveFile:
    """There is no such file."""

    node: str
    path: str


@dataclass(frozen=True, slots=True)
class InstallAgents:
    """The resource agents of this version (digest), and what they run of ours, are installed; no older file is left."""

    node: str
    digest: str


@dataclass(frozen=True, slots=True)
class EnableUnit:
    """The unit starts with the machine."""

    node: str
    unit: str


@dataclass(frozen=True, slots=True)
class StartUnit:
    """The unit runs."""

    node: str
    unit: str


@dataclass(frozen=True, slots=True)
class ReloadCorosync:
    """Corosync on all nodes runs with what its file says; asked of one node, once."""

    node: str


@dataclass(frozen=True, slots=True)
class AwaitMembers:
    """The cluster has quorum and a DC, and these nodes are online in it."""

    node: str
    members: tuple[str, ...]
    limit_s: float


@dataclass(frozen=True, slots=True)
class ForgetNode:
    """The cluster's configuration does not know a node that is no longer a member."""

    node: str
    gone: str


@dataclass(frozen=True, slots=True)
class StopResource:
    """The cluster has been told to run the resource nowhere; it is in the configuration still."""

    node: str
    resource: str


@dataclass(frozen=True, slots=True)
class StartResource:
    """Nothing that we told the cluster keeps the resource from running."""

    node: str
    resource: str


@dataclass(frozen=True, slots=True)
class AwaitMoved:
    """While the gateway's strategy changes: no router is bound to the agents that go, as its rescheduler tells.

    `deaf`: and Neutron counts on those agents no more, so that it gives them no new router either.
    """

    node: str
    gateway: str
    homeward: bool
    deaf: bool
    still_s: float
    """The longest time without fewer routers there than before."""


@dataclass(frozen=True, slots=True)
class AwaitStopped:
    """None of these resources runs anywhere."""

    node: str
    resources: tuple[str, ...]
    limit_s: float


@dataclass(frozen=True, slots=True)
class ChangeCib:
    """The cluster's configuration holds what is wanted, checked before it is loaded, and all else is as it was.

    `changes` are those known when this was planned; what is carried out is worked out anew from what is there.
    """

    node: str
    wanted: Wanted
    changes: tuple[Change, ...]


Step = (
    WriteFile
    | RemoveFile
    | InstallAgents
    | EnableUnit
    | StartUnit
    | ReloadCorosync
    | AwaitMembers
    | ForgetNode
    | StopResource
    | StartResource
    | AwaitStopped
    | AwaitMoved
    | ChangeCib
)


@dataclass(frozen=True, slots=True)
class Stage:
    """Steps that need nothing of each other across nodes: nodes go in parallel, a node's own steps in order."""

    title: str
    steps: tuple[Step, ...]
    words: tuple[str, ...] = ()
    """What it means for routers, where it means something."""
