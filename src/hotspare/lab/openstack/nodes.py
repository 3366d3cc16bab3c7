"""Files of the machines that carry packets: network nodes, the compute node, and the outside world. Pure."""

from importlib import resources

from hotspare.lab.cluster_file import TUNNELS_NIC
from hotspare.lab.layout import GATEWAY_VTEP, NETWORK, Choices, File, Layout, Machine, Role, Tenant
from hotspare.lab.openstack.ini import Sections, ini, merged
from hotspare.lab.openstack.secrets import Secrets
from hotspare.lab.openstack.services import (
    METADATA_PORT,
    PUBLIC,
    TENANT,
    controller_address,
    neutron_conf,
    neutron_url,
    unit,
)
from hotspare.model.drill import Strategy

CONF = "/etc/neutron/neutron.conf"
OVS_AGENT_INI = "/etc/neutron/plugins/ml2/openvswitch_agent.ini"
L3_AGENT_INI = "/etc/neutron/l3_agent.ini"
METADATA_AGENT_INI = "/etc/neutron/metadata_agent.ini"
LAB_DIR = "/usr/lib/hotspare-lab"
PLUG_VMS = f"{LAB_DIR}/plug-vms"
VMS_JSON = "/var/lib/hotspare-lab/vms.json"
OVSDB_PORT = 6640
"""Where Neutron's agents look for Open vSwitch's database on their own machine."""
UNITS = "/etc/systemd/system"


def machine_script(name: str) -> File:
    """A program that runs in a machine, from the directory `machine` beside this module."""
    source = resources.files(__package__).joinpath("machine", name)
    return File(source.read_text(encoding="utf-8"), mode=0o755)


def _switching(machine: Machine, choices: Choices, *networks: str) -> dict[str, File]:
    """Open vSwitch in user space with br-int and a bridge for each network, the same after each boot; where tenants'
    networks are in tunnels, the machine's own end of them is on the tenant network's.
    """
    words = [
        # Two agents that start at once would each make their own way in.
        f"set-manager ptcp:{OVSDB_PORT}:127.0.0.1",
        "--may-exist add-br br-int",
        "set bridge br-int datapath_type=netdev fail_mode=secure",
    ]
    for network in networks:
        words += [
            f"--may-exist add-br br-{network}",
            f"set bridge br-{network} datapath_type=netdev",
            f"--may-exist add-port br-{network} {NETWORK[network].interface}",
        ]
    lines = ["Type=oneshot", "RemainAfterExit=yes", f"ExecStart=/usr/bin/ovs-vsctl {' -- '.join(words)}"]
    if choices.tenant is Tenant.VXLAN:
        nic = NETWORK[TENANT].interface
        lines += [
            # The kernel sees what comes in at the bridge's NIC, too, and would answer for the bridge's addresses by it.
            f"ExecStart=/usr/sbin/sysctl --quiet net.ipv4.conf.{nic}.arp_ignore=1",
            f"ExecStart=/usr/sbin/ip address replace {machine.vtep} dev {TUNNELS_NIC}",
            f"ExecStart=/usr/sbin/ip link set {TUNNELS_NIC} up",
        ]
    vswitchd = (
        "[Service]",
        # Its own script insists on the kernel's module, which a lab machine neither needs nor may load.
        "ExecStart=",
        "ExecStart=/usr/sbin/ovs-vswitchd unix:/run/openvswitch/db.sock --disable-system --pidfile --detach \\",
        "    --log-file=/var/log/openvswitch/ovs-vswitchd.log -vconsole:emer -vsyslog:err",
        "",
    )
    bridging = unit(
        "Bridges of the lab",
        after="openvswitch-switch.service",
        requires="openvswitch-switch.service",
        service=tuple(lines),
    )
    return {
        f"{UNITS}/ovs-vswitchd.service.d/hotspare-lab.conf": File("\n".join(vswitchd)),
        f"{UNITS}/lab-bridges.service": File(bridging),
    }


def _agent_unit(name: str, description: str, config: str, *first: str) -> dict[str, File]:
    text = unit(
        description,
        after="network.target lab-bridges.service",
        requires="lab-bridges.service",
        service=(
            *first,
            f"ExecStart=/usr/bin/{name} --config-file {CONF} --config-file {config}",
            "Restart=on-failure",
            "RestartSec=2",
            # What it started for routers (haproxy, radvd) is data plane: it outlives the agent.
            "KillMode=process",
        ),
    )
    return {f"{UNITS}/{name}.service": File(text)}


def _ovs_agent_ini(machine: Machine, choices: Choices, *networks: str) -> Sections:
    mapped = [network for network in networks if network != TENANT or choices.tenant is Tenant.VLAN]
    tunnels: Sections = {"agent": {"tunnel_types": "", "l2_population": False}}
    if choices.tenant is Tenant.VXLAN:
        tunnels = {
            "ovs": {"local_ip": _end_of_tunnels(machine, choices)},
            "agent": {
                "tunnel_types": choices.tenant,
                "l2_population": choices.l2pop,
                "arp_responder": choices.l2pop,
            },
        }
    common: Sections = {
        "ovs": {
            "bridge_mappings": ",".join(f"{network}:br-{network}" for network in mapped),
            "datapath_type": "netdev",
            "of_listen_address": "127.0.0.1",
            "of_listen_port": 6633,
        },
        "securitygroup": {"enable_security_group": False, "firewall_driver": "noop"},
    }
    return merged(common, tunnels)


def _end_of_tunnels(machine: Machine, choices: Choices) -> str:
    """A gateway has one of its own, whichever node carries it; agents with the machine's name have the machine's."""
    travels = machine.role is Role.NETWORK and choices.strategy is not Strategy.RESCHEDULE
    return str((GATEWAY_VTEP if travels else machine.vtep).ip)


def network_node(machine: Machine, layout: Layout, secrets: Secrets, choices: Choices) -> dict[str, File]:
    """Open vSwitch runs; the three agents are configured and their units are there, but nothing starts them."""
    l3: Sections = {
        "DEFAULT": {"interface_driver": "openvswitch", "agent_mode": "legacy"},
    }
    metadata: Sections = {
        "DEFAULT": {
            "nova_metadata_host": controller_address(layout),
            "nova_metadata_port": METADATA_PORT,
            "metadata_proxy_shared_secret": secrets.metadata,
            "metadata_workers": 1,
        },
    }
    ovs = _ovs_agent_ini(machine, choices, TENANT, PUBLIC)
    return {
        CONF: File(ini(neutron_conf(layout, secrets)), mode=0o640),
        OVS_AGENT_INI: File(ini(ovs)),
        L3_AGENT_INI: File(ini(l3)),
        METADATA_AGENT_INI: File(ini(metadata), mode=0o640),
        **_switching(machine, choices, TENANT, PUBLIC),
        **_agent_unit("neutron-openvswitch-agent", "Neutron's Open vSwitch agent", OVS_AGENT_INI),
        **_agent_unit("neutron-l3-agent", "Neutron's L3 agent", L3_AGENT_INI),
        **_agent_unit("neutron-metadata-agent", "Neutron's metadata agent", METADATA_AGENT_INI),
    }


def compute_node(machine: Machine, layout: Layout, secrets: Secrets, choices: Choices) -> dict[str, File]:
    """Open vSwitch and its agent run; `plug-vms` puts stand-in VMs on it, at once and after each boot."""
    vms = unit(
        "Stand-in VMs of the lab",
        after="lab-bridges.service",
        requires="lab-bridges.service",
        condition=VMS_JSON,
        service=("Type=oneshot", "RemainAfterExit=yes", f"ExecStart={PLUG_VMS} {VMS_JSON}"),
    )
    # A call to a server that does not run yet is lost, and waited for a minute.
    wait = "/usr/bin/curl --silent --output /dev/null --retry 300 --retry-delay 1 --retry-all-errors"
    conf = merged(neutron_conf(layout, secrets), {"DEFAULT": {"rpc_response_timeout": 15}})
    return {
        CONF: File(ini(conf), mode=0o640),
        OVS_AGENT_INI: File(ini(_ovs_agent_ini(machine, choices, TENANT))),
        **_switching(machine, choices, TENANT),
        **_agent_unit(
            "neutron-openvswitch-agent",
            "Neutron's Open vSwitch agent",
            OVS_AGENT_INI,
            f"ExecStartPre={wait} {neutron_url(layout)}/",
            "TimeoutStartSec=360",
        ),
        PLUG_VMS: machine_script("plug_vms.py"),
        f"{UNITS}/lab-vms.service": File(vms),
    }


def outside(machine: Machine) -> dict[str, File]:
    """The machine behaves as a provider's router: it forwards, and asks ten times a second for a neighbour it lost."""
    interface = next(nic.interface for nic in machine.nics if nic.network == "public")
    neighbour = f"net.ipv4.neigh.{interface}"
    settings = (
        "# An upstream router: entries live for an hour, are asked for again every 100 ms while unanswered,",
        "# and follow a gratuitous ARP at once.",
        f"{neighbour}.base_reachable_time_ms = 3600000",
        f"{neighbour}.gc_stale_time = 3600",
        f"{neighbour}.retrans_time_ms = 100",
        f"{neighbour}.locktime = 0",
        f"{neighbour}.unres_qlen = 1024",
        f"net.ipv4.conf.{interface}.arp_accept = 0",
        "net.ipv4.ip_forward = 1",
        "",
    )
    return {"/etc/sysctl.d/90-hotspare-lab.conf": File("\n".join(settings))}
