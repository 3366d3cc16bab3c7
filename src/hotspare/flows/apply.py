"""From the file to a running cluster: observe → plan → apply → verify."""

import asyncio
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from hotspare.flows.awaiting import Awaiting, cluster_status
from hotspare.model.corosync import Section
from hotspare.model.errors import (
    HotspareError,
    NotReachableError,
    Problem,
    RefusedError,
    TimedOutError,
    WorldError,
)
from hotspare.model.observed import NodeFacts
from hotspare.model.spec import Spec
from hotspare.model.step import AwaitMembers, AwaitMoved, AwaitStopped, Stage, Step
from hotspare.plan import bootstrap, preflight, settled
from hotspare.plan.layout import query
from hotspare.ports import Dispatcher, Nodes

POLL_S = 1.0
VERIFY_LIMIT_S = 240.0
"""So long without getting on: fence devices 20 s, gateway 60 s, three agents one after the other up to 120 s. In
practice all of it takes half a minute; several gateways on a busy cluster take longer than this, one after the other.
"""
STILL_S = 30.0
"""After so long with nothing under way and the same things missing, for a reason that is known, nobody is about to
bring them. Without one Pacemaker is given its next look of its own as well, every `cluster-recheck-interval`: it takes
no notice of a monitor's failure while actions are under way that were begun together with it (2.1.5, measured).
"""

CALM_S = 2.0
"""After a change all has to be well for so long: Pacemaker takes a moment to begin what follows from it."""

NODES_TROUBLED_HINT = "nothing was changed; look at the nodes named and try again"


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be made, and what is needed to plan it."""

    spec: Spec
    passwords: Mapping[str, str]
    """SHA-256 of each node's fence password."""
    cloud: str
    """SHA-256 of the cloud's entry of clouds.yaml; empty where no node gets it."""
    agents: str
    """Digest of the resource agents."""
    written: Callable[[Section], str]
    """The text of a corosync.conf."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A step that was carried out, for those who watch."""

    step: Step
    took_s: float


@dataclass(frozen=True, slots=True)
class Verified:
    """The end of it. `missing` is what is not as it shall be; `untold` why nothing could be said at all."""

    missing: tuple[str, ...]
    untold: str = ""


class Watcher:
    """Who is told how an apply goes on. All of it may be left as it is."""

    def stage(self, stage: Stage) -> None:
        """A stage begins."""

    def carried(self, carried: Carried) -> None:
        """A step is done."""

    def waiting(self, missing: tuple[str, ...]) -> None:
        """What is still waited for."""


async def plan(job: Job, nodes: Nodes) -> tuple[Stage, ...]:
    """What `apply` would do now; nothing is changed.

    Raises:
        WorldError: every reason why nothing can be done.
    """
    facts = await observe(job.spec, nodes)
    return bootstrap.plan(
        job.spec,
        facts,
        passwords=job.passwords,
        cloud=job.cloud,
        agents=job.agents,
        written=job.written,
        status=await cluster_status(job.spec, nodes) if bootstrap.changes_strategy(job.spec, facts) else None,
    )


async def observe(spec: Spec, nodes: Nodes) -> Mapping[str, NodeFacts]:
    """All nodes, looked at together.

    Raises:
        WorldError: nodes that could not be asked, and everything that is wrong on the others, at once.
    """
    answers = dict(
        zip(spec.nodes, await asyncio.gather(*(_look(nodes, spec, name) for name in spec.nodes)), strict=True)
    )
    facts = {name: answer for name, answer in answers.items() if isinstance(answer, NodeFacts)}
    failures = {name: answer for name, answer in answers.items() if isinstance(answer, HotspareError)}
    found = preflight.problems(spec, facts)
    problems = [*(_problem(name, failure) for name, failure in failures.items()), *found]
    if problems:
        raise WorldError(problems, hint=NODES_TROUBLED_HINT, untold=not found and _untold(failures.values()))
    return facts


async def _look(nodes: Nodes, spec: Spec, name: str) -> NodeFacts | HotspareError:
    try:
        return await nodes.look(name, query(spec, name))
    except (NotReachableError, TimedOutError, RefusedError) as error:
        return error


def _problem(node: str, failure: HotspareError) -> Problem:
    text = failure.message.removeprefix(f"{node}: ")
    return Problem(node, "", f"{text}; {failure.hint}" if failure.hint else text)


def _untold(failures: Iterable[HotspareError]) -> bool:
    """Whether none of them is a no: nobody answered."""
    return all(isinstance(failure, NotReachableError | TimedOutError) for failure in failures)


async def apply(
    job: Job,
    nodes: Nodes,
    stages: tuple[Stage, ...],
    watcher: Watcher,
    *,
    dispatcher: Callable[[str], Dispatcher],
    now: Callable[[], float],
    poll_s: float = POLL_S,
) -> None:
    """The stages have been carried out; within one, nodes go in parallel. `dispatcher` is that of a gateway's name.

    Raises:
        HotspareError: a step failed. What was done stays, and applying again goes on from there.
    """
    awaiting = Awaiting(job.spec, nodes, dispatcher, watcher.waiting, now=now, poll_s=poll_s)
    for stage in stages:
        watcher.stage(stage)
        by_node: dict[str, list[Step]] = {}
        for step in stage.steps:
            by_node.setdefault(step.node, []).append(step)
        outcomes = await asyncio.gather(
            *(_in_order(nodes, steps, awaiting, watcher, now) for steps in by_node.values()), return_exceptions=True
        )
        failures = [outcome for outcome in outcomes if outcome is not None]
        for failure in failures:
            if not isinstance(failure, HotspareError):
                raise failure
        if failures:
            _raise(tuple(failure for failure in failures if isinstance(failure, HotspareError)))


def _raise(failures: tuple[HotspareError, ...]) -> None:
    """One failure is raised as it is; several are told together."""
    if len(failures) == 1:
        raise failures[0]
    problems = [Problem("", "", failure.message) for failure in failures]
    hint = next((failure.hint for failure in failures if failure.hint), "")
    raise WorldError(problems, hint=hint, untold=_untold(failures))


async def _in_order(
    nodes: Nodes, steps: list[Step], awaiting: Awaiting, watcher: Watcher, now: Callable[[], float]
) -> None:
    for step in steps:
        begun_s = now()
        match step:
            case AwaitMembers():
                await awaiting.members(step)
            case AwaitStopped():
                await awaiting.stopped(step)
            case AwaitMoved():
                await awaiting.moved(step)
            case _:
                await nodes.carry_out(step)
        watcher.carried(Carried(step, now() - begun_s))


async def verify(
    job: Job,
    nodes: Nodes,
    watcher: Watcher,
    *,
    changed: bool,
    now: Callable[[], float],
    limit_s: float = VERIFY_LIMIT_S,
    poll_s: float = POLL_S,
) -> Verified:
    """Whether the cluster does what the file says, as soon as that can be said, at the latest when what is missing has
    not become less for `limit_s`.
    """
    until_s, least = now() + limit_s, sys.maxsize
    missing: tuple[str, ...] = ()
    still_since_s = now()
    calm_s = CALM_S if changed else 0.0
    patience_s = STILL_S
    while True:
        try:
            status = await cluster_status(job.spec, nodes)
        except (NotReachableError, TimedOutError, RefusedError) as error:
            missing, still_since_s = (), now()
            verdict = Verified((), error.message)
        else:
            before, missing = missing, settled.missing(job.spec, status)
            verdict = Verified(missing)
            if len(missing) < least:
                until_s, least = now() + limit_s, len(missing)
            if missing != before or not status.settled:
                still_since_s = now()
                patience_s = STILL_S if settled.is_explained(job.spec, status) else STILL_S + job.spec.cluster.recheck_s
        well = not missing and not verdict.untold
        if now() >= until_s or now() >= still_since_s + (calm_s if well else patience_s):
            return verdict
        if not well:
            watcher.waiting(missing or (verdict.untold,))
        await asyncio.sleep(poll_s)
