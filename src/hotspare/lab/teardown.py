"""Take a lab down, whatever is left of it.

Nothing is looked up in a record: processes are found by the lab's mark in their environment and by the inodes of its
network namespaces, namespaces by their names, mounts and files by the lab's directory. So it works after `lab up` was
killed at any point, finds nothing the second time, and touches no other lab.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from hotspare.lab import cgroup, image, namespace, neighbour_tables, network, processes
from hotspare.lab.command import run
from hotspare.lab.layout import STATE_ROOT, Layout
from hotspare.model.errors import TimedOutError

_ROUNDS_MAX = 10
_DEATH_TIMEOUT_S = 60.0
_REAP_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Removed:
    """What a teardown found and removed."""

    processes: int
    namespaces: tuple[str, ...]
    mounts: tuple[str, ...]
    files: tuple[str, ...]

    @property
    def anything(self) -> bool:
        return bool(self.processes or self.namespaces or self.mounts or self.files)


def take_down(layout: Layout) -> Removed:
    """Nothing of the lab is left but the cached image. The caller holds the lab's lock.

    Raises:
        TimedOutError: the kernel holds processes that do not die.
    """
    killed = _kill_all(layout)
    names = _namespaces(layout)
    for name in names:
        network.remove_namespace(name)
    mounts = _unmount(layout.state_dir)
    groups = cgroup.remove(layout.name)
    files = [str(group) for group in groups]
    if layout.state_dir.exists():
        shutil.rmtree(layout.state_dir)
        files.append(str(layout.state_dir))
    files += image.sweep()
    neighbour_tables.give_back()
    network.forget_netns_mount()
    for directory in (STATE_ROOT, STATE_ROOT.parent, Path("/run/systemd/nspawn")):
        _remove_if_empty(directory)
    processes.wait_until_reaped(killed, timeout_s=_REAP_TIMEOUT_S)
    return Removed(len(killed), names, mounts, tuple(files))


def _kill_all(layout: Layout) -> frozenset[int]:
    """No process of the lab lives, but for us and our ancestors. Which were killed.

    In rounds, because a process may start another while we look; the machines' first ones go first, and with each all
    that runs in it.
    """
    spared = processes.ourselves()
    killed: set[int] = set()
    for _ in range(_ROUNDS_MAX):
        marked = processes.marked(layout.name)
        inits = [init for process in marked if (init := processes.init_of(process.pid)) is not None]
        inodes = {inode for name in _namespaces(layout) if (inode := namespace.inode(name)) is not None}
        pids = {process.pid for process in (*marked, *processes.inside(inodes))} | set(inits)
        pids -= spared
        if not pids:
            return frozenset(killed)
        processes.kill(sorted(pids), timeout_s=_DEATH_TIMEOUT_S)
        killed |= pids
    raise TimedOutError(f"processes of lab {layout.name} keep starting others", hint="run it again")


def _namespaces(layout: Layout) -> tuple[str, ...]:
    """The lab's names in /run/netns. A lab's name has no hyphen, so none of these can be another lab's."""
    if not namespace.NAMED.is_dir():
        return ()
    names = (path.name for path in namespace.NAMED.iterdir())
    return tuple(sorted(name for name in names if name == layout.switch or name.startswith(f"{layout.switch}-")))


def _unmount(below: Path) -> tuple[str, ...]:
    """Nothing is mounted at or below the directory. Source: proc(5), mountinfo."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    ours = [point for point in points if Path(point).is_relative_to(below)]
    for point in reversed(ours):
        run(("umount", "--lazy", point), timeout_s=30)
    return tuple(ours)


def _remove_if_empty(directory: Path) -> None:
    if directory.is_dir() and not any(directory.iterdir()):
        directory.rmdir()
