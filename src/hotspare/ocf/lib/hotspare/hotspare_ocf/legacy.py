"""`ocf:hotspare:legacy`: a script of heartbeat's own kind (`SCRIPT ARGUMENT... start|stop|status`), which Pacemaker 2
no longer runs by itself.

What `status` prints decides, never how it exits. Source: "Heartbeat Resource Agents" of linux-ha.org (it has to print
OK or running where the resource is active, and may print neither where it is not; its exit code is ignored), and
map_ra_retvalue of cluster-glue's lib/plugins/lrm/raexechb.c (`stopped` and `not ... running` go before them). One thing
is taken more strictly: where one line says running and another one stopped, something runs.

A start has to exit with 0 and to be followed by a status that says so. A stop is judged by the status alone: many old
scripts complain of stopping what is stopped.
"""

from __future__ import annotations

import os
import time

from hotspare_ocf import codes, events, identity, script, whole_file
from hotspare_ocf.codes import OcfError
from hotspare_ocf.declaration import Action, Agent, Parameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hotspare_ocf.environment import Call

DIRECTORIES = ("/etc/ha.d/resource.d", "/etc/init.d")
"""Where heartbeat looked for a script that is given by its name, in this order."""

_SEPARATOR = "::"
"""Between a script and its arguments in /etc/ha.d/haresources."""

_NEGATIONS = frozenset({"not", "nothing"})
"""Before `running` in a line they make it its opposite; `note` and `notice`, which heartbeat took for them, do not."""

_POLL_S = 0.3


def start(call: Call) -> int:
    """The script's status says that it runs, after a start that said it went well, or before any."""
    command = _command(call)
    _remember(call)
    if _status(call, command).runs:
        return codes.SUCCESS
    said = script.run(call, command[0], [*command[1:], "start"], aloud=True)
    if said.code:
        raise OcfError(
            codes.ERR_GENERIC, f"{' '.join(command)} start: exit {said.code}; it last said: {said.last_words}"
        )
    status = _until(call, command, runs=True)
    if not status.runs:
        raise OcfError(
            codes.ERR_GENERIC,
            f"{' '.join(command)} start: exit 0, but its status says neither running nor OK: {status.words}",
        )
    return codes.SUCCESS


def stop(call: Call) -> int:
    """The script's status no longer says that it runs."""
    try:
        command = _command(call)
    except OcfError:
        if _is_known(call):
            raise
        return codes.SUCCESS
    said = script.run(call, command[0], [*command[1:], "stop"], aloud=True)
    status = _until(call, command, runs=False)
    if status.runs:
        raise OcfError(
            codes.ERR_GENERIC, f"{' '.join(command)} stop: exit {said.code}, but its status says: {status.words}"
        )
    _forget(call)
    return codes.SUCCESS


def monitor(call: Call) -> int:
    """SUCCESS or NOT_RUNNING as the script's status says; on a node that has no script nothing runs, unless it was
    started there.
    """
    try:
        command = _command(call)
    except OcfError:
        if call.is_probe and not _is_known(call):
            return codes.NOT_RUNNING
        raise
    status = _status(call, command)
    if status.runs:
        if not _is_known(call):
            _remember(call)
        return codes.SUCCESS
    if not call.is_probe:
        events.tell("monitor.not_running", resource=call.instance, status=status.words)
    return codes.NOT_RUNNING


def validate(call: Call) -> int:
    """SUCCESS where the script is there and may be executed."""
    _command(call)
    return codes.SUCCESS


class _Status:
    """What a status means, and its last words for whoever doubts that."""

    __slots__ = ("runs", "words")

    def __init__(self, *, runs: bool, words: str) -> None:
        self.runs = runs
        self.words = words


def _status(call: Call, command: list[str]) -> _Status:
    said = script.run(call, command[0], [*command[1:], "status"], aloud=False)
    runs = says_running(said.out)
    if runs is None:
        raise OcfError(
            codes.ERR_GENERIC,
            f"{' '.join(command)} status: one line says running, another one stopped: cannot tell; "
            f"it last said: {said.last_words}",
        )
    if not runs and not said.is_whole:
        raise OcfError(
            codes.ERR_GENERIC, f"{' '.join(command)} status: more than 64 KiB, and neither running nor OK in them"
        )
    return _Status(runs=runs, words=said.last_words)


def says_running(printed: str) -> bool | None:
    """Whether a status says that the resource is active; None where it says both."""
    running = stopped = ok = False
    for line in printed.splitlines():
        before, has_running, _ = line.lower().partition("running")
        if "stopped" in line.lower() or (has_running and _NEGATIONS.intersection(_parted(before))):
            stopped = True
        elif has_running:
            running = True
        elif "OK" in _parted(line):
            ok = True
    if running and stopped:
        return None
    return running or (ok and not stopped)


def _parted(text: str) -> list[str]:
    return "".join(char if char.isalnum() else " " for char in text).split()


def _until(call: Call, command: list[str], *, runs: bool) -> _Status:
    """The status once it is as it shall be, or the last one before the time is over: daemons come and go slowly."""
    while True:
        status = _status(call, command)
        if status.runs == runs or call.remaining_s() < 2 * _POLL_S:
            return status
        time.sleep(_POLL_S)


def _command(call: Call) -> list[str]:
    """Path and arguments; the action is to follow.

    Raises:
        OcfError: the parameters name no script, or it is not there, or cannot be executed.
    """
    script_given, arguments_given = (call["script"], call["arguments"]) if call["script"] else _remembered(call)
    name, *arguments = script_given.split(_SEPARATOR)
    if not name:
        raise OcfError(codes.ERR_CONFIGURED, "; ".join(call.problems) or "parameter script names no script")
    if "/" in name and not name.startswith("/"):
        raise OcfError(codes.ERR_CONFIGURED, f"parameter script is neither a name nor an absolute path: {name}")
    arguments += _words(arguments_given)
    candidates = [name] if name.startswith("/") else [f"{directory}/{name}" for directory in DIRECTORIES]
    path = next((path for path in candidates if os.path.isfile(path)), "")
    if not path:
        raise OcfError(codes.ERR_INSTALLED, f"there is no script {' nor '.join(candidates)} on this node")
    if not os.access(path, os.X_OK):
        raise OcfError(codes.ERR_INSTALLED, f"{path} cannot be executed; chmod 755 {path}")
    return [path, *arguments]


def _words(text: str) -> list[str]:
    if not any(char in "\\'\"" for char in text):
        return text.split()
    import shlex

    try:
        return shlex.split(text)
    except ValueError as error:
        raise OcfError(codes.ERR_CONFIGURED, f"parameter arguments: {error}: {text}") from error


def _is_known(call: Call) -> bool:
    """Whether it was started here, or seen active, since boot, and no stop has succeeded since."""
    return os.path.exists(_record(call))


def _remember(call: Call) -> None:
    """Script and arguments are on record: Pacemaker may stop a deleted resource without telling its parameters."""
    os.makedirs(identity.RUN_DIR, mode=0o755, exist_ok=True)
    whole_file.write(_record(call), f"{call['script']}\n{call['arguments']}\n")


def _remembered(call: Call) -> tuple[str, str]:
    """Script and arguments as they were when it was started, or seen active, here; empty where it was not."""
    try:
        with open(_record(call), encoding="utf-8") as file:
            script_given, arguments_given = file.read().splitlines()
    except FileNotFoundError:
        return "", ""
    return script_given, arguments_given


def _forget(call: Call) -> None:
    try:
        os.unlink(_record(call))
    except FileNotFoundError:
        pass


def _record(call: Call) -> str:
    return f"{identity.RUN_DIR}/{call.instance}.legacy"


AGENT = Agent(
    "legacy",
    short="script of heartbeat's own kind",
    long="Runs a script that is called as SCRIPT ARGUMENT... start, stop or status, as heartbeat did. What status "
    "prints says whether the resource is active (a line with running or OK; not running and stopped are the "
    "opposite), its exit code does not. start has to exit with 0 and to make status say so; stop has to make status "
    "no longer say so. What start and stop print is in the journal (identifier hotspare-ocf).",
    parameters=(
        Parameter("script", "words", required=True, short="what to run",
                  long="Name of a script in /etc/ha.d/resource.d or else in /etc/init.d, or an absolute path. "
                       "Arguments may follow as in haresources: IPaddr::172.16.1.100/24/eth0."),
        Parameter("arguments", "words", short="what to tell it",
                  long="Arguments before start, stop or status, quoted as for a shell. No passwords: the cluster's "
                       "configuration can be read by many."),
    ),
    actions=(
        Action("start", start, timeout_s=60),
        Action("stop", stop, timeout_s=60),
        Action("monitor", monitor, timeout_s=20, interval_s=10),
        Action("validate-all", validate, timeout_s=10),
    ),
)  # fmt: skip
