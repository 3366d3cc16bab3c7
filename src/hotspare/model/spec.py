"""The file an operator writes: what the cluster shall be. `codec/spec_yaml.py` reads it.

Values have the YAML's own shape, so that an error's path (`nodes.net1.rings[0]`) is a path into the file.
"""

import ipaddress
import re
import shlex
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from hotspare.model.twin_rules import PORT_DEFAULT

LOCAL = "local"
"""The host that means: a process on this machine, not over SSH."""

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_AGENT = re.compile(r"ocf:[\w.-]+:[\w.-]+|systemd:[\w.@\\-]+|lsb:[\w.-]+")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_SECRET = re.compile(r"passw|passphrase|secret|(^|[_-])pass([_-]|$)", re.IGNORECASE)
_NO_SECRETS = "passwords never enter the cluster's configuration; have it read from a file"


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(
            "not a name: 1 to 63 letters, digits, '-', '_' or '.', starting and ending with a letter or digit"
        )
    return text


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError("not a host: letters, digits, '-', '_' and '.', as `openstack network agent list` shows it")
    return text


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"not an IP address: {text!r}; write it like 172.16.1.122") from None


def _option(value: object) -> object:
    """Fence agents take words: yes/no and numbers of the file become the text that Pacemaker passes on."""
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value) if isinstance(value, int) else value


def _option_name(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", text):
        raise ValueError("not a parameter's name: small letters, digits, '-' and '_'")
    if "pass" in text:
        raise ValueError("passwords never enter the cluster's configuration; use password_file")
    return text


def _agent(text: str) -> str:
    if not _AGENT.fullmatch(text):
        raise ValueError(f"not a resource agent: {text!r}; write ocf:PROVIDER:NAME, systemd:UNIT or lsb:SCRIPT")
    return text


def _parameter_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", text):
        raise ValueError("not a parameter's name: letters, digits, '-' and '_'")
    if _SECRET.search(text) and not text.lower().endswith(("file", "path")):
        raise ValueError(_NO_SECRETS)
    return text


def _plain(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds a line break or another character that cannot be printed")
    return text


def _script(text: str) -> str:
    name = _script_name(text)
    if not re.fullmatch(r"[\w.-]+|(/[\w.-]+)+", name):
        raise ValueError(
            f"not a script: {name!r}; write its name in /etc/ha.d/resource.d or /etc/init.d, or an absolute path, "
            "and its arguments after it, as in IPaddr::172.16.1.100/24/eth0 or natlog --port 2055"
        )
    # `--password x` and `password=x`, but no path to a file and no `::` after the script.
    keys = re.findall(r"(-[\w-]+\s+|[\w-]+[=:])(?![/:\s])", text)
    if any(_SECRET.search(key.rstrip(" =:")) for key in keys):
        raise ValueError(_NO_SECRETS)
    try:
        shlex.split(text)
    except ValueError as error:
        raise ValueError(f"its arguments cannot be read as a shell would: {error}") from None
    return text


def _script_name(text: str) -> str:
    """The script of a line such as `IPaddr::172.16.1.100/24/eth0` or `natlog --port 2055`."""
    return text.split(maxsplit=1)[0].partition("::")[0] if text.strip() else ""


def _rows(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


Name = Annotated[str, AfterValidator(_name)]
Host = Annotated[str, AfterValidator(_host)]
Address = Annotated[
    str, AfterValidator(_address), WithJsonSchema({"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]})
]
Option = Annotated[str, BeforeValidator(_option)]
Interface = Annotated[str, Field(pattern=r"^[^\s/]{1,15}$")]
AbsolutePath = Annotated[str, Field(pattern=r"^/[^\s]*$")]
OptionName = Annotated[str, AfterValidator(_option_name)]
Agent = Annotated[str, AfterValidator(_agent)]
Script = Annotated[str, AfterValidator(_plain), AfterValidator(_script)]
ParameterName = Annotated[str, AfterValidator(_parameter_name)]
ParameterValue = Annotated[Option, AfterValidator(_plain)]


class Part(BaseModel):
    """A mapping of the file: fixed keys, exact types, never changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Cluster(Part):
    """The whole: its name and how fast it notices."""

    name: Name
    token_ms: int = Field(default=600, ge=300, le=60_000)
    """Time without the token before a node is lost, in ms. A dead node is out of the membership after 2.2 times
    this (token + consensus). An hour of load made no false alarm at the default; below 530 a pulled cable of one of two
    rings can. Source: corosync.conf(5), `totem.token`; measured (docs/decisions/0018)."""
    recheck_s: int = Field(default=60, ge=10, le=3600)
    """How often Pacemaker looks at time-based things, above all at failures that have expired, in s. Its own 15 min
    would make `failure-timeout` useless. Source: Pacemaker Explained, `cluster-recheck-interval`."""
    no_quorum_policy: Literal["stop", "freeze", "ignore", "demote", "suicide"] = "stop"


class Ssh(Part):
    """How nodes are reached: OpenSSH's own client configuration, keys only, host keys always checked."""

    config: str | None = None
    """An OpenSSH client configuration, relative to this file; ~/.ssh/config when not given."""
    connect_timeout_s: int = Field(default=10, ge=1, le=120)


class Fence(Part):
    """How to make sure that a node is off."""

    agent: str = Field(pattern=r"^fence_[a-z0-9_]+$")
    ip: str = Field(min_length=1)
    username: str = Field(min_length=1)
    password_file: str = Field(min_length=1)
    """A file on the operator's machine that holds the password, mode 0600, relative to this file."""
    reboot_action: Literal["off", "reboot"] = "off"
    """What a wish to reboot becomes. `off` is proved within 0.2 s where a reboot waits for the whole cycle."""
    options: dict[OptionName, Option] = {}
    """More parameters of the fence agent, by its own names; never a password."""


class Node(Part):
    """A member of the cluster."""

    rings: Annotated[tuple[Address, ...], BeforeValidator(_rows)] = Field(min_length=1, max_length=8)
    """Its address on each Corosync link, in the same order on all nodes. 8: KNET_MAX_LINK."""
    address: str | None = Field(default=None, min_length=1)
    """What to connect to by SSH; the node's name when not given."""
    fence: Fence | None = None
    agent_host: Host | None = None
    """Neutron's `host` of the node's own agents, where it has some; the node's name when not given."""


class Vip(Part):
    """An address that the cluster keeps on one node."""

    ip: Address
    prefix: int = Field(ge=0, le=128)
    nic: Interface


class Resource(Part):
    """Anything else that the cluster runs: by an agent, or by a script that was written for heartbeat.

    Its failures stay its own: whatever becomes of it, what it stays with stays where it is, unless it is `critical`.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    agent: Agent | None = None
    """ocf:PROVIDER:NAME, systemd:UNIT or lsb:SCRIPT."""
    script: Script | None = None
    """A script of heartbeat's kind and its arguments, as in haresources or as for a shell."""
    parameters: dict[ParameterName, ParameterValue] = {}
    """The agent's parameters by its own names; never a password."""
    on: Annotated[tuple[Name, ...] | None, BeforeValidator(_rows)] = Field(default=None, min_length=1)
    """The nodes where it may run; all when not given."""
    with_: Name | None = Field(default=None, alias="with")
    """It runs where this gateway is promoted, or where this address or other resource is, and starts after that."""
    before: Literal["agents"] | None = None
    """Beside a gateway: it starts before the gateway's agents."""
    after: Literal["agents"] | None = None
    """Beside a gateway: it starts after the gateway's agents."""
    clone: bool = False
    """It runs on all of its nodes at once."""
    critical: bool = False
    """What it stays with is worth nothing without it: that one moves where this one can no longer run, and a failed
    stop of this one has the node fenced."""
    monitor_interval_s: int = Field(default=10, ge=1, le=86_400)
    monitor_timeout_s: int = Field(default=20, ge=1, le=3600)
    start_timeout_s: int = Field(default=100, ge=1, le=3600)
    """Above the 90 s that systemd itself gives a unit. Source: systemd-system.conf(5), DefaultTimeoutStartSec."""
    stop_timeout_s: int = Field(default=100, ge=1, le=3600)

    @property
    def script_name(self) -> str:
        """The script's name or path without arguments; empty where an agent runs the resource."""
        return _script_name(self.script or "")


class Neutron(Part):
    """The cloud: how this machine speaks to its API, and the agents' files on the nodes."""

    cloud: str = Field(min_length=1)
    """A name in clouds.yaml."""
    config: AbsolutePath = "/etc/neutron/neutron.conf"
    l3_config: AbsolutePath = "/etc/neutron/l3_agent.ini"
    ovs_config: AbsolutePath = "/etc/neutron/plugins/ml2/openvswitch_agent.ini"
    metadata_config: AbsolutePath = "/etc/neutron/metadata_agent.ini"
    user: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]*$")] = "neutron"
    """The user that the agents run as."""
    python: AbsolutePath | None = None
    """On the nodes, the interpreter for our daemons: Python 3.11 or newer, for what moves routers (strategy
    `reschedule`) with openstacksdk, for what keeps twins (`twin`) with pyroute2. That of the program `neutron-l3-agent`
    when not given."""


class Weights(Part):
    """What a router costs the agent that serves it, in parts (strategy `reschedule`)."""

    router: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    gateway: float = Field(default=0.5, ge=0, allow_inf_nan=False)
    interface: float = Field(default=0.25, ge=0, allow_inf_nan=False)
    floating_ip: float = Field(default=0.1, ge=0, allow_inf_nan=False)


class Gateway(Part):
    """What owns routers, and the nodes that may carry it.

    `cold`: an identity (Neutron's `host`, the gateway's name) that one of the nodes carries at a time. `twin`: the
    same, and every other node keeps a parked copy of its data plane, which a takeover has only to let go.
    `reschedule`: a pool, in which every node is active under a host of its own (`agent_host`), and a lost node's
    routers are moved to the others.
    """

    strategy: Literal["cold", "twin", "reschedule"] = "cold"
    nodes: Annotated[tuple[Name, ...], BeforeValidator(_rows)] = Field(min_length=1)
    stage_port: int = Field(default=PORT_DEFAULT, ge=1, le=65_535)
    """The TCP port at which the nodes of a twin ask each other for the data plane, on the addresses of the rings."""
    stale_after_s: int = Field(default=30, ge=5, le=86_400)
    """A twin that has been out of step for longer is told as such, and another node is rather promoted."""
    connections: bool = True
    """Whether a twin has the connections that pass through its routers (conntrack), so that they survive a takeover."""
    dhcp_agents_per_network: int = Field(default=1, ge=1, le=32)
    """How many DHCP agents of a pool serve a network; as in neutron.conf."""
    weights: Weights = Weights()


class Inside(Part):
    """A place behind a router from which the drill looks out: a network namespace on a host."""

    host: str = Field(min_length=1)
    netns: str = Field(min_length=1)


class Witness(Part):
    """Where frames of one node's public interface can be captured, so that it is seen who answers."""

    node: Name
    host: str = Field(min_length=1)
    interface: Interface
    netns: str | None = None


class Drill(Part):
    """Where drills probe from and capture at."""

    prober: str = Field(min_length=1)
    """The host outside that pings floating IPs."""
    inside: Annotated[tuple[Inside, ...], BeforeValidator(_rows)] = ()
    witnesses: Annotated[tuple[Witness, ...], BeforeValidator(_rows)] = ()


class Spec(Part):
    """The file as a whole."""

    cluster: Cluster
    ssh: Ssh = Ssh()
    nodes: dict[Name, Node] = Field(min_length=1, max_length=32)
    fencing: Literal["none"] | None = None
    """`none`: run without fencing, asked for by name. Nothing else can be said here."""
    vips: dict[Name, Vip] = {}
    neutron: Neutron | None = None
    gateways: dict[Name, Gateway] = {}
    resources: dict[Name, Resource] = {}
    drill: Drill | None = None

    @property
    def fenced(self) -> bool:
        """Whether a node that is lost is proved dead before it is replaced."""
        return self.fencing is None

    @property
    def carried(self) -> dict[str, Gateway]:
        """The gateways that one node carries at a time."""
        return {name: gateway for name, gateway in self.gateways.items() if gateway.strategy != "reschedule"}

    @property
    def twins(self) -> dict[str, Gateway]:
        """Those of them whose spares keep a copy of the data plane."""
        return {name: gateway for name, gateway in self.gateways.items() if gateway.strategy == "twin"}

    @property
    def pools(self) -> dict[str, Gateway]:
        """The gateways whose nodes are all active."""
        return {name: gateway for name, gateway in self.gateways.items() if gateway.strategy == "reschedule"}

    def hosts(self, pool: str) -> dict[str, str]:
        """Each node of the pool, and Neutron's `host` of its agents."""
        return {node: self.nodes[node].agent_host or node for node in self.gateways[pool].nodes}


def beside(file: Path, path: str) -> Path:
    """A path written in the file: `~` is the operator's home, a relative one starts where the file is."""
    return file.parent / Path(path).expanduser()
