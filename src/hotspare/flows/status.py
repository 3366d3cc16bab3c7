"""`hotspare status`: ask everybody at once, each within a deadline, and say what could not be told."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from hotspare.model.cluster import ClusterStatus
from hotspare.model.errors import HotspareError
from hotspare.model.status import StatusView
from hotspare.plan.seen import Seen
from hotspare.plan.status import Wanted, view
from hotspare.ports import Neutron, Site, Stagers

NODE_LIMIT_S = 8.0
CLUSTER_LIMIT_S = 20.0
"""Nodes are asked one after the other until one answers; each has a deadline of its own."""
NEUTRON_LIMIT_S = 12.0

K = TypeVar("K")
T = TypeVar("T")


async def status(
    wanted: Wanted, site: Site, neutron: Neutron | None, stagers: Stagers, *, now: Callable[[], float]
) -> StatusView:
    """The status of the cluster. Never fails because a node or Neutron does not answer: that is part of it."""
    at_s = now()
    keepers = [(gateway, node) for gateway in sorted(wanted.twins) for node in wanted.gateways[gateway]]
    cluster, states, routers, agents, twins = await asyncio.gather(
        _told(site.status(), CLUSTER_LIMIT_S),
        _each({node: site.node(node) for node in wanted.carriers}, NODE_LIMIT_S),
        _each({host: neutron.routers(host) for host in wanted.identities} if neutron else {}, NEUTRON_LIMIT_S),
        _each({host: neutron.agents(host) for host in wanted.identities} if neutron else {}, NEUTRON_LIMIT_S),
        _each({keeper: stagers.state(*keeper) for keeper in keepers}, NODE_LIMIT_S),
    )
    asked: str | None = None
    seen: ClusterStatus | str = cluster if isinstance(cluster, str) else cluster[1]
    if not isinstance(cluster, str):
        asked = cluster[0]
    by_gateway = {
        gateway: {node: told for (its, node), told in twins.items() if its == gateway} for gateway in wanted.twins
    }
    return view(wanted, Seen(at_s, asked, seen, states, routers, agents, by_gateway))


async def _told(question: Awaitable[T], limit_s: float) -> T | str:
    """The answer, or why there is none."""
    try:
        async with asyncio.timeout(limit_s):
            return await question
    except TimeoutError:
        return f"no answer in {limit_s:.0f} s"
    except HotspareError as failed:
        return failed.message


async def _each(questions: Mapping[K, Awaitable[T]], limit_s: float) -> dict[K, T | str]:
    """All answers by name."""
    answers = await asyncio.gather(*(_told(question, limit_s) for question in questions.values()))
    return dict(zip(questions, answers, strict=True))
