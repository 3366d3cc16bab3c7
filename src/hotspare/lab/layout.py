"""The plan of a lab: its machines, cables, addresses, names and files. Pure; the one home of all of them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

from hotspare.model.drill import Strategy
from hotspare.model.errors import Problem, SpecError

DEFAULT_NAME = "lab"
STATE_ROOT = Path("/var/lib/hotspare/lab")
NETNS_PREFIX = "hs-"
BMC_USER = "admin"
BMC_PORT = 623
VIP = IPv4Interface("172.16.1.100/24")
"""The virtual IP of the cluster file that the lab writes, on eth0 of a network node."""
VTEPS = IPv4Network("172.16.3.0/24")
"""Ends of tunnels on the tenant network, where tenants' networks are in tunnels."""
GATEWAY_VTEP = IPv4Interface("172.16.3.100/24")
"""That of the gateway in the cluster file that the lab writes: it is where the gateway is."""

MARK = "HOTSPARE_LAB"
"""Environment variable that every process of a lab carries, with the lab's name: teardown goes by it."""
MACHINE_MARK = "HOTSPARE_LAB_MACHINE"

_NAME = re.compile(r"[a-z][a-z0-9]{0,15}")


class Tenant(StrEnum):
    """What tenants' networks are; the words of Neutron's `tenant_network_types`."""

    VLAN = "vlan"
    VXLAN = "vxlan"


@dataclass(frozen=True, slots=True)
class Choices:
    """What is chosen when a lab is made; it stays so."""

    strategy: Strategy = Strategy.COLD
    """Of the gateway in its cluster file."""
    tenant: Tenant = Tenant.VLAN
    l2pop: bool = True
    """Whether Neutron tells the ends of tunnels of each other's ports and addresses; else they flood and learn."""


DEFAULTS = Choices()


class Role(StrEnum):
    """What a machine is for."""

    NETWORK = "network"
    COMPUTE = "compute"
    CONTROLLER = "controller"
    OUTSIDE = "outside"


@dataclass(frozen=True, slots=True)
class File:
    """A file to put into a machine's disk before it boots, owned by root."""

    content: bytes | str
    mode: int = 0o644

    @property
    def octets(self) -> bytes:
        return self.content.encode() if isinstance(self.content, str) else self.content


@dataclass(frozen=True, slots=True)
class Network:
    """One Ethernet segment: a bridge in the switch's namespace."""

    name: str
    number: int
    interface: str
    """The name of its NIC inside a machine."""
    subnet: IPv4Network | None
    operator: IPv4Address | None = None
    """The operator's own address on it, held by the switch's namespace."""

    @property
    def bridge(self) -> str:
        return f"br-{self.name}"

    @property
    def mac(self) -> str:
        """The bridge's own address: without one it takes its lowest port's, and changes as ports come and go."""
        return f"02:68:73:ff:00:{self.number:02x}"


NETWORKS = (
    Network("mgmt", 0, "eth0", IPv4Network("172.16.1.0/24"), IPv4Address("172.16.1.1")),
    Network("ring2", 1, "eth1", IPv4Network("172.16.2.0/24")),
    Network("tenant", 2, "eth2", None),
    Network("public", 3, "eth3", IPv4Network("10.30.0.0/16")),
    Network("oob", 4, "eth4", IPv4Network("10.0.9.0/24"), IPv4Address("10.0.9.254")),
)
NETWORK = {network.name: network for network in NETWORKS}


@dataclass(frozen=True, slots=True)
class Nic:
    """The machine's end of one cable; without an address where the machine makes it a port of a bridge."""

    network: str
    interface: str
    address: IPv4Interface | None
    mac: str


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine of the lab; `number` counts from 1 and gives the BMC's address."""

    name: str
    role: Role
    number: int
    nics: tuple[Nic, ...]

    def address(self, network: str) -> str:
        """The machine's address on a network, without the prefix length.

        Raises:
            KeyError: it has none there.
        """
        for nic in self.nics:
            if nic.network == network and nic.address is not None:
                return str(nic.address.ip)
        raise KeyError(f"{self.name} has no address on {network}")

    @property
    def bmc(self) -> str:
        return f"10.0.9.{self.number}"

    @property
    def vtep(self) -> IPv4Interface:
        """Its own end of tunnels: the number of its management address."""
        number = int(IPv4Address(self.address("mgmt"))) & int(VTEPS.hostmask)
        return IPv4Interface((VTEPS[number], VTEPS.prefixlen))

    def cable(self, network: str) -> str:
        """The name of the switch's end of the machine's cable."""
        return f"{self.name}-{network}"


def _machine(name: str, role: Role, number: int, **hosts: str | None) -> Machine:
    """`hosts` says which networks it is plugged into, and with which address (None: plugged, no address)."""
    nics = []
    for network in NETWORKS:
        if network.name not in hosts:
            continue
        host = hosts[network.name]
        prefix = network.subnet.prefixlen if network.subnet else 0
        address = IPv4Interface(f"{host}/{prefix}") if host else None
        # 02: locally administered, so it can clash with no vendor's address nor with Neutron's fa:16:3e.
        nics.append(Nic(network.name, network.interface, address, f"02:68:73:00:{number:02x}:{network.number:02x}"))
    return Machine(name, role, number, tuple(nics))


def _network_node(number: int) -> Machine:
    return _machine(
        f"net{number}",
        Role.NETWORK,
        number,
        mgmt=f"172.16.1.{121 + number}",
        ring2=f"172.16.2.{121 + number}",
        tenant=None,
        public=None,
        oob=f"10.0.9.{100 + number}",
    )


MACHINES = (
    _network_node(1),
    _network_node(2),
    _network_node(3),
    _machine("cmp1", Role.COMPUTE, 4, mgmt="172.16.1.131", tenant=None, oob="10.0.9.104"),
    _machine("ctl", Role.CONTROLLER, 5, mgmt="172.16.1.111", oob="10.0.9.105"),
    _machine("ext", Role.OUTSIDE, 6, mgmt="172.16.1.141", public="10.30.0.1", oob="10.0.9.106"),
)


@dataclass(frozen=True, slots=True)
class Layout:
    """One lab by its name. Two labs share addresses and nothing else: each address lives in a namespace of its lab."""

    name: str = DEFAULT_NAME
    machines: tuple[Machine, ...] = MACHINES

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise SpecError(
                (Problem("", "--name", f"not a lab's name: {self.name!r}"),),
                hint="1 to 16 lower-case letters and digits, a letter first",
            )

    def machine(self, name: str) -> Machine:
        """The machine of that name.

        Raises:
            SpecError: there is none.
        """
        for machine in self.machines:
            if machine.name == name:
                return machine
        known = ", ".join(machine.name for machine in self.machines)
        raise SpecError((Problem("", "", f"no machine {name!r} in the lab"),), hint=f"one of: {known}")

    def cables(self) -> Iterator[tuple[Machine, Nic]]:
        for machine in self.machines:
            for nic in machine.nics:
                yield machine, nic

    @property
    def switch(self) -> str:
        """The network namespace of the bridges, the BMCs and the operator."""
        return f"{NETNS_PREFIX}{self.name}"

    def netns(self, machine: str) -> str:
        return f"{NETNS_PREFIX}{self.name}-{machine}"

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Every network namespace of the lab, the switch's last."""
        return (*(self.netns(machine.name) for machine in self.machines), self.switch)

    @property
    def state_dir(self) -> Path:
        return STATE_ROOT / self.name

    @property
    def lock(self) -> Path:
        """Held by `lab up` and `lab down`; outside of the state, which they make and remove."""
        return Path(f"/run/lock/hotspare-lab-{self.name}")

    def disk(self, machine: str) -> Path:
        """The directory of a machine: its overlay's `upper` and `work`, its `console.log`."""
        return self.state_dir / "machines" / machine

    @property
    def ssh_config(self) -> Path:
        return self.state_dir / "ssh_config"

    @property
    def ssh_key(self) -> Path:
        return self.state_dir / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.state_dir / "known_hosts"

    @property
    def clouds_yaml(self) -> Path:
        return self.state_dir / "clouds.yaml"

    @property
    def bmc_password(self) -> Path:
        return self.state_dir / "bmc.password"

    @property
    def cluster_yaml(self) -> Path:
        return self.state_dir / "cluster.yaml"

    @property
    def topology_json(self) -> Path:
        return self.state_dir / "topology.json"

    @property
    def up_json(self) -> Path:
        """What the lab was made of (image, phases); it is there only when `lab up` came to its end."""
        return self.state_dir / "up.json"
