"""Names and addresses of the lab's router number N and of what hangs on it. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from hotspare.model.errors import Problem, SpecError

ROUTERS_MAX = 4000
"""Bounded by the addresses below; the VLANs (3900) and this machine's patience end before."""
EVERY_FOURTH = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """What belongs to one router; the same number always gives the same plan."""

    number: int
    project: str
    network: str
    router: str
    subnets: tuple[dict[str, Any], ...]
    """Fields of the Neutron API, IPv4 first."""
    vms: tuple[tuple[str, str], ...]
    """Namespace and IPv4 address; the first one gets the floating IP."""


def plan_for(number: int) -> Plan:
    """The plan of router `number`, counted from 1. Every fourth has IPv6 as well, the first a VM without floating IP.

    Raises:
        SpecError: there is no room for so many.
    """
    if not 1 <= number <= ROUTERS_MAX:
        raise SpecError((Problem("", "--routers", f"a lab holds 1 to {ROUTERS_MAX} routers, not {number}"),))
    tag = f"{number:02d}"
    prefix = f"10.{64 + number // 256}.{number % 256}"
    v4 = {
        "name": f"subnet-{tag}",
        "ip_version": 4,
        "cidr": f"{prefix}.0/24",
        "gateway_ip": f"{prefix}.1",
        "is_dhcp_enabled": False,
    }
    v6 = {
        "name": f"subnet6-{tag}",
        "ip_version": 6,
        "cidr": f"fd00:64:{number:x}::/64",
        "gateway_ip": f"fd00:64:{number:x}::1",
        "ipv6_ra_mode": "slaac",
        "ipv6_address_mode": "slaac",
    }
    vms = [(f"vm{tag}", f"{prefix}.10")]
    if number == 1:
        vms.append((f"vm{tag}-snat", f"{prefix}.11"))
    return Plan(
        number=number,
        project=f"project-{tag}",
        network=f"network-{tag}",
        router=f"router-{tag}",
        subnets=(v4, v6) if number % EVERY_FOURTH == 0 else (v4,),
        vms=tuple(vms),
    )


def highest_number(names: Collection[str]) -> int:
    """The highest number of a planned router among these routers' names; 0 where there is none."""
    numbers = (name.removeprefix("router-") for name in names if name.startswith("router-"))
    return max((int(number) for number in numbers if number.isdecimal()), default=0)
