"""Where hotspare's things are on a node, and what a node has to have: the one home of these names."""

from collections.abc import Iterator

from hotspare.model.observed import Need, Query
from hotspare.model.spec import Neutron, Spec

COROSYNC_CONF = "/etc/corosync/corosync.conf"
AUTHKEY = "/etc/corosync/authkey"
AUTHKEY_BYTES = 256
FENCE_DIR = "/etc/hotspare/fence"
OCF_ROOT = "/usr/lib/ocf"
UNITS = ("corosync.service", "pacemaker.service")
AGENT_UNITS = (
    "neutron-openvswitch-agent.service",
    "neutron-l3-agent.service",
    "neutron-metadata-agent.service",
)
"""Units of the distribution that would run what the cluster runs."""

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
    carries = any(node in gateway.nodes for gateway in spec.gateways.values())
    return Query(
        needs=tuple(_needs(spec, node)),
        users=(spec.neutron.user,) if spec.neutron and carries else (),
        units=(*UNITS, *(AGENT_UNITS if carries else ())),
        files=(COROSYNC_CONF, AUTHKEY),
        directory=FENCE_DIR,
        vips=tuple((vip.ip, vip.nic) for vip in spec.vips.values()),
    )


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
    if spec.neutron and any(node in gateway.nodes for gateway in spec.gateways.values()):
        yield Need("ovs-vsctl", "apt-get install openvswitch-switch")
        for program in AGENT_PROGRAMS:
            yield Need(program, f"install Neutron's {program.removeprefix('neutron-')} on this node")
        yield from (Need(path, "give this node Neutron's configuration") for path in _configs(spec.neutron))


def _configs(neutron: Neutron) -> tuple[str, ...]:
    return (neutron.config, neutron.l3_config, neutron.ovs_config, neutron.metadata_config)
