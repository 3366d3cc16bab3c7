"""The networks that a DHCP agent serves on a node, in the shape in which a cleaning looks at routers.

Only the DHCP agent's own stop cleans them; no cleaning of routers ever sees them. Their ports are called `tap…`, as
those of VMs are: theirs are those whose devices stand in a DHCP namespace.
"""

from __future__ import annotations

import os
import socket

from hotspare_ocf import identity, namespaces
from hotspare_ocf.look import NETNS_DIR, listed, named_namespaces, processes, program_name, switch_at
from hotspare_ocf.node import Node, Resident, is_id, is_network_namespace

_PREFIX = "qdhcp-"


class Networks:
    """Where they are, and until when (monotonic clock) they have to be gone."""

    def __init__(self, bridge: str, state_path: str, deadline: float) -> None:
        self.bridge = bridge
        self.state_path = state_path
        self.deadline = deadline
        # Devices that stood in a DHCP namespace at some look: they are known after their namespace has gone.
        self._devices: set[str] = set()

    def look(self, _keep: frozenset[str] = frozenset()) -> Node:
        """The networks as they are now; never raises for what does not answer."""
        mounted, _ = named_namespaces(is_network_namespace, links=True)
        paths = [f"{NETNS_DIR}/{one.name}" for one in mounted if one.inode]
        namespaces.inside(paths, lambda _path: self._devices.update(name for _, name in socket.if_nameindex()))
        self._devices.discard("lo")
        switch, trouble = switch_at(self.bridge, self.deadline, self._devices.__contains__)
        names = {one.inode: one.name for one in mounted if one.inode}
        return Node(
            switch=switch,
            switch_trouble=trouble,
            namespaces=tuple(sorted(mounted, key=lambda one: one.name)),
            residents=tuple(
                Resident(seen.pid, seen.start_ticks, program_name(seen.command_line), seen.inode, names[seen.inode])
                for seen in processes()
                if seen.inode in names
            ),
            helpers=(),
            files=self._files({one.name.removeprefix(_PREFIX) for one in mounted}),
            agents=(),
            started=(),
            promoted=(),
        )

    def unserved(self) -> list[str]:
        """Ids of the networks that should have a DHCP server here and have none alive.

        Source: neutron/agent/linux/dhcp.py, DhcpLocalProcess: $state_path/dhcp/NETWORK/pid.
        """
        return sorted(network for network in self._held() if not self._is_served(network))

    def _held(self) -> list[str]:
        return [name for name in listed(f"{self.state_path}/dhcp") if is_id(name)]

    def _is_served(self, network: str) -> bool:
        try:
            with open(f"{self.state_path}/dhcp/{network}/pid", encoding="ascii") as file:
                pid = int(file.read())
        except (OSError, ValueError):
            return False
        return network.encode() in identity.command_line(pid)

    def _files(self, networks: set[str]) -> tuple[str, ...]:
        """What a later agent would take for a sign of life."""
        found = []
        for network in sorted(networks | set(self._held())):
            found += [
                f"{self.state_path}/dhcp/{network}",
                f"{self.state_path}/external/pids/{network}.pid.haproxy",
                f"{self.state_path}/ns-metadata-proxy/{network}.conf",
            ]
        return tuple(path for path in found if os.path.lexists(path))
