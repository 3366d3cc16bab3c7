"""The cluster file that the lab leaves for its user: three nodes, one gateway, one virtual IP, fencing by IPMI."""

from hotspare.lab.layout import BMC_USER, VIP, Layout, Role

GATEWAY = "neutron-gateway"


def cluster_yaml(layout: Layout) -> str:
    """A spec for the lab's network nodes, with paths relative to itself. The third node has a vote and no gateway."""
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
cluster: {{name: {layout.name}, token_ms: 1000}}
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
  {GATEWAY}: {{strategy: cold, nodes: [{nodes[0].name}, {nodes[1].name}]}}
drill:
  prober: ext
  inside: [{{host: cmp1, netns: vm01-snat}}]
  witnesses:
{witnesses}
"""
