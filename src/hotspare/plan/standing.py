"""What the cluster says of an agent, as plans ask it: of an agent that it says nothing of, a plan touches nothing."""

from collections.abc import Mapping
from typing import Protocol, TypeVar

from hotspare.model.routing import Standing


class Placed(Protocol):
    """An agent of any kind: what plans for L3 and DHCP agents have in common."""

    @property
    def id(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def alive(self) -> bool: ...
    @property
    def admin_up(self) -> bool: ...
    @property
    def zone(self) -> str: ...
    @property
    def physnets(self) -> frozenset[str]: ...
    @property
    def tunnel_types(self) -> frozenset[str]: ...


Agent = TypeVar("Agent", bound=Placed)

Standings = Mapping[str, Standing]
"""By host; a host that is not in it is FOREIGN."""


def of_agent(agents: Mapping[str, Agent], standings: Standings, agent: str) -> Standing:
    """The standing of the agent's host; an agent that Neutron did not list with the others is not ours, either."""
    return standings.get(agents[agent].host, Standing.FOREIGN) if agent in agents else Standing.FOREIGN


def by_agent(agents: Mapping[str, Agent], standings: Standings) -> dict[str, Standing]:
    """The standing of every agent."""
    return {agent: of_agent(agents, standings, agent) for agent in agents}


def live(agents: Mapping[str, Agent], standings: Standings) -> tuple[Agent, ...]:
    """The agents that may get something, by host."""
    found = (agent for agent in agents.values() if standings.get(agent.host) is Standing.LIVE)
    return tuple(sorted(found, key=lambda agent: (agent.host, agent.id)))


def nobody_lives(agents: Mapping[str, Agent], standings: Standings) -> str:
    """The reason where no agent of the cluster is live."""
    ours = sorted((agent.host, standings[agent.host]) for agent in agents.values() if agent.host in standings)
    said = ", ".join(f"{host} is {its}" for host, its in ours)
    return f"no agent of the cluster is live ({said or 'it has none'})"
