"""`ocf:openstack:neutron-openvswitch-agent`: Neutron's Open vSwitch agent, started so that the L3 agent can follow at
once.
"""

from __future__ import annotations

import time

from hotspare_ocf import neutron_agent
from hotspare_ocf.declaration import Agent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hotspare_ocf.environment import Call
    from hotspare_ocf.identity import Process

_CONTROLLER_PORT_DEFAULT = 6633  # neutron: [ovs] of_listen_port
_BACKOFF_MS = 1000
_OVSDB_WAIT_S = 2.0
_FLOWS_MIN = 2
"""A bridge has at most one flow of its own (NORMAL, or none with fail_mode=secure); the agent's are dozens in the
integration bridge, and in each physical one a drop for the patch port. Source: neutron's ovs_neutron_agent.py,
setup_physical_bridges.
"""


def start(call: Call) -> int:
    """The agent controls its bridges and their flows are there, or it lives and waits."""
    _hurry_bridges(call)
    return neutron_agent.start(call, _missing)


def monitor(call: Call) -> int:
    """As for every agent; at OCF_CHECK_LEVEL 20 the same has to be there that a start waits for."""
    return neutron_agent.monitor(call, _missing)


def _hurry_bridges(call: Call) -> None:
    """Bridges which know the agent's controller from an earlier run try it every second.

    Without this ovs-vswitchd, which has tried in vain for as long as no agent was here, tries every 8 s, and the agent
    waits for its bridges before it serves a port. Source: ovs-vswitchd.conf.db(5), Controller max_backoff (1000 ms at
    least). A failure costs these seconds and nothing else.
    """
    from hotspare_ocf import events, neutron_config, ovsdb

    target = f"tcp:127.0.0.1:{_controller_port(neutron_config.read(neutron_agent.configuration(call)))}"
    try:
        with ovsdb.Ovsdb(min(call.deadline, time.monotonic() + _OVSDB_WAIT_S)) as database:
            database.transact(
                {
                    "op": "update",
                    "table": "Controller",
                    "where": [["target", "==", target]],
                    "row": {"max_backoff": _BACKOFF_MS},
                }
            )
    except ovsdb.OvsdbError as error:
        events.tell("bridges.slow", resource=call.instance, reason=str(error))


def _controller_port(values: dict[tuple[str, str], str]) -> int:
    port = values.get(("ovs", "of_listen_port"), "")
    return int(port) if port.isdigit() else _CONTROLLER_PORT_DEFAULT


def _missing(call: Call, process: Process) -> str:
    """What is not there yet: OpenFlow controller, the bridge's connection to it, flows, in the order they come.

    The physical bridges are the last thing before the agent first reports to Neutron. That report has to come before
    the L3 agent asks for its routers: a port of a host without a living Open vSwitch agent is refused its binding
    (binding_failed), and stays without one. The broker is not among what is waited for: the agent reports while the L3
    agent is still loading.
    """
    from hotspare_ocf import neutron_config, sockets

    values = neutron_config.read(neutron_agent.configuration(call))
    found = sockets.of(neutron_agent.family(process))
    controller = _controller_port(values)
    bridge = values.get(("ovs", "integration_bridge"), "br-int")
    if controller not in found.listening:
        return f"its OpenFlow controller (port {controller})"
    if controller not in found.accepted:
        return f"bridge {bridge} to connect to the agent's OpenFlow controller"
    for name in (bridge, *_physical_bridges(values)):
        if _flows(name, call) < _FLOWS_MIN:
            return f"flows in bridge {name}"
    return ""


def _physical_bridges(values: dict[tuple[str, str], str]) -> list[str]:
    """The bridges of bridge_mappings, `PHYSICAL_NETWORK:BRIDGE,…`."""
    pairs = values.get(("ovs", "bridge_mappings"), "").split(",")
    return [bridge.strip() for _, colon, bridge in (pair.partition(":") for pair in pairs) if colon]


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
    "the agent controls its bridges, so that the L3 agent can follow.",
    parameters=neutron_agent.parameters(
        binary="neutron-openvswitch-agent",
        plugin_config="/etc/neutron/plugins/ml2/openvswitch_agent.ini",
        log_file="/var/log/neutron/neutron-openvswitch-agent.log",
    ),
    actions=neutron_agent.actions(start, monitor, neutron_agent.stop),
)
