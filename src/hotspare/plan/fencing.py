"""How a node's power is reached: the parameters of its fence agent, but for the password, and how long it waits."""

from hotspare.model.spec import Fence, Spec

SPLIT_DELAY = "1s"
"""Two nodes that lose each other shoot at once; one of the two has to wait, or both are off."""


def parameters(fence: Fence) -> dict[str, str]:
    """The fence agent's parameters by its own names; what the file says wins.

    power_wait: the agents sleep 2 s after each order by themselves. Measured: off is proved in 0.1 s without.
    lanplus: IPMI 2.0, as every BMC of today speaks it.
    """
    defaults = {"power_wait": "0"} | ({"lanplus": "1"} if fence.agent == "fence_ipmilan" else {})
    return {"ip": fence.ip, "username": fence.username} | defaults | fence.options


def delay(spec: Spec, node: str) -> str:
    """How long Pacemaker waits before it fences the node, where the file says nothing of it: `pcmk_delay_base`."""
    return SPLIT_DELAY if len(spec.nodes) == 2 and node == min(spec.nodes) else "0"
