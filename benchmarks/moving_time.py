"""How long the routers of a dead node are without an agent, moved by the rescheduler and one after the other.

The Neutron is the stand-in (tests/standin), in a process of its own, with a set time a call; the adapter, its HTTP and
the journal on the disk are the real ones. What the cluster says comes from tests/pool.py.
"""

import asyncio
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from figures import Figure
from hotspare.adapters.moves_journal import MovesJournal
from hotspare.adapters.neutron_scheduling import NeutronScheduling
from hotspare.adapters.neutron_session import NeutronSession
from hotspare.flows.reschedule.daemon import Rescheduler
from hotspare.model.rescheduling import Settings
from hotspare.model.routing import Weights
from pool import POOL, RESCHEDULER, Cluster
from standin.server import Standin
from standin.world import L3, cloud

HOSTS = 11
DEAD = "net1"
WIRE_S = 0.02
"""What the stand-in's agents take for a router: little, so that the calls are what is measured."""
SOONER = 10
JOURNAL_MAX_MB = 10.0
GROWTH_MAX_MB = 64.0
LIMIT_S = 1800.0

NOTES = (
    (
        "Moving: from the cluster's word that the node is dead to the last of its routers' being bound and wired "
        "elsewhere, the looks at Neutron included. The peer unbinds, binds and reads back one router after the other."
    ),
    (
        f"Neutron is a stand-in with its semantics in memory and a set time a call; {HOSTS} nodes, one of them dead "
        f"with all the routers. Agents wire a router in {WIRE_S * 1000:.0f} ms, so that calls are what is measured."
    ),
)


@dataclass(frozen=True)
class Run:
    took_s: float
    calls: int
    changes: int
    journal_mb: float = 0.0
    memory_mb: float = 0.0
    growth_mb: float = 0.0


def measured(routers: int, latencies_s: tuple[float, ...], many: int) -> tuple[list[Figure], list[str]]:
    """Ours and the peer's at each latency, and ours with many routers."""
    found = []
    for latency_s in latencies_s:
        ours = _alone(_ours, routers, latency_s)
        peer = _alone(_one_after_the_other, routers, latency_s)
        what = f"{routers} routers, {latency_s * 1000:.0f} ms a call"
        found += [
            Figure(f"{what}: until the last one is served", "s", (ours.took_s,), (peer.took_s,), share_max=1 / SOONER),
            Figure(f"{what}: calls that change something", "", (ours.changes,), (peer.changes,), share_max=1.0),
        ]
    large = _alone(_ours, many, latencies_s[0])
    what = f"{many} routers, {latencies_s[0] * 1000:.0f} ms a call"
    found += [
        Figure(f"{what}: until the last one is served", "s", (large.took_s,)),
        Figure(f"{what}: calls that change something, a router", "", (large.changes / many,), value_max=2.0),
        Figure(f"{what}: journal", "MB", (large.journal_mb,), value_max=JOURNAL_MAX_MB),
        Figure(f"{what}: memory at its most", "MB", (large.memory_mb,)),
        Figure(
            f"{what}: memory that moving takes beside what the first look took", "MB", (large.growth_mb,),
            value_max=GROWTH_MAX_MB,
        ),
    ]  # fmt: skip
    return found, list(NOTES)


# --- the stand-in, in a process of its own ----------------------------------------------------------------------------


class Neutron:
    """The stand-in's process, and what can be asked of it beside its API."""

    def __init__(self, line: Connection, base_dir: Path) -> None:
        self._line = line
        self.clouds_file = base_dir / "clouds.yaml"

    def ask(self, question: str) -> int:
        self._line.send(question)
        return int(self._line.recv())


@contextmanager
def neutron(routers: int, latency_s: float) -> Iterator[Neutron]:
    """A cloud whose routers are all on the node that will die."""
    ours, theirs = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory() as directory:
        process = multiprocessing.get_context("spawn").Process(
            target=_serve, args=(theirs, routers, latency_s, directory)
        )
        process.start()
        assert ours.recv() == "up"
        try:
            yield Neutron(ours, Path(directory))
        finally:
            ours.send("end")
            process.join()


def _serve(line: Connection, routers: int, latency_s: float, directory: str) -> None:
    world = cloud(hosts=HOSTS, routers=routers, bound=1)
    world.wire_s = WIRE_S
    with Standin(world).served() as standin:
        standin.faults.latency_s = latency_s
        standin.clouds_file(Path(directory))
        line.send("up")
        while (question := line.recv()) != "end":
            with standin.lock:
                standin.pass_time()
                line.send(_answer(standin, question))


def _answer(standin: Standin, question: str) -> int:
    world = standin.world
    match question:
        case "die":
            world.lose_host(DEAD)
            return 0
        case "unserved":
            hosts = {agent.id: agent.host for agent in world.agents.values() if agent.kind == L3 and agent.runs}
            served = (
                [hosts.get(agent) for agent in world.serving[router]] == [ports[0].host]
                and all(port.active and port.host == ports[0].host for port in ports)
                for router, ports in world.ports.items()
            )
            return sum(not one for one in served)
        case "calls":
            return standin.calls.total()
        case "changes":
            return sum(standin.calls[f"{method} l3-routers"] for method in ("POST", "DELETE"))
        case _:
            raise ValueError(question)


# --- the two ways, each in a process of its own -----------------------------------------------------------------------


def _alone(way: Callable[[Neutron, int], Awaitable[Run]], routers: int, latency_s: float) -> Run:
    """The run in a fresh process, so that its memory is its own."""
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=_in_process, args=(answers, way, routers, latency_s))
    process.start()
    run = answers.get(timeout=LIMIT_S)
    process.join()
    return run


def _in_process(answers: "multiprocessing.Queue[Run]", way: Callable[..., Awaitable[Run]], *what: float) -> None:
    routers, latency_s = int(what[0]), what[1]
    with neutron(routers, latency_s) as there:
        answers.put(asyncio.run(way(there, routers)))


async def _ours(there: Neutron, _routers: int) -> Run:
    with tempfile.TemporaryDirectory() as state_dir:
        path = Path(state_dir) / "moves.jsonl"
        hosts = {f"net{number + 1}": f"net{number + 1}" for number in range(HOSTS)}
        pacemaker = Cluster(tuple(hosts), on=f"net{HOSTS}")
        settings = Settings(
            RESCHEDULER, POOL, pacemaker.on, "admin", str(there.clouds_file), hosts, 1, Weights(), state_dir, ""
        )
        session = NeutronSession("admin", clouds_file=there.clouds_file)
        rescheduler = Rescheduler(
            settings, pacemaker, NeutronScheduling(session), MovesJournal(path), now=time.monotonic, wall=time.time,
            tell=lambda _what, _facts: None,
        )  # fmt: skip
        running = asyncio.create_task(rescheduler.run())
        while rescheduler.report(routers=False).doing != "watching":
            await rescheduler.changed.wait()
        before_mb, calls, changes = _memory_mb(), there.ask("calls"), there.ask("changes")
        there.ask("die")
        began_s = time.monotonic()
        pacemaker.offline.add(DEAD)
        await _served(there)
        took_s = time.monotonic() - began_s
        run = Run(
            took_s,
            there.ask("calls") - calls,
            there.ask("changes") - changes,
            path.stat().st_size / 1e6,
            _memory_mb(),
            _memory_mb() - before_mb,
        )
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        return run


async def _one_after_the_other(there: Neutron, _routers: int) -> Run:
    scheduling = NeutronScheduling(NeutronSession("admin", clouds_file=there.clouds_file))
    await scheduling.agents_of("router-00000")
    calls, changes = there.ask("calls"), there.ask("changes")
    there.ask("die")
    began_s = time.monotonic()
    routing = await scheduling.routing()
    dead = next(agent.id for agent in routing.agents.values() if agent.host == DEAD)
    living = sorted(agent for agent in routing.agents if agent != dead)
    for number, router in enumerate(sorted(routing.routers)):
        await scheduling.unbind(router, dead)
        target = living[number % len(living)]
        await scheduling.bind(router, target)
        assert await scheduling.agents_of(router) == (target,)
    await _served(there)
    took_s = time.monotonic() - began_s
    return Run(took_s, there.ask("calls") - calls, there.ask("changes") - changes)


async def _served(there: Neutron) -> None:
    """Every router is on one agent that runs, wired."""
    until_s = time.monotonic() + LIMIT_S
    while there.ask("unserved"):
        assert time.monotonic() < until_s
        await asyncio.sleep(0.2)


def _memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
