"""The lab's Neutron with L3 agents of their own names on three nodes: what rescheduling moves routers between."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from hotspare.lab import namespace
from hotspare.lab.openstack.cloud import connect
from hotspare.lab.openstack.clouds import CLOUD
from lab_parts import Lab, eventually

HOSTS = ("net1", "net2", "net3")
AGENTS = "neutron-openvswitch-agent neutron-l3-agent"
DHCP = """
printf '[DEFAULT]\\ninterface_driver = openvswitch\\n' > /etc/neutron/dhcp_agent.ini
systemd-run --collect --quiet --unit=neutron-dhcp-agent \
    neutron-dhcp-agent --config-file /etc/neutron/neutron.conf --config-file /etc/neutron/dhcp_agent.ini
"""
LEFT = "ip netns list | grep ^qrouter- || :"
READER = "reader"


def stopped(units: str, *, whom: str) -> str:
    """A command that stops units at once.

    Asked to, the Open vSwitch agent does not stop within 90 s, the L3 agent needs a quarter of a minute, and the API
    waits for a request that waits for an agent that does not listen: two minutes.
    """
    steps = (
        f"systemctl stop --no-block {units}",
        f"systemctl kill --signal=KILL --kill-whom={whom} {units}",
        f"systemctl stop {units}",
        f"systemctl reset-failed {units}",
    )
    return f"{{ {'; '.join(steps)}; }} 2>&1; :"


class LabCloud:
    """Agents run on net1, net2 and net3 as long as `served` lasts, and every router has one of them.

    `clouds_file` has the users `admin`, `reader` (no rights beyond its own project) and `wrong` (a wrong password).
    """

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.clouds_file = directory / "clouds.yaml"

    def entered(self) -> Any:
        return namespace.entered(self.lab.layout.switch)

    @contextmanager
    def served(self) -> Iterator["LabCloud"]:
        with ExitStack() as undo:
            undo.enter_context(self._cluster_at_rest())
            undo.callback(self._forget_agents)
            undo.callback(self._on_all, stopped(f"neutron-dhcp-agent {AGENTS}", whom="all"))
            self._on_all(f"systemctl start {AGENTS}")
            self.lab.ssh("net3", DHCP)
            eventually(self._all_alive, within_s=90, what="Neutron has heard of all agents")
            undo.callback(self._give_up_routers)
            self._spread_routers()
            undo.enter_context(self._reader())
            yield self

    def stop(self, host: str) -> None:
        """The L3 agent of the host has stopped; its Open vSwitch agent has not."""
        self.lab.ssh(host, stopped("neutron-l3-agent", whom="main"))

    def start(self, host: str) -> None:
        """It runs, and asks for its routers in a moment."""
        self.lab.ssh(host, "systemctl start neutron-l3-agent")

    def set_port(self, port: str, *, admin_up: bool) -> None:
        """The port is enabled or disabled by an operator."""
        with self.entered(), connect(self.lab.layout) as cloud:
            cloud.network.update_port(port, is_admin_state_up=admin_up)

    @contextmanager
    def slow(self) -> Iterator[str]:
        """The API takes requests and does not answer. The name of a user to ask it as."""
        self.lab.ssh("ctl", "systemctl kill --signal=STOP neutron-api")
        try:
            yield "admin"
        finally:
            self.lab.ssh("ctl", "systemctl kill --signal=CONT neutron-api")

    @contextmanager
    def away(self) -> Iterator[str]:
        """Nobody listens at the API's address. The name of a user to ask it as."""
        try:
            self.lab.ssh("ctl", stopped("neutron-api", whom="all"))
            yield "admin"
        finally:
            self.lab.ssh("ctl", "systemctl start neutron-api", timeout_s=120)

    def _on_all(self, command: str) -> list[str]:
        with ThreadPoolExecutor(len(HOSTS)) as pool:
            return list(pool.map(lambda host: self.lab.ssh(host, command, timeout_s=180), HOSTS))

    @contextmanager
    def _cluster_at_rest(self) -> Iterator[None]:
        """No agents of a cluster run beside ours: they would share a switch."""
        ran = "active" in "".join(self._on_all("systemctl is-active pacemaker || :")).split()
        if ran:
            self._on_all("systemctl stop pacemaker corosync")
        try:
            yield
        finally:
            if ran:
                self._on_all("systemctl start corosync pacemaker")

    def _all_alive(self) -> bool:
        with self.entered(), connect(self.lab.layout) as cloud:
            alive = {(agent.agent_type, agent.host) for agent in cloud.network.agents() if agent.is_alive}
        wanted = {(kind, host) for kind in ("L3 agent", "Open vSwitch agent") for host in HOSTS}
        return wanted | {("DHCP agent", "net3")} <= alive

    def _l3_agents(self, cloud: Any) -> list[Any]:
        return [agent for agent in cloud.network.agents(agent_type="L3 agent") if agent.host in HOSTS]

    def _spread_routers(self) -> None:
        """Every router is with one of our agents, and nowhere else."""
        with self.entered(), connect(self.lab.layout) as cloud:
            ours = sorted(agent.id for agent in self._l3_agents(cloud))
            for number, router in enumerate(cloud.network.routers()):
                for agent in cloud.network.routers_hosting_l3_agents(router):
                    if agent.id not in ours:
                        cloud.network.remove_router_from_agent(agent, router)
                if not list(cloud.network.routers_hosting_l3_agents(router)):
                    cloud.network.add_router_to_agent(ours[number % len(ours)], router)

    def _give_up_routers(self) -> None:
        """Our agents have no routers and have cleaned up behind them; whoever asks next gets them."""
        with self.entered(), connect(self.lab.layout) as cloud:
            for agent in self._l3_agents(cloud):
                for router in cloud.network.agent_hosted_routers(agent):
                    cloud.network.remove_router_from_agent(agent, router)
        eventually(lambda: not "".join(self._on_all(LEFT)).strip(), within_s=60, what="no router is left on any node")

    def _forget_agents(self) -> None:
        with self.entered(), connect(self.lab.layout) as cloud:
            for agent in cloud.network.agents():
                if agent.host in HOSTS:
                    cloud.network.delete_agent(agent)

    @contextmanager
    def _reader(self) -> Iterator[None]:
        """`clouds_file` is written, and its users are there."""
        admin = json.loads(self.lab.layout.clouds_yaml.read_text())["clouds"][CLOUD]
        with self.entered(), connect(self.lab.layout) as cloud:
            project = cloud.identity.create_project(name=READER, domain_id="default")
            user = cloud.identity.create_user(name=READER, password=READER, domain_id="default")
            role = cloud.identity.find_role("reader")
            cloud.identity.assign_project_role_to_user(project, user, role)
        self.clouds_file.write_text(json.dumps({"clouds": _users(admin)}))
        try:
            yield
        finally:
            with self.entered(), connect(self.lab.layout) as cloud:
                cloud.identity.delete_user(user)
                cloud.identity.delete_project(project)


def _users(admin: dict[str, Any]) -> dict[str, Any]:
    """The clouds by user."""
    reader = {"username": READER, "password": READER, "project_name": READER}
    return {
        "admin": admin,
        READER: {**admin, "auth": {**admin["auth"], **reader}},
        "wrong": {**admin, "auth": {**admin["auth"], "password": "wrong"}},
    }
