"""A gateway's strategy changes in a running cluster, and back: every router is moved once, and none of them twice.

With `pytest -s` the outages that pings from outside saw are printed, for docs/operate/strategy.md.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from hotspare.codec import crm_mon_xml
from hotspare.lab.cluster_file import GATEWAY
from hotspare.model.cluster import ClusterStatus
from hotspare.plan.names import agents_of, local, rescheduler
from lab_parts import Lab
from lab_routers import NODES, bound

pytestmark = [
    pytest.mark.lab,
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),  # of openstacksdk, about itself
]

APPLY_LIMIT_S = 900
OUTAGE_S = 1.0
"""A silence of so long is an outage; pings go out ten times a second, on a machine that may be busy."""


@dataclass
class Pinged:
    """What each floating IP's pings saw."""

    outages_s: dict[str, tuple[float, ...]] = field(default_factory=dict)

    def show(self, what: str) -> None:
        for address, outages_s in self.outages_s.items():
            said = ", ".join(f"{outage_s:.1f} s" for outage_s in outages_s) or "none"
            print(f"{what}: {address}: {said}")  # noqa: T201 (for the docs)


@pytest.fixture(scope="module")
def cold(lab: Lab) -> Lab:
    """The lab with a cold gateway that serves all routers, whatever it was before."""
    assert apply(lab)["works"] is True
    bound(lab, (GATEWAY,))
    return lab


@pytest.fixture(scope="module")
def pool_file(lab: Lab) -> Iterator[Path]:
    """The same file, with the gateway's strategy changed and nothing else."""
    path = lab.state_dir / "strategy.yaml"
    text, count = re.subn(
        rf"({GATEWAY}): .*",
        r"\1: {strategy: reschedule, nodes: [net1, net2, net3]}",
        lab.layout.cluster_yaml.read_text(),
    )
    assert count == 1
    path.write_text(text)
    yield path
    path.unlink(missing_ok=True)


def apply(lab: Lab, *file: Path) -> dict[str, object]:
    told: dict[str, object] = json.loads(lab.hotspare("apply", "--json", *map(str, file), timeout_s=APPLY_LIMIT_S))
    return told


def status(lab: Lab) -> ClusterStatus:
    return crm_mon_xml.read(lab.ssh("net3", " ".join(crm_mon_xml.CRM_MON)))


def routers(lab: Lab) -> Mapping[str, list[str]]:
    """Router → the nodes that have it."""
    found: dict[str, list[str]] = {}
    for node in NODES:
        for router in re.findall(r"qrouter-\S+", lab.ssh(node, "ip netns list")):
            found.setdefault(router, []).append(node)
    return found


def floating_ips(lab: Lab) -> list[str]:
    """One of each router, as they are on the nodes."""
    found = [lab.ssh(node, "ip -all netns exec ip -4 -o address show scope global") for node in NODES]
    by_port = dict(re.findall(r"(qg-\S+)\s+inet (\S+)/32", "\n".join(found)))
    return sorted(by_port.values())


@contextmanager
def pinging(lab: Lab, addresses: list[str]) -> Iterator[Pinged]:
    """The addresses are pinged from outside for as long as the context lasts."""
    ping = "nohup ping -D -i 0.1 {0} >/tmp/strategy-{0}.log 2>&1 & echo $! >/tmp/strategy-{0}.pid"
    lab.ssh("ext", "; ".join(ping.format(address) for address in addresses))
    pinged = Pinged()
    try:
        yield pinged
    finally:
        lab.ssh("ext", "; ".join(f"kill -INT $(cat /tmp/strategy-{address}.pid)" for address in addresses))
    for address in addresses:
        said = lab.ssh("ext", f"cat /tmp/strategy-{address}.log")
        heard_s = [float(at_s) for at_s in re.findall(r"^\[(\d+\.\d+)\] \d+ bytes from", said, re.MULTILINE)]
        assert heard_s, f"{address} never answered"
        silences_s = (after_s - before_s for before_s, after_s in pairwise(heard_s))
        pinged.outages_s[address] = tuple(silence_s for silence_s in silences_s if silence_s >= OUTAGE_S)


def test_to_the_pool_every_router_moves_once_and_the_old_carrier_joins(cold: Lab, pool_file: Path) -> None:
    (carrier,) = status(cold).promoted_on(GATEWAY)
    addresses = floating_ips(cold)
    assert len(addresses) == len(routers(cold)) > 1
    with pinging(cold, addresses) as pinged:
        assert apply(cold, pool_file)["works"] is True
    pinged.show("to the pool")
    now = status(cold)
    assert now.promoted_on(local(GATEWAY)) == NODES
    assert not list(now.instances(GATEWAY))
    assert all(len(nodes) == 1 and nodes != [carrier] for nodes in routers(cold).values())
    assert {address: len(outages_s) for address, outages_s in pinged.outages_s.items()} == dict.fromkeys(addresses, 1)
    assert apply(cold, pool_file)["steps"] == []


def test_home_every_router_moves_once_and_nothing_is_left_of_the_pool(cold: Lab, pool_file: Path) -> None:
    apply(cold, pool_file)
    addresses = floating_ips(cold)
    with pinging(cold, addresses) as pinged:
        assert apply(cold)["works"] is True
    pinged.show("home")
    now = status(cold)
    (carrier,) = now.promoted_on(GATEWAY)
    assert not [
        one
        for part in (local(GATEWAY), *agents_of(local(GATEWAY)), rescheduler(GATEWAY))
        for one in now.instances(part)
    ]
    assert all(nodes == [carrier] for nodes in routers(cold).values())
    assert len(routers(cold)) == len(addresses)
    assert {address: len(outages_s) for address, outages_s in pinged.outages_s.items()} == dict.fromkeys(addresses, 1)
    assert apply(cold)["steps"] == []
