"""The cluster file that the lab leaves for its user: three nodes, one gateway, one virtual IP, fencing by IPMI."""

from hotspare.lab.layout import BMC_USER, DEFAULTS, GATEWAY_VTEP, VIP, Choices, Layout, Role, Tenant
from hotspare.model.drill import Strategy

GATEWAY = "neutron-gateway"
POOL = "edge"
TUNNELS_NIC = "br-tenant"
"""The bridge's own device: packets of tunnels leave Open vSwitch in user space by a bridge that has their address."""


def cluster_yaml(layout: Layout, choices: Choices = DEFAULTS) -> str:
    """A spec for the lab's network nodes, with paths relative to itself.

    `cold`, `twin`: two nodes may carry the gateway, the third one has a vote; the end of its tunnels goes with it.
    `reschedule`: all three are active.
    """
    nodes = [machine for machine in layout.machines if machine.role is Role.NETWORK]
    members = "\n".join(
        f"  {node.name}:\n"
        f"    rings: [{node.address('mgmt')}, {node.address('ring2')}]\n"
        f"    fence: {{agent: fence_ipmilan, ip: {node.bmc}, username: {BMC_USER}, password_file: bmc.password}}"
        for node in nodes
    )
    witnesses = "\n".join(
        f"    - {{node: {node.name}, host: local, netns: {layout.switch}, interface: {node.cable('public')}}}"
        for node in nodes
    )
    return f"""# The lab's three network nodes as one cluster. See: hotspare plan, hotspare apply.
cluster: {{name: {layout.name}}}
ssh: {{config: ssh_config}}
nodes:
{members}
vips:
  failover: {{ip: {VIP.ip}, prefix: {VIP.network.prefixlen}, nic: eth0}}
neutron:
  cloud: lab
  config: /etc/neutron/neutron.conf
  l3_config: /etc/neutron/l3_agent.ini
  ovs_config: /etc/neutron/plugins/ml2/openvswitch_agent.ini
  metadata_config: /etc/neutron/metadata_agent.ini
  user: root
gateways:
  {_gateway(choices.strategy, [node.name for node in nodes])}
{_tunnels(choices)}drill:
  prober: ext
  inside: [{{host: cmp1, netns: vm01-snat}}]
  witnesses:
{witnesses}
"""


def _tunnels(choices: Choices) -> str:
    if choices.tenant is not Tenant.VXLAN or choices.strategy is Strategy.RESCHEDULE:
        return ""
    address, prefix = GATEWAY_VTEP.ip, GATEWAY_VTEP.network.prefixlen
    return f"""resources:
  vtep:
    agent: "ocf:heartbeat:IPaddr2"
    parameters: {{ip: {address}, cidr_netmask: {prefix}, nic: {TUNNELS_NIC}}}
    with: {GATEWAY}
    before: agents
    critical: true
"""


def _gateway(strategy: Strategy, nodes: list[str]) -> str:
    name, carriers = (POOL, nodes) if strategy is Strategy.RESCHEDULE else (GATEWAY, nodes[:2])
    return f"{name}: {{strategy: {strategy}, nodes: [{', '.join(carriers)}]}}"
