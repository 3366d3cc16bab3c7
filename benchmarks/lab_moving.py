"""How long the routers of a node that lost its power are without service on the lab's own Neutron: moved by the
rescheduler, and one after the other.

On this Neutron the server is the limit, and both ways wait for it; what is asked is that moving many at once is no
later, and that it does not crowd the server. Both ways' calls go through the same load balancer, which times them.
"""

import asyncio
import json
import shlex
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

from balancer import Answer, Balancer, Call, Forward
from bench_lab import bench_lab
from figures import Figure
from hotspare.adapters.neutron_scheduling import NeutronScheduling
from hotspare.adapters.neutron_session import NeutronSession
from hotspare.lab.namespace import entered
from hotspare.lab.openstack.clouds import CLOUD
from hotspare.model.routing import Standing
from lab_parts import Lab, eventually
from lab_pool import RESCHEDULER, LabPool
from lab_routers import NODES, bound
from outside import INTERVAL_S, await_all, pinging

DEAD, *LIVING = NODES
MOVING = ("unbind", "bind", "read")
LATENCY_MAX = 3.0
"""A call may take so many times what it takes on an idle server."""
IDLE_MOVES = 6
WAYS = ("ours", "the peer's")
GONE_S, BACK_S, SERVED_S, HEALED_S, STOPPED_S = 60, 500, 600, 300, 120
PARTS = {
    "Neutron API": ("/etc/neutron/uwsgi.ini",),
    "Neutron RPC": ("neutron-rpc-server", "neutron-periodic-workers", "neutron-server"),
    "database": ("mariadbd",),
    "broker": ("beam.smp",),
    "agents": ("neutron-l3-agent", "neutron-openvswitch-agent", "privsep-helper", "neutron-metadata-agent"),
    "switch": ("ovs-vswitchd", "ovsdb-server"),
}
"""What takes the time, by a word of its command line."""

# CPU seconds of each part on a machine, with those of the children that it waited for. Source: proc(5), stat.
_CPU = """
import json, os, sys
parts, found, tick = json.loads(sys.argv[1]), {}, os.sysconf("SC_CLK_TCK")
for pid in filter(str.isdigit, os.listdir("/proc")):
    if int(pid) == os.getpid():  # it has all the words on its own command line
        continue
    try:
        line = open(f"/proc/{pid}/cmdline").read().replace("\\0", " ")
        ticks = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[11:15]
    except OSError:
        continue
    for part, words in parts.items():
        if any(word in line for word in words):
            found[part] = found.get(part, 0) + sum(map(int, ticks)) / tick
            break
print(json.dumps(found))
"""


SERVER = ("Neutron API", "Neutron RPC", "database", "broker")
"""What a cloud has on machines of its own."""

# Each of these parts' sessions goes before those of the agents. Source: sched(7), "The autogroup feature".
_FIRST = """
import json, os, sys
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        line = open(f"/proc/{pid}/cmdline").read().replace("\\0", " ")
    except OSError:
        continue
    if int(pid) != os.getpid() and any(word in line for word in json.loads(sys.argv[1])):
        open(f"/proc/{pid}/autogroup", "w").write(sys.argv[2])
"""
_FIRST_NICE = -15


@dataclass(frozen=True)
class Timing:
    """A call to Neutron, through the load balancer."""

    kind: str
    took_s: float
    ended_s: float
    """By the wall clock."""


@dataclass
class Timings:
    """Times every call."""

    found: list[Timing] = field(default_factory=list)

    def __call__(self, call: Call, forward: Forward) -> Answer:
        begun_s = time.monotonic()
        answer = forward()
        self.found.append(Timing(_kind(call), time.monotonic() - begun_s, time.time()))
        return answer


def _kind(call: Call) -> str:
    """One of MOVING for a call that binds or unbinds a router or reads who has it; else what is looked at."""
    where = call.path.partition("?")[0]
    if call.method == "GET":
        return "read" if where.endswith("/l3-agents") else where.rpartition("/")[2]
    return "bind" if call.is_bind else "unbind"


@dataclass(frozen=True)
class Run:
    """One node's death. Seconds from the moment at which the cluster knew it gone."""

    back_s: list[float]
    """When each router was forwarding again."""
    bound_s: float
    """When the last call that binds was answered."""
    timings: list[Timing]
    cpu_s: Mapping[str, float]

    def slowness(self, idle_s: Mapping[str, float]) -> list[float]:
        """The time of each call that moves a router, as a multiple of an idle one's of its kind."""
        return [timing.took_s / idle_s[timing.kind] for timing in self.timings if timing.kind in MOVING]

    def looks_s(self) -> float:
        """What all other calls took together."""
        return sum(timing.took_s for timing in self.timings if timing.kind not in MOVING)

    def asked(self) -> str:
        """All calls by kind: how many, and what they took together."""
        took_s = defaultdict(list)
        for timing in self.timings:
            took_s[timing.kind].append(timing.took_s)
        return ", ".join(f"{kind} {len(took)} ({sum(took):.1f} s)" for kind, took in sorted(took_s.items()))


def measured(name: str | None, routers: int, rounds: int) -> tuple[list[Figure], list[str]]:
    """Both ways in turns, in the lab of that name or in one of its own."""
    with bench_lab(name, "--strategy", "reschedule", "--routers", str(routers)) as lab, ExitStack() as stack:
        lab.hotspare("apply", timeout_s=600)
        pool = LabPool(lab)
        balancer = stack.enter_context(Balancer(lab.layout).serving())
        stack.enter_context(pool.reaching_neutron_by(balancer.url))
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bench = _Bench(pool, balancer, _clouds_file(lab, balancer.url, directory))
        bench.put_server_first()
        stack.enter_context(bench.rescheduler_elsewhere())
        idle_s = bench.idle_s()
        runs = [(bench.run(by_hand=False), bench.run(by_hand=True)) for _ in range(rounds)]
    ours, peers = ([run[way] for run in runs] for way in (0, 1))
    asked = [f"Calls of a run of {way}: {run.asked()}." for pair in runs for way, run in zip(WAYS, pair, strict=True)]
    return _figures(len(bench.routers), ours, peers, idle_s), [*_notes(idle_s), *asked]


class _Bench:
    """The lab, and all that is measured in it."""

    def __init__(self, pool: LabPool, balancer: Balancer, clouds_file: Path) -> None:
        self._pool, self._lab, self._balancer, self._clouds_file = pool, pool.lab, balancer, clouds_file
        self.routers = sorted(pool.hosts())
        self._agents = pool.agents()

    def put_server_first(self) -> None:
        """The server's parts are scheduled before the agents, which have other machines on a cloud: how long a call
        takes tells how crowded the server is, and not how busy the agents are beside it.
        """
        words = json.dumps([word for part in SERVER for word in PARTS[part]])
        self._lab.ssh("ctl", f"/usr/bin/python3 -IS -c {shlex.quote(_FIRST)} {shlex.quote(words)} {_FIRST_NICE}")

    @contextmanager
    def rescheduler_elsewhere(self) -> Iterator[None]:
        """It is on a node that keeps its power: what is measured is moving, not the start of another rescheduler."""
        place = f"crm_resource {{}} --resource {RESCHEDULER} --node {DEAD}"
        try:
            self._lab.ssh(LIVING[0], f"{place.format('--ban')} && crm_resource --wait", timeout_s=STOPPED_S)
            yield
        finally:
            self._lab.ssh(LIVING[0], place.format("--clear"))

    def idle_s(self) -> Mapping[str, float]:
        """What a call takes where nothing else is asked, by its kind: one router goes over and back."""
        self._all_on_one_node()
        timings = Timings()
        with self._rescheduler_off(), self._balancer.troubled(timings):
            for number in range(IDLE_MOVES):
                there_and_back = (DEAD, LIVING[0]) if number % 2 == 0 else (LIVING[0], DEAD)
                self._asked(partial(self._moved, self.routers[0], *there_and_back))
                self._pool.served(within_s=SERVED_S)
        found = defaultdict(list)
        for timing in timings.found:
            found[timing.kind].append(timing.took_s)
        return {kind: median(found[kind]) for kind in MOVING}

    def run(self, *, by_hand: bool) -> Run:
        """All routers are on one node, which loses its power; it is whole again afterwards."""
        self._all_on_one_node()
        timings, before = Timings(), self._cpu_s()
        with ExitStack() as stack:
            stack.callback(self._healed)
            if by_hand:
                stack.enter_context(self._rescheduler_off())
            with pinging(self._lab) as pinged, self._balancer.troubled(timings):
                self._lab.lab("power", DEAD, "off")
                gone_s = self._gone_s()
                if by_hand:
                    self._asked(self._one_after_the_other)
                await_all(self._lab, within_s=BACK_S)
            after = self._cpu_s()
        back_s = [at_s - gone_s for at_s in pinged.back()]
        assert len(back_s) == len(self.routers), "every router was without service for a while"
        bound_s = max(timing.ended_s for timing in timings.found if timing.kind == "bind") - gone_s
        return Run(back_s, bound_s, timings.found, {part: after[part] - before[part] for part in PARTS})

    # --- the two ways ------------------------------------------------------------------------------------------------

    async def _one_after_the_other(self, neutron: NeutronScheduling) -> None:
        for number, router in enumerate(self.routers):
            await self._moved(router, DEAD, LIVING[number % len(LIVING)], neutron)

    async def _moved(self, router: str, source: str, target: str, neutron: NeutronScheduling) -> None:
        await neutron.unbind(router, self._agents[source])
        await neutron.bind(router, self._agents[target])
        assert await neutron.agents_of(router) == (self._agents[target],)

    @contextmanager
    def _rescheduler_off(self) -> Iterator[None]:
        role = f"crm_resource --meta {{}} target-role --resource {RESCHEDULER}"
        stop = f"{role.format('--parameter-value Stopped --set-parameter')} && crm_resource --wait"
        try:
            self._lab.ssh(LIVING[0], stop, timeout_s=STOPPED_S)
            yield
        finally:
            self._lab.ssh(LIVING[0], f"{role.format('--delete-parameter')} && crm_resource --wait", timeout_s=STOPPED_S)

    # --- the lab -----------------------------------------------------------------------------------------------------

    def _asked(self, call: Callable[[NeutronScheduling], Awaitable[None]]) -> None:
        async def answered() -> None:
            await call(NeutronScheduling(NeutronSession(CLOUD, clouds_file=self._clouds_file)))

        with entered(self._lab.layout.switch):
            asyncio.run(answered())

    def _all_on_one_node(self) -> None:
        self._pool.served(within_s=SERVED_S)  # an agent that still builds a router does not hear that it is not its own
        with self._rescheduler_off():
            bound(self._lab, (DEAD,))
        await_all(self._lab, within_s=BACK_S)
        self._pool.served(within_s=SERVED_S)
        eventually(
            lambda: self._pool.report(self._pool.daemon())["doing"] == "watching",
            within_s=SERVED_S,
            what="the rescheduler has nothing to do",
        )

    def _gone_s(self) -> float:
        """The moment at which the cluster knows that the node is gone, to the length of one question."""
        eventually(
            lambda: self._pool.standings(by=LIVING[0])[DEAD] is Standing.GONE,
            within_s=GONE_S,
            what=f"{DEAD} is known to be gone",
        )
        return time.time()

    def _healed(self) -> None:
        self._lab.lab("power", DEAD, "on")
        eventually(
            lambda: set(self._pool.standings(by=LIVING[0]).values()) == {Standing.LIVE},
            within_s=HEALED_S,
            what=f"{DEAD} is whole again",
        )

    def _cpu_s(self) -> Mapping[str, float]:
        """CPU seconds of each part so far, on all machines that have power throughout."""
        ask = f"/usr/bin/python3 -IS -c {shlex.quote(_CPU)} {shlex.quote(json.dumps(PARTS))}"
        told = [json.loads(self._lab.ssh(machine, ask)) for machine in ("ctl", *LIVING)]
        return {part: sum(one.get(part, 0.0) for one in told) for part in PARTS}


def _clouds_file(lab: Lab, url: str, directory: Path) -> Path:
    """The lab's clouds.yaml, with Neutron behind the load balancer."""
    told = json.loads(lab.layout.clouds_yaml.read_text())
    told["clouds"][CLOUD]["network_endpoint_override"] = f"{url}/v2.0"
    path = directory / "clouds.yaml"
    path.write_text(json.dumps(told))
    return path


def _figures(routers: int, ours: Sequence[Run], peers: Sequence[Run], idle_s: Mapping[str, float]) -> list[Figure]:
    def figure(what: str, unit: str, value: Callable[[Run], float], **asked: float) -> Figure:
        return Figure(f"{routers} routers: {what}", unit, tuple(map(value, ours)), tuple(map(value, peers)), **asked)

    return [
        figure("until the last one forwards", "s", lambda run: max(run.back_s), share_max=1.0),
        figure("until a router forwards, median", "s", lambda run: median(run.back_s), share_max=1.0),
        figure("until the last one is bound", "s", lambda run: run.bound_s),
        figure(
            "a call's time, in idle ones, median", "", lambda run: median(run.slowness(idle_s)), value_max=LATENCY_MAX
        ),
        figure("a call's time, in idle ones, worst of ten", "", lambda run: _of_ten(run.slowness(idle_s))),
        figure("all looks together", "s", lambda run: run.looks_s()),
        *(figure(f"CPU time of {part}", "s", partial(_cpu_s, part)) for part in PARTS),
    ]


def _cpu_s(part: str, run: Run) -> float:
    return run.cpu_s[part]


def _of_ten(values: list[float]) -> float:
    """Nine of ten are not above it."""
    return sorted(values)[int(0.9 * (len(values) - 1))]


def _notes(idle_s: Mapping[str, float]) -> list[str]:
    idle = ", ".join(f"{kind} {took_s * 1000:.0f} ms" for kind, took_s in sorted(idle_s.items()))
    return [
        (
            "The lab's own Neutron: seconds from the moment at which the cluster knows that the node is gone (it was "
            "fenced) until each floating IP answers, pinged from outside every "
            f"{INTERVAL_S * 1000:.0f} ms. The peer unbinds, binds and reads back one router after the other."
        ),
        f"Calls of both go through the same load balancer; on an idle server: {idle}.",
        "The rescheduler is on a node that stays, and has begun before.",
        (
            "CPU time from before the power cut until all answer, on the controller and on the nodes that stay; "
            "server, agents and prober share this machine's cores, and the server goes before the agents, as where it "
            "has a machine of its own."
        ),
    ]
