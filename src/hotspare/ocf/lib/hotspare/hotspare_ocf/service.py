"""A daemon of ours as the processes of this node: `python -m MODULE SETTINGS`, in a session of its own.

Found by its pid file or, where that says nothing, by its settings on a command line; ended with all that it started.
"""

from __future__ import annotations

import os
import time

from hotspare_ocf import codes, identity
from hotspare_ocf.codes import OcfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hotspare_ocf.identity import Process

PACKAGES = os.path.realpath(os.path.dirname(__file__) + "/../python")
"""Where `hotspare apply` puts the package that the modules are in: /usr/lib/ocf/lib/hotspare/python."""

SOCKET_BYTES_MAX = 107  # unix(7), sun_path

_AGENT_PROGRAM = "neutron-l3-agent"
"""Its interpreter has what Neutron depends on beside it where Neutron was installed as one."""

_POLL_S = 0.1
_ANSWER_S = 1.0


class Service:
    """One daemon. `name` is what it is called in a sentence (`the rescheduler`)."""

    __slots__ = ("log_file", "module", "name", "pid_file", "settings_file", "socket")

    def __init__(
        self, name: str, *, module: str, settings_file: str, pid_file: str, socket: str, log_file: str
    ) -> None:
        self.name = name
        self.module = module
        self.settings_file = settings_file
        self.pid_file = pid_file
        self.socket = socket
        self.log_file = log_file

    def running(self) -> Process | None:
        """The daemon, whether it answers or not."""
        recorded = identity.read_pid_file(self.pid_file)
        if recorded and identity.living(recorded):
            return recorded
        return next(iter(self._marked()), None)

    def launch(self, interpreter: str, settings: dict[str, object]) -> Process:
        """The daemon has been launched with these settings; whether it comes up is seen by its answer.

        Raises:
            OcfError: it could not be started.
        """
        import json

        from hotspare_ocf import launching, whole_file

        os.makedirs(os.path.dirname(self.settings_file), mode=0o755, exist_ok=True)
        whole_file.write(self.settings_file, json.dumps(settings, indent=2) + "\n")
        return launching.launch(
            [interpreter, "-m", self.module, self.settings_file],
            user="root",
            log_file=self.log_file,
            pid_file=self.pid_file,
            environ={"PYTHONPATH": PACKAGES, "PYTHONUNBUFFERED": "1"},
        )

    def launched_with(self) -> tuple[object, int]:
        """The settings of the last launch, and the time of their file in ns; None and 0 where nobody can tell."""
        import json

        try:
            with open(self.settings_file, encoding="utf-8") as file:
                return json.load(file), os.fstat(file.fileno()).st_mtime_ns
        except (OSError, ValueError):
            return None, 0

    def first_answer(self, process: Process, *, deadline: float) -> dict[str, object]:
        """What it says of its state; it listens before it looks at anything.

        Raises:
            OcfError: it has ended, or not answered by the deadline (monotonic clock).
        """
        from hotspare_ocf import daemon

        while identity.living(process):
            left_s = deadline - time.monotonic()
            try:
                return daemon.ask(self.socket, within_s=max(_POLL_S, min(_ANSWER_S, left_s)))
            except OSError as error:
                if left_s <= 0:
                    raise OcfError(
                        codes.ERR_GENERIC,
                        f"{self.name} (pid {process.pid}) does not answer on {self.socket}: {error}; "
                        f"{self.log_file} ends: {daemon.last_words(self.log_file)}",
                    ) from error
                time.sleep(_POLL_S)
        raise OcfError(
            codes.ERR_GENERIC,
            f"{self.name} ended right after its start; {self.log_file} ends: {daemon.last_words(self.log_file)}",
        )

    def end(self, *, grace_s: float, deadline: float) -> list[Process]:
        """Neither the daemon nor what it started lives. Returns what a look after the last KILL still shows."""
        from hotspare_ocf import ending

        remaining: set[Process] = set()
        while (alive := self._family() | _living(remaining)) and time.monotonic() < deadline:
            remaining |= set(ending.end(alive, grace_s=grace_s, deadline=deadline))
            grace_s = 0.0  # what came meanwhile is not asked a second time
        return list(alive)

    def forget(self) -> None:
        """What a start wrote to /run is gone."""
        ours = [self.pid_file] if identity.is_free_for_pid(self.pid_file) else []
        ours += [self.socket] if is_free_for_socket(self.socket) else []
        for path in (*ours, self.settings_file):
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass

    def _marked(self) -> list[Process]:
        """Processes that were started as this daemon: its settings follow the module on their command line."""
        mark = f"-m\0{self.module}\0{self.settings_file}\0".encode()
        found = (identity.stat(pid) for pid in identity.pids() if mark in identity.command_line(pid))
        return [identity.Process(now.pid, now.start_ticks) for now in found if now and now.is_alive]

    def _family(self) -> set[Process]:
        """The daemon, every other one with its settings, and what they have started: it is in their sessions."""
        leaders = {process for process in (self.running(), *self._marked()) if process}
        sessions = {process.pid for process in leaders}
        table = [now for pid in identity.pids() if (now := identity.stat(pid)) and now.is_alive]
        return leaders | {identity.Process(now.pid, now.start_ticks) for now in table if now.session in sessions}


def _living(processes: set[Process]) -> set[Process]:
    """One that hangs while it ends has no command line by which a family would be found."""
    return {process for process in processes if identity.living(process)}


def is_free_for_socket(path: str) -> bool:
    """Whether nothing is there, or a socket."""
    import stat

    try:
        return stat.S_ISSOCK(os.lstat(path).st_mode)
    except OSError:
        return True


def node() -> str:
    """The node's name in the cluster. Source: Pacemaker 2.1, CRM_meta_on_node; by hand the machine's own."""
    return os.environ.get("OCF_RESKEY_CRM_meta_on_node") or os.uname().nodename  # noqa: SIM112


def installed() -> str:
    """Another one after `hotspare apply` has brought another version: its files are new then."""
    try:
        found = os.stat(f"{PACKAGES}/hotspare/__init__.py")
    except OSError:
        return ""
    return f"{found.st_ino}.{found.st_ctime_ns}"


def interpreter(given: str) -> str:
    """The Python that runs our daemons: the one given or, where that is empty, the one that runs the L3 agent.

    Raises:
        OcfError: it is not there, or the L3 agent's program does not name one.
    """
    if given:
        if not os.access(given, os.X_OK):
            raise OcfError(codes.ERR_INSTALLED, f"parameter python: {given} cannot be executed")
        return given
    from hotspare_ocf import daemon, launching

    program = launching.find_binary(_AGENT_PROGRAM)
    found = daemon.interpreter_of(program) if program else ""
    if not found:
        raise OcfError(
            codes.ERR_INSTALLED,
            f"{program or _AGENT_PROGRAM} does not tell the Python that Neutron runs with; name one by the parameter "
            "python",
        )
    return found


def pairs(name: str, text: str) -> dict[str, str]:
    """The parameter's NAME=VALUE words.

    Raises:
        OcfError: it has others.
    """
    found: dict[str, str] = {}
    for word in text.split():
        key, _, value = word.partition("=")
        if not key or not value or key in found:
            raise OcfError(codes.ERR_CONFIGURED, f"parameter {name} has to be NAME=VALUE, each once: {text}")
        found[key] = value
    return found
