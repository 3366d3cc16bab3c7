"""What gateways of strategy `reschedule` (pools) ask of a file, and what of it only they may say."""

from collections.abc import Iterator, Mapping

from hotspare.model.plain import Finding, Path, mapping, rows

PARTS = (
    "rescheduler",
    "local",
    "local-clone",
    "local-agents",
    "local-agents-clone",
    "local-ovs",
    "local-l3",
    "local-metadata",
)
"""What follows a pool's name in the ids of its resources. None of them is one of the same gateway with strategy
`cold`, so that both can exist while the strategy changes.
"""

_OPTIONS = ("dhcp_agents_per_network", "weights")
_SHARED = (
    "{node} is a node of {other} already, and a gateway with `strategy: reschedule` shares no node with another one; "
    "take it out of one"
)


def findings(plain: Mapping[str, object]) -> Iterator[Finding]:
    """Every contradiction: the path of the value and what to do about it. Values of a wrong type are left out."""
    gateways = mapping(plain.get("gateways"))
    for name, gateway in gateways.items():
        yield from _pool(name, gateway) if is_pool(gateway) else _no_pool(name, gateway)
    yield from _shared_nodes(gateways)
    yield from _hosts(mapping(plain.get("nodes")), gateways)


def is_pool(gateway: object) -> bool:
    """Whether all nodes of the gateway are active."""
    return mapping(gateway).get("strategy") == "reschedule"


def _pool(name: str, gateway: object) -> Iterator[Finding]:
    if len(_nodes(gateway)) == 1:
        yield ("gateways", name, "nodes"), "only one node: nobody could take its routers; name at least two"


def _no_pool(name: str, gateway: object) -> Iterator[Finding]:
    for option in _OPTIONS:
        if option in mapping(gateway):
            yield ("gateways", name, option), "means something only with `strategy: reschedule`; take it out"


def _shared_nodes(gateways: Mapping[str, object]) -> Iterator[Finding]:
    """A node of a pool has the agents of that pool, and no others."""
    owners: dict[str, list[str]] = {}
    for name, gateway in gateways.items():
        for number, node in enumerate(_nodes(gateway)):
            for other in owners.setdefault(node, []):
                if other != name and (is_pool(gateway) or is_pool(gateways[other])):
                    yield ("gateways", name, "nodes", number), _SHARED.format(node=node, other=other)
            owners[node].append(name)


def _nodes(gateway: object) -> tuple[str, ...]:
    return tuple(node if isinstance(node, str) else "" for node in rows(mapping(gateway).get("nodes")))


def _hosts(nodes: Mapping[str, object], gateways: Mapping[str, object]) -> Iterator[Finding]:
    """Neutron tells agents apart by their host: each node has its own, and it is no gateway's identity."""
    active = {node for gateway in gateways.values() if is_pool(gateway) for node in _nodes(gateway)}
    given = {name: host for name, node in nodes.items() if isinstance(host := mapping(node).get("agent_host"), str)}
    taken: dict[str, str] = {}
    for name in (*(name for name in nodes if name not in given), *given):
        host = given.get(name, name)
        path: Path = ("nodes", name, "agent_host") if name in given else ("nodes", name)
        if host in taken:
            yield path, f"{host} is the host of {taken[host]}'s agents already; give each node its own"
        elif host in gateways and (name in given or name in active):
            yield path, f"{host} is a gateway's name, and that is an identity, too; give it another `agent_host`"
        taken.setdefault(host, name)
