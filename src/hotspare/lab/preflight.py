"""What this machine has to have before a lab is made: all that is missing at once, each with its remedy."""

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hotspare.lab import image
from hotspare.lab.command import PATH
from hotspare.lab.layout import STATE_ROOT
from hotspare.model.errors import Problem, WorldError

_GIB = 1024**3
DISK_LAB = 2 * _GIB
DISK_IMAGE = 4 * _GIB
"""Free space for the machines' own writes, and for building the image beside it. Both measured, with room."""
MEMORY_BARE = 1 * _GIB
MEMORY = 4 * _GIB
"""Measured: machines alone 0.3 GiB, with OpenStack 1.4 GiB, with a cluster on top 2.7 GiB."""
INOTIFY = 30
"""Inotify instances: five a machine (systemd three, dbus one, one in hand)."""
INOTIFY_LIMIT = 1024

SUPPORTED = {("debian", "12")}
PACKAGES = {
    "ip": "iproute2",
    "ipmitool": "ipmitool",
    "mount": "mount",
    "nsenter": "util-linux",
    "setsid": "util-linux",
    "systemctl": "systemd",
    "systemd-nspawn": "systemd-container",
    "unshare": "util-linux",
}
PACKAGES_FOR_IMAGE = {"mmdebstrap": "mmdebstrap"}


@dataclass(frozen=True, slots=True)
class Host:
    """What matters of this machine; sizes in bytes."""

    root: bool
    distribution: tuple[str, str]
    """ID and VERSION_ID of os-release(5)."""
    architecture: str
    tun: bool
    overlay: bool
    namespaces: bool
    disk_state_free: int
    disk_cache_free: int
    memory_available: int
    inotify_free: int
    """Inotify instances that root may still make; a machine whose systemd gets none does not boot."""
    commands_missing: tuple[str, ...]
    image_cached: bool


def observe() -> Host:
    """This machine as it is; changes nothing."""
    cached = image.cached_image() is not None
    wanted = PACKAGES if cached else PACKAGES | PACKAGES_FOR_IMAGE
    return Host(
        root=os.geteuid() == 0,
        distribution=_distribution(),
        architecture=platform.machine(),
        tun=Path("/dev/net/tun").is_char_device(),
        overlay="overlay" in Path("/proc/filesystems").read_text().split(),
        namespaces=all(Path(f"/proc/self/ns/{kind}").exists() for kind in ("net", "mnt", "pid", "uts", "ipc")),
        disk_state_free=_free(STATE_ROOT),
        disk_cache_free=_free(Path("/var/cache")),
        memory_available=_memory_available(),
        inotify_free=_inotify_free(),
        commands_missing=tuple(command for command in sorted(wanted) if shutil.which(command, path=PATH) is None),
        image_cached=cached,
    )


def _distribution() -> tuple[str, str]:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return ("unknown", "")
    return (release.get("ID", "unknown"), release.get("VERSION_ID", ""))


def _free(path: Path) -> int:
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def _memory_available() -> int:
    """Source: proc(5), meminfo: an estimate of what can be had without swapping."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def _inotify_free() -> int:
    """Source: inotify(7); the limit is a user's, and the machines' root is this machine's."""
    used = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.stat().st_uid == 0:
                used += sum(str(handle.readlink()) == "anon_inode:inotify" for handle in (process / "fd").iterdir())
        except OSError:  # it ended while we looked
            continue
    return int(Path("/proc/sys/fs/inotify/max_user_instances").read_text()) - used


def problems(host: Host, *, bare: bool = False) -> tuple[Problem, ...]:
    """Everything that stands between this machine and a lab, with what to do about it."""
    return tuple(Problem("this machine", path, text) for path, text in _found(host, bare))


def _found(host: Host, bare: bool) -> Iterator[tuple[str, str]]:
    if not host.root:
        yield "user", "not root, and a lab is made of namespaces and mounts; run it as root (sudo)"
    if host.distribution not in SUPPORTED:
        has = " ".join(host.distribution).strip()
        yield "distribution", f"{has} is not supported; use Debian 12, in a virtual machine if need be"
    if host.architecture not in {"x86_64", "aarch64"}:
        yield "architecture", f"{host.architecture} is not supported; use amd64 or arm64"
    if not host.tun:
        yield "/dev/net/tun", "not there, and Open vSwitch needs it; modprobe tun, or give it to this container"
    if not host.overlay:
        yield "overlay", "the kernel has no overlay file system loaded; modprobe overlay"
    if not host.namespaces:
        yield "namespaces", "the kernel lacks net, mnt, pid, uts or ipc namespaces; use Debian's kernel"
    if host.commands_missing:
        packages = sorted({(PACKAGES | PACKAGES_FOR_IMAGE)[command] for command in host.commands_missing})
        commands = ", ".join(host.commands_missing)
        yield "commands", f"not installed: {commands}; apt-get install {' '.join(packages)}"
    yield from _sizes(host, bare)


def _sizes(host: Host, bare: bool) -> Iterator[tuple[str, str]]:
    if host.disk_state_free < DISK_LAB:
        yield (
            str(STATE_ROOT),
            f"{_gib(host.disk_state_free)} free and {_gib(DISK_LAB)} needed; make room or mount a disk",
        )
    if not host.image_cached and host.disk_cache_free < DISK_IMAGE:
        yield (
            "/var/cache",
            f"{_gib(host.disk_cache_free)} free and {_gib(DISK_IMAGE)} needed; make room or mount a disk",
        )
    if host.inotify_free < INOTIFY:
        remedy = f"sysctl -w fs.inotify.max_user_instances={INOTIFY_LIMIT}, or take another lab down"
        yield "inotify instances", f"{max(host.inotify_free, 0)} left and {INOTIFY} needed; {remedy}"
    memory = MEMORY_BARE if bare else MEMORY
    if host.memory_available < memory:
        yield (
            "memory",
            f"{_gib(host.memory_available)} available and {_gib(memory)} needed; end something or add memory",
        )


def _gib(size: int) -> str:
    return f"{size / _GIB:.1f} GiB"


def check(*, bare: bool = False) -> Host:
    """The machine can hold a lab.

    Raises:
        WorldError: it cannot; all reasons at once.
    """
    host = observe()
    found = problems(host, bare=bare)
    if found:
        raise WorldError(found, hint="nothing was touched")
    return host
