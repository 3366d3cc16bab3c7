"""Three hosts on a switch: a prober, and two nodes of which one carries the addresses. The cluster is played."""

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, suppress

from hotspare.adapters.process import Processes
from hotspare.adapters.site import Machines
from hotspare.model.cluster import ClusterStatus, NodeState, Resource, Role
from hotspare.model.drill import NodeState as Looked
from hotspare.model.drill import Router
from hotspare.model.errors import RefusedError
from hotspare.model.event import Event, What
from hotspare.plan.names import agents_of
from hotspare.ports import OK, Done

TAKEOVER_S = 1.0


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, stdin=subprocess.DEVNULL, capture_output=True)


class Wire:
    """The namespaces, by the role they play."""

    def __init__(self) -> None:
        self.names = {role: f"hsd{os.getpid()}{role[0]}" for role in ("prober", "a", "b", "switch")}

    def up(self) -> None:
        for name in self.names.values():
            ip("netns", "add", name)
        switch = self.names["switch"]
        ip("-n", switch, "link", "add", "br0", "type", "bridge")
        ip("-n", switch, "link", "set", "br0", "up")
        for role in ("prober", "a", "b"):
            ip(
                "-n",
                switch,
                "link",
                "add",
                f"cable-{role}",
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                self.names[role],
            )
            ip("-n", switch, "link", "set", f"cable-{role}", "master", "br0", "up")
            ip("-n", self.names[role], "link", "set", "lo", "up")
            ip("-n", self.names[role], "link", "set", "eth0", "up")
        ip("-n", self.names["prober"], "address", "add", "10.99.0.1/24", "dev", "eth0")

    def give(self, node: str, addresses: Sequence[str]) -> None:
        """The node answers for the addresses, and the prober forgets who did before."""
        for address in addresses:
            ip("-n", self.names[node], "address", "replace", f"{address}/24", "dev", "eth0")
        ip("-n", self.names["prober"], "neighbour", "flush", "dev", "eth0")

    def take(self, node: str) -> None:
        ip("-n", self.names[node], "address", "flush", "dev", "eth0")

    def processes(self) -> list[str]:
        """What still runs in any of the namespaces."""
        found: list[str] = []
        for name in self.names.values():
            found += subprocess.run(
                ["ip", "netns", "pids", name], capture_output=True, text=True, check=True
            ).stdout.split()
        return found

    def down(self) -> None:
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


class InNamespaces:
    """`Remote` where a host is one of the wire's namespaces."""

    def __init__(self, wire: Wire) -> None:
        self.wire, self.local = wire, Processes()

    def _argv(self, host: str, argv: Sequence[str]) -> tuple[str, ...]:
        return tuple(argv) if host == "local" else ("ip", "netns", "exec", self.wire.names[host], *argv)

    async def run(
        self, host: str, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float, expect: frozenset[int] = OK
    ) -> Done:
        return await self.local.run("local", self._argv(host, argv), stdin=stdin, timeout_s=timeout_s, expect=expect)

    def stream(
        self, host: str, argv: Sequence[str], *, stdin: bytes = b""
    ) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        return self.local.stream("local", self._argv(host, argv), stdin=stdin)


class Played(Machines):
    """Machines whose probes are real and whose cluster does what the test says."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(InNamespaces(wire), ("a", "b"), {})
        self.wire = wire
        self.addresses: tuple[str, ...] = ("10.99.0.11", "10.99.0.12")
        self.carrier: str | None = "a"
        self.maintenance = False
        self.takes_over, self.zombie, self.refuses = True, False, False
        self.done: list[tuple[str, str]] = []
        self.broken: set[str] = set()
        self.told: list[Event] = []
        self.gone_s = 0.0
        self._moving: asyncio.Task[None] | None = None
        wire.give("a", self.addresses)

    async def power(self, node: str, action: str) -> None:
        self.done.append((action, node))
        if action == "on":
            self.broken.discard(node)
            return
        if self.refuses:
            raise RefusedError("the BMC said no", code=1)
        self._break(node)

    async def standby(self, node: str, *, wanted: bool) -> None:
        self.done.append(("standby" if wanted else "online", node))
        if wanted:
            self._break(node)
        else:
            self.broken.discard(node)

    def _break(self, node: str) -> None:
        self.broken.add(node)
        self.carrier = None
        if not self.zombie:
            self.wire.take(node)
        self._moving = asyncio.create_task(self._move())

    async def _move(self) -> None:
        begun_s = time.monotonic()
        await asyncio.sleep(TAKEOVER_S)
        if self.takes_over:
            self.wire.give("b", self.addresses[:2])
            self.carrier = "b"
            self.gone_s = time.monotonic() - begun_s
            self.told.append(Event(time.time(), "b", What.AGENT_FINISHED, "gw", "promote"))

    async def status(self) -> tuple[str, ClusterStatus]:
        return "b", ClusterStatus(
            pacemaker="2.1.5", dc="b", quorate=True, fencing_enabled=True, maintenance=self.maintenance,
            no_quorum_policy="stop", last_change="", nodes=tuple(self._node(name) for name in ("a", "b")),
            resources=tuple(self._resources()), failures=(), degraded=(), fail_counts=(), fencings=(), bans=(),
        )  # fmt: skip

    def _node(self, name: str) -> NodeState:
        return NodeState(
            name=name, id=name, online=name not in self.broken, unclean=False, standby=False, maintenance=False,
            pending=False, shutdown=False, is_dc=name == "b", resources_running=0,
        )  # fmt: skip

    def _resources(self) -> Iterator[Resource]:
        for name, role in (("gw", Role.PROMOTED), *((agent, Role.STARTED) for agent in agents_of("gw"))):
            if self.carrier:
                yield Resource(
                    id=name, agent="ocf:x:y", role=role, target_role=None, active=True, failed=False, blocked=False,
                    managed=True, orphaned=False, pending=None, nodes=(self.carrier,), clone=None, group=None,
                )  # fmt: skip

    async def node(self, host: str) -> Looked:
        return Looked(host, f"boot-{host}", (), (), ())

    async def events(self, host: str, *, since_s: float, ahead_s: float) -> tuple[Event, ...]:
        del since_s, ahead_s
        return tuple(event for event in self.told if event.host == host)

    async def settled(self, *, limit_s: float) -> None:
        del limit_s

    async def versions(self) -> Mapping[str, str]:
        return {}

    async def bound(self, gateway: str) -> tuple[str, ...]:
        return tuple(router.id for router in await self.routers(gateway))

    async def routers(self, gateway: str) -> tuple[Router, ...]:
        return tuple(Router(f"id-{address}", f"r-{address}", (address,)) for address in self.addresses if gateway)


@contextmanager
def wired() -> Iterator[Played]:
    """The wire, with everything on `a`."""
    wire = Wire()
    try:
        wire.up()
        yield Played(wire)
    finally:
        with suppress(subprocess.SubprocessError):
            wire.down()
