"""One look at the node: OVSDB in one transaction, /proc once, /run/netns, Neutron's state files."""

from __future__ import annotations

import os
import time

from hotspare_ocf import identity, markers, ovsdb, stager
from hotspare_ocf.node import (
    DEAD_VLAN,
    AgentProcess,
    Helper,
    Namespace,
    Node,
    Port,
    Resident,
    Switch,
    is_id,
    is_router_device,
    is_router_namespace,
    port_of,
    router_of,
    serves_a_router,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NETNS_DIR = "/run/netns"
_OVSDB_WAIT_S = 3.0
"""An ovsdb-server that is well answers in milliseconds; one that is hung must not eat the time that cleaning without it
needs.
"""

L3_PROGRAMS = (b"neutron-l3-agent", b"neutron-vpn-agent")
PROGRAMS = (*L3_PROGRAMS, b"neutron-openvswitch-agent")
"""The agents that hold routers, and those that hold their ports as well."""


def look(*, bridge: str, state_path: str, deadline: float, links: bool = False) -> Node:
    """The node as it is now; never raises for what does not answer.

    Whether links are up is seen with `links`, and where Open vSwitch does not tell what forwards.
    """
    switch, trouble = switch_at(bridge, deadline, is_router_device)
    table = processes()
    mounted, others = named_namespaces(is_router_namespace, links=links or switch is None)
    routers = _routers(mounted, state_path)
    home = namespace_inode("/proc/self/ns/net")
    return Node(
        switch=switch,
        switch_trouble=trouble,
        namespaces=tuple(sorted((namespace for namespace in mounted), key=lambda namespace: namespace.name)),
        residents=_residents(table, mounted, others, routers),
        helpers=tuple(
            Helper(seen.pid, seen.start_ticks, seen.program.decode(errors="replace"))
            for seen in table
            if seen.inode == home and serves_a_router(seen.command_line, seen.program, routers)
        ),
        files=_files(routers, state_path),
        agents=_agents(table),
        started=tuple(sorted(name[:-5] for name in listed(identity.RUN_DIR) if name.endswith(".conf"))),
        promoted=tuple(markers.promoted()),
        twins=tuple(stager.kept_here()),
    )


def switch_at(bridge: str, deadline: float, is_ours: Callable[[str], bool]) -> tuple[Switch | None, str]:
    """What OVSDB says of the ports of the bridge whose names are ours, or why it says nothing."""
    try:
        with ovsdb.Ovsdb(min(deadline, time.monotonic() + _OVSDB_WAIT_S)) as database:
            tables = database.select(
                Bridge=("_uuid", "name", "ports"),
                Port=("_uuid", "name", "tag", "vlan_mode", "trunks"),
                Interface=("name", "external_ids", "ofport"),
            )
    except ovsdb.OvsdbError as error:
        return None, str(error)
    return switch_of(bridge, tables, frozenset(os.listdir("/sys/class/net")), is_ours), ""


def switch_of(
    bridge: str,
    tables: dict[str, list[ovsdb.Row]],
    root_devices: frozenset[str],
    is_ours: Callable[[str], bool] = is_router_device,
) -> Switch:
    """Our ports of one bridge; those marked `skip_cleanup` and those whose `iface-id` is another port's are nobody's to
    touch.
    """
    ours = next((row for row in tables["Bridge"] if row["name"] == bridge), None)
    if ours is None:
        return Switch(None, ())
    members = {str(uuid[1]) for uuid in ovsdb.atoms(ours["ports"]) if isinstance(uuid, list)}
    interfaces = {str(row["name"]): row for row in tables["Interface"]}
    ports = []
    for row in tables["Port"]:
        name, uuid = str(row["name"]), _uuid(row)
        interface = interfaces.get(name)
        if uuid not in members or interface is None or not is_ours(name):
            continue
        ids = ovsdb.mapping(interface["external_ids"])
        port_id = ids.get("iface-id", "")
        if ids.get("skip_cleanup", "").lower() == "true" or not port_id.startswith(port_of(name) if port_id else ""):
            continue
        ofport = ovsdb.atoms(interface["ofport"])
        has_device = bool(ofport) and isinstance(ofport[0], int) and ofport[0] > 0
        ports.append(Port(uuid, name, _is_live(row), name in root_devices, has_device))
    return Switch(_uuid(ours), tuple(sorted(ports, key=lambda port: port.name)))


def _is_live(row: ovsdb.Row) -> bool:
    """Whether frames pass. A port without a tag is a trunk for all VLANs, so only the dead VLAN, alone, is silent."""
    if ovsdb.atoms(row["tag"]) != [DEAD_VLAN]:
        return True
    mode = ovsdb.atoms(row["vlan_mode"])
    return mode not in ([], ["access"]) and ovsdb.atoms(row["trunks"]) != [DEAD_VLAN]


def _uuid(row: ovsdb.Row) -> str:
    value = row["_uuid"]
    return str(value[1]) if isinstance(value, list) else str(value)


class Seen:
    """A process of the one pass over /proc, with the inode of its network namespace (None: it has ended, or is the
    kernel's).
    """

    __slots__ = ("command_line", "inode", "pid", "program", "session", "start_ticks")

    def __init__(self, now: identity.Stat, inode: int | None, command_line: bytes) -> None:
        self.pid = now.pid
        self.start_ticks = now.start_ticks
        self.session = now.session
        self.inode = inode
        self.command_line = command_line
        self.program = identity.program(command_line)


def processes() -> list[Seen]:
    """All processes but this one, from one pass over /proc."""
    itself = os.getpid()
    seen = []
    for pid in identity.pids():
        now = identity.stat(pid)
        if now is None or not now.is_alive or pid == itself:
            continue
        seen.append(Seen(now, namespace_inode(f"/proc/{pid}/ns/net"), identity.command_line(pid)))
    return seen


def namespace_inode(path: str) -> int | None:
    """The namespace's number; None where there is none behind the path."""
    try:
        return os.stat(path).st_ino
    except OSError:
        return None


def named_namespaces(is_ours: Callable[[str], bool], *, links: bool) -> tuple[list[Namespace], set[int]]:
    """The namespaces whose names are ours, and the inodes that are surely somebody else's: the node's own and all
    others with a name.
    """
    others = {inode for inode in (namespace_inode("/proc/self/ns/net"),) if inode}
    ours: list[Namespace] = []
    plain = namespace_inode(NETNS_DIR)
    device = os.stat(NETNS_DIR).st_dev if plain else 0
    for name in os.listdir(NETNS_DIR) if plain else ():
        path = f"{NETNS_DIR}/{name}"
        try:
            status = os.stat(path)
        except OSError:
            continue
        # A name that is a plain file (on the directory's own file system) has lost its mount.
        inode = status.st_ino if status.st_dev != device else None
        if is_ours(name):
            ours.append(Namespace(name, inode, has_link_up=bool(inode) and (not links or _has_link_up(path))))
        elif inode:
            others.add(inode)
    return ours, others


def _has_link_up(path: str) -> bool:
    """Whether a link is up in the namespace; true as well where that cannot be told, unless it has gone."""
    from hotspare_ocf import namespaces

    try:
        return namespaces.has_link_up(path)
    except FileNotFoundError:
        return False
    except OSError:
        return namespace_inode(path) is not None


def _residents(
    table: list[Seen], mounted: list[Namespace], others: set[int], routers: frozenset[str]
) -> tuple[Resident, ...]:
    """Processes in routers' namespaces, also in those that lost their name.

    A namespace without a name is a router's if a router's device stands in it, or if a router's helper lives in it (the
    devices may be gone already). Others without a name (containers) are left alone.
    """
    names = {namespace.inode: namespace.name for namespace in mounted if namespace.inode}
    nameless: dict[int, list[Seen]] = {}
    for seen in table:
        if seen.inode and seen.inode not in names and seen.inode not in others:
            nameless.setdefault(seen.inode, []).append(seen)
    orphaned = {
        inode
        for inode, members in nameless.items()
        if any(serves_a_router(member.command_line, member.program, routers) for member in members)
        or any(map(is_router_device, _devices(members[0].pid)))
    }
    return tuple(
        Resident(seen.pid, seen.start_ticks, program_name(seen.command_line), seen.inode, names.get(seen.inode))
        for seen in table
        if seen.inode and (seen.inode in names or seen.inode in orphaned)
    )


def _devices(pid: int) -> list[str]:
    """Names of the devices in a process's network namespace. Source: proc(5), /proc/PID/net/dev."""
    try:
        with open(f"/proc/{pid}/net/dev", encoding="ascii") as file:
            return [line.partition(":")[0].strip() for line in file.read().splitlines()[2:]]
    except OSError:
        return []


def program_name(command_line: bytes) -> str:
    """What a process calls itself, without its directory."""
    return command_line.partition(b"\0")[0].rpartition(b"/")[2].decode(errors="replace")


def _agents(table: list[Seen]) -> tuple[AgentProcess, ...]:
    """Running L3 and Open vSwitch agents. A worker's title shows no arguments: it is whose its session is."""
    named = {seen.pid: identity.resource_of(seen.command_line) for seen in table}
    sessions = {seen.session: named[seen.pid] for seen in table if named[seen.pid]} | _recorded_sessions()
    found = []
    for seen in table:
        if seen.program in PROGRAMS:
            resource = named[seen.pid] or sessions.get(seen.session, "")
            host = identity.host_of(resource) if resource else None
            found.append(AgentProcess(seen.pid, seen.start_ticks, seen.program.decode(), resource, host))
    return tuple(found)


def _recorded_sessions() -> dict[int, str]:
    """Session → resource of the agents on record, dead leaders' too: a session's number stays taken while it has
    members.
    """
    sessions = {}
    for resource in [name[:-4] for name in listed(identity.RUN_DIR) if name.endswith(".pid")]:
        recorded = identity.read_pid_file(f"{identity.RUN_DIR}/{resource}.pid")
        if recorded and (identity.living(recorded) or identity.stat(recorded.pid) is None):
            sessions[recorded.pid] = resource
    return sessions


def _routers(mounted: list[Namespace], state_path: str) -> frozenset[str]:
    """Ids of the routers that this node holds or held: of namespaces and of state files. The DHCP agent's ids
    (networks) are left out.
    """
    routers = {router for namespace in mounted if (router := router_of(namespace.name))}
    held = {name[:36] for _, name in _entries(state_path) if is_id(name[:36])}
    networks = set(listed(f"{state_path}/dhcp"))
    networks |= {name.removeprefix("qdhcp-") for name in listed(NETNS_DIR) if name.startswith("qdhcp-")}
    return frozenset(routers | (held - networks))


_STATE_DIRECTORIES = ("external/pids", "ns-metadata-proxy", "ra", "ha_confs")
_STATE_FILES = ("fip-priorities", "fip-linklocal-networks")
"""What a distributed router's floating IPs were given in the namespaces that go. Source: neutron's dvr_fip_ns.py."""


def _entries(state_path: str) -> list[tuple[str, str]]:
    return [
        (f"{state_path}/{directory}", name)
        for directory in _STATE_DIRECTORIES
        for name in listed(f"{state_path}/{directory}")
    ]


def _files(routers: frozenset[str], state_path: str) -> tuple[str, ...]:
    """Pid, configuration and lock files of routers and their helpers: a later agent would take them for a sign of life.

    The directory of locks is the one that most installations have: lock_path = $state_path/lock.
    """
    helpers = [f"{directory}/{name}" for directory, name in _entries(state_path) if name[:36] in routers]
    given = [path for name in _STATE_FILES if os.path.exists(path := f"{state_path}/{name}")]
    locks = [name for name in listed(f"{state_path}/lock") if is_router_namespace(name.removeprefix(_LOCK_PREFIX))]
    return tuple(sorted([*helpers, *given, *(f"{state_path}/lock/{name}" for name in locks)]))


_LOCK_PREFIX = "neutron-iptables-"
"""Source: neutron's iptables_manager.py, IptablesManager._apply."""


def listed(directory: str) -> list[str]:
    """Names in the directory; none where it is not there."""
    try:
        return os.listdir(directory)
    except OSError:
        return []
