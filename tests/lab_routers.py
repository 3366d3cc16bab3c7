"""Where the lab's routers are bound, as tests need it before they begin."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hotspare.lab import namespace
from hotspare.lab.openstack.cloud import connect
from lab_parts import HOTSPARE, Lab, eventually

NODES = ("net1", "net2", "net3")
"""Each is its agents' host in Neutron, too, where it is in a pool."""
APPLY_LIMIT_S = 600


def pooled(lab: Lab) -> None:
    """The lab's pool works, whatever was done to it before, and each of its nodes has its share of the routers."""
    lab.hotspare("apply", timeout_s=APPLY_LIMIT_S)
    bound(lab, NODES)


def bound(lab: Lab, hosts: tuple[str, ...]) -> None:
    """The routers are bound to these hosts in turn, and served there."""
    with namespace.entered(lab.layout.switch):
        network = connect(lab.layout).network
        agents = {agent.host: agent.id for agent in network.agents(agent_type="L3 agent")}
        routers = sorted(network.routers(), key=lambda router: router.name)
        wanted = [(router, agents[hosts[number % len(hosts)]]) for number, router in enumerate(routers)]
        with ThreadPoolExecutor() as at_once:
            tuple(at_once.map(lambda pair: bind(network, *pair), wanted))
    limit_s = max(300, 20 * len(wanted))  # some seconds of CPU time each, on few cores
    eventually(lambda: _all_served(lab), within_s=limit_s, what="every router is served where it is bound")


def _all_served(lab: Lab) -> bool:
    told = json.loads(lab.desk("sh", "-c", f"{HOTSPARE} status --json || :"))
    return next(line for line in told["lines"] if line["name"] == "routers")["answer"] == "yes"


def bind(network: Any, router: Any, agent: str) -> None:
    """The router is bound to this agent, alone."""
    holders = [holder.id for holder in network.routers_hosting_l3_agents(router)]
    for holder in holders:
        if holder != agent:
            network.remove_router_from_agent(holder, router)
    if agent not in holders:
        network.add_router_to_agent(agent, router)
