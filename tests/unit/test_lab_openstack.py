"""Files and units that each role of the lab gets."""

import base64
import configparser
import hashlib
import json

import pytest

from hotspare.lab.layout import DEFAULTS, GATEWAY_VTEP, Choices, Layout, Tenant
from hotspare.lab.openstack import clouds_yaml, generate_secrets, role_files, role_units
from hotspare.lab.openstack.ini import ini, merged
from hotspare.model.drill import Strategy

LAYOUT = Layout("unittest")
SECRETS = generate_secrets()
MACHINES = [machine.name for machine in LAYOUT.machines]


TUNNELS = Choices(tenant=Tenant.VXLAN)
ML2 = "/etc/neutron/plugins/ml2/ml2_conf.ini"
OVS_AGENT = "/etc/neutron/plugins/ml2/openvswitch_agent.ini"


def files(machine, choices=DEFAULTS):
    return role_files(LAYOUT.machine(machine), LAYOUT, SECRETS, choices)


def conf(machine, path, choices=DEFAULTS):
    parser = configparser.RawConfigParser(strict=True, default_section="none of these")
    parser.read_string(files(machine, choices)[path].content)
    return parser


def test_ini_repeats_the_key_of_a_sequence_and_keeps_an_empty_value():
    text = ini({"a": {"on": True, "n": 3, "none": "", "many": ["x", "y"]}, "b": {}})
    assert text == "[a]\non = true\nn = 3\nnone =\nmany = x\nmany = y\n\n[b]\n"


def test_of_two_parts_the_later_option_wins_and_the_others_stay():
    assert merged({"a": {"x": 1, "y": 1}}, {"a": {"y": 2}, "b": {}}) == {"a": {"x": 1, "y": 2}, "b": {}}


@pytest.mark.parametrize("machine", MACHINES)
def test_every_unit_that_a_role_starts_is_its_own_or_debians(machine):
    debian = {"openvswitch-switch", "mariadb", "rabbitmq-server", "memcached"}
    own = {path.rpartition("/")[2] for path in files(machine)}
    missing = [unit for unit in role_units(LAYOUT.machine(machine)) if unit not in own]
    assert {unit.removesuffix(".service") for unit in missing} <= debian


@pytest.mark.parametrize("machine", MACHINES)
def test_a_secret_is_readable_by_root_alone(machine):
    words = (SECRETS.admin, SECRETS.neutron, SECRETS.application, SECRETS.database, SECRETS.broker, SECRETS.metadata)
    for path, file in files(machine).items():
        if any(word in str(file.content) for word in (*words, *SECRETS.fernet_keys)):
            assert file.mode & 0o007 == 0, path


@pytest.mark.parametrize("machine", ["net1", "net2", "net3"])
def test_a_network_node_starts_no_neutron_agent_by_itself_but_has_all_three(machine):
    agents = {f"neutron-{name}-agent.service" for name in ("openvswitch", "l3", "metadata")}
    assert agents.isdisjoint(role_units(LAYOUT.machine(machine)))
    assert agents <= {path.rpartition("/")[2] for path in files(machine)}


@pytest.mark.parametrize("machine", ["net1", "cmp1", "ctl"])
def test_neutron_conf_names_no_host_and_meets_the_known_traps(machine):
    neutron = conf(machine, "/etc/neutron/neutron.conf")
    assert not neutron.has_option("DEFAULT", "host")
    assert neutron["DEFAULT"]["periodic_fuzzy_delay"] == "0"
    assert int(neutron["oslo_messaging_rabbit"]["heartbeat_timeout_threshold"]) <= 10
    sections = [name for name in neutron.sections() if name.startswith("privsep")]
    assert len(sections) == 6
    assert all(neutron[name]["thread_pool_size"] == "32" for name in sections)


def test_network_nodes_are_all_alike():
    assert files("net1") == files("net2") == files("net3")


def test_agents_and_server_agree_on_the_physical_networks():
    ml2 = conf("ctl", ML2)
    agent = conf("net1", OVS_AGENT)
    mapped = dict(pair.split(":") for pair in agent["ovs"]["bridge_mappings"].split(","))
    assert set(mapped) == {
        ml2["ml2_type_flat"]["flat_networks"],
        ml2["ml2_type_vlan"]["network_vlan_ranges"].split(":")[0],
    }
    assert agent["agent"]["tunnel_types"] == ""


@pytest.mark.parametrize("l2pop", [True, False])
def test_agents_and_server_agree_on_tunnels(l2pop):
    choices = Choices(tenant=Tenant.VXLAN, l2pop=l2pop)
    ml2, agents = conf("ctl", ML2, choices), [conf(machine, OVS_AGENT, choices) for machine in ("net1", "cmp1")]
    assert ml2["ml2"]["type_drivers"] == "flat,vxlan"
    assert ml2["ml2"]["tenant_network_types"] == "vxlan"
    assert ("l2population" in ml2["ml2"]["mechanism_drivers"].split(",")) == l2pop
    for agent in agents:
        assert agent["agent"]["tunnel_types"] == "vxlan"
        assert agent.getboolean("agent", "l2_population") == agent.getboolean("agent", "arp_responder") == l2pop
    assert [agent["ovs"]["bridge_mappings"] for agent in agents] == ["public:br-public", ""]


def test_a_gateway_has_one_end_of_tunnels_on_every_node_and_other_agents_have_their_own():
    ends = {machine: conf(machine, OVS_AGENT, TUNNELS)["ovs"]["local_ip"] for machine in ("net1", "net2", "cmp1")}
    assert ends == {"net1": str(GATEWAY_VTEP.ip), "net2": str(GATEWAY_VTEP.ip), "cmp1": "172.16.3.131"}
    pool = Choices(Strategy.RESCHEDULE, Tenant.VXLAN)
    assert conf("net2", OVS_AGENT, pool)["ovs"]["local_ip"] == "172.16.3.123"
    bridges = "/etc/systemd/system/lab-bridges.service"
    assert "address replace 172.16.3.123/24 dev br-tenant" in files("net2", TUNNELS)[bridges].content
    assert "172.16.3." not in files("net2")[bridges].content


def test_the_broker_knows_the_password_that_the_agents_use():
    definitions = json.loads(files("ctl")["/etc/rabbitmq/definitions.json"].content)
    stored = base64.b64decode(definitions["users"][0]["password_hash"])
    assert stored[4:] == hashlib.sha256(stored[:4] + SECRETS.broker.encode()).digest()
    assert f":{SECRETS.broker}@" in conf("net1", "/etc/neutron/neutron.conf")["DEFAULT"]["transport_url"]


def test_clouds_yaml_has_a_cloud_by_password_and_one_by_application_credential():
    clouds = json.loads(clouds_yaml(LAYOUT, SECRETS))["clouds"]
    assert clouds["lab"]["auth"]["password"] == SECRETS.admin
    assert clouds["lab-app"]["auth_type"] == "v3applicationcredential"
    assert "password" not in clouds["lab-app"]["auth"]
    identity = json.loads(files("ctl")["/etc/hotspare-lab/identity.json"].content)
    application = clouds["lab-app"]["auth"]
    assert application["application_credential_name"] == identity["credential"]
    assert application["application_credential_secret"] == identity["credential_secret"]


def test_two_labs_share_no_secret_and_none_shows():
    other = generate_secrets()
    assert other.admin != SECRETS.admin
    assert other.fernet_keys != SECRETS.fernet_keys
    assert SECRETS.admin not in repr(SECRETS)


def test_the_outside_machine_asks_for_lost_neighbours_at_once_and_forwards():
    settings = files("ext")["/etc/sysctl.d/90-hotspare-lab.conf"].content
    assert "net.ipv4.neigh.eth3.retrans_time_ms = 100\n" in settings
    assert "net.ipv4.ip_forward = 1\n" in settings
