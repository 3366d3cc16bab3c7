"""`ocf:openstack:neutron-agent-dhcp`: Neutron's DHCP agent, with an identity that moves."""

from __future__ import annotations

from hotspare_ocf import codes, neutron_agent
from hotspare_ocf.codes import OcfError
from hotspare_ocf.declaration import Agent, Parameter, where_ports_are

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hotspare_ocf.dhcp_networks import Networks
    from hotspare_ocf.environment import Call
    from hotspare_ocf.identity import Process


def start(call: Call) -> int:
    """The agent lives and is connected to the broker, or waits for it."""
    return neutron_agent.start(call, neutron_agent.lacks_broker)


def stop(call: Call) -> int:
    """Neither agent nor helpers live; with a data plane of its own, no DHCP server of its is left on this node."""
    neutron_agent.end(call)
    if call["dataplane"] == "own" and neutron_agent.has_been_started(call):
        from hotspare_ocf import sweep
        from hotspare_ocf.alone import Alone

        place = _networks(call)
        with Alone(call.deadline):
            sweep.carry_out(place, place.look(), owner=call.instance, keep=frozenset())
    neutron_agent.forget(call)
    return codes.SUCCESS


def monitor(call: Call) -> int:
    """As for every agent; but with a data plane of its own, a dead agent whose DHCP servers live is not stopped. At
    OCF_CHECK_LEVEL 20 every network that the agent serves has to have a DHCP server.
    """
    code = neutron_agent.monitor(call, _lacks)
    if code != codes.NOT_RUNNING or call["dataplane"] != "own" or not neutron_agent.has_been_started(call):
        return code
    if servers := _networks(call).look().residents:
        raise OcfError(
            codes.ERR_GENERIC,
            f"{call['binary']} is dead, but {len(servers)} processes of its networks live: a stop has to end them",
        )
    return code


def _lacks(call: Call, _process: Process) -> str:
    unserved = _networks(call).unserved()
    return f"{len(unserved)} networks without a DHCP server, the first is {unserved[0]}" if unserved else ""


def _networks(call: Call) -> Networks:
    from hotspare_ocf.dhcp_networks import Networks

    return Networks(call["integration_bridge"], call["state_path"], call.deadline)


AGENT = Agent(
    "neutron-agent-dhcp",
    short="Neutron DHCP agent",
    long="Runs Neutron's DHCP agent under an identity (host) that may move between nodes. Its DHCP ports bear the "
    "identity's addresses, so its stop (dataplane=own) also ends its DHCP servers and removes their namespaces, and "
    "succeeds only when none is left; nothing of routers or VMs is touched.",
    parameters=(
        *neutron_agent.parameters(
            binary="neutron-dhcp-agent",
            plugin_config="/etc/neutron/dhcp_agent.ini",
            log_file="/var/log/neutron/neutron-dhcp-agent.log",
        ),
        Parameter("dataplane", "choice", default="own", choices=("own", "kept"), reloadable=True,
                  short="what a stop does to DHCP servers",
                  long="own: a stop removes them. kept: a stop leaves them at work, so that a restart of the agent "
                       "costs no lease; for an agent that never moves to another node."),
        *where_ports_are(),
    ),
    actions=neutron_agent.actions(start, monitor, stop),
)  # fmt: skip
