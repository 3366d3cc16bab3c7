"""TCP sockets of given processes, from /proc: who listens, who is connected. Source: proc(5), tcp(7)."""

from __future__ import annotations

import os

_ESTABLISHED = "01"
_LISTEN = "0A"


class Sockets:
    """Local ports listened on, remote ports connected to, and local ports with a peer."""

    __slots__ = ("accepted", "connected", "listening")

    def __init__(self) -> None:
        self.listening: set[int] = set()
        self.connected: set[int] = set()
        self.accepted: set[int] = set()


def inodes(pids: list[int]) -> set[int]:
    """The inodes of all sockets that these processes hold open."""
    return {inode for pid in pids for inode in _inodes(pid)}


def of(pids: list[int]) -> Sockets:
    """The sockets that these processes hold open."""
    found = Sockets()
    ours = inodes(pids)
    if not ours:
        return found
    for table in ("tcp", "tcp6"):
        for local, remote, state, inode in _rows(f"/proc/{pids[0]}/net/{table}"):
            if inode not in ours:
                continue
            if state == _LISTEN:
                found.listening.add(local)
            elif state == _ESTABLISHED:
                found.accepted.add(local)
                found.connected.add(remote)
    return found


def _rows(path: str) -> list[tuple[int, int, str, int]]:
    try:
        with open(path, encoding="ascii") as file:
            lines = file.read().splitlines()[1:]
    except OSError:
        return []
    rows = []
    for line in lines:
        fields = line.split()
        rows.append((_port(fields[1]), _port(fields[2]), fields[3], int(fields[9])))
    return rows


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def _inodes(pid: int) -> set[int]:
    directory = f"/proc/{pid}/fd"
    try:
        names = os.listdir(directory)
    except OSError:
        return set()
    found = set()
    for name in names:
        try:
            target = os.readlink(f"{directory}/{name}")
        except OSError:
            continue
        if target.startswith("socket:["):
            found.add(int(target[8:-1]))
    return found
