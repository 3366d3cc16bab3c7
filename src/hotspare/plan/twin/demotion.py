"""The step by which a node is silent."""

from hotspare.model.staging import NodeLook, Park
from hotspare.plan.twin.holdings import live


def demotion(gateway: str, seen: NodeLook) -> Park:
    """All that forwards for the gateway on this node is parked, whether anybody remembers it or not."""
    return Park(gateway, tuple(seen.switch.plugs[name].plug for name in live(gateway, seen)))
