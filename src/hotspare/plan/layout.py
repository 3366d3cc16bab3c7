"""Where hotspare's things are on a node, and what a node has to have: the one home of these names."""

from collections.abc import Iterator

from hotspare.model.observed import Need, Query
from hotspare.model.spec import Neutron, Resource, Spec
from hotspare.plan import resources

COROSYNC_CONF = "/etc/corosync/corosync.conf"
AUTHKEY = "/etc/corosync/authkey"
AUTHKEY_BYTES = 256
CONFIG_DIR = "/etc/hotspare"
FENCE_DIR = f"{CONFIG_DIR}/fence"
CLOUDS = f"{CONFIG_DIR}/clouds.yaml"
"""How the nodes of a pool reach Neutron's API."""

TWIN_KEY = f"{CONFIG_DIR}/twin.pem"
"""By which the nodes of twins know each other: the cluster's key and its certificate."""

OCF_ROOT = "/usr/lib/ocf"
UNITS = ("corosync.service", "pacemaker.service")
AGENT_UNITS = (
    "neutron-openvswitch-agent.service",
    "neutron-l3-agent.service",
    "neutron-metadata-agent.service",
)
"""Units of the distribution that would run what the cluster runs."""

PARK_UNIT = "hotspare-park.service"
"""Clears Open vSwitch's database of routers' ports after a boot: ocf/lib/hotspare/hotspare_ocf/at_boot.py."""
_UNIT_DIR = "/etc/systemd/system"
PARK_UNIT_PATH = f"{_UNIT_DIR}/{PARK_UNIT}"
PARK_UNIT_LINK = f"{_UNIT_DIR}/ovs-vswitchd.service.requires/{PARK_UNIT}"
"""What `systemctl enable` makes of the unit; left alone, it would keep ovs-vswitchd from starting."""
PARK_UNIT_TEXT = f"""\
# Written by `hotspare apply`.
[Unit]
Description=No port of a router comes back from before the boot (hotspare)
DefaultDependencies=no
After=ovsdb-server.service
Before=ovs-vswitchd.service
ConditionPathExists={OCF_ROOT}/lib/hotspare/park
# ovs-vswitchd requires it, and would be stopped with it.
RefuseManualStop=yes

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={OCF_ROOT}/lib/hotspare/park
TimeoutStartSec=20

[Install]
RequiredBy=ovs-vswitchd.service
"""
"""It runs once a boot, not whenever ovs-vswitchd is started again, and in time: like Open vSwitch's own units it waits
for nothing else. Where it fails, ovs-vswitchd is not started. Source: Debian 12, openvswitch-switch; systemd.unit(5).
"""

SCRIPT_DIRECTORIES = ("/etc/ha.d/resource.d", "/etc/init.d")
"""Where ocf:hotspare:legacy looks for a script that is given by its name."""

_AGENT_PACKAGES = {"heartbeat": "resource-agents", "pacemaker": "pacemaker-resource-agents"}
_SHIPPED_AGENTS = frozenset(
    {
        "ocf:hotspare:gateway",
        "ocf:hotspare:legacy",
        "ocf:hotspare:rescheduler",
        "ocf:openstack:neutron-agent-l3",
        "ocf:openstack:neutron-metadata-agent",
        "ocf:openstack:neutron-openvswitch-agent",
    }
)
"""They come with `apply`."""

_MOVES_BY = ("keystoneauth1", "openstack")
_KEEPS_BY = ("pyroute2",)
"""What our daemons on the nodes import of others: what moves routers, and what keeps twins."""

AGENT_PROGRAMS = ("neutron-openvswitch-agent", "neutron-l3-agent", "neutron-metadata-agent")


def password_path(node: str) -> str:
    """The file with the fence password of a node."""
    return f"{FENCE_DIR}/{node}.password"


def script_path(node: str) -> str:
    """The program that prints the fence password of a node; the CIB names it in the password's place."""
    return f"{FENCE_DIR}/{node}.sh"


def script_text(node: str) -> str:
    """The program's text."""
    return (
        f"#!/bin/sh\n# For the fence device of {node}. Written by `hotspare apply`.\nexec cat {password_path(node)}\n"
    )


def query(spec: Spec, node: str) -> Query:
    """What has to be known of a node before a cluster is planned on it."""
    carries = carries_a_gateway(spec, node)
    modules = (*(_MOVES_BY if in_pool(spec, node) else ()), *(_KEEPS_BY if in_twin(spec, node) else ()))
    return Query(
        needs=tuple(_needs(spec, node)),
        users=(spec.neutron.user,) if spec.neutron and carries else (),
        units=(*UNITS, *((*AGENT_UNITS, PARK_UNIT) if carries else ()), *(unit for _, unit in units(spec, node))),
        files=(COROSYNC_CONF, AUTHKEY, CLOUDS, PARK_UNIT_PATH, TWIN_KEY),
        directory=FENCE_DIR,
        vips=tuple((vip.ip, vip.nic) for vip in spec.vips.values()),
        python=(spec.neutron.python or "") if spec.neutron and modules else None,
        modules=modules,
    )


def carries_a_gateway(spec: Spec, node: str) -> bool:
    """Whether routers of a gateway may be on the node."""
    return any(node in gateway.nodes for gateway in spec.gateways.values())


def in_twin(spec: Spec, node: str) -> bool:
    """Whether the node carries a gateway whose spares keep twins, or is such a spare."""
    return any(node in gateway.nodes for gateway in spec.twins.values())


def in_pool(spec: Spec, node: str) -> bool:
    """Whether the node may have to move routers."""
    return any(node in gateway.nodes for gateway in spec.pools.values())


def units(spec: Spec, node: str) -> Iterator[tuple[str, str]]:
    """Resources of the file that the node may run, each with its unit."""
    for name, resource in spec.resources.items():
        if node in resources.nodes(spec, name) and (unit := resources.unit(resource)):
            yield name, unit


def _needs(spec: Spec, node: str) -> Iterator[Need]:
    yield Need("corosync", "apt-get install corosync")
    yield Need("pacemakerd", "apt-get install pacemaker")
    yield Need("cibadmin", "apt-get install pacemaker-cli-utils")
    if spec.vips:
        yield Need(f"{OCF_ROOT}/resource.d/heartbeat/IPaddr2", "apt-get install resource-agents")
    for name, other in spec.nodes.items():
        if name != node and other.fence:
            yield Need(other.fence.agent, "apt-get install fence-agents")
            if other.fence.agent == "fence_ipmilan":
                yield Need("ipmitool", "apt-get install ipmitool")
    if spec.neutron and carries_a_gateway(spec, node):
        yield Need("ovs-vsctl", "apt-get install openvswitch-switch")
        for program in AGENT_PROGRAMS:
            yield Need(program, f"install Neutron's {program.removeprefix('neutron-')} on this node")
        yield from (Need(path, "give this node Neutron's configuration") for path in _configs(spec.neutron))
    for name, resource in spec.resources.items():
        if node in resources.nodes(spec, name):
            yield from _resource_needs(name, resource)


def _resource_needs(name: str, resource: Resource) -> Iterator[Need]:
    """An agent or a script; a unit is asked for as a unit."""
    kind, *provider, type_ = resources.agent(resource).split(":")
    script = f"put the script of {name} there (mode 0755), or leave this node out of `on`"
    if resource.script_name.startswith("/"):
        yield Need(resource.script_name, script)
    elif resource.script_name:
        first, *others = (f"{directory}/{resource.script_name}" for directory in SCRIPT_DIRECTORIES)
        yield Need(first, f"{script}; {' or '.join(others)} will do, too", tuple(others))
    elif kind == "lsb":
        yield Need(f"/etc/init.d/{type_}", script)
    elif kind == "ocf" and resource.agent not in _SHIPPED_AGENTS:
        package = _AGENT_PACKAGES.get(provider[0])
        remedy = f"apt-get install {package}" if package else "install the package that brings this agent"
        yield Need(f"{OCF_ROOT}/resource.d/{provider[0]}/{type_}", f"{remedy}; {name} needs it")


def _configs(neutron: Neutron) -> tuple[str, ...]:
    return (neutron.config, neutron.l3_config, neutron.ovs_config, neutron.metadata_config)
