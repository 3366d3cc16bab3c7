"""The Neutron agents of a gateway as Pacemaker's resources: one group, in the order in which they start."""

from collections.abc import Mapping

from hotspare.model.cib import Element, element
from hotspare.model.spec import Neutron
from hotspare.plan.names import AGENTS
from hotspare.plan.primitives import FORGIVING, Operation, primitive

LEVEL_BROKER, LEVEL_WORK = 10, 20
"""How deep a monitor looks: at the agent's connection to the broker; at its work, too (bridges with flows, routers
that forward). What it finds there is told as degraded; only a data plane that is dead as a whole is a failure.
"""

_LEVELS = {"ovs": LEVEL_WORK, "l3": LEVEL_BROKER, "metadata": LEVEL_WORK}
"""The L3 agent's work are the routers, and those are the gateway's to look at."""

_PROVIDERS = {"ovs": "neutron-openvswitch-agent", "l3": "neutron-agent-l3", "metadata": "neutron-metadata-agent"}


def group(
    name: str,
    neutron: Neutron,
    *,
    host: str = "",
    hosts: Mapping[str, str] | None = None,
    order: tuple[str, ...] = AGENTS,
    nice: int = 0,
) -> Element:
    """The agents with the identity `host`, or, by node, with one of `hosts`; one starts after the other in `order`;
    `nice` as in nice(2).
    """
    configs = {"ovs": neutron.ovs_config, "l3": neutron.l3_config, "metadata": neutron.metadata_config}
    by_node = {node: {"host": own} for node, own in (hosts or {}).items()}
    primitives = []
    for agent in order:
        parameters = {"config": neutron.config, "plugin_config": configs[agent], "user": neutron.user}
        parameters |= {"host": host} if host else {}
        parameters |= {"dataplane": "gateway"} if agent == "l3" else {}
        parameters |= {"nice": str(nice)} if nice else {}
        operations = (
            Operation("start", "0s", 120),
            Operation("stop", "0s", 60),
            Operation("monitor", "10s", 30),
            Operation("monitor", "31s", 30, level=_LEVELS[agent]),
        )
        provider = f"ocf:openstack:{_PROVIDERS[agent]}"
        primitives.append(
            primitive(f"{name}-{agent}", provider, parameters, meta=FORGIVING, operations=operations, by_node=by_node)
        )
    return element("group", *primitives, attributes={"id": f"{name}-agents"})
