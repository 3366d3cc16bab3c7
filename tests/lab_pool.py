"""The lab's pool of network nodes: what the cluster says of it, and where every router is by Neutron's word and by the
nodes' own.
"""

import asyncio
import json
import shlex
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from hotspare.adapters.neutron_scheduling import NeutronScheduling
from hotspare.adapters.neutron_session import NeutronSession
from hotspare.adapters.site import script
from hotspare.codec import crm_mon_xml, onsite_jsonl
from hotspare.lab.cluster_file import POOL
from hotspare.lab.namespace import entered
from hotspare.lab.openstack.clouds import CLOUD
from hotspare.model.cluster import ClusterStatus
from hotspare.model.drill import NodeState
from hotspare.model.errors import HotspareError
from hotspare.model.routing import Standing
from hotspare.plan.names import rescheduler
from hotspare.plan.verdict import DRAIN, drains, standings
from lab_parts import Lab, eventually
from lab_routers import NODES

RESCHEDULER = rescheduler(POOL)
ASK = """
import json, sys
from hotspare_ocf import daemon
print(json.dumps(daemon.ask(sys.argv[1], within_s=5)))
"""
CLOUDS = "/etc/hotspare/clouds.yaml"
SOCKET = f"/run/hotspare/{RESCHEDULER}.sock"
T = TypeVar("T")


class LabPool:
    """The pool of a lab, asked and told."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    # --- the cluster -------------------------------------------------------------------------------------------------

    def status(self, *, by: str = NODES[0]) -> ClusterStatus:
        """What the cluster says of itself on a node."""
        return crm_mon_xml.read(self.lab.ssh(by, " ".join(crm_mon_xml.CRM_MON)))

    def standings(self, *, by: str = NODES[0]) -> Mapping[str, Standing]:
        """How each node stands."""
        now = self.status(by=by)
        return standings(now, {node: node for node in NODES}, POOL, drains(now))

    def daemon(self) -> str:
        """The node that the rescheduler runs on."""
        running: list[str] = []

        def one() -> bool:
            running[:] = self.status().running_on(RESCHEDULER)
            return len(running) == 1

        eventually(one, within_s=60, what=lambda: f"{RESCHEDULER} runs on one node, not on {running}")
        return running[0]

    def daemon_pid(self, node: str) -> str:
        """The rescheduler's process there; empty where there is none."""
        return self.lab.ssh(node, f"head -1 /run/hotspare/{RESCHEDULER}.pid 2>/dev/null || :").strip()

    def report(self, node: str, *, socket: str = SOCKET) -> dict[str, Any]:
        """What a rescheduler on this node tells of itself."""
        python = "PYTHONPATH=/usr/lib/ocf/lib/hotspare python3 -c"
        told: dict[str, Any] = json.loads(self.lab.ssh(node, f"{python} {shlex.quote(ASK)} {socket}"))
        return told

    def restarted(self) -> None:
        """The rescheduler is a new process, which has read its files anew."""
        self.lab.ssh(self.daemon(), f"crm_resource --restart --resource {RESCHEDULER}", timeout_s=180)

    @contextmanager
    def reaching_neutron_by(self, url: str) -> Iterator[None]:
        """The rescheduler asks Neutron at this address, on whichever node it runs."""
        override = f'"{CLOUD}": {{"network_endpoint_override": "{url}/v2.0",'
        edit = shlex.quote(f's|"{CLOUD}": {{|{override}|')
        for node in NODES:
            self.lab.ssh(node, f"cp -p {CLOUDS} {CLOUDS}.before; sed -i {edit} {CLOUDS}; grep -q override {CLOUDS}")
        self.restarted()
        try:
            yield
        finally:
            for node in NODES:
                self.lab.ssh(node, f"mv {CLOUDS}.before {CLOUDS}")
            self.restarted()

    def mark_leaving(self, *nodes: str) -> None:
        """These nodes, and no others, are to have no routers."""
        for node in sorted(NODES, key=nodes.__contains__):  # those that may have routers again come first
            what = "--update true" if node in nodes else "--delete"
            self.lab.ssh(NODES[0], f"crm_attribute --type nodes --node {node} --name {DRAIN} {what}")

    def send_all_to(self, node: str) -> None:
        """All routers are to be moved to this node."""
        self.mark_leaving(*(other for other in NODES if other != node))

    # --- Neutron -----------------------------------------------------------------------------------------------------

    def ask(self, call: Callable[[NeutronScheduling], Awaitable[T]]) -> T:
        """Neutron's own answer: whatever is between it and the rescheduler is not between it and the test."""

        async def answer() -> T:
            return await call(NeutronScheduling(NeutronSession(CLOUD, clouds_file=self.lab.layout.clouds_yaml)))

        with entered(self.lab.layout.switch):
            return asyncio.run(answer())

    def agents(self) -> Mapping[str, str]:
        """Node → its L3 agent."""
        routing = self.ask(lambda neutron: neutron.routing())
        return {agent.host: agent.id for agent in routing.agents.values() if agent.host in NODES}

    def hosts(self) -> Mapping[str, tuple[str, ...]]:
        """Router → the hosts whose agents it is bound to."""
        routing = self.ask(lambda neutron: neutron.routing())
        return {
            router: tuple(routing.agents[agent].host for agent in agents) for router, agents in routing.bindings.items()
        }

    # --- the nodes ---------------------------------------------------------------------------------------------------

    def node_state(self, node: str) -> NodeState:
        """What of routers is on the node."""
        look = script("node_state.py").decode()
        return onsite_jsonl.node_state(self.lab.ssh(node, f"/usr/bin/python3 -IS -c {shlex.quote(look)}"), node)

    def found(self) -> Mapping[str, tuple[frozenset[str], frozenset[str]]]:
        """Node → routers whose namespaces are there, and Neutron's ports that its switch forwards for."""
        with ThreadPoolExecutor(len(NODES)) as looks:
            return {
                state.node: (routers_on(state), live_ports_on(state)) for state in looks.map(self.node_state, NODES)
            }

    # --- all of it ---------------------------------------------------------------------------------------------------

    def astray(self) -> str:
        """Why not every router is on exactly one agent, a live one, and nowhere else; empty: it is so."""
        live = {node for node, standing in self.standings().items() if standing is Standing.LIVE}
        hosts = self.hosts()
        if wrong := {router: on for router, on in hosts.items() if len(on) != 1 or not live.issuperset(on)}:
            return f"bound to {wrong}, live are {sorted(live)}"
        ports = self.ask(lambda neutron: neutron.ports(tuple(hosts)))
        if unwired := [port for port in ports if (port.host,) != hosts[port.router] or not port.active]:
            return f"not wired where they are bound: {unwired}"
        wanted: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
        for router, (host,) in hosts.items():
            wanted[host][0].add(router)
            wanted[host][1].update(port.id for port in ports if port.router == router)
        found = self.found()
        return "".join(
            f"{node} has {found[node]}, not {wanted[node]}\n" for node in NODES if found[node] != wanted[node]
        )

    def served(self, *, within_s: float) -> Mapping[str, str]:
        """Every router is on exactly one agent, a live one, and nowhere else: router → its host."""
        astray = ["not looked at"]

        def none_astray() -> bool:
            try:
                astray[0] = self.astray()
            except HotspareError as failed:  # Neutron has not recovered yet
                astray[0] = failed.message
            return not astray[0]

        eventually(none_astray, within_s=within_s, what=lambda: f"every router on exactly one agent: {astray[0]}")
        return {router: host for router, (host,) in self.hosts().items()}


def routers_on(state: NodeState) -> frozenset[str]:
    """Routers whose namespaces are there."""
    return frozenset(name.removeprefix("qrouter-") for name in state.namespaces)


def live_ports_on(state: NodeState) -> frozenset[str]:
    """Routers' ports, by Neutron's id, that the switch forwards for."""
    assert state.ports is not None, state.cannot_tell
    return frozenset(port.iface_id for port in state.ports if port.tag is not None and not port.parked)
