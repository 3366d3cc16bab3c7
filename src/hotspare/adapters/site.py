"""The machines under a cluster over `Remote`: cluster state, node state, journals, clocks, power and probes.

One command each, every one with a deadline; what it printed is parsed in `codec`. Scripts travel on the standard input
of the host's own python3, so that nothing is installed and nothing is left.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files

from hotspare.codec import cib_xml, cleaning_json, crm_mon_xml, journal_json, onsite_jsonl
from hotspare.model.cib import Element, element
from hotspare.model.cleaning import NodeCleaning
from hotspare.model.cluster import ClusterStatus
from hotspare.model.drill import NodeState, Place
from hotspare.model.errors import HotspareError, NotReachableError, RefusedError, TimedOutError
from hotspare.model.event import Event
from hotspare.model.secret import Secret
from hotspare.plan.takeover import LOCATION, preference, wish
from hotspare.ports import OK, Done, Remote

ASK_LIMIT_S = 15.0
STATUS_LIMIT_S = 10.0
HEDGE_S = 1.0
"""How long a node may take to tell the cluster's status before the next one is asked too; it takes 0.3 s."""
POWER_LIMIT_S = 30.0
JOURNAL_LIMIT_S = 60.0
CLEAN = "/usr/lib/ocf/lib/hotspare/clean"
CLEAN_LIMIT_S = 75.0
"""Above the program's own 60 s, so that what it has to say comes through."""
CLOCK_SAMPLES = 3
PYTHON = ("/usr/bin/python3", "-IS", "-")
CONSTRAINTS = ("--scope", "constraints", "--sync-call")


@dataclass(frozen=True, slots=True)
class Fence:
    """How a node is powered off and on: a fence agent, its options, and the password."""

    agent: str
    options: Mapping[str, str]
    password: Secret


def script(name: str) -> bytes:
    """The text of a script of adapters/onsite."""
    return (files("hotspare.adapters") / "onsite" / name).read_bytes()


def _attribute(node: str, name: str) -> tuple[str, ...]:
    return ("crm_attribute", "--type", "nodes", "--node", node, "--name", name)


class Machines:
    """The machines of one cluster. `nodes` are its members; fences are known for those that have one."""

    def __init__(self, remote: Remote, nodes: Sequence[str], fences: Mapping[str, Fence]) -> None:
        self.remote, self.nodes, self.fences = remote, tuple(nodes), fences
        self._asked = list(nodes)
        """In the order to ask them: who told the status first, who gave no answer, or was powered off by us, last."""

    # --- asking --------------------------------------------------------------------------------------------------

    async def node(self, host: str) -> NodeState:
        """What of a gateway is on this host.

        Raises:
            NotReachableError, TimedOutError, RefusedError: it could not be asked, or did not say it in our form.
        """
        done = await self.remote.run(host, PYTHON, stdin=script("node_state.py"), timeout_s=ASK_LIMIT_S)
        try:
            return onsite_jsonl.node_state(done.stdout, host)
        except (ValueError, KeyError, TypeError) as failed:
            raise RefusedError(
                f"{host} did not tell its state: {failed}", code=done.code, output=done.stdout
            ) from failed

    async def clean(self, node: str, *, only_plan: bool, twins: bool) -> NodeCleaning:
        """Have the node clean itself of routers with the code of its resource agents, or say what would go.

        Raises:
            NotReachableError, TimedOutError, RefusedError: it could not be asked, or did not say it in our form.
        """
        argv = (CLEAN, "--json", *(("--plan",) if only_plan else ()), *(("--twins",) if twins else ()))
        # 0 no router is left, 1 something is or it was refused, 3 cannot tell: all of them say more in JSON.
        try:
            done = await self.remote.run(node, argv, timeout_s=CLEAN_LIMIT_S, expect=frozenset({0, 1, 3}))
        except RefusedError as failed:
            raise RefusedError(
                failed.message, code=failed.code, output=failed.output, hint=f"{CLEAN} comes with `hotspare apply`"
            ) from failed
        try:
            return cleaning_json.read(done.stdout, node)
        except (ValueError, KeyError, TypeError) as failed:
            said = done.stderr.strip() or done.stdout
            raise RefusedError(f"{node} did not say how it cleaned: {said}", code=done.code, output=said) from failed

    async def status(self) -> tuple[str, ClusterStatus]:
        """The cluster as the first node sees it that is part of it, and that node.

        A node that takes long, or cannot tell, is not waited for: the next one is asked beside it.

        Raises:
            NotReachableError, TimedOutError, RefusedError: no node could tell.
        """
        failure: HotspareError = NotReachableError("there is no node to ask")
        to_ask, asked = list(self._asked), set[asyncio.Task[tuple[str, ClusterStatus]]]()
        try:
            while to_ask or asked:
                if to_ask:
                    asked.add(asyncio.create_task(self._status(to_ask.pop(0))))
                patience_s = HEDGE_S if to_ask else None
                done, asked = await asyncio.wait(asked, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    try:
                        host, status = task.result()
                    except HotspareError as failed:
                        failure = failed
                    else:
                        self._ask_first(host)
                        return host, status
            raise failure
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    async def _status(self, host: str) -> tuple[str, ClusterStatus]:
        done = await self.remote.run(host, crm_mon_xml.CRM_MON, timeout_s=STATUS_LIMIT_S)
        try:
            return host, crm_mon_xml.read(done.stdout)
        except ValueError as failed:
            raise RefusedError(f"{host}: {failed}", code=done.code, output=done.stdout) from failed

    async def constraints(self) -> Element:
        """The cluster's constraints.

        Raises:
            NotReachableError, TimedOutError, RefusedError: no node told them.
        """
        done = await self._first(("cibadmin", "--query", *CONSTRAINTS))
        try:
            return cib_xml.read(done.stdout)
        except ValueError as failed:
            raise RefusedError(f"the cluster's constraints: {failed}", code=done.code, output=done.stdout) from failed

    async def clock(self, host: str) -> tuple[float, float]:
        """How far the host's clock is ahead of ours and the error of that, in seconds: the quickest of a few tries.

        Raises:
            NotReachableError, TimedOutError, RefusedError: it could not be asked.
        """
        if host == "local":
            return 0.0, 0.0
        samples: list[tuple[float, float]] = []
        for _try in range(CLOCK_SAMPLES):
            asked_s = time.time()
            done = await self.remote.run(host, ("date", "+%s.%N"), timeout_s=ASK_LIMIT_S)
            answered_s = time.time()
            error_s = (answered_s - asked_s) / 2
            samples.append((error_s, float(done.stdout) - (asked_s + error_s)))
        error_s, ahead_s = min(samples)
        return ahead_s, error_s

    async def events(self, host: str, *, since_s: float, ahead_s: float) -> tuple[Event, ...]:
        """What the host's journal tells since `since_s` (its own clock), on our clock.

        Raises:
            NotReachableError, TimedOutError, RefusedError: it could not be asked.
        """
        wanted = [word for name in journal_json.IDENTIFIERS for word in ("--identifier", name)]
        argv = ("journalctl", "--output=json", "--no-pager", f"--since=@{since_s:.6f}", *wanted)
        done = await self.remote.run(host, argv, timeout_s=JOURNAL_LIMIT_S)
        return journal_json.events(done.stdout, host, ahead_s)

    async def versions(self) -> Mapping[str, str]:
        """The versions of what runs on the nodes, as the first one that answers tells them: component → version."""
        argv = (
            "dpkg-query",
            "--show",
            "--showformat=${Package} ${Version}\\n",
            "pacemaker",
            "corosync",
            "openvswitch-switch",
        )
        done = await self._first(argv, expect=frozenset({0, 1}))  # 1: a package is not known there
        pairs = (line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)
        return {name: version for name, version in pairs if version}

    # --- doing ---------------------------------------------------------------------------------------------------

    async def power(self, node: str, action: str) -> None:
        """Do `action` (on, off) with the node's fence agent on another node; the cluster is not told.

        Raises:
            RefusedError: the node has no fence device, or the agent said no everywhere.
            NotReachableError, TimedOutError: no other node could be asked to do it.
        """
        fence = self.fences.get(node)
        if fence is None:
            raise RefusedError(f"{node} has no fence device in the spec", code=0, hint="give it one (nodes.NAME.fence)")
        options = "".join(f"{name}={value}\n" for name, value in {**fence.options, "action": action}.items())
        stdin = options.encode() + b"password=" + fence.password.value + b"\n"
        others = tuple(other for other in self._asked if other != node)
        await self._first((fence.agent,), stdin=stdin, limit_s=POWER_LIMIT_S, among=others)
        if action == "off":
            self._ask_last(node)

    async def standby(self, node: str, *, wanted: bool) -> None:
        """Put the node in standby for good, or take it out.

        Raises:
            RefusedError, NotReachableError, TimedOutError: no node did it.
        """
        change = ("--update", "on") if wanted else ("--delete",)
        await self._first(("crm_attribute", "--node", node, "--name", "standby", *change, "--lifetime", "forever"))

    async def mark(self, node: str, name: str, value: str) -> None:
        """The node has the attribute with this value, for good.

        Raises:
            RefusedError, NotReachableError, TimedOutError: no node did it.
        """
        await self._first((*_attribute(node, name), "--update", value))

    async def unmark(self, node: str, name: str) -> None:
        """The node has no such attribute.

        Raises:
            RefusedError, NotReachableError, TimedOutError: no node did it.
        """
        await self._first((*_attribute(node, name), "--delete"))

    async def prefer(self, gateway: str, node: str, *, for_s: float) -> None:
        """The node is the one to promote, for so long by the cluster's own clock.

        Raises:
            RefusedError, NotReachableError, TimedOutError: no node did it.
        """
        now = await self._first(("date", "+%s"))
        until = datetime.fromtimestamp(int(now.stdout) + for_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        await self._constrain(preference(gateway, node, until=until), "--modify", "--allow-create")

    async def unprefer(self, gateway: str, node: str) -> None:
        """There is no such preference.

        Raises:
            RefusedError, NotReachableError, TimedOutError: no node did it.
        """
        await self._constrain(element(LOCATION, attributes={"id": wish(gateway, node)}), "--delete")

    async def _constrain(self, constraint: Element, *change: str) -> None:
        await self._first(("cibadmin", *change, *CONSTRAINTS, "--xml-text", cib_xml.write(constraint)))

    async def settled(self, *, limit_s: float) -> None:
        """Return when the cluster has no action left to do.

        Raises:
            TimedOutError, RefusedError, NotReachableError: it has not within `limit_s`, or nobody could say.
        """
        await self._first(("crm_resource", "--wait", "--timeout", f"{limit_s:.0f}s"), limit_s=limit_s + ASK_LIMIT_S)

    def probe(
        self, name: str, place: Place, options: Mapping[str, object]
    ) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Run a script of adapters/onsite at a place for as long as the context lasts, and give its lines.

        Raises (entering or reading):
            NotReachableError, RefusedError: it could not be started, or ended with a failure.
        """
        argv = (*PYTHON, json.dumps(dict(options), separators=(",", ":")))
        inside = ("ip", "netns", "exec", place.netns) if place.netns else ()
        return self.remote.stream(place.host, (*inside, *argv), stdin=script(name))

    async def _first(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        limit_s: float = ASK_LIMIT_S,
        expect: frozenset[int] = OK,
        among: Iterable[str] | None = None,
    ) -> Done:
        """The answer of the first node that gives one; the last failure where none does."""
        failure: HotspareError = NotReachableError("there is no node to ask")
        for host in tuple(self._asked if among is None else among):
            try:
                return await self.remote.run(host, argv, stdin=stdin, timeout_s=limit_s, expect=expect)
            except (NotReachableError, TimedOutError, RefusedError) as failed:
                failure = failed
                if not isinstance(failed, RefusedError):
                    self._ask_last(host)
        raise failure

    def _ask_first(self, host: str) -> None:
        self._asked.remove(host)
        self._asked.insert(0, host)

    def _ask_last(self, host: str) -> None:
        self._asked.remove(host)
        self._asked.append(host)
