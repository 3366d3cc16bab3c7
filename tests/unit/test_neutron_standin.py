"""What the stand-in does that a mover of routers has to survive, and no test of the real Neutron can bring about."""

import asyncio

import pytest

from hotspare.adapters.neutron_scheduling import NeutronScheduling
from hotspare.model.errors import RefusedError, TimedOutError
from standin.direct import DirectSession
from standin.world import Agent, Network, Router, World, cloud

FIRST = "router-00000"


def bind(world: World, router: str, agent: str) -> None:
    asyncio.run(NeutronScheduling(DirectSession(world)).bind(router, agent))


def unbind(world: World, router: str, agent: str) -> None:
    asyncio.run(NeutronScheduling(DirectSession(world)).unbind(router, agent))


def test_a_bind_may_say_yes_and_do_nothing():
    world = cloud(hosts=3, routers=1, bound=1)
    world.race_every = 1
    unbind(world, FIRST, "l3-net1")
    bind(world, FIRST, "l3-net3")
    assert world.serving[FIRST] == ["l3-net1"]


def test_a_router_that_nobody_has_may_be_taken_before_it_is_bound():
    world = cloud(hosts=3, routers=1, bound=1)
    world.steal_every = 1
    unbind(world, FIRST, "l3-net1")
    assert world.serving[FIRST] == ["l3-net2"]
    with pytest.raises(RefusedError) as refused:
        bind(world, FIRST, "l3-net3")
    assert refused.value.code == 409


def test_a_bind_to_an_agent_that_does_not_listen_is_done_and_times_out():
    world = cloud(hosts=2, routers=1)
    world.lose_host("net2")
    unbind(world, FIRST, "l3-net1")
    with pytest.raises(TimedOutError):
        bind(world, FIRST, "l3-net2")
    assert world.serving[FIRST] == ["l3-net2"]


def test_ports_of_a_dead_host_stay_wired_until_another_has_them():
    world = cloud(hosts=2, routers=1)
    world.lose_host("net1")
    world.pass_time(200)
    assert not world.alive(world.agents["l3-net1"])
    unbind(world, FIRST, "l3-net1")
    world.pass_time(10)
    assert all(port.active and port.host == "net1" for port in world.ports[FIRST])
    bind(world, FIRST, "l3-net2")
    world.pass_time(0.5)
    assert all(not port.active and port.host == "net2" for port in world.ports[FIRST])
    world.pass_time(1)
    assert all(port.active and port.host == "net2" for port in world.ports[FIRST])


def test_a_live_source_lets_go_of_its_ports():
    world = cloud(hosts=2, routers=1)
    unbind(world, FIRST, "l3-net1")
    world.pass_time(1)
    assert not any(port.active for port in world.ports[FIRST])


def test_a_host_without_the_network_takes_the_router_and_fails_its_port():
    world = cloud(hosts=1, routers=1)
    world.add_agents(
        [
            Agent("l3-far", "L3 agent", "far"),
            Agent("switch-far", "Open vSwitch agent", "far", physnets=("tenant",)),
        ]
    )
    unbind(world, FIRST, "l3-net1")
    bind(world, FIRST, "l3-far")
    world.pass_time(5)
    inside, gateway = asyncio.run(NeutronScheduling(DirectSession(world)).ports([FIRST]))
    assert (inside.active, inside.failed) == (True, False)
    assert (gateway.active, gateway.failed) == (False, True)


def test_an_agent_wires_one_router_after_another():
    world = cloud(hosts=2, routers=10, bound=1)
    for router in world.routers:
        unbind(world, router, "l3-net1")
        bind(world, router, "l3-net2")
    world.pass_time(5.5)
    assert sum(all(port.active for port in world.ports[router]) for router in world.routers) == 5


@pytest.mark.parametrize(
    ("agent", "router", "code"),
    [
        (Agent("a", "L3 agent", "x", mode="dvr"), Router("r", "r"), 409),
        (Agent("a", "L3 agent", "x"), Router("r", "r", distributed=True), 409),
        (Agent("a", "L3 agent", "x", admin_up=False), Router("r", "r"), 404),
        (Agent("a", "L3 agent", "x", internal_only=False), Router("r", "r"), 404),
        (Agent("a", "Open vSwitch agent", "x"), Router("r", "r"), 404),
    ],
)
def test_an_agent_that_may_not_have_the_router_is_refused(agent, router, code):
    world = World()
    world.add_agents([agent])
    world.add_network(Network("n", "n"))
    world.add_router(router, networks=["n"])
    with pytest.raises(RefusedError) as refused:
        bind(world, "r", "a")
    assert refused.value.code == code


def test_an_agent_that_starts_has_what_nobody_had():
    world = cloud(hosts=2, routers=3, bound=0)
    world.stop("l3-net2")
    world.start("l3-net2")
    assert set(map(tuple, world.serving.values())) == {("l3-net2",)}
