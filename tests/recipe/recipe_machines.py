"""The lab's network nodes as the recipe finds them: Debian's packages, and no cluster yet."""

from recipe_effects import DHCP, TAP

from hotspare.lab import namespace
from hotspare.lab.machines import image_of, wait_for_ssh
from hotspare.lab.openstack.cloud import connect
from lab_parts import Lab

NODES = ("net1", "net2", "net3")

_NEUTRON_USER = """
id neutron >/dev/null 2>&1 || useradd --system --home-dir /var/lib/neutron --shell /usr/sbin/nologin neutron
echo 'neutron ALL = (root) NOPASSWD: ALL' >/etc/sudoers.d/neutron
sed -i 's/^root_helper =.*/root_helper = sudo/' /etc/neutron/neutron.conf
chgrp -R neutron /etc/neutron
chown -R neutron: /var/lib/neutron
"""
_NO_NEUTRON_USER = """
rm -f /etc/sudoers.d/neutron
sed -i 's/^root_helper =.*/root_helper =/' /etc/neutron/neutron.conf
chgrp -R root /etc/neutron
chown -R root: /var/lib/neutron
! id neutron >/dev/null 2>&1 || userdel neutron
"""
_NO_CLUSTER = f"""
systemctl stop pacemaker corosync
systemctl disable --quiet pacemaker corosync
rm -rf /etc/hotspare /etc/corosync/authkey /usr/lib/ocf/lib/hotspare /usr/lib/ocf/resource.d/{{hotspare,openstack}}
rm -rf /var/lib/corosync/* /var/lib/pacemaker/{{cib,pengine}}/* /var/log/corosync/*
rm -rf conf.xml .ssh/{{id_ed25519*,known_hosts}}
sed -i '/ root@/d' .ssh/authorized_keys
sed -Ei '/ (node[12]|neutron-gateway)$/d' /etc/hosts
iptables -F INPUT
hostname "$(cat /etc/hostname)"
ovs-vsctl --if-exists del-port br-int {TAP}
[ ! -e /run/netns/{DHCP} ] || ip netns delete {DHCP}
"""


def with_neutron_user(lab: Lab) -> None:
    """Agents can run as the user neutron, as with Debian's packages: it may become root, and its files are its own."""
    for node in NODES:
        lab.ssh(node, f"set -e; {_NEUTRON_USER}")


def without_cluster(lab: Lab) -> None:
    """No node has anything of a cluster, whoever made it; corosync.conf is the example of Debian's package."""
    example = (image_of(lab.layout) / "etc/corosync/corosync.conf").read_text()
    for node in NODES:
        # Else a node that stops first hands its routers to the next.
        lab.ssh(node, "! systemctl --quiet is-active pacemaker || crm configure property stop-all-resources=true")
    for node in NODES:
        lab.ssh(node, f"set -e; {_NO_CLUSTER}", timeout_s=180)
        lab.ssh(node, f"cat > /etc/corosync/corosync.conf <<'END'\n{example}END")


def without_agents_of(lab: Lab, host: str) -> None:
    """Neutron has forgotten the agents of a host, which run no more."""
    with namespace.entered(lab.layout.switch), connect(lab.layout) as cloud:
        for agent in cloud.network.agents(host=host):
            cloud.network.delete_agent(agent)


def as_the_lab_made_them(lab: Lab) -> None:
    """What the recipe changed on the nodes is as `hotspare lab up` left it; a node without power has it again."""
    for node in NODES:
        lab.lab("power", node, "on")
        wait_for_ssh(lab.layout, lab.layout.machine(node), timeout_s=60)
    without_cluster(lab)
    for node in NODES:
        lab.ssh(node, f"set -e; {_NO_NEUTRON_USER}")
