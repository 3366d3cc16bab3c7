"""What a look at the switch shows, and what it tells by itself when something changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hotspare.model.dataplane import Bridge
from hotspare.model.staging import SeenPlug


@dataclass(frozen=True, slots=True)
class SwitchLook:
    """Routers' ports, as they were at one instant, and bridges."""

    plugs: Mapping[str, SeenPlug]
    """`qr-…` and `qg-…`, by name."""
    foreign: Mapping[str, SeenPlug]
    """Routers' ports of kinds that are not kept as a twin: `sg-…`, `fg-…`, `ha-…`, `rfp-…`; by name."""
    faults: Mapping[str, str]
    """Ports of both that have no device in the switch, with what ovs-vswitchd says of it."""
    bridge_names: frozenset[str]
    bridges: Mapping[str, Bridge] = field(default_factory=dict)
    """By name; empty where flows were not asked for."""


@dataclass(frozen=True, slots=True)
class SwitchChange:
    """Something is not as it was."""

    names: frozenset[str] = frozenset()
    """Routers' ports whose rows were made, changed or removed."""
    restarted: str = ""
    """ovsdb-server or ovs-vswitchd was lost or came back, in words: any port and any flow may be another now."""
