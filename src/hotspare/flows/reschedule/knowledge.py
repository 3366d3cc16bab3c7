"""What is known of agents and routers: the last look at Neutron, and what moves have told since."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from hotspare.flows.reschedule.move import Job, Outcome
from hotspare.model.errors import RefusedError
from hotspare.model.routing import AgentFacts, RouterFacts, Routing, Standing


class Knowledge:
    """Empty until the first look."""

    def __init__(self) -> None:
        self._seen: Routing = Routing({}, {}, {})
        self._bindings: dict[str, tuple[str, ...]] = {}
        self.looked_s: float | None = None
        """When, monotonic seconds."""
        self._standings: Mapping[str, Standing] = {}
        self._standings_of: tuple[Mapping[str, Standing], Mapping[str, AgentFacts]] = ({}, {})

    # --- learning ----------------------------------------------------------------------------------------------------

    def seen(self, routing: Routing, *, moving: Collection[str], at_s: float) -> None:
        """All was looked at. Of a router that was `moving` meanwhile its move tells more than the look."""
        still = {router: self._bindings[router] for router in moving if router in self._bindings}
        self._seen, self._bindings, self.looked_s = routing, {**routing.bindings, **still}, at_s

    def asked(self, agent: str, *, came: Collection[str], left: Collection[str]) -> None:
        """What one agent holds was asked: these came to it, these are not on it any more.

        A router that nobody has seen is left to a look, and so is where VRRP has its own.
        """
        for router in left:
            self._bindings[router] = tuple(holder for holder in self._bindings[router] if holder != agent)
        for router in came:
            if router in self._seen.routers and not self._seen.routers[router].ha:
                self._bindings[router] = (agent,)

    def ended(self, outcome: Outcome) -> None:
        """A move has ended, and who holds its router is known."""
        self._bindings[outcome.job.move.router] = (outcome.holder,) if outcome.holder else ()

    # --- telling -----------------------------------------------------------------------------------------------------

    @property
    def routing(self) -> Routing:
        """Routers as they are bound."""
        return replace(self._seen, bindings=self._bindings)

    def arrived(self, jobs: Iterable[Job]) -> Routing:
        """Routers as they will be bound when these moves have been carried out."""
        arriving = {job.move.router: (job.move.target,) for job in jobs}
        return replace(self._seen, bindings={**self._bindings, **arriving})

    def on(self, agent: str) -> frozenset[str]:
        """Routers that are bound to the agent."""
        return frozenset(router for router, bound in self._bindings.items() if agent in bound)

    @property
    def agents(self) -> Mapping[str, AgentFacts]:
        """All L3 agents by id."""
        return self._seen.agents

    def hosts(self) -> Mapping[str, str]:
        """Agent → host."""
        return {agent.id: agent.host for agent in self._seen.agents.values()}

    def host(self, agent: str | None) -> str:
        """The agent's host; empty where it is not known."""
        facts = self._seen.agents.get(agent or "")
        return facts.host if facts else ""

    def names(self) -> Mapping[str, str]:
        """Router → name."""
        return {router: facts.name for router, facts in self._seen.routers.items()}

    def router(self, router: str) -> RouterFacts:
        """What is known of the router."""
        return self._seen.routers.get(router) or RouterFacts(router, router)

    def by_agent(self, standings: Mapping[str, Standing]) -> Mapping[str, Standing]:
        """Standings by agent; worked out anew only when the cluster or the agents have changed."""
        if self._standings_of[0] is not standings or self._standings_of[1] is not self._seen.agents:
            agents = self._seen.agents
            self._standings = {agent.id: standings.get(agent.host, Standing.FOREIGN) for agent in agents.values()}
            self._standings_of = (standings, agents)
        return self._standings

    def named(self, name: str) -> str:
        """The router of this id or name.

        Raises:
            RefusedError: there is none, or more than one.
        """
        if name in self._seen.routers:
            return name
        found = [router.id for router in self._seen.routers.values() if router.name == name]
        if len(found) == 1:
            return found[0]
        if found:
            raise RefusedError(f"{len(found)} routers are named {name}", code=409, hint="give the router's id")
        raise RefusedError(f"Neutron knows no router {name}", code=404, hint="see: openstack router list")
