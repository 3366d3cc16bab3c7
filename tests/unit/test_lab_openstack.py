"""Files and units that each role of the lab gets."""

import base64
import configparser
import hashlib
import json

import pytest

from hotspare.lab.layout import Layout
from hotspare.lab.openstack import clouds_yaml, generate_secrets, role_files, role_units
from hotspare.lab.openstack.ini import ini, merged

LAYOUT = Layout("unittest")
SECRETS = generate_secrets()
MACHINES = [machine.name for machine in LAYOUT.machines]


def files(machine):
    return role_files(LAYOUT.machine(machine), LAYOUT, SECRETS)


def conf(machine, path):
    parser = configparser.RawConfigParser(strict=True, default_section="none of these")
    parser.read_string(files(machine)[path].content)
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
    ml2 = conf("ctl", "/etc/neutron/plugins/ml2/ml2_conf.ini")
    agent = conf("net1", "/etc/neutron/plugins/ml2/openvswitch_agent.ini")
    mapped = dict(pair.split(":") for pair in agent["ovs"]["bridge_mappings"].split(","))
    assert set(mapped) == {
        ml2["ml2_type_flat"]["flat_networks"],
        ml2["ml2_type_vlan"]["network_vlan_ranges"].split(":")[0],
    }
    assert agent["agent"]["tunnel_types"] == ""


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
