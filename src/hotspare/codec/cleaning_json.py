"""What the program on a node (ocf/lib/hotspare/clean) prints to `NodeCleaning`, and a cleaning to JSON."""

import dataclasses
import json
from typing import Any

from hotspare.model.cleaning import Cleaning, Leftovers, LeftProcess, NodeCleaning, State


def read(text: str, node: str) -> NodeCleaning:
    """The node's answer.

    Raises:
        ValueError, KeyError, TypeError: this is no answer of ours.
    """
    told: dict[str, Any] = json.loads(text)
    return NodeCleaning(node, State(told["state"]), tuple(told["why"]), _leftovers(told["plan"]))


def _leftovers(plan: dict[str, Any] | None) -> Leftovers | None:
    if plan is None:
        return None
    return Leftovers(
        ports=tuple(plan["ports"]),
        namespaces=tuple(plan["namespaces"]),
        processes=tuple(LeftProcess(**process) for process in plan["processes"]),
        files=tuple(plan["files"]),
    )


def plain(cleaning: Cleaning) -> dict[str, object]:
    """The cleaning as plain values."""
    return {
        "clean": cleaning.answer.value,
        "cluster_unasked": cleaning.unasked or None,
        "nodes": [dataclasses.asdict(node) for node in cleaning.nodes],
    }
