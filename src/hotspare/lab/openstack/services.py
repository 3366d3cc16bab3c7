"""What Neutron's processes have in common on every machine of the lab. Pure."""

from hotspare.lab.layout import Layout
from hotspare.lab.openstack.ini import Sections
from hotspare.lab.openstack.secrets import Secrets

CONTROLLER = "ctl"
COMPUTE = "cmp1"
KEYSTONE_PORT = 5000
NEUTRON_PORT = 9696
METADATA_PORT = 8775
BROKER_PORT = 5672
PUBLIC = "public"
"""Physical network of floating IPs, and the name of the provider network on it."""
TENANT = "tenant"
"""Physical network of the tenants' VLANs."""

HEARTBEAT_S = 10
"""AMQP heartbeat, agreed by both ends. With the default of 60 s the broker goes on feeding a dead node's consumers for
more than two minutes, and calls to an agent of the same name are lost to them meanwhile."""

PRIVSEP_SECTIONS = (
    "privsep",
    "privsep_conntrack",
    "privsep_dhcp_release",
    "privsep_link",
    "privsep_namespace",
    "privsep_ovs_vsctl",
)
PRIVSEP_THREADS = 32
"""A gratuitous ARP holds a thread for about a second, six times an address; the default is as many threads as CPUs."""


def controller_address(layout: Layout) -> str:
    return layout.machine(CONTROLLER).address("mgmt")


def keystone_url(layout: Layout) -> str:
    return f"http://{controller_address(layout)}:{KEYSTONE_PORT}/v3"


def neutron_url(layout: Layout) -> str:
    return f"http://{controller_address(layout)}:{NEUTRON_PORT}"


def neutron_conf(layout: Layout, secrets: Secrets) -> Sections:
    """neutron.conf as every machine has it. It names no `host`: that is the gateway's, or the machine's own name."""
    broker = f"rabbit://neutron:{secrets.broker}@{controller_address(layout)}:{BROKER_PORT}/"
    return {
        "DEFAULT": {
            "core_plugin": "ml2",
            "service_plugins": "router",
            "auth_strategy": "keystone",
            "transport_url": broker,
            "state_path": "/var/lib/neutron",
            "agent_down_time": 20,
            "periodic_fuzzy_delay": 0,
            "enable_dvr": False,
            "notify_nova_on_port_status_changes": False,
            "notify_nova_on_port_data_changes": False,
        },
        # Root already, so no sudo on the way to each command.
        "agent": {"root_helper": "", "report_interval": 5},
        "oslo_concurrency": {"lock_path": "/var/lib/neutron/lock"},
        "oslo_messaging_notifications": {"driver": "noop"},
        "oslo_messaging_rabbit": {"heartbeat_timeout_threshold": HEARTBEAT_S, "heartbeat_rate": 3},
        **{section: {"thread_pool_size": PRIVSEP_THREADS} for section in PRIVSEP_SECTIONS},
    }


def unit(
    description: str, *, after: str = "", requires: str = "", condition: str = "", service: tuple[str, ...]
) -> str:
    """A systemd service that multi-user.target wants once it is enabled. `service` holds the lines of `[Service]`."""
    lines = ["[Unit]", f"Description={description}"]
    lines += [f"After={after}"] if after else []
    lines += [f"Requires={requires}"] if requires else []
    lines += [f"ConditionPathExists={condition}"] if condition else []
    lines += ["", "[Service]", *service, "", "[Install]", "WantedBy=multi-user.target", ""]
    return "\n".join(lines)
