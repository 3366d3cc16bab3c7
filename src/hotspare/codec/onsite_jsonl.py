"""Lines of the scripts in adapters/onsite to values. `ahead_s`, how far a host's clock runs ahead, is taken off."""

import json
from typing import Any

from hotspare.model.drill import Get, NodeState, RunningProcess, Sighting, StreamFact, SwitchPort


def line(text: str) -> dict[str, Any]:
    """One line as its facts.

    Raises:
        ValueError: it is no JSON object, so it did not come from a script of ours.
    """
    facts = json.loads(text)
    if not isinstance(facts, dict):
        raise ValueError(f"not an object: {text[:80]}")  # noqa: TRY004 (json's own errors are ValueErrors too)
    return facts


def stream_fact(facts: dict[str, Any], inside: str, ahead_s: float) -> StreamFact:
    """One line of tcp_stream.py."""
    return StreamFact(
        at_s=facts["at"] - ahead_s,
        kind=facts["k"],
        inside=inside,
        why=facts.get("why", ""),
        stall_s=facts.get("stall_s"),
        echoed=facts.get("echoed"),
    )


def get(facts: dict[str, Any], inside: str, ahead_s: float) -> Get:
    """One line of http_get.py."""
    return Get(facts["at"] - ahead_s, facts["took_s"], facts["status"], inside, facts["error"])


def sightings(facts: dict[str, Any], nodes: dict[str, str], ahead_s: float) -> tuple[Sighting, ...]:
    """One `seen` line of witness.py; `nodes` is cable → node."""
    return tuple(
        Sighting(nodes[cable], kind, address, mac, first - ahead_s, last - ahead_s, count)
        for cable, kind, address, mac, first, last, count in facts["s"]
    )


def node_state(text: str, node: str) -> NodeState:
    """The object that node_state.py prints.

    Raises:
        ValueError, KeyError: it is something else.
    """
    facts = line(text)
    found_ports = facts["ports"]
    return NodeState(
        node=node,
        boot_id=facts["boot_id"],
        namespaces=tuple(facts["namespaces"]),
        ports=None if found_ports is None else tuple(SwitchPort(**port) for port in found_ports),
        processes=tuple(RunningProcess(**process) for process in facts["processes"]),
        outdated=tuple((resource, file) for resource, file in facts["outdated"]),
        cannot_tell=tuple(facts["cannot_tell"]),
    )
