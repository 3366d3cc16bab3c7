"""What the crash of an agent costs the routers, while Pacemaker restarts it: nothing where the data plane is a resource
of its own; an outage where the agent's stop cleans the node, as the recipe's does.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

from bench_lab import bench_lab
from figures import Figure
from lab_parts import Lab
from outside import INTERVAL_S, await_all, pinging

GATEWAY = "neutron-gateway"
AGENTS = ("l3", "ovs", "metadata")
ROUTERS = 4
ROUNDS = 2
LIMIT_S = 240

NOTES = (
    (
        f"Crash: kill -9 in a lab of {ROUTERS} routers; their floating IPs are pinged from outside every "
        f"{INTERVAL_S * 1000:.0f} ms. Back: from the kill until the start of the agent has ended, and of those that "
        "Pacemaker restarts after it; it looks every 10 s."
    ),
    (
        "Crash, the peer: the same agents in a group of their own, the L3 agent with dataplane=own, whose stop cleans "
        "the node as the recipe's does. It is our own code in the recipe's arrangement."
    ),
)

_STOPPED = '<meta_attributes id="own-meta"><nvpair id="own-role" name="target-role" value="Stopped"/></meta_attributes>'

# On the carrier: kill the resource's agent, print the moment and that at which the last start has ended which follows.
_CRASH = r"""
began=$(date +%s.%N)
kill -9 $(head -1 /run/hotspare/{resource}.pid)
told() {{ journalctl -q -t hotspare-ocf -o short-unix --since "@$began"; }}
until told | grep -q "event=start.finished resource={resource} "; do sleep 0.5; done
crm_resource --wait --timeout 120s
echo $began $(told | grep "event=start.finished" | tail -1 | cut -d' ' -f1)
"""


def measured(name: str | None) -> tuple[list[Figure], list[str]]:
    """Packets lost and time to be back for each agent, and for the L3 agent of the recipe beside it."""
    with bench_lab(name, "--routers", str(ROUTERS)) as lab:
        lab.hotspare("apply", str(lab.layout.cluster_yaml), timeout_s=300)
        await_all(lab)
        node = _carrier(lab)
        ours = {agent: [_crash(lab, node, f"{GATEWAY}-{agent}") for _ in range(ROUNDS)] for agent in AGENTS}
        with _own_data_plane(lab, node):
            peer = [_crash(lab, node, "own-l3") for _ in range(ROUNDS)]

    found = []
    for agent, runs in ours.items():
        beside = peer if agent == "l3" else []
        what = f"{agent} agent killed, {ROUTERS} routers"
        lost, back = zip(*runs, strict=True)
        peer_lost, peer_back = zip(*beside, strict=True) if beside else ((), ())
        found.append(Figure(f"{what}: lost", "packets", lost, peer_lost, value_max=0))
        found.append(Figure(f"{what}: back", "s", back, peer_back))
    return found, list(NOTES)


def _crash(lab: Lab, node: str, resource: str) -> tuple[int, float]:
    """Packets lost and seconds until the agents are back."""
    with pinging(lab) as pinged:
        began, back = map(float, lab.ssh(node, _CRASH.format(resource=resource), timeout_s=LIMIT_S).split())
        await_all(lab)
    lab.ssh(node, f"crm_resource --cleanup -r {resource}")
    return pinged.lost, back - began


@contextmanager
def _own_data_plane(lab: Lab, node: str) -> Iterator[None]:
    """The gateway is stopped, and its agents run on the node in a group of their own, as the recipe has them."""
    group = lab.ssh(node, f"cibadmin --query --xpath \"//group[@id='{GATEWAY}-agents']\"")
    group = re.sub(rf'\bid="{GATEWAY}-', 'id="own-', group)
    group = group.replace('name="dataplane" value="gateway"', 'name="dataplane" value="own"')
    # It is stopped until the constraint is there, which cannot be before the group.
    group = group.replace("</group>", f"{_STOPPED}</group>")
    place = f'<rsc_location id="own-place" rsc="own-agents" node="{node}" score="INFINITY"/>'
    role = "crm_resource --meta {} target-role --resource {}"
    stop, start = "--parameter-value Stopped --set-parameter", "--delete-parameter"
    try:
        lab.ssh(node, f"{role.format(stop, f'{GATEWAY}-clone')} && crm_resource --wait", timeout_s=120)
        lab.ssh(node, f"cibadmin --create --scope resources --xml-text '{group}'")
        lab.ssh(node, f"cibadmin --create --scope constraints --xml-text '{place}'")
        lab.ssh(node, f"{role.format(start, 'own-agents')} && crm_resource --wait", timeout_s=LIMIT_S)
        await_all(lab)
        yield
    finally:
        lab.ssh(node, f"{role.format(stop, 'own-agents')} && crm_resource --wait || :", timeout_s=180)
        lab.ssh(
            node, f"cibadmin --delete --xml-text '{place}'; cibadmin --delete --xml-text '<group id=\"own-agents\"/>'"
        )
        lab.ssh(node, role.format(start, f"{GATEWAY}-clone"))
        await_all(lab)


def _carrier(lab: Lab) -> str:
    told = json.loads(lab.hotspare("status", "--json"))
    return next(gateway["carrier"] for gateway in told["gateways"] if gateway["name"] == GATEWAY)
