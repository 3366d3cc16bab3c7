"""`ocf:openstack:neutron-openvswitch-agent`: Neutron's Open vSwitch agent, started so that the L3 agent can follow at
once.
"""

from __future__ import annotations

from hotspare_ocf import neutron_agent
from hotspare_ocf.declaration import Action, Agent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hotspare_ocf.environment import Call
    from hotspare_ocf.identity import Process

_CONTROLLER_PORT_DEFAULT = "6633"  # neutron: [ovs] of_listen_port
_FLOWS_MIN = 2
"""A bridge has at most one flow of its own (NORMAL, or none with fail_mode=secure); the agent's tables are dozens."""


def start(call: Call) -> int:
    """The agent controls the integration bridge and its flows are there, or it lives and waits."""
    return neutron_agent.start(call, _missing)


def _missing(call: Call, process: Process) -> str:
    """What is not there yet: OpenFlow controller, the bridge's connection to it, flows, in the order they come.

    The broker is not among them: the agent connects to it last, while the L3 agent is still loading.
    """
    from hotspare_ocf import neutron_config, sockets

    values = neutron_config.read(neutron_agent.configuration(call))
    found = sockets.of(neutron_agent.family(process))
    controller = int(values.get(("ovs", "of_listen_port"), _CONTROLLER_PORT_DEFAULT))
    bridge = values.get(("ovs", "integration_bridge"), "br-int")
    if controller not in found.listening:
        return f"its OpenFlow controller (port {controller})"
    if controller not in found.accepted:
        return f"bridge {bridge} to connect to the agent's OpenFlow controller"
    return "" if _flows(bridge, call) >= _FLOWS_MIN else f"flows in bridge {bridge}"


def _flows(bridge: str, call: Call) -> int:
    """Number of flows of the bridge. Source: ovs-ofctl(8), dump-aggregate."""
    import subprocess

    try:
        done = subprocess.run(
            ["ovs-ofctl", "-O", "OpenFlow14,OpenFlow13,OpenFlow10", "dump-aggregate", bridge],
            stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=max(0.1, min(5.0, call.remaining_s())),
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return 0
    for word in done.stdout.decode(errors="replace").split():
        name, _, value = word.partition("=")
        if name == "flow_count" and value.isdigit():
            return int(value)
    return 0


AGENT = Agent(
    "neutron-openvswitch-agent",
    short="Neutron Open vSwitch agent",
    long="Runs Neutron's Open vSwitch agent under an identity (host) that may move between nodes. start returns when "
    "the agent controls the integration bridge, so that the L3 agent can follow.",
    parameters=neutron_agent.parameters(
        binary="neutron-openvswitch-agent",
        plugin_config="/etc/neutron/plugins/ml2/openvswitch_agent.ini",
        log_file="/var/log/neutron/neutron-openvswitch-agent.log",
    ),
    actions=(
        Action("start", start, timeout_s=60),
        Action("stop", neutron_agent.stop, timeout_s=60),
        Action("monitor", neutron_agent.monitor, timeout_s=20, interval_s=10),
        Action("validate-all", neutron_agent.validate, timeout_s=10),
    ),
)
