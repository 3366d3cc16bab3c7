"""How long routers are without service where Neutron's own means have them: VRRP (`ha=true`), and the rescheduling of a
dead agent's routers (`allow_automatic_l3agent_failover`). No cluster is in the way: the agents are systemd's, one set
on each network node, under the node's own name.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from keystoneauth1.exceptions import ConnectFailure
from openstack.exceptions import SDKException

from figures import Figure
from hotspare.lab import machines
from hotspare.lab.cluster_file import GATEWAY
from hotspare.lab.namespace import entered
from hotspare.lab.openstack.cloud import connect
from lab_parts import Lab, eventually
from lab_routers import NODES, rebind
from lab_twin import Twin
from outside import await_all, machine_at_rest, pinging

AGENTS = ("neutron-openvswitch-agent", "neutron-l3-agent", "neutron-metadata-agent")
SERVER = ("neutron-api", "neutron-rpc-server", "neutron-periodic-workers")
ALIVE_S, SERVED_S, BACK_S, CHANGED_S = 180, 900, 900, 240
DEAD = NODES[0]
AT_ONCE = 4

VRRP = "VRRP"
HIGHLY_AVAILABLE = {"ha_vrrp_advert_int": "2", "max_l3_agents_per_router": "2"}
WITH_DEFAULTS = "automatic failover, its defaults (agent_down_time 75, report_interval 30)"
QUICK = "automatic failover, agent_down_time 10, report_interval 5"
FAILOVERS = ((QUICK, 10, 5), (WITH_DEFAULTS, 75, 30))
"""Name, `agent_down_time` of the server and `report_interval` of the agents, both in s."""

NOTES = (
    (
        "VRRP and automatic failover: Neutron's own agents as systemd units on three nodes, the same routers, "
        "the same prober. VRRP: two agents a router, advertisements every 2 s as by default; all primaries on the node "
        "whose power is cut. Automatic failover: all routers on that node. "
        "None of them fences: the power is cut for good."
    ),
)


@dataclass
class Outages:
    """By peer, the seconds that each router was without service."""

    found: dict[str, list[float]] = field(default_factory=dict)

    def medians(self, peer: str) -> Iterator[float]:
        """One, or none where the peer was not measured."""
        if self.found.get(peer):
            yield median(self.found[peer])

    def figures(self) -> list[Figure]:
        """Of each peer its median and its worst router."""
        return [
            Figure(f"{peer}: {what} of {len(outages)} routers", "s", (), (of(outages),))
            for peer, outages in self.found.items()
            for what, of in (("median", median), ("worst", max))
        ]


def measure(lab: Lab, outages: Outages, *, vrrp: bool, failover: bool) -> None:
    """These peers, in the lab whose gateway is stopped meanwhile."""
    peers = _Peers(lab)
    with peers.own_agents():
        if vrrp:
            with peers.server_with(HIGHLY_AVAILABLE), peers.highly_available():
                outages.found[VRRP] = peers.outages(VRRP)
        for peer, down_s, report_s in FAILOVERS if failover else ():
            server = {"allow_automatic_l3agent_failover": "True", "agent_down_time": str(down_s)}
            with peers.server_with(server), peers.reporting_every(report_s):
                peers.bound_to((DEAD,))
                outages.found[peer] = peers.outages(peer)


class _Peers:
    """Neutron's own agents in a lab, and what Neutron is told about its routers."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    # --- agents ------------------------------------------------------------------------------------------------------

    @contextmanager
    def own_agents(self) -> Iterator[None]:
        """The gateway is stopped, and each node has agents of its own, which have the routers."""
        role = f"crm_resource --meta {{}} target-role --resource {GATEWAY}-clone && crm_resource --wait"
        stop, start = role.format("--parameter-value Stopped --set-parameter"), role.format("--delete-parameter")
        with ExitStack() as stack:
            stack.callback(self.bound_to, (GATEWAY,))
            stack.callback(self._alive, (GATEWAY,))
            stack.callback(self._lab.ssh, NODES[-1], start, timeout_s=CHANGED_S)
            self._lab.ssh(NODES[-1], stop, timeout_s=CHANGED_S)
            stack.callback(self._clean)
            self._start_agents(NODES)
            eventually(lambda: GATEWAY not in self._living(), within_s=ALIVE_S, what="the gateway's agent is missed")
            self.bound_to((DEAD,))
            yield

    def _start_agents(self, nodes: Sequence[str]) -> None:
        self._everywhere(f"systemctl start {' '.join(AGENTS)}", nodes)
        self._alive(nodes)

    def _alive(self, nodes: Sequence[str]) -> None:
        eventually(lambda: self._living() >= set(nodes), within_s=ALIVE_S, what=f"Neutron hears the agents of {nodes}")

    def _living(self) -> set[str]:
        """The hosts whose L3 agents Neutron hears."""
        agents = self._asked(lambda network: list(network.agents(agent_type="L3 agent")))
        return {agent.host for agent in agents if agent.is_alive}

    def _clean(self) -> None:
        """No agent of the peers', and nothing of a router, is on any node."""
        self._everywhere(f"{_ended(AGENTS)}; systemctl stop {' '.join(AGENTS)}; /usr/lib/ocf/lib/hotspare/clean", NODES)

    def _everywhere(self, command: str, nodes: Sequence[str]) -> None:
        with ThreadPoolExecutor() as at_once:
            tuple(at_once.map(lambda node: self._lab.ssh(node, command, timeout_s=CHANGED_S), nodes))

    @contextmanager
    def reporting_every(self, seconds: int) -> Iterator[None]:
        """The agents report so often."""
        set_to = "sed -i 's/^report_interval.*/report_interval = {}/' {} && {}"
        restart = f"{_ended(AGENTS)} && systemctl restart {' '.join(AGENTS)}"
        conf = "/etc/neutron/neutron.conf"
        self._everywhere(set_to.format(seconds, conf, restart), NODES)
        self._alive(NODES)
        try:
            yield
        finally:
            self._everywhere(set_to.format(5, conf, restart), NODES)

    # --- the server --------------------------------------------------------------------------------------------------

    @contextmanager
    def server_with(self, options: dict[str, str]) -> Iterator[None]:
        """Neutron's server has these options in its section DEFAULT, instead of what it had."""
        conf = "/etc/neutron/neutron.conf"
        drop = "".join(f" -e '/^{name} *=/d'" for name in options)
        add = "".join(f" -e '/^\\[DEFAULT\\]/a {name} = {value}'" for name, value in options.items())
        restart = f"{_ended(SERVER)} && systemctl restart {' '.join(SERVER)}"
        self._lab.ssh("ctl", f"cp -p {conf} {conf}.before && sed -i {drop} {add} {conf} && {restart}")
        self._answers()
        try:
            yield
        finally:
            self._lab.ssh("ctl", f"mv {conf}.before {conf} && {restart}")
            self._answers()

    def _answers(self) -> None:
        def answers() -> bool:
            try:
                self._living()
            except (SDKException, ConnectFailure):  # also a server that ends with the question in its hand
                return False
            return True

        eventually(answers, within_s=ALIVE_S, what="Neutron's API answers")

    def _asked(self, ask: Callable[[Any], Any]) -> Any:
        with entered(self._lab.layout.switch), connect(self._lab.layout) as cloud:
            return ask(cloud.network)

    # --- routers -----------------------------------------------------------------------------------------------------

    def bound_to(self, hosts: tuple[str, ...], *, served: bool = True) -> None:
        """The routers are bound to these hosts' agents in turn and, where that is asked, served."""
        self._asked(lambda network: rebind(network, hosts))
        if served:
            await_all(self._lab, within_s=SERVED_S)

    @contextmanager
    def highly_available(self) -> Iterator[None]:
        """Every router is one of VRRP, and its primary is on the node that is to die."""
        try:
            with self._no_other_takes_routers():
                self._all_are(ha=True)
                await_all(self._lab, within_s=SERVED_S)
            eventually(self._all_have_a_backup, within_s=SERVED_S, what="each router has its primary and a backup")
            yield
        finally:
            self._all_are(ha=False)
            self.bound_to((DEAD,))

    @contextmanager
    def _no_other_takes_routers(self) -> Iterator[None]:
        """The primary is whoever was first: no agent but one is given routers, as long as this lasts."""
        self._let_others_take_routers(allowed=False)
        try:
            yield
        finally:
            self._let_others_take_routers(allowed=True)

    def _let_others_take_routers(self, *, allowed: bool) -> None:
        def change(network: Any) -> None:
            for agent in network.agents(agent_type="L3 agent"):
                if agent.host in NODES and agent.host != DEAD:
                    network.update_agent(agent, is_admin_state_up=allowed)

        self._asked(change)

    def _all_have_a_backup(self) -> bool:
        """As the agents of every router have told Neutron: Neutron takes a while to give a second agent each."""

        def states(network: Any) -> list[list[tuple[str, bool]]]:
            hosting = (network.routers_hosting_l3_agents(router) for router in network.routers())
            return [sorted((str(agent.ha_state), agent.host == DEAD) for agent in agents) for agents in hosting]

        return all(found == [("active", True), ("standby", False)] for found in self._asked(states))

    def _all_are(self, *, ha: bool) -> None:
        def change(network: Any) -> None:
            routers = sorted(network.routers(), key=lambda router: router.name)
            changed(network, routers[0], ha=ha)  # the first one makes the project's network for VRRP, alone
            with ThreadPoolExecutor(AT_ONCE) as at_once:
                tuple(at_once.map(lambda router: changed(network, router, ha=ha), routers[1:]))

        self._asked(change)

    # --- the cut -----------------------------------------------------------------------------------------------------

    def outages(self, peer: str) -> list[float]:
        """The node loses its power; seconds of every router that was without service. It is whole again afterwards."""
        print(f"power cut: {peer}", flush=True)
        machine_at_rest()
        with pinging(self._lab) as pinged:
            self._lab.lab("power", DEAD, "off")
            await_all(self._lab, within_s=BACK_S)
        # The cluster fences it as well, and one that is on too early would be switched off again.
        eventually(lambda: Twin(self._lab).is_fenced(DEAD), within_s=ALIVE_S, what=f"{DEAD} is fenced")
        self._lab.lab("power", DEAD, "on")
        machine = self._lab.layout.machine(DEAD)
        eventually(
            lambda: machines.answers_ssh(self._lab.layout, machine, timeout_s=1.0),
            within_s=ALIVE_S,
            what=f"{DEAD} is up",
        )
        self._start_agents((DEAD,))
        return pinged.outages()


def _ended(units: Sequence[str]) -> str:
    """A command that ends these units at once: asked politely, Neutron's processes take a minute and a half."""
    return f"systemctl kill --signal=KILL {' '.join(units)}"


def changed(network: Any, router: Any, *, ha: bool) -> None:
    """The router is one of VRRP, or not. Neutron changes that only while it is down."""
    network.update_router(router, is_admin_state_up=False)
    network.update_router(router, is_ha=ha)
    network.update_router(router, is_admin_state_up=True)
