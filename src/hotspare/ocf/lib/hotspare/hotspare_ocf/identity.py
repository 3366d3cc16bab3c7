"""A process is its pid AND its start time: pids are used again, start times are not.

The pid file holds three lines: the pid (so that `head -1` gives what every tool expects), the start time in clock ticks
since boot, and the boot's id. Whatever else stands in the file says nothing about any process.
"""

import posix

RUN_DIR = "/run/hotspare"
"""Identities (drop-in configuration), pid files and gateways' markers. On tmpfs: a reboot forgets them, as it must."""

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_FILE_BYTES_MAX = 4096


class Process:
    """A process that was alive when it was looked at."""

    __slots__ = ("pid", "start_ticks")

    def __init__(self, pid: int, start_ticks: int) -> None:
        self.pid = pid
        self.start_ticks = start_ticks

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Process) and (self.pid, self.start_ticks) == (other.pid, other.start_ticks)

    def __hash__(self) -> int:
        return hash((self.pid, self.start_ticks))

    def __repr__(self) -> str:
        return f"Process(pid={self.pid}, start_ticks={self.start_ticks})"


class Stat:
    """What /proc/PID/stat says. `state` is one letter; Z and X are dead, T is stopped by a signal."""

    __slots__ = ("parent", "pid", "session", "start_ticks", "state")

    def __init__(self, pid: int, fields: list[bytes]) -> None:
        self.pid = pid
        self.state = fields[0].decode()
        self.parent = int(fields[1])
        self.session = int(fields[3])
        self.start_ticks = int(fields[19])

    @property
    def is_alive(self) -> bool:
        return self.state not in "ZX"


def stat(pid: int) -> Stat | None:
    """The process as the kernel shows it; None where there is none. Source: proc(5)."""
    content = _read(f"/proc/{pid}/stat")
    # The command's name may hold blanks and parentheses; what follows its last parenthesis may not.
    return Stat(pid, content.rpartition(b")")[2].split()) if content else None


def living(process: Process) -> Stat | None:
    """The very process, if it still lives."""
    now = stat(process.pid)
    return now if now and now.start_ticks == process.start_ticks and now.is_alive else None


def read_pid_file(path: str) -> Process | None:
    """The process that the file names, whether it lives or not; None where the file is absent, rubbish or of another
    boot.
    """
    lines = _read(path).split(b"\n")
    if len(lines) < 3 or lines[2] != _boot_id() or not (lines[0].isdigit() and lines[1].isdigit()):
        return None
    return Process(int(lines[0]), int(lines[1]))


def is_free_for_pid(path: str) -> bool:
    """Whether a pid file may be written there: nothing is there, or a pid, or, below /run, rubbish."""
    import os

    if os.path.isdir(path):
        return False
    if not os.path.exists(path) or path.startswith(("/run/", "/var/run/")):
        return True
    return _read(path).split(b"\n", 1)[0].strip().isdigit()


def pid_file_text(process: Process) -> bytes:
    """What the pid file of this process holds."""
    return b"%d\n%d\n%b\n" % (process.pid, process.start_ticks, _boot_id())


def pid_file(instance: str) -> str:
    """Path of the pid file where no parameter gives another."""
    return f"{RUN_DIR}/{instance}.pid"


def drop_in(instance: str) -> str:
    """Path of the configuration that carries the identity. It stands on the command line of the agent and of its
    privileged helpers: their mark.
    """
    return f"{RUN_DIR}/{instance}.conf"


HOSTNAME_NOTE = "# hostname = "
"""In a drop-in, what an agent's own host name is: Neutron takes it for the identity without being told."""


def is_marked(command_line: bytes, path: str) -> bool:
    """Whether the command line has the drop-in as its `--config-file` (an editor that has it open has not).

    The arguments are apart by NUL, or by blanks once a process has set its own title.
    """
    wanted = path.encode()
    return b"--config-file\0" + wanted in command_line or b"--config-file " + wanted in command_line


def host_of(resource: str) -> str | None:
    """The identity that the resource's drop-in gives; empty where it gives none, None where there is no drop-in."""
    lines = _read(drop_in(resource)).decode(errors="replace").splitlines()
    for line in lines:
        for mark in ("host = ", HOSTNAME_NOTE):
            if line.startswith(mark):
                return line.removeprefix(mark)
    return "" if lines else None


def resource_of(command_line: bytes) -> str:
    """The resource whose drop-in the command line has as its `--config-file`; empty where it has none."""
    from itertools import pairwise

    words = command_line.replace(b"\0", b" ").split(b" ")
    for option, value in pairwise(words):
        if option == b"--config-file" and value.startswith(RUN_DIR.encode() + b"/"):
            return value.rpartition(b"/")[2].removesuffix(b".conf").decode(errors="replace")
    return ""


def marked(path: str) -> list[int]:
    """Pids of all processes that run with this drop-in, from one pass over /proc."""
    return [pid for pid in pids() if is_marked(command_line(pid), path)]


_INTERPRETERS = (b"python", b"sh", b"bash", b"dash")


def program(command_line: bytes) -> bytes:
    """The name of the program that runs: its own first word, or the script's where that is an interpreter.

    A process that sets its title calls itself `neutron-l3-agent: master process [...]`, hence the colon. Resource
    agents bear the names of what they run and are none of it; nor is an editor, or a grep, with such a name among its
    arguments.
    """
    words = command_line.replace(b"\0", b" ").split()
    for index, word in enumerate(words[:4]):
        name = word.rpartition(b"/")[2].rstrip(b":")
        if index and word.startswith(b"-"):
            continue
        if index or name.rstrip(b"0123456789.") not in _INTERPRETERS:
            return b"" if b"/resource.d/" in word else name
    return b""


def command_line(pid: int) -> bytes:
    """The process's arguments; empty for kernel threads and for what has ended."""
    return _read(f"/proc/{pid}/cmdline")


def pids() -> list[int]:
    """All processes there are, kernel threads too."""
    return [int(name) for name in posix.listdir("/proc") if name.isdigit()]


def _boot_id() -> bytes:
    return _read(_BOOT_ID).strip()


def _read(path: str) -> bytes:
    """The file's content; empty where the file, or the process behind it, is not there (any more)."""
    try:
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
    except OSError:
        return b""
    try:
        # cmdline may be longer than a page; pid files and stat never are.
        return posix.read(descriptor, _FILE_BYTES_MAX if not path.endswith("/cmdline") else 1 << 20)
    except OSError:
        return b""
    finally:
        posix.close(descriptor)
