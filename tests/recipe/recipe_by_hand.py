"""The recipe on two nodes as Debian delivers them, chapter by chapter as it is told: every command by hand."""

from importlib.resources import files

from recipe_effects import (
    DHCP,
    TAP,
    address_on,
    agent_is_new,
    all_of,
    bystander_stays,
    names_stay,
    neutron_knows,
    no_router_anywhere,
    one_key_of_root,
    routers_on,
    together,
    vms_have_metadata,
)
from recipe_step import DESK, Chapter, Step

MACHINES = {"node1": "net1", "node2": "net2"}
"""What the nodes are called in the cluster, and the lab's machines that they are."""

AGENTS = files("hotspare") / "ocf"
CONF = 'config="/etc/neutron/neutron.conf"'
L3_INI = 'plugin_config="/etc/neutron/l3_agent.ini"'
METADATA_INI = 'plugin_config="/etc/neutron/metadata_agent.ini"'
OVS_INI = 'plugin_config="/etc/neutron/plugins/ml2/openvswitch_agent.ini"'
MONITOR = 'op monitor interval="30s" timeout="30s"'
OFTEN = 'op monitor interval="10s" timeout="30s"'

VIRTUAL_IP = Step(
    "node1",
    'crm configure primitive FAILOVER-ADDR ocf:heartbeat:IPaddr2 params ip="172.16.1.100" nic="eth0" '
    'op monitor interval="10s" meta is-managed="true"',
    "one node has the address, and it answers",
    address_on(1),
)
L3_AGENT = f"crm configure primitive p_neutron-l3-agent ocf:openstack:neutron-agent-l3 params {CONF} {L3_INI} {MONITOR}"
METADATA_AGENT = (
    "crm configure primitive p_neutron-metadata-agent ocf:openstack:neutron-metadata-agent "
    f"params {CONF} {METADATA_INI} {MONITOR}"
)
GROUP = "crm configure group res_group_l3_metadata res_neutron-l3-agent res_neutron-metadata-agent"
SHOW_XML = Step("node1", "crm configure show xml > conf.xml", "the configuration is in a file")
LOAD_XML = (
    Step(
        "node1",
        'sed -i \'s,<constraints/>,<constraints></constraints>,; s,</constraints>,<rsc_colocation id="together" '
        'rsc="p_neutron-metadata-agent" with-rsc="p_neutron-l3-agent" score="INFINITY"/>&,\' conf.xml',
        "edited",
    ),
    Step(
        "node1",
        "crm configure load xml update conf.xml",
        "the two agents are kept together",
        together("p_neutron-l3-agent", "p_neutron-metadata-agent"),
    ),
)

SET_UP = Chapter(
    "Set-up",
    (
        Step(
            "node1",
            "apt-get install pacemaker corosync crmsh resource-agents",
            "everything is there",
            says=("0 newly installed",),
        ),
        Step("node1", "ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519", "a key for SSH"),
        Step("node2", "ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519", "a key for SSH"),
        Step(
            DESK,
            "for way in 'net1 net2' 'net2 net1'; do set -- $way; ssh -F ssh_config $1 cat .ssh/id_ed25519.pub | "
            "ssh -F ssh_config $2 'cat >> .ssh/authorized_keys'; done",
            "each node knows the other's key; no password is involved",
        ),
        Step("node1", "ssh -o StrictHostKeyChecking=accept-new 172.16.1.123 true", "node1 gets into node2"),
        Step("node2", "ssh -o StrictHostKeyChecking=accept-new 172.16.1.122 true", "node2 gets into node1"),
        *(
            Step(
                node,
                r"printf '172.16.1.122 node1\n172.16.1.123 node2\n127.0.1.1 neutron-gateway\n' >> /etc/hosts",
                "crmsh finds the nodes, and sudo the host name that is to come",
            )
            for node in MACHINES
        ),
        Step("node1", "hostname neutron-gateway; hostname", "the host name of the gateway", says=("neutron-gateway",)),
        Step("node2", "hostname neutron-gateway; hostname", "the same host name", says=("neutron-gateway",)),
        Step(
            "node1",
            "corosync-keygen",
            "at once: nothing blocks for want of entropy",
            says=("/etc/corosync/authkey",),
        ),
        Step(
            "node1", "sed -i 's/ring0_addr: 127.0.0.1/ring0_addr: 172.16.1.122/' /etc/corosync/corosync.conf", "edited"
        ),
        Step(
            "node1",
            r"sed -i 's/^\t# \.\.\.$/\tnode {\n\t\tname: node2\n\t\tnodeid: 2\n\t\tring0_addr: 172.16.1.123\n\t}/' "
            "/etc/corosync/corosync.conf",
            "edited",
        ),
        Step(
            "node1",
            "sed -i 's/crypto_cipher: none/crypto_cipher: aes256/; s/crypto_hash: none/crypto_hash: sha256/' "
            "/etc/corosync/corosync.conf",
            "the key is used",
        ),
        Step("node1", "scp /etc/corosync/authkey /etc/corosync/corosync.conf 172.16.1.123:/etc/corosync/", "copied"),
        Step(
            "node2",
            "chown root /etc/corosync/authkey; chmod 400 /etc/corosync/authkey",
            "the same key on both, for root alone",
            one_key_of_root,
        ),
    ),
)

START = Chapter(
    "Start and verify",
    (
        Step(
            "node1",
            "crm_mon --one-shot -V",
            "Pacemaker does not run yet (once: Could not establish cib_ro connection)",
            says=("Connection to cluster failed: Connection refused",),
            code=102,
        ),
        Step("node1", "service corosync restart", "Corosync runs"),
        Step(
            "node1",
            "corosync-cfgtool -s",
            "the link is there; node2 is not (yet)",
            says=("addr\t= 172.16.1.122", "1:\tlocalhost", "2:\tdisconnected"),
        ),
        Step("node1", "service pacemaker restart", "Pacemaker runs"),
        Step("node1", "crm_mon --one-shot -V", "nobody is elected yet", says=("Current DC: NONE",), within_s=10),
        Step(
            "node1",
            "crm_mon --one-shot -V",
            "a node alone elects itself after 20 s, and complains",
            says=("no STONITH resources have been defined", "Current DC: node1", "partition WITHOUT quorum"),
            within_s=60,
        ),
        Step("node1", "crm configure property stonith-enabled=false", "set"),
        Step("node1", "crm configure property no-quorum-policy=ignore", "set"),
        Step(
            "node1",
            "crm_mon --one-shot -V",
            "no complaint is left",
            says=("Current DC: node1", "Online: [ node1 ]"),
            lacks=("STONITH", "error"),
            within_s=10,
        ),
        Step("node2", "service corosync restart", "Corosync runs"),
        Step("node2", "service pacemaker restart", "Pacemaker runs"),
        Step(
            "node1",
            "crm status",
            "both are online, with a DC and quorum",
            says=("Current DC: node1", "partition with quorum", "Online: [ node1 node2 ]"),
            within_s=60,
        ),
        Step(
            "node1",
            "corosync-cfgtool -s",
            "every other node is connected (once: ring 0 active with no faults)",
            says=("2:\tconnected",),
            lacks=("disconnected",),
        ),
        Step(
            "node1",
            "corosync-cmapctl | grep member | grep ip",
            "the members",
            says=("ip(172.16.1.122)", "ip(172.16.1.123)"),
        ),
        Step(
            "node1",
            "grep TOTEM /var/log/corosync/corosync.log",
            "how they came together",
            says=("Members joined: 2",),
            within_s=10,
        ),
        VIRTUAL_IP,
        Step("node1", "ping -c 1 172.16.1.100", "it answers", says=("1 received",)),
        Step("node1", "crm configure show", "the configuration", says=("primitive FAILOVER-ADDR IPaddr2",)),
        Step("node1", "cibadmin --query", "the same as XML", says=('<primitive id="FAILOVER-ADDR"',)),
    ),
)

INSTALL = (
    *(
        Step(
            DESK,
            f"tar -C {AGENTS} --exclude __pycache__ -c lib resource.d | "
            f"ssh -F ssh_config {machine} tar -C /usr/lib/ocf -x --no-same-owner",
            "the agents are there",
        )
        for machine in MACHINES.values()
    ),
    *(Step(node, "chmod a+x /usr/lib/ocf/resource.d/openstack/*", "and executable") for node in MACHINES),
    Step("node1", "crm ra list ocf openstack", "crmsh sees them", says=("neutron-agent-l3",)),
    Step("node1", "crm ra info ocf:openstack:neutron-agent-l3", "and reads them", says=("config", "plugin_config")),
)

BYSTANDER = Step(
    "node1",
    f"ip netns add {DHCP}; ovs-vsctl add-port br-int {TAP} tag=77 -- set interface {TAP} type=internal "
    "external_ids:iface-id=11111111-2222-3333-4444-666666666666 external_ids:attached-mac=fa:16:3e:11:22:33; "
    f"ip link set {TAP} netns {DHCP}",
    "a network with DHCP, which is nobody's to clean",
)

SAME_HOST_NAME = Chapter(
    "OpenStack, two nodes of one host name",
    (
        *INSTALL,
        Step(
            "node1",
            f"crm configure primitive p_neutron-openvswitch-agent ocf:openstack:neutron-openvswitch-agent "
            f"params {CONF} {OVS_INI} {MONITOR}",
            "an Open vSwitch agent",
        ),
        Step(
            "node1",
            "crm configure clone c_neutron-openvswitch-agent p_neutron-openvswitch-agent",
            "each node has its own, and Neutron takes them for one",
            neutron_knows("Open vSwitch agent", host="neutron-gateway"),
        ),
        Step(
            "node1",
            L3_AGENT,
            "Neutron knows one L3 agent, and one node has all its routers",
            all_of(neutron_knows("L3 agent", host="neutron-gateway"), routers_on()),
        ),
        Step("node1", METADATA_AGENT, "a metadata agent, anywhere"),
        SHOW_XML,
        *LOAD_XML,
        Step("node1", "crm configure show", "kept together", vms_have_metadata, says=("colocation together",)),
        Step(
            "node1",
            "crm configure rsc_defaults resource-stickiness=100",
            "not in the recipe: a node that comes back takes no router away",
        ),
        Step("node1", "crm node standby node2", "all routers are on node1", routers_on("node1")),
        Step("node1", "crm node online node2", "node2 is back, and routers stay", routers_on("node1")),
        BYSTANDER,
        Step(
            "node1",
            "crm node standby node1",
            "all routers are on node2; on node1 nothing is left but DHCP",
            all_of(routers_on("node2"), bystander_stays("node1"), vms_have_metadata),
        ),
        Step("node1", "crm node online node1", "node1 is back, and routers stay", routers_on("node2")),
        Step("node1", "crm resource stop p_neutron-metadata-agent", "stopped"),
        Step(
            "node1",
            "crm resource stop p_neutron-l3-agent",
            "no router anywhere; DHCP stays",
            all_of(no_router_anywhere, bystander_stays("node1")),
        ),
        Step("node1", "crm resource stop c_neutron-openvswitch-agent", "stopping"),
        Step("node1", "crm_mon --one-shot", "stopped", lacks=("p_neutron",), within_s=60),
        Step(
            "node1",
            "crm configure delete p_neutron-l3-agent p_neutron-metadata-agent c_neutron-openvswitch-agent "
            "p_neutron-openvswitch-agent",
            "room for the other way",
        ),
        *(Step(node, 'hostname "$(cat /etc/hostname)"; hostname', "its own name again") for node in MACHINES),
        Step(
            "node1",
            "crm status",
            "the cluster has not noticed",
            says=("partition with quorum", "Online: [ node1 node2 ]"),
            lacks=("Failed",),
        ),
    ),
)


def agent(resource: str, kind: str, ini: str) -> Step:
    """An agent with the identity as a parameter, on nodes of any name."""
    return Step(
        "node1",
        f"crm configure primitive {resource} ocf:openstack:{kind} params {CONF} {ini} host=neutron-gateway {OFTEN}",
        "defined",
    )


IN_GROUP = ("res_neutron-openvswitch-agent", "res_neutron-l3-agent", "res_neutron-metadata-agent")

SAME_IDENTITY = Chapter(
    "OpenStack, one identity on nodes of any name",
    (
        Step("node1", "crm node standby node2", "only node1 is there while agents are defined one by one"),
        agent("res_neutron-openvswitch-agent", "neutron-openvswitch-agent", OVS_INI),
        agent("res_neutron-l3-agent", "neutron-agent-l3", L3_INI),
        agent("res_neutron-metadata-agent", "neutron-metadata-agent", METADATA_INI),
        Step(
            "node1",
            GROUP,
            "the two are kept together",
            together("res_neutron-l3-agent", "res_neutron-metadata-agent"),
        ),
        Step(
            "node1",
            "crm configure modgroup res_group_l3_metadata add res_neutron-openvswitch-agent "
            "before res_neutron-l3-agent",
            "and with them the Open vSwitch agent of the same identity, which starts first",
            together(*IN_GROUP),
        ),
        Step("node1", "crm node online node2", "all routers are on node1", routers_on("node1")),
        Step(
            "node1",
            "crm resource restart res_neutron-l3-agent",
            "a new agent has built all routers anew; VMs have metadata",
            all_of(agent_is_new("res_neutron-l3-agent"), routers_on("node1"), vms_have_metadata),
        ),
        Step("node1", "crm node standby node2", "to start the group on node1 again"),
        Step(
            "node1",
            "crm resource stop res_group_l3_metadata",
            "no router anywhere; DHCP stays",
            all_of(no_router_anywhere, bystander_stays("node1")),
        ),
        *(
            Step(
                "node1",
                f"crm resource param {resource} set hostname neutron-gateway; "
                f"crm resource param {resource} delete host",
                "as in the recipe, but only the agent has that host name",
            )
            for resource in IN_GROUP
        ),
        Step(
            "node1",
            "crm configure show",
            "no agent is told a host any more",
            says=("hostname=neutron-gateway",),
            lacks=(" host=neutron-gateway",),
        ),
        Step(
            "node1",
            "crm resource start res_group_l3_metadata",
            "Neutron sees the same agents; names of nodes and /etc/hosts stay",
            all_of(
                names_stay,
                routers_on("node1"),
                neutron_knows("Open vSwitch agent", "L3 agent", "Metadata agent", host="neutron-gateway"),
            ),
        ),
        Step(
            "node1",
            "crm node online node2; crm status",
            "and the cluster goes on",
            says=("Current DC", "partition with quorum"),
            lacks=("Failed",),
        ),
    ),
)

DEATH = Chapter(
    "What dies",
    (
        Step(
            "node1",
            "kill -9 $(head -1 /run/hotspare/res_neutron-l3-agent.pid)",
            "a new agent has built all routers anew, nothing of the old one is left, DHCP stays",
            all_of(agent_is_new("res_neutron-l3-agent"), routers_on("node1"), bystander_stays("node1")),
        ),
        Step("node1", "crm status", "Pacemaker says what was wrong", says=("a stop has to clean this node",)),
        Step("node1", "crm resource cleanup res_neutron-l3-agent", "forgotten"),
        Step("node1", "crm status", "all is well", lacks=("Failed",), within_s=30),
        Step(
            DESK,
            "ipmitool -I lanplus -H 10.0.9.1 -U admin -f bmc.password chassis power off",
            "node1 has lost its power, and node2 has all its routers",
            routers_on("node2", dead="node1"),
        ),
        Step(
            "node2",
            "crm status",
            "half of the votes, and it goes on: no-quorum-policy=ignore",
            says=("partition WITHOUT quorum", "OFFLINE: [ node1 ]"),
        ),
    ),
)

TROUBLE = Chapter(
    "Trouble (as long as there is no router to hurt)",
    (
        Step("node1", "iptables -A INPUT --protocol udp --dport 5405 -j DROP", "UDP 5405 is shut"),
        Step(
            "node1",
            "crm_mon --one-shot",
            "node1 is alone",
            says=("partition WITHOUT quorum", "OFFLINE: [ node2 ]"),
            within_s=60,
        ),
        Step(
            "node2",
            "crm_mon --one-shot",
            "and so is node2: each takes the address. That is what fencing is for",
            address_on(2),
            says=("partition WITHOUT quorum", "OFFLINE: [ node1 ]"),
            within_s=60,
        ),
        Step("node1", "iptables -I INPUT 1 --protocol udp --dport 5405 -j ACCEPT", "open again"),
        Step(
            "node1",
            "iptables -I INPUT 1 --protocol udp --sport 5404 -j ACCEPT",
            "harmless: since Corosync 3 both ends use 5405",
        ),
        Step(
            "node1",
            "crm status",
            "one cluster, and one node has the address",
            address_on(1),
            says=("partition with quorum", "Online: [ node1 node2 ]"),
            within_s=60,
        ),
    ),
)

CHAPTERS = (SET_UP, START, TROUBLE, SAME_HOST_NAME, SAME_IDENTITY, DEATH)
