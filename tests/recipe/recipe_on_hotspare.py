"""The same commands on a cluster that `hotspare apply` made: they go on working beside what it made, and afterwards it
says what it puts right.

Nodes are called as the machines are. The gateway does there what the recipe's agents do, so those of the recipe run
beside it, on the node that may not have it.
"""

from recipe_by_hand import (
    BYSTANDER,
    CONF,
    GROUP,
    L3_AGENT,
    L3_INI,
    LOAD_XML,
    METADATA_AGENT,
    METADATA_INI,
    MONITOR,
    SHOW_XML,
    VIRTUAL_IP,
)
from recipe_effects import (
    address_on,
    agent_is_new,
    all_of,
    bystander_stays,
    neutron_knows,
    no_packet_is_lost,
    routers_on,
    together,
    vms_have_metadata,
)
from recipe_step import DESK, Chapter, Step

MACHINES = {name: name for name in ("net1", "net2", "net3")}
OTHER = "net3"
"""The node that may not have the gateway. Agents that the recipe starts there are its own."""

FILE = "recipe.yaml"
"""The lab's file without its virtual IP, which the recipe makes by hand, and with agents that run as Neutron's user."""


def cluster_file(text: str) -> str:
    """The lab's cluster file as the recipe needs it."""
    begin, end = text.index("vips:"), text.index("neutron:")
    return (text[:begin] + text[end:]).replace("user: root", "user: neutron")


def chapters(active: str, spare: str) -> tuple[Chapter, ...]:
    """The recipe where `active` has the gateway, and `spare` is the other node that may have it."""
    return (_verify(active), _by_hand(active), _gateway(active, spare), _trouble(active, spare), _put_right(active))


def _verify(active: str) -> Chapter:
    return Chapter(
        "Verify",
        (
            Step(active, "corosync-cfgtool -s", "two links", says=("connected",), lacks=("disconnected",)),
            Step(active, "corosync-cmapctl | grep member | grep ip", "the members", says=("ip(172.16.1.124)",)),
            Step(active, "grep TOTEM /var/log/corosync/corosync.log", "how they came together", says=("TOTEM",)),
            Step(active, "crm_mon --one-shot -V", "no complaint", says=("with quorum",), lacks=("STONITH",)),
            Step(active, "crm status", "all are online, with a DC", says=("DC: net", "Online: [ net1 net2 net3 ]")),
            Step(active, "cibadmin --query", "the configuration as XML", says=('<tag id="hotspare"',)),
            Step(active, "crm configure show", "and in crmsh's words", says=("tag hotspare",)),
        ),
    )


def _by_hand(active: str) -> Chapter:
    return Chapter(
        "By hand, beside the gateway",
        (
            VIRTUAL_IP.at(active),
            Step(active, "crm ra info ocf:openstack:neutron-agent-l3", "the agents", says=("plugin_config",)),
            Step(
                active,
                f"crm configure location by-hand '/(p|res)_.*/' inf: {OTHER}",
                "not in the recipe: its agents shall be where no gateway is",
            ),
            Step(
                active,
                L3_AGENT,
                "an agent of its own node; the gateway's routers stay",
                all_of(neutron_knows("L3 agent", host=OTHER), no_packet_is_lost),
            ),
            Step(active, METADATA_AGENT, "a metadata agent"),
            # crmsh writes ****** for values whose names begin with passw; what is loaded would be that.
            SHOW_XML.at(active).typed_as("crm -o core.obscure_pattern= configure show xml > conf.xml"),
            *(step.at(active) for step in LOAD_XML),
            Step(
                active,
                "crm resource stop p_neutron-metadata-agent; crm resource stop p_neutron-l3-agent",
                "stopping; the gateway's routers stay",
                no_packet_is_lost,
            ),
            Step(active, "crm_mon --one-shot", "stopped", lacks=("p_neutron",), within_s=60),
            Step(active, "crm configure delete p_neutron-l3-agent p_neutron-metadata-agent", "room for the other way"),
            Step(
                active,
                f"crm configure primitive res_neutron-l3-agent ocf:openstack:neutron-agent-l3 "
                f"params {CONF} {L3_INI} {MONITOR}",
                "defined",
            ),
            Step(
                active,
                f"crm configure primitive res_neutron-metadata-agent ocf:openstack:neutron-metadata-agent "
                f"params {CONF} {METADATA_INI} {MONITOR}",
                "defined",
            ),
            Step(active, GROUP, "together", together("res_neutron-l3-agent", "res_neutron-metadata-agent")),
            Step(
                active,
                "crm resource restart res_neutron-l3-agent",
                "a new process",
                agent_is_new("res_neutron-l3-agent"),
            ),
            Step(active, "crm resource stop res_neutron-l3-agent", "stopping, and what comes after it in the group"),
            Step(active, "crm_mon --one-shot", "stopped", lacks=("res_neutron",), within_s=60),
            Step(
                active,
                "crm configure delete by-hand res_group_l3_metadata res_neutron-l3-agent res_neutron-metadata-agent",
                "gone",
            ),
        ),
    )


def _gateway(active: str, spare: str) -> Chapter:
    return Chapter(
        "The gateway",
        (
            BYSTANDER.at(active),
            Step(
                active,
                f"crm node standby {active}",
                f"all routers are on {spare}; on {active} nothing is left but DHCP",
                all_of(routers_on(spare), bystander_stays(active), vms_have_metadata),
            ),
            Step(active, f"crm node online {active}", "it is back, and routers stay", routers_on(spare)),
            Step(
                active,
                "crm resource restart neutron-gateway-l3",
                "a new agent has taken all routers over as they were: no packet is lost",
                all_of(agent_is_new("neutron-gateway-l3"), no_packet_is_lost),
            ),
            Step(
                spare,
                "kill -9 $(head -1 /run/hotspare/neutron-gateway-l3.pid)",
                "another one, and no packet is lost",
                all_of(agent_is_new("neutron-gateway-l3"), routers_on(spare), no_packet_is_lost),
            ),
            Step(active, "crm resource cleanup neutron-gateway-l3", "forgotten"),
        ),
    )


def _trouble(active: str, spare: str) -> Chapter:
    return Chapter(
        "Trouble",
        (
            Step(active, "iptables -A INPUT --protocol udp --dport 5405 -j DROP", "UDP 5405 is shut"),
            Step(active, "corosync-cfgtool -s", "the first link is down", says=("disconnected",), within_s=30),
            Step(
                active,
                "crm status",
                "the second one (UDP 5406) holds the cluster together; nobody is fenced, no router moves",
                routers_on(spare),
                says=("partition with quorum", "Online: [ net1 net2 net3 ]"),
            ),
            Step(active, "iptables -I INPUT 1 --protocol udp --dport 5405 -j ACCEPT", "open again"),
            Step(active, "iptables -I INPUT 1 --protocol udp --sport 5404 -j ACCEPT", "harmless"),
            Step(active, "corosync-cfgtool -s", "both links are up", lacks=("disconnected",), within_s=30),
        ),
    )


def _put_right(active: str) -> Chapter:
    return Chapter(
        "What hotspare puts right, and what it leaves alone",
        (
            Step(active, "crm configure property stonith-enabled=false", "set"),
            Step(active, "crm configure property no-quorum-policy=ignore", "set"),
            Step(
                DESK,
                f"hotspare plan -f {FILE}",
                "it would take both back, and nothing else",
                says=('-<nvpair id="cib-bootstrap-options-stonith-enabled"', "configuration: 2 changed"),
            ),
            Step(active, "crm configure show xml > conf.xml", "crmsh masks what begins with passw"),
            Step(active, "crm configure load xml update conf.xml", "the fence devices have lost their passwords"),
            Step(
                DESK,
                f"hotspare plan -f {FILE}",
                "it would put them back as well",
                says=('value="/etc/hotspare/fence/net1.sh"', "configuration: 5 changed"),
            ),
            Step(
                DESK,
                f"hotspare apply -f {FILE}",
                "fencing is on and works again; no router has moved",
                no_packet_is_lost,
                says=("works",),
            ),
            Step(DESK, f"hotspare apply -f {FILE}", "nothing is left to do", says=("nothing to change",)),
            Step(
                active,
                "crm configure show",
                "what was made by hand is there",
                address_on(1),
                says=("primitive FAILOVER-ADDR IPaddr2", "stonith-enabled=true"),
            ),
        ),
    )
