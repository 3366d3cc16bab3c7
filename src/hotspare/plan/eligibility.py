"""Which agents can serve what, and the sentence for the person who is woken up because none can.

Neutron itself checks less: it binds a router to an agent whose switch has no bridge for the router's gateway, or that
is in another availability zone than asked for, and tells nobody.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from hotspare.model.errors import InvariantError
from hotspare.model.routing import AgentFacts, DhcpAgent, DhcpNetwork, RouterFacts
from hotspare.model.wording import some
from hotspare.plan.standing import Agent, Placed

Asked = TypeVar("Asked", bound=Hashable)

HOSTS_NAMED_MAX = 8
"""More hosts than this are counted: the sentence has to fit on a screen."""


class Ask(NamedTuple):
    """What a router asks of its agent; routers that ask for the same have the same agents to choose from."""

    distributed: bool
    gateway: bool
    physnets: frozenset[str]
    tunnel_types: frozenset[str]
    zones: tuple[str, ...]


class NetworkAsk(NamedTuple):
    """What a network asks of its DHCP agents."""

    physnet: str
    tunnel_type: str
    zones: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Condition(Generic[Agent]):
    """One thing that an agent has to be or have."""

    met: Callable[[Agent], bool]
    wanted: str
    """Ends the sentence "no live agent …"."""
    lacking: str
    """Says it of an agent that has it not."""
    instead: Callable[[Agent], str] = lambda _agent: ""
    """What such an agent has, where that helps to see the mistake."""


def ask(router: RouterFacts) -> Ask:
    """What the router asks of its agent."""
    return Ask(router.distributed, router.gateway, router.physnets, router.tunnel_types, router.zones)


def for_router(asked: Ask) -> tuple[Condition[AgentFacts], ...]:
    """What an agent has to meet, in the order in which a person would look for what is wrong."""
    return (
        _enabled(),
        Condition(lambda agent: agent.switch_alive, "has a living Open vSwitch agent", "no living Open vSwitch agent"),
        _mode(asked),
        Condition(
            lambda agent: asked.gateway or agent.internal_only,
            "serves routers without a gateway (handle_internal_only_routers)",
            "not for routers without a gateway (handle_internal_only_routers)",
        ),
        _bridges(asked.physnets),
        _tunnels(asked.tunnel_types),
        _zone(asked.zones),
    )


def ask_of_network(network: DhcpNetwork) -> NetworkAsk:
    """What the network asks of its DHCP agents."""
    return NetworkAsk(network.physnet, network.tunnel_type, network.zones)


def for_network(asked: NetworkAsk) -> tuple[Condition[DhcpAgent], ...]:
    """What a DHCP agent has to meet."""
    return (
        _enabled(),
        _bridges(frozenset(filter(None, [asked.physnet]))),
        _tunnels(frozenset(filter(None, [asked.tunnel_type]))),
        _zone(asked.zones),
    )


class Candidates(Generic[Agent, Asked]):
    """The live agents that can serve something, looked up once for all that asks for the same."""

    def __init__(self, live: Sequence[Agent], conditions: Callable[[Asked], Sequence[Condition[Agent]]]) -> None:
        self._live = live
        self._conditions = conditions
        self._able: dict[Asked, tuple[Agent, ...]] = {}
        self._ids: dict[Asked, frozenset[str]] = {}
        self._reasons: dict[Asked, str] = {}

    def able(self, asked: Asked) -> tuple[Agent, ...]:
        """Those that meet every condition."""
        if asked not in self._able:
            conditions = self._conditions(asked)
            self._able[asked] = tuple(
                agent for agent in self._live if all(condition.met(agent) for condition in conditions)
            )
        return self._able[asked]

    def preferred(self, asked: Asked) -> frozenset[str]:
        """The ids of those with a heartbeat, or of all where none of them has one.

        The cluster says that such an agent lives, but Neutron has not heard of it: of two it is the worse one.
        """
        if asked not in self._ids:
            found = self.able(asked)
            heard = tuple(agent for agent in found if agent.alive)
            self._ids[asked] = frozenset(agent.id for agent in heard or found)
        return self._ids[asked]

    def why_none(self, asked: Asked) -> str:
        """The reason, where some agents are live, but none of them is able."""
        if asked not in self._reasons:
            self._reasons[asked] = why_none(self._live, self._conditions(asked))
        return self._reasons[asked]


def why_none(agents: Iterable[Agent], conditions: Iterable[Condition[Agent]]) -> str:
    """The condition that rules out the last of the agents, with what these have instead; then who fell before, and why.

    Raises:
        InvariantError: one of them is able.
    """
    left = tuple(agents)
    fallen: list[str] = []
    for condition in conditions:
        failing = tuple(agent for agent in left if not condition.met(agent))
        if failing == left:
            besides = f"; besides: {', '.join(fallen)}" if fallen else ""
            return f"no live agent {condition.wanted} ({_instead(condition, failing)}){besides}"
        if failing:
            fallen.append(f"{len(failing)} {condition.lacking} ({hosts(failing)})")
        left = tuple(agent for agent in left if agent not in failing)
    raise InvariantError(f"{hosts(left)} can serve it after all")


def lack(agent: Agent, conditions: Iterable[Condition[Agent]]) -> str:
    """The first condition that this agent does not meet, or nothing."""
    for condition in conditions:
        if not condition.met(agent):
            has = condition.instead(agent)
            return f"{condition.lacking} ({has})" if has else condition.lacking
    return ""


def hosts(agents: Sequence[Placed]) -> str:
    """The hosts by name, the first of them where they are many."""
    return some([agent.host for agent in agents], shown_max=HOSTS_NAMED_MAX)


def _instead(condition: Condition[Agent], agents: Sequence[Agent]) -> str:
    alike: dict[str, list[Agent]] = defaultdict(list)
    for agent in agents:
        alike[condition.instead(agent)].append(agent)
    return "; ".join(f"{hosts(found)}: {has}" if has else hosts(found) for has, found in alike.items())


def _enabled() -> Condition[Agent]:
    return Condition(lambda agent: agent.admin_up, "is administratively up", "administratively down")


def _mode(asked: Ask) -> Condition[AgentFacts]:
    """Source: neutron/db/l3_agentschedulers_db.py, get_l3_agent_candidates."""
    modes = {"dvr_snat"} if asked.distributed else {"legacy", "dvr_snat"}
    kind = "distributed" if asked.distributed else "centralized"
    return Condition(
        lambda agent: agent.mode in modes,
        f"is in a mode for {kind} routers ({' or '.join(sorted(modes, reverse=True))})",
        f"in no mode for {kind} routers",
        lambda agent: agent.mode,
    )


def _bridges(physnets: frozenset[str]) -> Condition[Agent]:
    which = _named("physical network", physnets)
    return Condition(
        lambda agent: physnets <= agent.physnets,
        f"has a bridge for {which}",
        f"no bridge for {which}",
        lambda agent: _has(agent.physnets),
    )


def _tunnels(types: frozenset[str]) -> Condition[Agent]:
    which = _named("tunnel type", types)
    return Condition(
        lambda agent: types <= agent.tunnel_types,
        f"has {which}",
        f"without {which}",
        lambda agent: _has(agent.tunnel_types),
    )


def _zone(zones: Sequence[str]) -> Condition[Agent]:
    which = " or ".join(f"'{zone}'" for zone in zones)
    return Condition(
        lambda agent: not zones or agent.zone in zones,
        f"is in availability zone {which}",
        f"not in availability zone {which}",
        lambda agent: f"in '{agent.zone}'",
    )


def _named(what: str, names: frozenset[str]) -> str:
    quoted = " and ".join(f"'{name}'" for name in sorted(names))
    return f"{what}s {quoted}" if len(names) > 1 else f"{what} {quoted}"


def _has(names: frozenset[str]) -> str:
    return f"has {', '.join(sorted(names)) or 'none'}"
