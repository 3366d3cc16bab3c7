"""Bad luck while routers are moved, with the lab's own Neutron, Pacemaker and Open vSwitch.

Whatever happens: in the end every router is on exactly one agent, a live one. Neutron is asked, and all nodes are
looked at. tests/unit/test_rescheduler.py has the same faults, and more of them, in virtual time.

Most moves here are a drain's: all routers go from one node to the next, and what goes wrong does so at the first bind,
which is when one of them is bound nowhere.
"""

import json
import os
import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from balancer import ABSENT, Answer, At, Balancer, Call, EveryNthFails, Forward, Slow
from hotspare.lab.cluster_file import POOL
from hotspare.model.routing import Standing
from hotspare.plan.names import local
from lab_parts import Lab, eventually
from lab_pool import NODES, RESCHEDULER, LabPool, live_ports_on, routers_on
from lab_routers import pooled

pytestmark = [
    pytest.mark.lab,
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),  # of openstacksdk, about itself
]

BEGUN_S = 120
SERVED_S = 400
BACK_S = 300
AWAY_S = 300 if os.environ.get("HOTSPARE_TEST_PATIENCE") == "full" else 45
PACKAGES = "/usr/lib/ocf/lib/hotspare/python"
BY_HAND = "/run/hotspare-by-hand"
OFF_BY = "/run/hotspare-clock-off-by"
OTHER_CLOCK = f"""
import datetime, time

true = time.time

def off_by_s():
    try:
        with open({OFF_BY!r}) as file:
            return float(file.read())
    except (OSError, ValueError):
        return 0.0

class OtherDatetime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls):
        return cls.fromtimestamp(time.time(), datetime.timezone.utc).replace(tzinfo=None)

time.time = lambda: true() + off_by_s()
datetime.datetime = OtherDatetime
"""


@pytest.fixture(scope="module")
def pool(pool_lab: Lab) -> Iterator[LabPool]:
    """The lab with a pool that works, whatever it was before. No node is leaving before and after."""
    pooled(pool_lab)
    made = LabPool(pool_lab)
    made.mark_leaving()
    yield made
    made.mark_leaving()
    pool_lab.ssh(NODES[0], f"crm_resource --cleanup --resource {RESCHEDULER}")


@pytest.fixture(scope="module")
def balancer(pool: LabPool) -> Iterator[Balancer]:
    """The rescheduler reaches Neutron by this load balancer, on whichever node it runs."""
    with Balancer(pool.lab.layout).serving() as serving, pool.reaching_neutron_by(serving.url):
        yield serving


@pytest.fixture
def source(pool: LabPool) -> str:
    """The node that has all routers."""
    hosts = pool.hosts()
    assert len(hosts) > 1
    if not all(on == hosts[min(hosts)] and len(on) == 1 for on in hosts.values()):
        pool.send_all_to(NODES[0])
    return set(pool.served(within_s=SERVED_S).values()).pop()


@pytest.fixture
def target(source: str) -> str:
    """The node that is to get all routers from there."""
    return NODES[NODES.index(source) - 1]


@contextmanager
def by_hand(pool: LabPool, node: str) -> Iterator[str]:
    """The socket of a rescheduler on this node that the cluster did not start; its settings are the other one's."""
    runs_on = pool.daemon()
    settings = json.loads(pool.lab.ssh(runs_on, f"cat /run/hotspare/{RESCHEDULER}.json"))
    socket = f"{BY_HAND}/sock"
    own = {**settings, "node": node, "state_dir": BY_HAND, "socket": socket}
    python = pool.lab.ssh(runs_on, f"tr '\\0' '\\n' </proc/{pool.daemon_pid(runs_on)}/cmdline | head -1").strip()
    start = f"systemd-run --collect --quiet --unit=by-hand --setenv=PYTHONPATH={PACKAGES} {python} -m"
    told = shlex.quote(json.dumps(own))
    pool.lab.ssh(
        node,
        f"mkdir -p {BY_HAND}; echo {told} >{BY_HAND}/settings.json; "
        f"{start} hotspare.faces.rescheduler {BY_HAND}/settings.json",
    )
    try:
        listens = f"test -S {socket} && echo yes || :"
        eventually(lambda: pool.lab.ssh(node, listens) != "", within_s=BEGUN_S, what="it listens")
        yield socket
    finally:
        pool.lab.ssh(node, f"systemctl stop by-hand; rm -r {BY_HAND}")


def test_a_second_daemon_on_the_same_node_refuses(pool, target):
    node = pool.daemon()
    again = f"xargs -0 env PYTHONPATH={PACKAGES} </proc/{pool.daemon_pid(node)}/cmdline 2>&1"
    pool.send_all_to(target)
    said = pool.lab.ssh(node, f"{again}; :")
    assert f"another rescheduler of {POOL} runs on this node" in said
    assert set(pool.served(within_s=SERVED_S).values()) == {target}


def test_a_second_daemon_on_another_node_moves_nothing(pool, target):
    runs_on = pool.daemon()
    other = next(node for node in NODES if node != runs_on)
    with by_hand(pool, other) as socket:
        forbidden = f"the cluster runs {RESCHEDULER} on {runs_on}, not on {other}"
        eventually(
            lambda: forbidden in pool.report(other, socket=socket)["doing"], within_s=BEGUN_S, what="it is told so"
        )
        pool.send_all_to(target)
        assert set(pool.served(within_s=SERVED_S).values()) == {target}
        assert forbidden in pool.report(other, socket=socket)["doing"]
        assert pool.report(other, socket=socket)["looked_s"] is None
        assert pool.lab.ssh(other, f"cat {BY_HAND}/moves.jsonl") == ""
    assert pool.daemon() == runs_on


@pytest.fixture
def clock_node(pool: LabPool) -> Iterator[str]:
    """The daemon's node, where the daemon's wall clock is off by what a file says.

    The lab's machines have their clock from the machine that they run on, and no namespace gives them one of their own
    (time_namespaces(7): CLOCK_REALTIME is not virtualized). So it is Python's wall clock that is moved, in this one
    process: all that the daemon and the libraries under it know of the time of day.
    """
    for node in NODES:
        pool.lab.ssh(node, f"echo {shlex.quote(OTHER_CLOCK)} >{PACKAGES}/sitecustomize.py")
    pool.restarted()
    yield pool.daemon()
    for node in NODES:
        pool.lab.ssh(node, f"rm -f {PACKAGES}/sitecustomize.py {OFF_BY}")
    pool.restarted()


def test_a_wall_clock_that_is_stepped_while_routers_move_changes_nothing(pool, balancer, clock_node, target):
    def step(by_s: int) -> None:
        pool.lab.ssh(clock_node, f"echo {by_s} >{OFF_BY}")
        true_s = float(pool.lab.ssh(clock_node, "date +%s.%N"))
        assert abs(pool.report(clock_node)["at_s"] - true_s - by_s) < 60

    forwards, back = At(lambda _bind: step(3600)), At(lambda _bind: step(-3600), nth=3)
    pid = pool.daemon_pid(clock_node)
    with balancer.troubled(forwards, back):
        pool.send_all_to(target)
        forwards.happened(within_s=BEGUN_S)
        back.happened(within_s=BEGUN_S)
        assert set(pool.served(within_s=SERVED_S).values()) == {target}
    assert pool.daemon_pid(clock_node) == pid


def test_an_api_that_takes_two_seconds_a_call_is_enough(pool, balancer, target):
    with balancer.troubled(Slow(2.0)):
        pool.send_all_to(target)
        assert set(pool.served(within_s=SERVED_S).values()) == {target}


def test_an_api_that_fails_at_every_tenth_call_is_enough(pool, balancer, target):
    failing = EveryNthFails(10)
    with balancer.troubled(failing):
        pool.send_all_to(target)
        assert set(pool.served(within_s=SERVED_S).values()) == {target}
    assert len(failing.failed) >= 2


def test_a_broker_that_is_restarted_while_routers_move_loses_none(pool, balancer, target):
    restart = At(lambda _bind: pool.lab.ssh("ctl", "systemctl restart rabbitmq-server", timeout_s=120))
    with balancer.troubled(restart):
        pool.send_all_to(target)
        restart.happened(within_s=BEGUN_S)
        assert set(pool.served(within_s=SERVED_S).values()) == {target}


def test_a_controller_that_is_gone_for_a_while_loses_no_router_and_is_no_failure(pool, balancer, target):
    node = pool.daemon()
    pid = pool.daemon_pid(node)
    cut = At(lambda _bind: pool.lab.lab("cut", "ctl", "mgmt"))
    with balancer.troubled(cut):
        pool.send_all_to(target)
        try:
            cut.happened(within_s=BEGUN_S)
            threading.Event().wait(AWAY_S)
        finally:
            pool.lab.lab("heal", "ctl", "mgmt")
        assert set(pool.served(within_s=SERVED_S).values()) == {target}
    assert (pool.daemon(), pool.daemon_pid(node)) == (node, pid)
    assert not [failed for failed in pool.status().failures if failed.resource.startswith(POOL)]


@pytest.mark.parametrize("elsewhere", [False, True], ids=["there", "elsewhere"])
def test_a_daemon_that_is_killed_between_unbind_and_bind_is_followed_by_one_that_binds(
    pool, balancer, target, elsewhere
):
    node = pool.daemon()
    pid = pool.daemon_pid(node)
    ban = f"crm_resource --ban --resource {RESCHEDULER} --node {node}" if elsewhere else ":"

    def is_between(call: Call) -> bool:
        # Neutron gives what is unbound to an agent that asks for its routers just then (`router_auto_schedule`).
        return call.is_bind and not pool.hosts()[json.loads(call.body)["router_id"]]

    def kill(_bind: Call) -> None:
        pool.lab.ssh(node, f"kill -9 {pid}; {ban}")

    killed = At(kill, fits=is_between, instead=ABSENT)
    with balancer.troubled(killed):
        pool.send_all_to(target)
        killed.happened(within_s=BEGUN_S)
        assert set(pool.served(within_s=SERVED_S).values()) == {target}
    assert (pool.daemon() != node) == elsewhere
    assert pool.daemon_pid(pool.daemon()) != pid
    pool.lab.ssh(
        node, f"crm_resource --clear --resource {RESCHEDULER}; crm_resource --cleanup --resource {RESCHEDULER}"
    )


def test_a_router_that_a_third_agent_took_between_unbind_and_bind_stays_with_it(pool, balancer, source):
    agents = pool.agents()

    def take(bind: Call) -> None:
        third = next(node for node in NODES if node != source and not bind.is_to(agents[node]))
        router = json.loads(bind.body)["router_id"]
        pool.ask(lambda neutron: neutron.bind(router, agents[third]))
        taken[router] = third

    taken: dict[str, str] = {}
    taking = At(take)
    with balancer.troubled(taking):
        pool.mark_leaving(source)
        taking.happened(within_s=BEGUN_S)
        served = pool.served(within_s=SERVED_S)
    assert taken.items() <= served.items()


def test_a_target_that_dies_gives_its_routers_to_others_and_keeps_what_was_not_taken_when_it_is_back(
    pool, balancer, source
):
    """One of its routers cannot be taken from it while it is away: the API refuses."""
    agents = pool.agents()
    dying = next(node for node in NODES if node not in {source, pool.daemon()})
    kept: list[str] = []

    def power_off(bind: Call) -> None:
        pool.lab.lab("power", dying, "off")
        kept.append(json.loads(bind.body)["router_id"])

    def refusing(call: Call, forward: Forward) -> Answer:
        return ABSENT if any(call.unbinds(router) for router in kept) else forward()

    death = At(power_off, fits=lambda call: call.is_bind and call.is_to(agents[dying]))
    with balancer.troubled(refusing, death):
        pool.mark_leaving(source)
        death.happened(within_s=BEGUN_S)
        looker = next(node for node in NODES if node != dying)
        eventually(lambda: pool.standings(by=looker)[dying] is Standing.GONE, within_s=BACK_S, what="it is proved dead")
        others = [router for router in pool.hosts() if router not in kept]
        eventually(
            lambda: all(len(on) == 1 and dying not in on for router, on in pool.hosts().items() if router in others),
            within_s=SERVED_S,
            what="the others are taken from it",
        )
        if not pool.status(by=looker).node(dying).online:
            pool.lab.lab("power", dying, "on")
        eventually(
            lambda: dying in pool.status(by=looker).promoted_on(local(POOL)),
            within_s=BACK_S,
            what="it may forward again",
        )
        clean = pool.node_state(dying)
        assert routers_on(clean) <= set(kept)
        kept_ports = {port.id for port in pool.ask(lambda neutron: neutron.ports(kept))}
        assert live_ports_on(clean) <= kept_ports
        eventually(lambda: pool.standings()[dying] is Standing.LIVE, within_s=BACK_S, what="it is live again")
    served = pool.served(within_s=SERVED_S)
    assert {served[router] for router in kept} == {dying}
