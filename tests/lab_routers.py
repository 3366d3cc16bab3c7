"""Where the lab's routers are bound, as tests need it before they begin."""

import json
from collections.abc import Container, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from openstack.exceptions import ConflictException

from hotspare.lab import namespace
from hotspare.lab.openstack.cloud import connect
from lab_parts import HOTSPARE, Lab, awaited, eventually

NODES = ("net1", "net2", "net3")
"""Each is its agents' host in Neutron, too, where it is in a pool."""
APPLY_LIMIT_S = 600
LET_GO_LIMIT_S = 90
ROUNDS_MAX = 5


def pooled(lab: Lab) -> None:
    """The lab's pool works, whatever was done to it before, and each of its nodes has its share of the routers."""
    lab.hotspare("apply", timeout_s=APPLY_LIMIT_S)
    bound(lab, NODES)


def bound(lab: Lab, hosts: tuple[str, ...]) -> None:
    """The routers are bound to these hosts in turn, and served there."""
    with namespace.entered(lab.layout.switch):
        routers = rebind(connect(lab.layout).network, hosts)
    limit_s = max(300, 20 * len(routers))  # some seconds of CPU time each, on few cores
    eventually(lambda: _all_served(lab), within_s=limit_s, what="every router is served where it is bound")
    with namespace.entered(lab.layout.switch):
        network = connect(lab.layout).network
        wanted = _in_turn(network, hosts)
        assert _holders(network, wanted) == {router: [agent] for router, agent in wanted.items()}


def rebind(network: Any, hosts: tuple[str, ...]) -> list[str]:
    """The routers are bound to the L3 agents of these hosts in turn, and to no other. Their ids.

    None is bound before the agent that had it has let go of its ports: Neutron would keep them on that one's host, down
    for good, where a late question of its came between (one of 13 routers in such a hurry, measured). Ports that an
    agent left without a word, because it was killed, are waited for in vain, and not for long. An agent that asks for
    all of its routers meanwhile is given those that are bound nowhere: they are taken from it again.
    """
    wanted = _in_turn(network, hosts)
    for _ in range(ROUNDS_MAX):
        holders = _holders(network, wanted)
        astray = {router: agent for router, agent in wanted.items() if holders[router] != [agent]}
        if not astray:
            return list(wanted)
        _move(network, holders, astray)
    raise AssertionError(f"not bound to {', '.join(hosts)} in turn: {_holders(network, wanted)}")


def _in_turn(network: Any, hosts: tuple[str, ...]) -> dict[str, str]:
    """Router → the L3 agent that is to have it."""
    agents = {agent.host: agent.id for agent in network.agents(agent_type="L3 agent")}
    routers = sorted(network.routers(), key=lambda router: router.name)
    return {router.id: agents[hosts[number % len(hosts)]] for number, router in enumerate(routers)}


def _holders(network: Any, routers: Iterable[str]) -> dict[str, list[str]]:
    """Router → the L3 agents that it is bound to."""
    return {router: [agent.id for agent in network.routers_hosting_l3_agents(router)] for router in routers}


def _move(network: Any, holders: Mapping[str, list[str]], to: Mapping[str, str]) -> None:
    with ThreadPoolExecutor() as at_once:
        tuple(at_once.map(lambda router: _unbind(network, router, holders[router]), to))
        awaited(lambda: not _any_wired(network, to), within_s=LET_GO_LIMIT_S)
        tuple(at_once.map(lambda router: _bind(network, router, to[router]), to))


def _unbind(network: Any, router: str, holders: list[str]) -> None:
    for holder in holders:
        network.remove_router_from_agent(holder, router)


def _bind(network: Any, router: str, agent: str) -> None:
    with suppress(ConflictException):
        network.add_router_to_agent(agent, router)


def _any_wired(network: Any, routers: Container[str]) -> bool:
    return any(port.device_id in routers and port.status == "ACTIVE" for port in network.ports())


def _all_served(lab: Lab) -> bool:
    told = json.loads(lab.desk("sh", "-c", f"{HOTSPARE} status --json || :"))
    return next(line for line in told["lines"] if line["name"] == "routers")["answer"] == "yes"
