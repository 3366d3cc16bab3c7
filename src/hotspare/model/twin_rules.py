"""What gateways of strategy `twin` ask of a file, and what of it only they may say."""

from collections.abc import Iterator, Mapping

from hotspare.model.plain import Finding, mapping, rows

PORT_DEFAULT = 5409
_OPTIONS = ("stage_port", "stale_after_s", "connections")
_SAME_PORT = (
    "{other} keeps its twins on {node} by port {port}, too, and a port has one listener; give one of the two another "
    "`stage_port`"
)


def findings(plain: Mapping[str, object]) -> Iterator[Finding]:
    """Every contradiction: the path of the value and what to do about it. Values of a wrong type are left out."""
    gateways = mapping(plain.get("gateways"))
    for name, gateway in gateways.items():
        yield from _twin(name, gateway) if is_twin(gateway) else _no_twin(name, gateway)
    yield from _ports({name: gateway for name, gateway in gateways.items() if is_twin(gateway)})


def is_twin(gateway: object) -> bool:
    """Whether the gateway's spares keep a copy of its data plane."""
    return mapping(gateway).get("strategy") == "twin"


def _twin(name: str, gateway: object) -> Iterator[Finding]:
    if len(_nodes(gateway)) == 1:
        yield ("gateways", name, "nodes"), "only one node: nobody could keep a twin of it; name at least two"


def _no_twin(name: str, gateway: object) -> Iterator[Finding]:
    for option in _OPTIONS:
        if option in mapping(gateway):
            yield ("gateways", name, option), "means something only with `strategy: twin`; take it out"


def _ports(twins: Mapping[str, object]) -> Iterator[Finding]:
    """A node has one process for each of its twins, and each listens at a port of its own."""
    taken: dict[tuple[str, object], str] = {}
    for name, gateway in twins.items():
        port = mapping(gateway).get("stage_port", PORT_DEFAULT)
        clash = next((node for node in _nodes(gateway) if taken.get((node, port), name) != name), "")
        if clash:
            other = taken[clash, port]
            yield ("gateways", name, "stage_port"), _SAME_PORT.format(other=other, node=clash, port=port)
        taken |= {(node, port): name for node in _nodes(gateway) if (node, port) not in taken}


def _nodes(gateway: object) -> tuple[str, ...]:
    return tuple(node for node in rows(mapping(gateway).get("nodes")) if isinstance(node, str))
