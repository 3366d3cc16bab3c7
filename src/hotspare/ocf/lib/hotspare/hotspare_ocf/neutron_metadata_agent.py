"""`ocf:openstack:neutron-metadata-agent`: Neutron's metadata agent, behind the routers' haproxies."""

from __future__ import annotations

from hotspare_ocf import neutron_agent
from hotspare_ocf.declaration import Agent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hotspare_ocf.environment import Call
    from hotspare_ocf.identity import Process

_STATE_PATH_DEFAULT = "/var/lib/neutron"


def start(call: Call) -> int:
    """The agent accepts connections on its unix socket, where the routers' haproxies will knock."""
    return neutron_agent.start(call, _missing)


def monitor(call: Call) -> int:
    """As for every agent; at OCF_CHECK_LEVEL 20 the same has to be there that a start waits for."""
    return neutron_agent.monitor(call, _missing)


def _missing(call: Call, _process: Process) -> str:
    import socket

    from hotspare_ocf import neutron_config

    values = neutron_config.read(neutron_agent.configuration(call))
    state_path = values.get(("default", "state_path"), _STATE_PATH_DEFAULT)
    path = values.get(("default", "metadata_proxy_socket"), "$state_path/metadata_proxy").replace(
        "$state_path", state_path
    )
    with socket.socket(socket.AF_UNIX) as knock:
        knock.settimeout(1.0)
        try:
            knock.connect(path)
        except OSError as error:
            return f"its socket {path}: {error.strerror or error}"
    return ""


AGENT = Agent(
    "neutron-metadata-agent",
    short="Neutron metadata agent",
    long="Runs Neutron's metadata agent under an identity (host) that may move between nodes, together with the L3 "
    "agent whose routers ask it.",
    parameters=neutron_agent.parameters(
        binary="neutron-metadata-agent",
        plugin_config="/etc/neutron/metadata_agent.ini",
        log_file="/var/log/neutron/neutron-metadata-agent.log",
    ),
    actions=neutron_agent.actions(start, monitor, neutron_agent.stop),
)
