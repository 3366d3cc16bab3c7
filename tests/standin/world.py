"""Agents, routers, networks and who is bound to whom, as Neutron's scheduler treats them. Time passes when told to.

Sources: Neutron 29.0.0, db/l3_agentschedulers_db.py, db/agentschedulers_db.py, scheduler/l3_agent_scheduler.py; what a
real one does is asked by tests/contract/test_neutron_scheduling.py.
"""

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

L3 = "L3 agent"
SWITCH = "Open vSwitch agent"
DHCP = "DHCP agent"
INTERFACE = "network:router_interface"
GATEWAY = "network:router_gateway"

DOWN_AFTER_S = 75.0
"""Without a heartbeat. Source: `agent_down_time`."""
UNHEARD_S = 120.0
"""How long a bind to an agent that does not listen blocks: two attempts of 60 s. Source: `rpc_response_timeout`,
AGENT_NOTIFY_MAX_ATTEMPTS of api/rpc/agentnotifiers/l3_rpc_agent_api.py."""

NOT_FOUND, CONFLICT = 404, 409


class NoError(Exception):
    """Neutron says no: an HTTP status, Neutron's name for it, its words."""

    def __init__(self, status: int, kind: str, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.kind = kind
        self.words = words


@dataclass
class Agent:
    """An agent, and whether it runs: one that does not is heard of no more, and listens to nobody."""

    id: str
    kind: str
    host: str
    admin_up: bool = True
    zone: str = "nova"
    mode: str = "legacy"
    internal_only: bool = True
    physnets: tuple[str, ...] = ("public", "tenant")
    tunnel_types: tuple[str, ...] = ()
    stopped_s: float | None = None
    busy_until_s: float = 0.0

    @property
    def runs(self) -> bool:
        return self.stopped_s is None


@dataclass
class Network:
    id: str
    name: str
    kind: str = "vlan"
    physnet: str | None = "tenant"
    dhcp: bool = True
    zones: tuple[str, ...] = ()


@dataclass
class Router:
    id: str
    name: str
    outside: str | None = None
    """The network of its gateway."""
    admin_up: bool = True
    ha: bool = False
    distributed: bool = False
    zones: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    floating_ips: int = 0


@dataclass
class Port:
    id: str
    router: str
    network: str
    owner: str = INTERFACE
    host: str = ""
    active: bool = False
    vif: str = "unbound"
    admin_up: bool = True


@dataclass
class World:
    """One cloud. `now_s` moves by `pass_time`, and what was to happen until then happens, in order."""

    sync_s: float = 0.2
    """From a bind to the agent's asking for the router: its ports are bound to its host then, and DOWN."""
    wire_s: float = 1.0
    """What wiring a router costs its agent, one router after another."""
    let_go_s: float = 0.5
    """From an unbind to the ports' being DOWN, where the agent runs."""
    auto_schedule: bool = True
    """Whether an agent that asks for its routers is given those that nobody has. Source: `router_auto_schedule`."""
    steal_every: int = 0
    """After every so many unbinds another agent that runs asks for its routers, before anybody else may bind them."""
    race_every: int = 0
    """Every so many binds another agent that runs is bound first: the bind answers 201 and does nothing."""

    now_s: float = 0.0
    agents: dict[str, Agent] = field(default_factory=dict)
    networks: dict[str, Network] = field(default_factory=dict)
    routers: dict[str, Router] = field(default_factory=dict)
    ports: dict[str, list[Port]] = field(default_factory=dict)
    """Of each router."""
    serving: dict[str, list[str]] = field(default_factory=dict)
    """Router → L3 agents."""
    leasing: dict[str, list[str]] = field(default_factory=dict)
    """Network → DHCP agents."""
    binds: int = 0
    unbinds: int = 0
    _to_come: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: Iterator[int] = field(default_factory=itertools.count)

    # What is there.

    def add_agents(self, agents: Iterable[Agent]) -> None:
        self.agents |= {agent.id: agent for agent in agents}

    def add_network(self, network: Network) -> None:
        self.networks[network.id] = network
        self.leasing.setdefault(network.id, [])

    def add_router(self, router: Router, *, networks: Iterable[str], agent: str | None = None) -> None:
        """The router has an interface in each of the networks, and its ports are wired where `agent` is."""
        self.routers[router.id] = router
        self.serving[router.id] = [] if agent is None else [agent]
        ports = [Port(f"{router.id}-{place}", router.id, network) for place, network in enumerate(networks)]
        if router.outside is not None:
            ports.append(Port(f"{router.id}-gateway", router.id, router.outside, GATEWAY))
        self.ports[router.id] = ports
        if agent is not None:
            self._plug(self.agents[agent], router.id)
            self._wire(self.agents[agent], router.id)

    def remove_router(self, router: str) -> None:
        for of in (self.routers, self.ports, self.serving):
            of.pop(router)

    def set_port(self, port_id: str, *, admin_up: bool) -> None:
        """The port is enabled or disabled; the agents that have its router wire it anew.

        Neutron's L3 agent does so only if the interface was up when it got the router.
        """
        router_id, port = next(
            (router, port) for router, ports in self.ports.items() for port in ports if port.id == port_id
        )
        port.admin_up = admin_up
        for agent in self.serving[router_id]:
            self._begin(self.agents[agent], router_id)

    def alive(self, agent: Agent) -> bool:
        return agent.stopped_s is None or self.now_s - agent.stopped_s < DOWN_AFTER_S

    # What agents do.

    def stop(self, agent: str) -> None:
        """The agent's process is gone; what it plugged stays, and so does what Neutron says of its ports."""
        self.agents[agent].stopped_s = self.now_s

    def start(self, agent: str) -> None:
        """The agent runs and has asked for its routers."""
        self.agents[agent].stopped_s = None
        self.full_sync(agent)

    def lose_host(self, host: str) -> None:
        for agent in self.agents.values():
            if agent.host == host and agent.runs:
                self.stop(agent.id)

    def full_sync(self, agent: str) -> None:
        """An L3 agent asked for its routers: it has those that nobody had, and begins to wire all of its own."""
        found = self.agents[agent]
        if found.kind != L3 or not found.runs or not found.admin_up:
            return
        for router in self.routers.values():
            if self.auto_schedule and not self.serving[router.id] and self._may_have(found, router):
                self.serving[router.id] = [agent]
        for router_id, having in self.serving.items():
            if agent in having:
                self._begin(found, router_id)

    def pass_time(self, seconds: float) -> None:
        until_s = self.now_s + seconds
        while self._to_come and self._to_come[0][0] <= until_s:
            self.now_s, _, happen = heapq.heappop(self._to_come)
            happen()
        self.now_s = until_s

    # What the API does. Each raises NoError.

    def bind(self, router_id: str, agent_id: str) -> float:
        """Seconds until Neutron answers. More than none ends with an error: the router is bound, but nobody listens."""
        router, agent = self.router(router_id), self.agent(agent_id)
        self._check(agent, router)
        having = self.serving[router_id]
        if agent_id in having:
            return 0.0  # and nobody is told
        if having and not router.ha:
            raise NoError(
                CONFLICT,
                "RouterHostedByL3Agent",
                f"The router {router_id} has been already hosted by the L3 Agent {having[0]}.",
            )
        self.binds += 1
        thief = self._other(agent_id, router) if self.race_every and self.binds % self.race_every == 0 else None
        if thief is not None:
            self.serving[router_id] = [thief.id]
            self._begin(thief, router_id)
        else:
            having.append(agent_id)
        if not agent.runs:
            return UNHEARD_S
        self._begin(agent, router_id)
        return 0.0

    def unbind(self, router_id: str, agent_id: str) -> None:
        """The agent does not have the router; nobody checks whether it had."""
        agent = self.agent(agent_id)
        if agent.mode in {"dvr", "dvr_no_external"}:
            raise NoError(CONFLICT, "DVRL3CannotRemoveFromDvrAgent", "Not allowed in DVR mode.")
        router = self.router(router_id)
        having = self.serving[router_id]
        if agent_id in having:
            having.remove(agent_id)
        if agent.runs:
            self._at(self.let_go_s, lambda: self._let_go(agent, router_id))
        self.unbinds += 1
        if self.steal_every and self.unbinds % self.steal_every == 0 and not having:
            thief = self._other(agent_id, router)
            if thief is not None:
                self.full_sync(thief.id)

    def bind_network(self, network_id: str, agent_id: str) -> None:
        self.network(network_id)
        agent = self.agent(agent_id)
        if agent.kind != DHCP or not agent.admin_up:
            raise NoError(NOT_FOUND, "InvalidDHCPAgent", f"Agent {agent_id} is not a valid DHCP Agent.")
        if agent_id in self.leasing[network_id]:
            raise NoError(
                CONFLICT,
                "NetworkHostedByDHCPAgent",
                f"The network {network_id} has been already hosted by the DHCP Agent {agent_id}.",
            )
        self.leasing[network_id].append(agent_id)

    def unbind_network(self, network_id: str, agent_id: str) -> None:
        self.agent(agent_id)
        if agent_id not in self.leasing.get(network_id, ()):
            raise NoError(
                CONFLICT,
                "NetworkNotHostedByDhcpAgent",
                f"The network {network_id} is not hosted by the DHCP agent {agent_id}.",
            )
        self.leasing[network_id].remove(agent_id)

    def agent(self, agent_id: str) -> Agent:
        if agent_id not in self.agents:
            raise NoError(NOT_FOUND, "AgentNotFound", f"Agent {agent_id} could not be found.")
        return self.agents[agent_id]

    def router(self, router_id: str) -> Router:
        if router_id not in self.routers:
            raise NoError(NOT_FOUND, "RouterNotFound", f"Router {router_id} could not be found")
        return self.routers[router_id]

    def network(self, network_id: str) -> Network:
        if network_id not in self.networks:
            raise NoError(NOT_FOUND, "NetworkNotFound", f"Network {network_id} could not be found.")
        return self.networks[network_id]

    # How it comes about.

    def _check(self, agent: Agent, router: Router) -> None:
        """The agent may have the router by hand. Whether it is alive is not asked."""
        if agent.kind == L3 and agent.mode in {"dvr", "dvr_no_external"}:
            raise NoError(
                CONFLICT, "DVRL3CannotAssignToDvrAgent", "Not allowed to manually assign a router in DVR mode."
            )
        if agent.kind == L3 and agent.mode == "legacy" and router.distributed:
            raise NoError(CONFLICT, "RouterL3AgentMismatch", f"Cannot host distributed router {router.id}.")
        if not self._may_have(agent, router):
            raise NoError(NOT_FOUND, "InvalidL3Agent", f"Agent {agent.id} is not a L3 Agent or has been disabled")

    def _may_have(self, agent: Agent, router: Router) -> bool:
        return (
            agent.kind == L3
            and agent.admin_up
            and agent.mode in {"legacy", "dvr_snat"}
            and (agent.mode == "dvr_snat" or not router.distributed)
            and (agent.internal_only or router.outside is not None)
        )

    def _other(self, agent_id: str, router: Router) -> Agent | None:
        """An agent that runs and may have the router, other than this one; the one with the smallest id."""
        others = (
            one for one in self.agents.values() if one.id != agent_id and one.runs and self._may_have(one, router)
        )
        return min(others, key=lambda one: one.id, default=None)

    def _begin(self, agent: Agent, router_id: str) -> None:
        """The agent heard of the router: it asks for it, then wires it when those before it are wired."""
        asked_s = self.now_s + self.sync_s
        agent.busy_until_s = max(agent.busy_until_s, asked_s) + self.wire_s
        self._at(self.sync_s, lambda: self._plug(agent, router_id))
        self._at(agent.busy_until_s - self.now_s, lambda: self._wire(agent, router_id))

    def _plug(self, agent: Agent, router_id: str) -> None:
        """Its ports are bound to the agent's host, if that host has a switch agent that is heard of and the network.

        One that is bound there is left as it is. Source: api/rpc/handlers/l3_rpc.py `_ensure_host_set_on_port`.
        """
        if not self._has(agent, router_id):
            return
        for port in self.ports[router_id]:
            if port.host == agent.host and port.vif == "ovs":
                continue
            port.host, port.active = agent.host, False
            port.vif = "ovs" if self._reaches(agent.host, port.network) else "binding_failed"

    def _wire(self, agent: Agent, router_id: str) -> None:
        if not self._has(agent, router_id) or not self._switch_runs(agent.host):
            return
        for port in self.ports[router_id]:
            if port.host == agent.host and port.vif == "ovs":
                port.active = port.admin_up

    def _let_go(self, agent: Agent, router_id: str) -> None:
        """The ports are DOWN where they were, unless the router came back meanwhile."""
        if not agent.runs or not self._switch_runs(agent.host) or self._has(agent, router_id):
            return
        for port in self.ports.get(router_id, ()):
            if port.host == agent.host:
                port.active = False

    def _has(self, agent: Agent, router_id: str) -> bool:
        return agent.runs and agent.id in self.serving.get(router_id, ())

    def _switch(self, host: str) -> Agent | None:
        return next((one for one in self.agents.values() if one.kind == SWITCH and one.host == host), None)

    def _switch_runs(self, host: str) -> bool:
        switch = self._switch(host)
        return switch is not None and switch.runs

    def _reaches(self, host: str, network_id: str) -> bool:
        """Source: plugins/ml2/drivers/mech_agent.py: only an agent that is heard of is asked."""
        switch, network = self._switch(host), self.networks[network_id]
        if switch is None or not self.alive(switch):
            return False
        if network.kind in {"flat", "vlan"}:
            return network.physnet in switch.physnets
        return network.kind == "local" or network.kind in switch.tunnel_types

    def _at(self, in_s: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._to_come, (self.now_s + in_s, next(self._order), happen))


def cloud(*, hosts: int, routers: int, networks_each: int = 1, bound: int | None = None) -> World:
    """A cloud of `hosts` network nodes; the first `bound` of them (all) have the routers in equal parts."""
    world = World()
    names = [f"net{number + 1}" for number in range(hosts)]
    for kind, prefix in ((L3, "l3"), (SWITCH, "switch"), (DHCP, "dhcp")):
        world.add_agents(Agent(f"{prefix}-{name}", kind, name) for name in names)
    world.add_network(Network("public", "public", kind="flat", physnet="public", dhcp=False))
    for number in range(networks_each):
        world.add_network(Network(f"network-{number}", f"network-{number}"))
    having = names[:bound]
    for number in range(routers):
        world.add_router(
            Router(f"router-{number:05}", f"router-{number}", outside="public", floating_ips=1),
            networks=[f"network-{place}" for place in range(networks_each)],
            agent=f"l3-{having[number % len(having)]}" if having else None,
        )
    return world
