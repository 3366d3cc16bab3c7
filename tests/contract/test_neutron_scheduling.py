"""`ports.Scheduling` as the adapter fulfils it: the same tests over the stand-in and over the lab's real Neutron."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import pytest

from hotspare.adapters.neutron_scheduling import NeutronScheduling
from hotspare.adapters.neutron_session import NeutronSession
from hotspare.model.errors import NotReachableError, RefusedError, TimedOutError
from hotspare.model.routing import Leasing, RouterPort, Routing
from lab_parts import eventually
from neutron_lab import HOSTS, LabCloud
from standin.server import Faults, Standin
from standin.world import cloud as made_cloud

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # of openstacksdk, about itself

NOBODY = "7f1e2c34-0000-4000-8000-000000000000"
WITHIN_S = 180
"""Agents of two labs on two cores take their time."""
T = TypeVar("T")


class StandinCloud:
    """The stand-in, its world's time the clock's. What it can do is what `LabCloud` can."""

    def __init__(self, standin: Standin, directory: Path) -> None:
        self.standin = standin
        self.clouds_file = standin.clouds_file(directory)

    @contextmanager
    def entered(self) -> Iterator[None]:
        yield

    def stop(self, host: str) -> None:
        with self.standin.lock:
            self.standin.pass_time()
            self.standin.world.stop(f"l3-{host}")

    def start(self, host: str) -> None:
        with self.standin.lock:
            self.standin.pass_time()
            self.standin.world.start(f"l3-{host}")

    def set_port(self, port: str, *, admin_up: bool) -> None:
        with self.standin.lock:
            self.standin.pass_time()
            self.standin.world.set_port(port, admin_up=admin_up)

    @contextmanager
    def slow(self) -> Iterator[str]:
        self.standin.faults = Faults(latency_s=4)
        try:
            yield "admin"
        finally:
            self.standin.faults = Faults()

    @contextmanager
    def away(self) -> Iterator[str]:
        yield "away"


Cloud = StandinCloud | LabCloud


class Asked:
    """A cloud and the adapter for it; each call is made to its end."""

    def __init__(
        self, cloud: Cloud, user: str = "admin", *, read_limit_s: float = 30, bind_limit_s: float = 25
    ) -> None:
        self.cloud = cloud
        session = NeutronSession(user, clouds_file=cloud.clouds_file, read_limit_s=read_limit_s)
        self._neutron = NeutronScheduling(session, bind_limit_s=bind_limit_s)

    def _ask(self, call: Callable[[NeutronScheduling], Awaitable[T]]) -> T:
        async def answer() -> T:
            return await call(self._neutron)

        with self.cloud.entered():
            return asyncio.run(answer())

    def routing(self) -> Routing:
        return self._ask(lambda neutron: neutron.routing())

    def leasing(self) -> Leasing:
        return self._ask(lambda neutron: neutron.leasing())

    def agents_of(self, router: str) -> tuple[str, ...]:
        return self._ask(lambda neutron: neutron.agents_of(router))

    def routers_of(self, agent: str) -> tuple[str, ...]:
        return self._ask(lambda neutron: neutron.routers_of(agent))

    def bind(self, router: str, agent: str) -> None:
        self._ask(lambda neutron: neutron.bind(router, agent))

    def unbind(self, router: str, agent: str) -> None:
        self._ask(lambda neutron: neutron.unbind(router, agent))

    def ports(self, *routers: str) -> tuple[RouterPort, ...]:
        return self._ask(lambda neutron: neutron.ports(routers))

    def port(self, router: str, port: str) -> RouterPort:
        return next(one for one in self.ports(router) if one.id == port)

    def agents_of_network(self, network: str) -> tuple[str, ...]:
        return self._ask(lambda neutron: neutron.agents_of_network(network))

    def bind_network(self, network: str, agent: str) -> None:
        self._ask(lambda neutron: neutron.bind_network(network, agent))

    def unbind_network(self, network: str, agent: str) -> None:
        self._ask(lambda neutron: neutron.unbind_network(network, agent))

    def agents(self) -> dict[str, str]:
        """Host → L3 agent."""
        return {agent.host: agent.id for agent in self.routing().agents.values() if agent.host in HOSTS}

    def are_wired(self, router: str, host: str) -> bool:
        return all(port.host == host and port.active and not port.failed for port in self.ports(router))

    def are_down(self, router: str) -> bool:
        return not any(port.active for port in self.ports(router))

    def wired(self, router: str, host: str) -> None:
        """All of the router's ports are bound to the host and wired there."""
        eventually(
            lambda: self.are_wired(router, host),
            within_s=WITHIN_S,
            what=lambda: f"the router is wired on {host}: {self.ports(router)}",
        )

    def served_by(self, router: str, host: str) -> dict[str, str]:
        """The router is bound to the host's agent only, and wired there. The agents by host."""
        agents = self.agents()
        for agent in self.agents_of(router):
            if agent != agents[host]:
                self.unbind(router, agent)
        self.bind(router, agents[host])
        assert self.agents_of(router) == (agents[host],)
        self.wired(router, host)
        return agents


@pytest.fixture(scope="module", params=["standin", pytest.param("lab", marks=pytest.mark.lab)])
def cloud(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    directory = tmp_path_factory.mktemp("clouds")
    if request.param == "standin":
        with Standin(made_cloud(hosts=len(HOSTS), routers=4)).served() as standin:
            yield StandinCloud(standin, directory)
    else:
        with LabCloud(request.getfixturevalue("pool_lab"), directory).served() as real:
            yield real


@pytest.fixture(scope="module")
def asked(cloud: Cloud) -> Asked:
    return Asked(cloud)


@pytest.fixture(scope="module")
def router(asked: Asked) -> str:
    return min(asked.routing().routers)


def refused(code: int) -> "pytest.RaisesContext[RefusedError]":
    return pytest.raises(RefusedError, check=lambda error: error.code == code)


def test_routing_tells_what_agents_can_and_what_routers_need(asked):
    routing = asked.routing()
    agents = [agent for agent in routing.agents.values() if agent.host in HOSTS]
    assert {agent.host for agent in agents} == set(HOSTS)
    for agent in agents:
        assert agent.alive
        assert agent.admin_up
        assert agent.switch_alive
        assert agent.internal_only
        assert (agent.mode, agent.zone) == ("legacy", "nova")
        assert agent.physnets == {"tenant", "public"}
    assert set(routing.bindings) == set(routing.routers)
    for router in routing.routers.values():
        assert router.physnets == {"tenant", "public"}
        assert router.gateway
        assert router.interfaces >= 1
        assert router.floating_ips == 1
        assert not router.ha
        assert not router.distributed


def test_a_router_moves_between_live_agents_and_its_ports_follow(asked, router):
    agents = asked.served_by(router, "net1")
    asked.unbind(router, agents["net1"])
    assert asked.agents_of(router) == ()
    eventually(lambda: asked.are_down(router), within_s=WITHIN_S, what="a live source lets go")
    assert {port.host for port in asked.ports(router)} == {"net1"}
    asked.bind(router, agents["net3"])
    assert asked.agents_of(router) == (agents["net3"],)
    assert asked.routing().bindings[router] == (agents["net3"],)
    asked.wired(router, "net3")


def test_what_an_agent_has_is_told_whether_it_lives_or_not(asked, router):
    agents = asked.served_by(router, "net1")
    bindings = asked.routing().bindings
    for agent in agents.values():
        assert set(asked.routers_of(agent)) == {one for one, having in bindings.items() if agent in having}
    asked.cloud.stop("net1")
    try:
        assert router in asked.routers_of(agents["net1"])
    finally:
        asked.cloud.start("net1")


def test_a_port_that_is_administratively_down_says_so_and_is_never_wired(asked, router):
    agents = asked.served_by(router, "net1")
    disabled = asked.ports(router)[0].id
    asked.cloud.set_port(disabled, admin_up=False)
    eventually(lambda: not asked.port(router, disabled).active, within_s=WITHIN_S, what="it is not wired any more")
    asked.cloud.set_port(disabled, admin_up=True)
    asked.wired(router, "net1")
    asked.cloud.set_port(disabled, admin_up=False)
    try:
        eventually(lambda: not asked.port(router, disabled).active, within_s=WITHIN_S, what="it is not wired any more")
        asked.unbind(router, agents["net1"])
        asked.bind(router, agents["net3"])
        eventually(
            lambda: all(port.host == "net3" and port.active is port.admin_up for port in asked.ports(router)),
            within_s=WITHIN_S,
            what="all others are wired on net3",
        )
        assert [port.id for port in asked.ports(router) if not port.admin_up] == [disabled]
    finally:
        asked.cloud.set_port(disabled, admin_up=True)
    # An agent plugs no interface that is down when it gets the router (Neutron 29, router_info.py,
    # _process_internal_ports), and does not hear that it is up (l3_db.py, _notify_gateway_port_ip_changed, is all that
    # tells it of a port): whoever gets the router next plugs it.
    asked.served_by(router, "net1")


def test_ports_of_no_router_are_none_and_of_two_are_those_of_both(asked):
    one, other, *_ = sorted(asked.routing().routers)
    assert asked.ports() == ()
    assert asked.ports(NOBODY) == ()
    assert asked.ports(one, other) == tuple(sorted((*asked.ports(one), *asked.ports(other)), key=by_router))
    assert len({port.id for port in asked.ports(one, other)}) >= 4


def by_router(port: RouterPort) -> tuple[str, str]:
    return port.router, port.id


def test_binding_twice_changes_nothing(asked, router):
    agents = asked.served_by(router, "net1")
    asked.bind(router, agents["net1"])
    assert asked.agents_of(router) == (agents["net1"],)


def test_binding_what_is_bound_elsewhere_is_refused(asked, router):
    agents = asked.served_by(router, "net1")
    with refused(409):
        asked.bind(router, agents["net3"])
    assert asked.agents_of(router) == (agents["net1"],)


def test_unbinding_what_is_not_bound_is_done(asked, router):
    agents = asked.served_by(router, "net1")
    asked.unbind(router, agents["net3"])
    asked.unbind(NOBODY, agents["net3"])
    assert asked.agents_of(router) == (agents["net1"],)


def test_what_does_not_exist_is_refused_as_such(asked, router):
    agents = asked.agents()
    with refused(404):
        asked.agents_of(NOBODY)
    with refused(404):
        asked.routers_of(NOBODY)
    with refused(404):
        asked.bind(NOBODY, agents["net1"])
    with refused(404):
        asked.bind(router, NOBODY)
    with refused(404):
        asked.unbind(router, NOBODY)


def test_an_agent_of_another_kind_may_have_no_router(asked, router):
    with refused(404):
        asked.bind(router, next(iter(asked.leasing().agents)))


def test_a_bind_to_an_agent_that_does_not_listen_is_unknown_and_done(asked, router):
    agents = asked.served_by(router, "net2")
    asked.cloud.stop("net2")
    try:
        asked.unbind(router, agents["net2"])
        with pytest.raises(TimedOutError):
            Asked(asked.cloud, bind_limit_s=3).bind(router, agents["net2"])
        assert patiently(lambda: asked.agents_of(router)) == (agents["net2"],)
        patiently(lambda: asked.unbind(router, agents["net2"]))
        patiently(lambda: asked.bind(router, agents["net3"]))
        asked.wired(router, "net3")
    finally:
        asked.cloud.start("net2")


def patiently(ask: Callable[[], T]) -> T:
    """Neutron's answer, also while its workers wait for an agent that does not listen: two times 60 s."""
    for _try in range(6):
        with suppress(TimedOutError):
            return ask()
    return ask()


def test_a_dhcp_agent_serves_a_network_and_does_not_however_often_it_is_said(asked):
    leasing = asked.leasing()
    agent = min(leasing.agents)
    network = min(leasing.networks)
    assert leasing.agents[agent].physnets == {"tenant", "public"}
    assert leasing.networks[network].physnet == "tenant"
    for _ in range(2):
        asked.bind_network(network, agent)
    assert asked.agents_of_network(network) == (agent,)
    assert asked.leasing().bindings[network] == (agent,)
    for _ in range(2):
        asked.unbind_network(network, agent)
    asked.unbind_network(NOBODY, agent)
    assert asked.agents_of_network(network) == ()
    assert asked.agents_of_network(NOBODY) == ()


def test_a_network_or_dhcp_agent_that_does_not_exist_is_refused_as_such(asked):
    leasing = asked.leasing()
    agent, network = min(leasing.agents), min(leasing.networks)
    with refused(404):
        asked.bind_network(NOBODY, agent)
    with refused(404):
        asked.bind_network(network, NOBODY)
    with refused(404):
        asked.bind_network(network, asked.agents()["net1"])
    with refused(404):
        asked.unbind_network(network, NOBODY)


def test_a_wrong_password_is_refused_with_what_to_do(cloud):
    with refused(401) as found:
        Asked(cloud, "wrong").routing()
    assert "clouds.yaml" in found.value.hint


def test_a_user_without_rights_is_refused_with_what_to_do(cloud, asked, router):
    reader = Asked(cloud, "reader")
    for call in (
        reader.routing,
        reader.leasing,
        lambda: reader.unbind(router, asked.agents()["net1"]),
    ):
        with refused(403) as found:
            call()
        assert "admin" in found.value.hint


def test_an_api_that_does_not_answer_leaves_it_unknown(cloud, router):
    with cloud.slow() as user:
        impatient = Asked(cloud, user, read_limit_s=1)
        with pytest.raises(TimedOutError):
            impatient.agents_of(router)


def test_an_api_that_is_not_there_was_asked_nothing(cloud, router):
    with cloud.away() as user, pytest.raises(NotReachableError):
        Asked(cloud, user).agents_of(router)
