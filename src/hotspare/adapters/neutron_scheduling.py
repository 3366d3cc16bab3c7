"""Neutron's scheduler API: who serves what, and the two calls that change it.

Facts of Neutron 29.0.0 (db/l3_agentschedulers_db.py, db/agentschedulers_db.py, extensions/*agentscheduler.py), all seen
in the lab by tests/contract/test_neutron_scheduling.py:

- There is no bulk call, and `agents/ID/l3-routers` and `…/dhcp-networks` know neither `fields` nor pages.
- An agent that may not have the router is a 404 `InvalidL3Agent`, as if it did not exist; one of the wrong mode a 409.
- A bind where the agent has the router already is a 201, and the agent is told nothing.
- A bind to an agent that does not listen is seen at once by others, and keeps a thread of the API busy for up to two
  minutes. What stands before the API may give up earlier: uWSGI's HTTP router breaks the connection off after 60 s.
- An unknown router's agents are a 404, an unknown network's are none.
- To a user without rights `agents` is empty and networks come without `provider:…`: nothing is refused.
- A router that nobody has may be taken by any agent that asks for its routers, so a 409 may name a third one.
"""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any, Protocol

from hotspare.adapters.neutron_session import Row, together
from hotspare.codec import neutron_json as read
from hotspare.model.routing import Leasing, RouterPort, Routing

BIND_LIMIT_S = 25.0
"""Neutron answers when the agent has heard of the router: at once, or, where nobody listens, after up to two times 60 s
with an error although the router is bound. A caller who asks again meanwhile knows more than one who waits."""
UNBIND_LIMIT_S = 20.0
"""Neutron waits for no agent here, only for its database."""
READS_AT_ONCE_MAX = 4
"""A reading of everything leaves workers of the API for others: there is usually one a core of a controller."""
IDS_A_CALL = 50
"""36 characters and `&device_id=` each: an address of 2.4 kB, within the 4 kB that uWSGI takes by default with the
headers (`buffer-size`)."""

OWNERS = (*read.INTERFACES, read.GATEWAY)

NOT_BOUND = ("RouterNotHostedByL3Agent", "RouterNotFound")
"""Neutron up to Kilo checked whether the router was there; a router that is deleted is bound to nobody."""
LEASED_BEFORE = ("NetworkHostedByDHCPAgent",)
NOT_LEASED = ("NetworkNotHostedByDhcpAgent",)

Reading = Callable[[], Awaitable[tuple[Row, ...]]]


class Session(Protocol):
    """What is needed of `NeutronSession`."""

    async def rows(self, path: str, params: Mapping[str, Any] | None = None, *, key: str = "") -> tuple[Row, ...]: ...

    async def post(
        self, kind: str, path: str, body: Mapping[str, Any], *, limit_s: float, done: Collection[str] = ()
    ) -> None: ...

    async def delete(self, kind: str, path: str, *, limit_s: float, done: Collection[str] = ()) -> None: ...


class NeutronScheduling:
    """Fulfils `ports.Scheduling` over a `NeutronSession`.

    Its `observed` is told of readings by the last word of their path (`routers`, `l3-agents`), and of changes as
    `bind`, `unbind`, `bind_network` and `unbind_network`.

    Raises (all calls): NotReachableError, TimedOutError, RefusedError.
    """

    def __init__(self, session: Session, *, bind_limit_s: float = BIND_LIMIT_S) -> None:
        self._session = session
        self._bind_limit_s = bind_limit_s

    async def routing(self) -> Routing:
        """All L3 agents and routers, and who is bound to whom.

        Not one moment: the collections are read one after another, so a router that moves meanwhile may be seen with
        no agent or with two.
        """
        rows = self._reading
        agents = read.l3_agents(await rows("agents", {"fields": read.AGENT_FIELDS})())
        routers, ports, networks, floating_ips, *bound = await together(
            rows("routers", {"fields": read.ROUTER_FIELDS}),
            rows("ports", {"device_owner": OWNERS, "fields": read.ROUTER_PORT_FIELDS}),
            rows("networks", {"fields": read.NETWORK_FIELDS}),
            rows("floatingips", {"fields": read.FLOATING_IP_FIELDS}),
            *map(self._routers_of, agents),
            at_once_max=READS_AT_ONCE_MAX,
        )
        known = read.routers(routers, ports=ports, networks=networks, floating_ips=floating_ips)
        return Routing(agents, known, read.by_what_is_bound(known, dict(zip(agents, map(_ids, bound), strict=True))))

    async def agents_of(self, router: str) -> tuple[str, ...]:
        """The L3 agents that the router is bound to, by id.

        RefusedError 404: there is no such router.
        """
        return _ids(await self._session.rows(f"routers/{router}/l3-agents", key="agents"))

    async def routers_of(self, agent: str) -> tuple[str, ...]:
        """The routers that are bound to the L3 agent, by id.

        RefusedError 404: there is no such agent.
        """
        return _ids(await self._routers_of(agent)())

    async def bind(self, router: str, agent: str) -> None:
        """Ask for the router to be bound to the agent. That there is no error is no proof, nor is an error one.

        RefusedError 409: it is bound elsewhere, or this agent's mode does not fit. 404: there is no such router or
        agent, or this agent may not have it. 500: it may be bound, but the agent did not hear of it.
        """
        await self._session.post(
            "bind", f"agents/{agent}/l3-routers", {"router_id": router}, limit_s=self._bind_limit_s
        )

    async def unbind(self, router: str, agent: str) -> None:
        """The router is not bound to the agent, whether it was or not, and whether there is such a router or not.

        RefusedError 404: there is no such agent.
        """
        await self._session.delete(
            "unbind", f"agents/{agent}/l3-routers/{router}", limit_s=UNBIND_LIMIT_S, done=NOT_BOUND
        )

    async def ports(self, routers: Collection[str]) -> tuple[RouterPort, ...]:
        """Interface and gateway ports of these routers."""
        calls = (
            self._reading(
                "ports",
                {"device_id": ids, "device_owner": OWNERS, "fields": read.PORT_FIELDS},
            )
            for ids in _chunks(sorted(routers))
        )
        found = await together(*calls, at_once_max=READS_AT_ONCE_MAX)
        return read.ports(row for rows in found for row in rows)

    async def leasing(self) -> Leasing:
        """All DHCP agents and the networks with DHCP, and who serves what. Not one moment: see `routing`."""
        rows = self._reading
        agents = read.dhcp_agents(await rows("agents", {"fields": read.AGENT_FIELDS})())
        networks, subnets, *bound = await together(
            rows("networks", {"fields": read.NETWORK_FIELDS}),
            rows("subnets", {"enable_dhcp": True, "fields": read.SUBNET_FIELDS}),
            *(rows(f"agents/{agent}/dhcp-networks", key="networks") for agent in agents),
            at_once_max=READS_AT_ONCE_MAX,
        )
        known = read.dhcp_networks(networks, subnets=subnets)
        return Leasing(agents, known, read.by_what_is_bound(known, dict(zip(agents, map(_ids, bound), strict=True))))

    async def agents_of_network(self, network: str) -> tuple[str, ...]:
        """The DHCP agents that serve the network, by id."""
        return _ids(await self._session.rows(f"networks/{network}/dhcp-agents", key="agents"))

    async def bind_network(self, network: str, agent: str) -> None:
        """The DHCP agent is to serve the network, also where it was before.

        RefusedError 404: there is no such network or agent, or it is none that may serve.
        """
        await self._session.post(
            "bind_network",
            f"agents/{agent}/dhcp-networks",
            {"network_id": network},
            limit_s=self._bind_limit_s,
            done=LEASED_BEFORE,
        )

    async def unbind_network(self, network: str, agent: str) -> None:
        """The DHCP agent is not to serve the network, whether it was or not.

        RefusedError 404: there is no such agent.
        """
        await self._session.delete(
            "unbind_network", f"agents/{agent}/dhcp-networks/{network}", limit_s=UNBIND_LIMIT_S, done=NOT_LEASED
        )

    def _routers_of(self, agent: str) -> Reading:
        return self._reading(f"agents/{agent}/l3-routers", key="routers")

    def _reading(self, path: str, params: Mapping[str, Any] | None = None, *, key: str = "") -> Reading:
        """A reading to be begun later."""
        return partial(self._session.rows, path, params, key=key)


def _ids(rows: Collection[Row]) -> tuple[str, ...]:
    return tuple(sorted(row["id"] for row in rows))


def _chunks(ids: list[str]) -> Iterator[list[str]]:
    for begin in range(0, len(ids), IDS_A_CALL):
        yield ids[begin : begin + IDS_A_CALL]
