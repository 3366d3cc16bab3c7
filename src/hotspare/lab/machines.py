"""Machines: a disk each (an overlay on the image), and systemd-nspawn booting it in the machine's network namespace.

A machine is found by its processes, never by a record of them, so what this module says about a machine is true after
any crash of ours. Its overlay is mounted in a mount namespace of its own: it ends with the machine, and
the host's mount table never changes.
"""

import fcntl
import os
import shutil
import signal
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from hotspare.lab import cgroup, namespace, network, processes
from hotspare.lab.command import PATH, run
from hotspare.lab.layout import MACHINE_MARK, MARK, File, Layout, Machine
from hotspare.model.errors import RefusedError, TimedOutError

_DEATH_TIMEOUT_S = 30.0
_LOOK_S = 0.05
_NSPAWN = "systemd-nspawn"

# What a machine without a screen has no use for. Each holds inotify instances, of which all labs of a host share 128
# (inotify(7), max_user_instances): with these a machine takes eight, without them four.
_MASKED = (
    "console-getty.service",
    "systemd-ask-password-console.path",
    "systemd-ask-password-wall.path",
    "systemd-logind.service",
)
_SYSCTLS = {"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"}
"""A machine sets the sysctls of its own network namespaces, and no other. Source: systemd, docs/ENVIRONMENT.md."""
_REBOOT_CODE = "133"
"""systemd-nspawn's exit code when the machine rebooted and a new start is its caller's. Source: systemd, nspawn.c."""


class Fate(Enum):
    """What a look at a machine found."""

    AS_ORDERED = "as ordered"
    DIED = "died"
    REBOOTS = "reboots"


def _image_record(layout: Layout) -> Path:
    return layout.state_dir / "image"


def image_of(layout: Layout) -> Path:
    """The image that the lab's machines boot from."""
    return Path(_image_record(layout).read_text().strip())


def _exit_record(layout: Layout, machine: Machine) -> Path:
    """How systemd-nspawn ended, written when it ended by itself."""
    return layout.disk(machine.name) / "exit"


def record_image(layout: Layout, image: Path) -> None:
    """Machines of the lab boot from this image from now on."""
    _image_record(layout).write_text(f"{image}\n")


def _overlay(layout: Layout, machine: Machine) -> str:
    """A shell command that mounts the machine's disk; `lowerdir` first, as the kernel reads it."""
    disk = layout.disk(machine.name)
    options = f"lowerdir={image_of(layout)},upperdir={disk}/upper,workdir={disk}/work"
    return f"mount -t overlay {layout.netns(machine.name)} -o {options} {disk}/root"


def prepare(layout: Layout, machine: Machine, files: Mapping[str, File], units: Iterable[str]) -> None:
    """The machine has a disk: the image, these files on top, these units enabled (one at least). It is off."""
    disk = layout.disk(machine.name)
    for part in ("upper", "work", "root"):
        (disk / part).mkdir(parents=True, exist_ok=True)
    shutil.copymode(image_of(layout), disk / "upper")
    for path, file in files.items():
        _write(disk / "upper", image_of(layout), path, file)
    systemctl = f"systemctl --quiet --root={disk}/root"
    units_set = f"{systemctl} mask {' '.join(_MASKED)}; {systemctl} enable {' '.join(units)}"
    run(("unshare", "--mount", "sh", "-ec", f"{_overlay(layout, machine)}; {units_set}"), timeout_s=30)


def _write(upper: Path, image: Path, path: str, file: File) -> None:
    """The file is in the upper layer; directories on the way look as in the image."""
    relative = Path(path.lstrip("/"))
    for parent in reversed(relative.parents[:-1]):
        made = upper / parent
        if not made.exists():
            made.mkdir()
            there = image / parent
            if there.is_dir():
                shutil.copymode(there, made)
                os.chown(made, there.stat().st_uid, there.stat().st_gid)
            elif parent.parts[0] == "root":
                made.chmod(0o700)
    target = upper / relative
    target.write_bytes(file.octets)
    target.chmod(file.mode)


def _nspawn(layout: Layout, machine: Machine) -> list[str]:
    name = layout.netns(machine.name)
    argv = [
        _NSPAWN,
        "--quiet",
        f"--directory={layout.disk(machine.name)}/root",
        f"--machine={name}",
        f"--hostname={machine.name}",
        f"--network-namespace-path={namespace.NAMED / name}",
        "--boot",
        "--register=no",
        "--capability=all",
        "--bind=/dev/net/tun",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--console=read-only",
    ]
    if cgroup.systemd_rules():
        argv.append("--property=DeviceAllow=char-misc rwm")
    else:
        argv.append("--keep-unit")
    return argv


@contextmanager
def _sole_order(layout: Layout, machine: Machine) -> Iterator[None]:
    """Nobody else changes the machine's power meanwhile; whoever wants to waits."""
    with (layout.disk(machine.name) / "power.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def boot(layout: Layout, machine: Machine) -> None:
    """The machine is plugged in and booting. Nothing happens to one that is on."""
    with _sole_order(layout, machine):
        if is_on(layout, machine):
            return
        network.plug(layout, machine)
        _exit_record(layout, machine).unlink(missing_ok=True)
        with (layout.disk(machine.name) / "console.log").open("ab") as console:
            marks = {MARK: layout.name, MACHINE_MARK: machine.name}
            spawn(_launcher(layout, machine), {**marks, **_SYSCTLS}, console.fileno())


def _launcher(layout: Layout, machine: Machine) -> list[str]:
    """The command of which the machine is a child: it bears the machine's mark from its first moment.

    systemd-nspawn's own files in /run end with the launcher's mount namespace.
    """
    script = (
        f"{cgroup.join_script(layout.name, machine.name)}"
        "mkdir -p /run/systemd/nspawn; mount -t tmpfs tmpfs /run/systemd/nspawn; "
        f"{_overlay(layout, machine)}; "
        f'set +e; "$@"; echo $? >{_exit_record(layout, machine)}'
    )
    unshare = ["setsid", "--fork", "unshare", "--mount", "--propagation", "slave"]
    return [*unshare, "sh", "-ec", script, "sh", *_nspawn(layout, machine)]


def spawn(argv: list[str], marks: Mapping[str, str], output: int) -> None:
    """The command runs, detached from us: our end, however it comes, is not its own."""
    null = os.open("/dev/null", os.O_RDONLY)
    try:
        actions = [
            (os.POSIX_SPAWN_DUP2, null, 0),
            (os.POSIX_SPAWN_DUP2, output, 1),
            (os.POSIX_SPAWN_DUP2, output, 2),
        ]
        argv = ["env", "--chdir=/", *argv]
        child = os.posix_spawnp(argv[0], argv, {"PATH": PATH, "LC_ALL": "C", **marks}, file_actions=actions)
    finally:
        os.close(null)
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise RefusedError(f"{argv[0]} did not start", code=os.waitstatus_to_exitcode(status))


def init_pid(layout: Layout, machine: Machine) -> int | None:
    """The machine's PID 1, by the host's count; None where it is off, or its systemd has not begun."""
    for process in processes.marked(layout.name, machine.name):
        if process.name == _NSPAWN:
            init = processes.init_of(process.pid)
            if init is not None:
                return init
    return None


def is_on(layout: Layout, machine: Machine) -> bool:
    """Something of the machine runs."""
    return bool(processes.marked(layout.name, machine.name))


def power_off(layout: Layout, machine: Machine) -> None:
    """The machine is dead, as without current: nothing of it runs, its cables are parked, its disk stays.

    Raises:
        TimedOutError: the kernel still holds a process of it.
    """
    with _sole_order(layout, machine):
        # Dark before dead: the kernel closes a killed process's connections, and a machine without current does not.
        network.darken(layout, machine)
        init = init_pid(layout, machine)
        if init is not None:
            # The kernel ends all processes of a PID namespace with its first one, and that one last.
            processes.kill((init,), timeout_s=_DEATH_TIMEOUT_S)
        left = processes.marked(layout.name, machine.name)
        processes.kill((process.pid for process in left), timeout_s=_DEATH_TIMEOUT_S)
        network.unplug(layout, machine)


def settle(layout: Layout, machine: Machine) -> Fate:
    """A machine that ended on its own is off for the network, too. What became of it."""
    if is_on(layout, machine):
        return Fate.AS_ORDERED
    with _sole_order(layout, machine):
        if is_on(layout, machine) or not network.is_plugged(layout, machine):
            return Fate.AS_ORDERED
        network.unplug(layout, machine)
        record = _exit_record(layout, machine)
        rebooted = record.exists() and record.read_text().strip() == _REBOOT_CODE
        return Fate.REBOOTS if rebooted else Fate.DIED


def shut_down(layout: Layout, machine: Machine) -> None:
    """The machine's systemd was asked to power off. Source: systemd(1), SIGRTMIN+4."""
    init = init_pid(layout, machine)
    if init is not None:
        os.kill(init, signal.SIGRTMIN + 4)


def answers_ssh(layout: Layout, machine: Machine, *, timeout_s: float) -> bool:
    """The machine's sshd sends its greeting within the limit."""
    try:
        with (
            namespace.entered(layout.switch),
            socket.create_connection((machine.address("mgmt"), 22), timeout=timeout_s) as connection,
        ):
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def wait_for_ssh(layout: Layout, machine: Machine, *, timeout_s: float) -> float:
    """The machine's sshd answers. The seconds it took.

    Raises:
        RefusedError: the machine ended instead.
        TimedOutError: it did not within the limit.
    """
    begun = time.monotonic()
    while time.monotonic() - begun < timeout_s:
        if answers_ssh(layout, machine, timeout_s=2.0):
            return time.monotonic() - begun
        if _exit_record(layout, machine).exists():
            raise RefusedError(f"{machine.name} ended while it booted", code=1, hint=_read_its_console(layout, machine))
        time.sleep(_LOOK_S)
    raise TimedOutError(
        f"{machine.name}: sshd does not answer after {timeout_s:g} s",
        hint=_read_its_console(layout, machine),
    )


def _read_its_console(layout: Layout, machine: Machine) -> str:
    return f"read its console: {layout.disk(machine.name)}/console.log"
