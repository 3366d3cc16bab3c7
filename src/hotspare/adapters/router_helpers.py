"""Routers' haproxy and radvd, run as Neutron's agents run them, who then take them for their own.

Such an agent takes a process for its helper that a pid file names and that has the router's id on its command line; it
leaves radvd alone then, and haproxy too where that reads what the agent would write. Source: Neutron,
agent/linux/external_process.py (`active`, `get_pid_file_name`), agent/linux/ra.py (`_spawn_radvd`),
agent/metadata/driver_base.py (`is_config_file_obsolete`).
"""

import pwd
import re
from pathlib import Path

from hotspare.adapters.helper_files import STATE_PATH, owned_directory
from hotspare.adapters.process import Processes
from hotspare.model.errors import RefusedError
from hotspare.model.staging import Helper

RADVD = ".radvd.conf"
"""How the name of what radvd reads ends; haproxy reads the rest."""
PID_FILES = "external/pids"
"""Below `state_path`, where `external_pids` is not set. haproxy's configuration names its own."""
START_LIMIT_S = 30.0
"""Both leave once they work in the background: haproxy after 0.1 s of CPU time, which a busy machine may not have."""
MODESTLY = ("setsid", "--wait", "sh", "-c", 'echo 10 >/proc/self/autogroup; exec "$@"', "sh")
"""How they are started: in a session that lets others go first, as that of a twin's agents does, above all the metadata
agent, which starts at the same time. They leave it when they are daemons. Source: sched(7), "The autogroup feature".
"""

_PID_FILE = re.compile(r"^\s*pidfile\s+(\S+)", re.MULTILINE)


class RouterHelpers:
    """Fulfils `ports.RouterHelpers`."""

    def __init__(self, state_path: Path = STATE_PATH) -> None:
        self._state_path = state_path
        self._processes = Processes()

    async def run(self, helper: Helper) -> None:
        """See `ports.RouterHelpers`."""
        pid_file = self._pid_file(helper)
        if _is_served(pid_file, helper.router):
            return
        try:
            command = self._command(helper, pid_file)
            owned_directory(pid_file.parent, self._state_path)
            pid_file.unlink(missing_ok=True)
        except (OSError, KeyError) as failed:
            raise RefusedError(f"{pid_file}: {failed}", code=0) from failed
        argv = (*MODESTLY, "ip", "netns", "exec", helper.namespace, *command)
        await self._processes.run("this node", argv, timeout_s=START_LIMIT_S)

    def _pid_file(self, helper: Helper) -> Path:
        if _is_radvds(helper):
            return self._state_path / PID_FILES / f"{helper.router}.pid.radvd"
        named = _PID_FILE.search(helper.file.text)
        if named is None or Path(named[1]).name != f"{helper.router}.pid.haproxy":
            raise RefusedError(f"{helper.file.path} has no pidfile by which agents would know haproxy", code=0)
        return Path(named[1])

    def _command(self, helper: Helper, pid_file: Path) -> tuple[str, ...]:
        """Raises OSError or KeyError where `state_path` is nobody's."""
        path = helper.file.path
        if not _is_radvds(helper):
            return ("haproxy", "-f", path)
        agents = pwd.getpwuid(self._state_path.stat().st_uid).pw_name
        return ("radvd", "-C", path, "-p", str(pid_file), "-m", "syslog", "-u", agents)


def _is_radvds(helper: Helper) -> bool:
    return helper.file.path.endswith(RADVD)


def _is_served(pid_file: Path, router: str) -> bool:
    """Whether the router has this helper already, as Neutron's agents would say."""
    try:
        pid = int(pid_file.read_text(encoding="ascii"))
        return router.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return False
