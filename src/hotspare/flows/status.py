"""`hotspare status`: ask everybody at once, each within a deadline, and say what could not be told."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from hotspare.model.answer import Answer
from hotspare.model.cluster import ClusterStatus
from hotspare.model.errors import HotspareError
from hotspare.model.status import StatusView
from hotspare.plan.seen import Seen
from hotspare.plan.status import Wanted, view
from hotspare.ports import Neutron, Site, Stagers

NODE_LIMIT_S = 8.0
LOST_NODE_LIMIT_S = 2.0
"""For a node that the cluster has lost: one whose SSH works answers well within, and one without power never does."""
CLUSTER_LIMIT_S = 20.0
"""Until a node has answered, the next one is asked beside it; each has a deadline of its own."""
NEUTRON_LIMIT_S = 12.0
POLL_S = 2.0
"""From one answer to the next question, where all is to be well."""

K = TypeVar("K")
T = TypeVar("T")


async def status(
    wanted: Wanted, site: Site, neutron: Neutron | None, stagers: Stagers, *, now: Callable[[], float]
) -> StatusView:
    """The status of the cluster. Never fails because a node or Neutron does not answer: that is part of it."""
    at_s = now()
    keepers = [(gateway, node) for gateway in sorted(wanted.twins) for node in wanted.gateways[gateway]]
    asking = asyncio.create_task(_told(site.status(), CLUSTER_LIMIT_S))
    cluster, states, routers, agents, twins = await asyncio.gather(
        asking,
        _each({node: _of_node(node, site.node(node), asking) for node in wanted.carriers}),
        _each({host: _told(neutron.routers(host), NEUTRON_LIMIT_S) for host in wanted.identities} if neutron else {}),
        _each({host: _told(neutron.agents(host), NEUTRON_LIMIT_S) for host in wanted.identities} if neutron else {}),
        _each({keeper: _of_node(keeper[1], stagers.state(*keeper), asking) for keeper in keepers}),
    )
    asked: str | None = None
    seen: ClusterStatus | str = cluster if isinstance(cluster, str) else cluster[1]
    if not isinstance(cluster, str):
        asked = cluster[0]
    by_gateway = {
        gateway: {node: told for (its, node), told in twins.items() if its == gateway} for gateway in wanted.twins
    }
    return view(wanted, Seen(at_s, asked, seen, states, routers, agents, by_gateway))


async def well(
    ask: Callable[[], Awaitable[StatusView]],
    *,
    within_s: float,
    tell: Callable[[StatusView], None],
    now: Callable[[], float],
) -> StatusView:
    """The first view in which all is well, or the last one before the time is over; `tell` hears of those before."""
    until_s = now() + within_s
    while (view := await ask()).answer is not Answer.YES and now() + POLL_S < until_s:
        tell(view)
        await asyncio.sleep(POLL_S)
    return view


async def _told(question: Awaitable[T], limit_s: float) -> T | str:
    """The answer, or why there is none."""
    try:
        async with asyncio.timeout(limit_s):
            return await question
    except TimeoutError:
        return f"no answer in {limit_s:.0f} s"
    except HotspareError as failed:
        return failed.message


async def _of_node(
    node: str, question: Awaitable[T], asking: "asyncio.Task[tuple[str, ClusterStatus] | str]"
) -> T | str:
    """The node's answer, or why there is none. One that the cluster has lost is waited for a shorter time."""
    answering = asyncio.create_task(_told(question, NODE_LIMIT_S))
    try:
        await asyncio.wait({answering}, timeout=LOST_NODE_LIMIT_S)
        await asyncio.wait({answering, asking}, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done() and (teller := _who_lost(node, asking.result())):
            return f"no answer in {LOST_NODE_LIMIT_S:.0f} s, and {teller} says that it is offline"
        return await answering
    finally:
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)


def _who_lost(node: str, cluster: tuple[str, ClusterStatus] | str) -> str:
    """The node that says that this one is offline; empty where nobody does."""
    if isinstance(cluster, str):
        return ""
    teller, status = cluster
    found = status.node(node)
    return teller if found is not None and not found.online else ""


async def _each(questions: Mapping[K, Awaitable[T]]) -> dict[K, T]:
    """All answers by name."""
    answers = await asyncio.gather(*questions.values())
    return dict(zip(questions, answers, strict=True))
