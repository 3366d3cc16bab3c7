"""Files and units of the controller: database, broker, Keystone, Neutron's server side, instance metadata. Pure.

Order at boot, all of it systemd's: MariaDB, then its users; Keystone's bootstrap beside Neutron's API; the broker
beside them; Neutron's RPC and periodic workers after the broker; what Keystone has to know of Neutron last.
"""

import json

from hotspare.lab.layout import Choices, File, Layout, Tenant
from hotspare.lab.openstack.clouds import CREDENTIAL
from hotspare.lab.openstack.ini import Sections, Value, ini, merged
from hotspare.lab.openstack.nodes import CONF, LAB_DIR, UNITS, machine_script
from hotspare.lab.openstack.secrets import Secrets
from hotspare.lab.openstack.services import (
    HEARTBEAT_S,
    KEYSTONE_PORT,
    METADATA_PORT,
    NEUTRON_PORT,
    PUBLIC,
    TENANT,
    keystone_url,
    neutron_conf,
    neutron_url,
    unit,
)

ML2_INI = "/etc/neutron/plugins/ml2/ml2_conf.ini"
SETTINGS_DIR = "/etc/hotspare-lab"
DONE_DIR = "/var/lib/hotspare-lab"
MEMCACHED = "127.0.0.1:11211"
API_PROCESSES = 2
UNLIMITED = -1
SECRET = 0o600

QUOTAS = ("network", "subnet", "port", "router", "floatingip", "security_group", "security_group_rule")

OWN_UNITS = (
    "lab-database.service",
    "lab-keystone-bootstrap.service",
    "keystone.service",
    "lab-identity.service",
    "neutron-api.service",
    "neutron-rpc-server.service",
    "neutron-periodic-workers.service",
    "nova-metadata.service",
)
WORKERS = ("neutron-rpc-server", "neutron-periodic-workers")
ENABLED = ("mariadb.service", "rabbitmq-server.service", "memcached.service", *OWN_UNITS)


def controller(layout: Layout, secrets: Secrets, choices: Choices) -> dict[str, File]:
    """All files of the controller."""
    return {
        **_database(secrets),
        **_broker(secrets),
        **_keystone(layout, secrets),
        **_neutron(layout, secrets, choices),
        **_metadata(secrets),
    }


def _connection(service: str, secrets: Secrets) -> str:
    return f"mysql+pymysql://{service}:{secrets.database}@127.0.0.1/{service}?charset=utf8"


def _database(secrets: Secrets) -> dict[str, File]:
    grants = []
    for service in ("keystone", "neutron"):
        user = f"'{service}'@'127.0.0.1'"
        grants += [
            f"CREATE USER IF NOT EXISTS {user} IDENTIFIED BY '{secrets.database}';",
            f"GRANT ALL ON {service}.* TO {user};",
            "",
        ]
    users = unit(
        "Database users of the lab",
        after="mariadb.service",
        requires="mariadb.service",
        service=("Type=oneshot", "RemainAfterExit=yes", f"ExecStart=/bin/sh -c 'mariadb <{SETTINGS_DIR}/users.sql'"),
    )
    return {
        f"{SETTINGS_DIR}/users.sql": File("\n".join(grants), mode=SECRET),
        f"{UNITS}/lab-database.service": File(users),
        # Debian checks all tables after each start; ours are as old as the image.
        f"{UNITS}/mariadb.service.d/hotspare-lab.conf": File("[Service]\nExecStartPost=\n"),
    }


def _broker(secrets: Secrets) -> dict[str, File]:
    definitions = {
        "vhosts": [{"name": "/"}],
        "users": [
            {
                "name": "neutron",
                "password_hash": secrets.broker_hash,
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": [],
            },
        ],
        "permissions": [{"user": "neutron", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}],
    }
    settings = (
        "listeners.tcp.default = 5672",
        f"heartbeat = {HEARTBEAT_S}",
        "load_definitions = /etc/rabbitmq/definitions.json",
        "vm_memory_high_watermark.absolute = 512MB",
        "disk_free_limit.absolute = 50MB",
        "collect_statistics_interval = 60000",
        "log.file.level = warning",
        "",
    )
    # 18 of level 6 is TCP_USER_TIMEOUT: a peer that acknowledges nothing for 5 s is gone, whatever the heartbeat says.
    # Source: tcp(7), Erlang's inet:setopts/2 (`raw`).
    options = "{raw, 6, 18, <<5000:32/native>>}, {backlog, 128}, {nodelay, true}, {exit_on_close, false}"
    environment = (
        "NODENAME=rabbit@localhost",
        "ENABLED_PLUGINS_FILE=/etc/rabbitmq/enabled_plugins",
        'SERVER_ADDITIONAL_ERL_ARGS="+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"',
        "",
    )
    return {
        "/etc/rabbitmq/rabbitmq.conf": File("\n".join(settings)),
        "/etc/rabbitmq/advanced.config": File(f"[{{rabbit, [{{tcp_listen_options, [{options}]}}]}}].\n"),
        "/etc/rabbitmq/rabbitmq-env.conf": File("\n".join(environment)),
        "/etc/rabbitmq/enabled_plugins": File("[].\n"),
        # A salted hash of a random word; the broker's own user has to read it.
        "/etc/rabbitmq/definitions.json": File(json.dumps(definitions, indent=1) + "\n"),
    }


def _uwsgi(module: str, port: int, environment: dict[str, str], *, processes: int) -> File:
    options: dict[str, Value] = {
        "plugins": "http,python3",
        "home": "/opt/openstack",
        "module": module,
        # uWSGI's own HTTP socket resets connections of clients that keep them alive; its HTTP router does not.
        "http": f"0.0.0.0:{port}",
        "http-raw-body": True,
        "add-header": "Connection: close",
        "master": True,
        "processes": processes,
        "enable-threads": True,
        "lazy-apps": True,
        "need-app": True,
        "die-on-term": True,
        "buffer-size": 65535,
        "disable-logging": True,
        "env": [f"{name}={value}" for name, value in environment.items()],
    }
    return File(ini({"uwsgi": options}))


def _keystone(layout: Layout, secrets: Secrets) -> dict[str, File]:
    url = keystone_url(layout)
    bootstrap_command = "/usr/bin/keystone-manage bootstrap --bootstrap-region-id lab"
    conf: Sections = {
        "DEFAULT": {"use_stderr": True},
        "database": {"connection": _connection("keystone", secrets)},
        "token": {"provider": "fernet", "expiration": 86400},
        "fernet_tokens": {"key_repository": "/etc/keystone/fernet-keys"},
        # The cheapest hash there is: the passwords are random words of 144 bits.
        "identity": {"password_hash_rounds": 4},
        "cache": {"enabled": True, "backend": "oslo_cache.memcache_pool", "memcache_servers": MEMCACHED},
        "oslo_messaging_notifications": {"driver": "noop"},
    }
    done = f"{DONE_DIR}/keystone-bootstrap-done"
    bootstrap = unit(
        "Keystone's first user",
        after="lab-database.service",
        requires="lab-database.service",
        condition=f"!{done}",
        service=(
            "Type=oneshot",
            "RemainAfterExit=yes",
            f"EnvironmentFile={SETTINGS_DIR}/bootstrap.env",
            f"ExecStart={bootstrap_command} --bootstrap-public-url {url} --bootstrap-internal-url {url}",
            f"ExecStart=/usr/bin/install -D /dev/null {done}",
        ),
    )
    identity = unit(
        "What Keystone has to know of Neutron",
        after="keystone.service lab-keystone-bootstrap.service",
        requires="keystone.service lab-keystone-bootstrap.service",
        service=(
            "Type=oneshot",
            "RemainAfterExit=yes",
            f"ExecStart={LAB_DIR}/set-up-identity {SETTINGS_DIR}/identity.json",
        ),
    )
    settings = {
        "keystone": keystone_url(layout),
        "neutron": neutron_url(layout),
        "admin_password": secrets.admin,
        "neutron_password": secrets.neutron,
        "credential": CREDENTIAL,
        "credential_secret": secrets.application,
    }
    return {
        "/etc/keystone/keystone.conf": File(ini(conf), mode=0o640),
        "/etc/keystone/uwsgi.ini": _uwsgi("keystone.wsgi.api:application", KEYSTONE_PORT, {}, processes=1),
        # 0 is the staged key, the highest number the primary one. Source: Keystone, "Fernet - Frequently Asked
        # Questions".
        "/etc/keystone/fernet-keys/0": File(secrets.fernet_keys[0], mode=SECRET),
        "/etc/keystone/fernet-keys/1": File(secrets.fernet_keys[1], mode=SECRET),
        f"{SETTINGS_DIR}/bootstrap.env": File(f"OS_BOOTSTRAP_PASSWORD={secrets.admin}\n", mode=SECRET),
        f"{SETTINGS_DIR}/identity.json": File(json.dumps(settings, indent=1) + "\n", mode=SECRET),
        f"{LAB_DIR}/set-up-identity": machine_script("set_up_identity.py"),
        f"{UNITS}/lab-keystone-bootstrap.service": File(bootstrap),
        f"{UNITS}/lab-identity.service": File(identity),
        f"{UNITS}/keystone.service": _uwsgi_unit("Keystone", "/etc/keystone/uwsgi.ini"),
    }


def _uwsgi_unit(name: str, configuration: str) -> File:
    text = unit(
        name,
        after="lab-database.service memcached.service",
        requires="lab-database.service",
        service=(
            "Type=notify",
            f"ExecStart=/usr/bin/uwsgi --ini {configuration}",
            "KillSignal=SIGTERM",
            "NotifyAccess=all",
            "Restart=on-failure",
            "RestartSec=2",
            "TimeoutStartSec=180",
        ),
    )
    return File(text)


def _neutron(layout: Layout, secrets: Secrets, choices: Choices) -> dict[str, File]:
    server: Sections = {
        "DEFAULT": {
            "rpc_workers": 1,
            "rpc_state_report_workers": 1,
            "api_workers": API_PROCESSES,
            # The lab has no DHCP agent to be told of each port; trying costs more than half of a call's time.
            "dhcp_agent_notification": False,
        },
        "database": {"connection": _connection("neutron", secrets)},
        "keystone_authtoken": {
            "www_authenticate_uri": keystone_url(layout),
            "auth_url": keystone_url(layout),
            "auth_type": "password",
            "username": "neutron",
            "password": secrets.neutron,
            "project_name": "service",
            "user_domain_name": "Default",
            "project_domain_name": "Default",
            "memcached_servers": MEMCACHED,
            "service_token_roles_required": False,
        },
        "quotas": {"default_quota": UNLIMITED, **{f"quota_{kind}": UNLIMITED for kind in QUOTAS}},
    }
    environment = {
        "OS_NEUTRON_CONFIG_DIR": "/etc/neutron",
        "OS_NEUTRON_CONFIG_FILES": "neutron.conf;plugins/ml2/ml2_conf.ini",
    }
    return {
        CONF: File(ini(merged(neutron_conf(layout, secrets), server)), mode=0o640),
        ML2_INI: File(ini(_ml2(choices))),
        "/etc/neutron/uwsgi.ini": _uwsgi(
            "neutron.wsgi.api:application", NEUTRON_PORT, environment, processes=API_PROCESSES
        ),
        f"{UNITS}/neutron-api.service": _uwsgi_unit("Neutron API", "/etc/neutron/uwsgi.ini"),
        **{f"{UNITS}/{name}.service": _worker_unit(name) for name in WORKERS},
    }


def _ml2(choices: Choices) -> Sections:
    tunnels = choices.tenant is Tenant.VXLAN
    networks: Sections = {"ml2_type_vlan": {"network_vlan_ranges": f"{TENANT}:100:3999"}}
    if tunnels:
        networks = {"ml2_type_vxlan": {"vni_ranges": "100:3999"}}
    return {
        "ml2": {
            "type_drivers": f"flat,{choices.tenant}",
            "tenant_network_types": choices.tenant,
            "mechanism_drivers": "openvswitch,l2population" if tunnels and choices.l2pop else "openvswitch",
            "extension_drivers": "",
        },
        "ml2_type_flat": {"flat_networks": PUBLIC},
        **networks,
        "securitygroup": {"enable_security_group": False},
    }


def _worker_unit(name: str) -> File:
    text = unit(
        name,
        after="lab-database.service rabbitmq-server.service",
        requires="lab-database.service",
        service=(
            f"ExecStart=/usr/bin/{name} --config-file {CONF} --config-file {ML2_INI}",
            "Restart=on-failure",
            "RestartSec=2",
        ),
    )
    return File(text)


def _metadata(secrets: Secrets) -> dict[str, File]:
    program = f"{LAB_DIR}/nova-metadata"
    text = unit(
        "Instance metadata, in the place of Nova's",
        after="network.target",
        service=(
            f"ExecStart={program} {METADATA_PORT} {SETTINGS_DIR}/metadata.secret",
            "Restart=on-failure",
        ),
    )
    return {
        program: machine_script("nova_metadata.py"),
        f"{SETTINGS_DIR}/metadata.secret": File(f"{secrets.metadata}\n", mode=SECRET),
        f"{UNITS}/nova-metadata.service": File(text),
    }
