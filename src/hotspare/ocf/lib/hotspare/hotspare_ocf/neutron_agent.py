"""What the Neutron agents have in common: one daemon, one drop-in configuration, one pid file."""

from __future__ import annotations

import os

from hotspare_ocf import codes, identity, whole_file
from hotspare_ocf.codes import OcfError
from hotspare_ocf.declaration import Action, Parameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from hotspare_ocf.environment import Call
    from hotspare_ocf.identity import Process

    Ready = Callable[[Call, Process], str]
    """What the agent lacks to do its work, in words; empty where nothing is missing."""

_READY_SHARE = 0.5
_READY_WAIT_MAX_S = 30.0
"""A start waits for readiness this share of its timeout, at most so long: the broker may be down for hours, and that is
no failure of an agent.
"""

_POLL_S = 0.1

_HOSTNAME_CHARS_MAX = 64  # HOST_NAME_MAX, limits.h
_HOSTS = "/etc/hosts"

LEVEL_BROKER, LEVEL_WORK = 10, 20
"""What a monitor looks at besides the process, from this OCF_CHECK_LEVEL on."""

_GRACE_S = 1.5
"""Between TERM and KILL. Neutron's agents have nothing to hand over when they end; their helpers end with them."""


def parameters(*, binary: str, plugin_config: str, log_file: str) -> tuple[Parameter, ...]:
    """The family's parameters with this agent's defaults."""
    return (
        Parameter("config", "path", default="/etc/neutron/neutron.conf", short="Neutron's configuration",
                  long="Configuration file common to Neutron's services. It is read, never changed."),
        Parameter("plugin_config", "path", default=plugin_config, short="the agent's configuration",
                  long="Configuration file of this agent, read after config."),
        Parameter("host", "name", short="identity (Neutron's host)",
                  long="The host name under which Neutron knows the agent, the same on every node that may carry "
                       "it. Given to the agent as one more configuration file, /run/hotspare/RESOURCE.conf. Empty: "
                       "what the configuration files say, else the node's name."),
        Parameter("hostname", "name", short="host name of the agent",
                  long="The host name that the agent itself sees, in a UTS namespace of its own: where host is not "
                       "given, Neutron takes it for the identity. The node's own name and /etc/hosts stay as they "
                       "are; where the agent uses sudo, the name should stand in /etc/hosts, or sudo asks DNS for it "
                       "at every call. At most 64 characters."),
        Parameter("binary", "words", default=binary, short="the agent's program",
                  long="Name or absolute path of the agent's program."),
        Parameter("user", "words", default="neutron", short="user of the agent",
                  long="The user that the agent runs as."),
        Parameter("pid", "path", default=identity.pid_file("${OCF_RESOURCE_INSTANCE}"), unique=True,
                  short="pid file",
                  long="File with the agent's pid, start time and boot. Default: /run/hotspare/RESOURCE.pid."),
        Parameter("log_file", "path", default=log_file, short="log file",
                  long="The agent's log file; its standard output and error go there too."),
        Parameter("additional_parameters", "words", short="more arguments",
                  long="More arguments for the agent's command line, quoted as for a shell."),
        Parameter("nice", "integer", default="0", most=19, short="how far it lets others go first",
                  long="Nice value of the agent and of what it starts; 0: the cluster's own. 10 where a copy of the "
                       "data plane forwards already and the agent only has to find that out: its full synchronisation "
                       "then takes nothing from packets and from the cluster."),
        Parameter("silence_max", "integer", default="75", least=1, most=86_400, reloadable=True,
                  short="silence to the broker (s)",
                  long="Seconds after which an agent that has sent nothing to the broker is told as degraded, by a "
                       "monitor with OCF_CHECK_LEVEL 10 or more. 75 is Neutron's own agent_down_time. Nothing is "
                       "ever restarted for it."),
    )  # fmt: skip


def actions(
    start: Callable[[Call], int], monitor: Callable[[Call], int], stop: Callable[[Call], int]
) -> tuple[Action, ...]:
    """The family's actions with this agent's own; times are what the metadata advises."""
    return (
        Action("start", start, timeout_s=60),
        Action("stop", stop, timeout_s=60),
        Action("monitor", monitor, timeout_s=20, interval_s=10),
        Action("monitor", monitor, timeout_s=20, interval_s=31, depth=LEVEL_BROKER),
        Action("monitor", monitor, timeout_s=30, interval_s=59, depth=LEVEL_WORK),
        Action("reload-agent", reload, timeout_s=20),
        Action("validate-all", validate, timeout_s=10),
    )


def running(call: Call) -> Process | None:
    """The agent of this resource, by its pid file or, where that says nothing, by its drop-in on a command line."""
    recorded = identity.read_pid_file(call["pid"])
    if recorded and identity.living(recorded):
        return recorded
    for pid in identity.marked(identity.drop_in(call.instance)):
        now = identity.stat(pid)
        # The helpers carry the mark as well; only the agent itself leads its session and is called by the program's
        # name.
        program = os.path.basename(call["binary"]).encode()
        if now and now.is_alive and now.session == pid and program in identity.command_line(pid):
            return identity.Process(pid, now.start_ticks)
    return None


def monitor(call: Call, lacks: Ready | None = None) -> int:
    """SUCCESS with the agent alive; NOT_RUNNING only once neither pid file nor command line shows it.

    OCF_CHECK_LEVEL 10 also asks for its connection to the broker, 20 what it `lacks` to do its work. Trouble there is
    DEGRADED: told, and nothing is restarted for it.
    """
    process = running(call)
    if process is None:
        return codes.NOT_RUNNING
    now = identity.living(process)
    if now and now.state == "T":
        raise OcfError(
            codes.ERR_GENERIC, f"{call['binary']} (pid {process.pid}) is stopped by a signal and does no work"
        )
    if not call.is_probe:
        _tell_changed_files(call)
    if call.level >= LEVEL_BROKER and (trouble := _trouble(call, process, lacks)):
        raise OcfError(codes.DEGRADED, trouble)
    return codes.SUCCESS


def _trouble(call: Call, process: Process, lacks: Ready | None) -> str:
    from hotspare_ocf import connection

    try:
        said = [connection.trouble(call, process)]
        if lacks and call.level >= LEVEL_WORK:
            said.append(lacks(call, process))
    except OSError as error:
        return f"cannot tell how {call['binary']} does: {error}"
    return "; ".join(filter(None, said))


def _tell_changed_files(call: Call) -> None:
    from hotspare_ocf import config_files

    for path in config_files.noticed(config_files.record_of(call.instance)):
        from hotspare_ocf import events

        events.tell(
            "config.changed", resource=call.instance, file=path,
            remedy=f"the agent runs with what it read at its start; crm resource restart {call.instance}",
        )  # fmt: skip


def validate(call: Call) -> int:
    """SUCCESS where the agent could be started on this node; everything that is missing is named at once."""
    try:
        more = _more_arguments(call)
    except ValueError as error:
        raise OcfError(codes.ERR_CONFIGURED, f"parameter additional_parameters: {error}") from error
    if len(call["hostname"]) > _HOSTNAME_CHARS_MAX:
        raise OcfError(
            codes.ERR_CONFIGURED,
            f"parameter hostname has more than {_HOSTNAME_CHARS_MAX} characters: {call['hostname']}",
        )
    if not identity.is_free_for_pid(call["pid"]):
        raise OcfError(codes.ERR_ARGS, f"parameter pid: {call['pid']} is there already and is no pid file")
    if os.path.isdir(call["log_file"]):
        raise OcfError(codes.ERR_ARGS, f"parameter log_file: {call['log_file']} is a directory, not a file")
    if problems := _not_installed(call, more):
        raise OcfError(codes.ERR_INSTALLED, "; ".join(problems))
    return codes.SUCCESS


def _not_installed(call: Call, more: list[str]) -> list[str]:
    """Program, user and files that this node does not have, in words."""
    import pwd

    from hotspare_ocf import launching

    problems = []
    if not launching.find_binary(call["binary"]):
        problems.append(f"parameter binary: no program {call['binary']}")
    account = None
    try:
        account = pwd.getpwnam(call["user"])
    except KeyError:
        problems.append(f"parameter user: no user {call['user']} on this node")
    named = [(name, call[name]) for name in ("config", "plugin_config")]
    for name, path in (*named, *(("additional_parameters", path) for path in _config_files(more))):
        try:
            with open(path, "rb") as file:
                file.read(1)
                status = os.fstat(file.fileno())
        except OSError as error:
            problems.append(f"parameter {name}: {path}: {error.strerror}")
        else:
            if account and not launching.may_read(account, status):
                problems.append(f"parameter {name}: {path} cannot be read by user {account.pw_name}")
    return problems


def reload(call: Call) -> int:
    """SUCCESS: what may be changed without a restart is read anew at every call, so nothing is left to do.

    Raises:
        OcfError: the agent does not run, which a reload does not change.
    """
    if running(call) is None:
        raise OcfError(codes.NOT_RUNNING, f"{call['binary']} does not run; there is nothing to reload")
    return codes.SUCCESS


def start(call: Call, ready: Ready) -> int:
    """The agent runs with its identity and is ready, or lives and waits for what is not its own (the broker)."""
    from hotspare_ocf import config_files, events, launching

    validate(call)
    if process := running(call):
        return _wait_until_ready(call, process, ready)
    refuse_strangers(call)
    if call["hostname"] and not _is_known_host(call["hostname"]):
        events.tell("hostname.unknown", resource=call.instance, hostname=call["hostname"], file=_HOSTS,
                    remedy="name it there, or sudo asks DNS for it at every call")  # fmt: skip
    _write_drop_in(call)
    more = _more_arguments(call)
    read = [call["config"], call["plugin_config"], *_config_files(more)]
    config_files.remember(config_files.record_of(call.instance), read)
    arguments = [
        launching.find_binary(call["binary"]) or call["binary"],
        "--config-file", call["config"],
        "--config-file", call["plugin_config"],
        "--config-file", identity.drop_in(call.instance),
        "--log-file", call["log_file"],
        *more,
    ]  # fmt: skip
    process = launching.launch(
        arguments, user=call["user"], log_file=call["log_file"], pid_file=call["pid"], hostname=call["hostname"],
        nice=int(call["nice"]),
    )  # fmt: skip
    events.tell("agent.launched", resource=call.instance, pid=process.pid, host=host(call))
    return _wait_until_ready(call, process, ready)


def stop(call: Call) -> int:
    """Neither the agent nor any helper of its lives, and its identity is taken away."""
    end(call)
    forget(call)
    return codes.SUCCESS


def end(call: Call) -> None:
    """Neither the agent nor any helper of its lives."""
    from hotspare_ocf import ending

    drop_in = identity.drop_in(call.instance)
    leaders = {process for process in (running(call),) if process}
    family = _Family(identity.read_pid_file(call["pid"]), leaders, drop_in)
    family.look()
    ending.end(leaders, grace_s=min(_GRACE_S, call.remaining_s() / 3), deadline=call.deadline)
    # The look after the last KILL is the judge: one that took longer to die than that was waited for has died.
    while (alive := family.look()) and call.remaining_s() > 0:
        ending.end(alive, grace_s=0, deadline=call.deadline)
    if alive:
        pids = ", ".join(str(process.pid) for process in alive)
        raise OcfError(
            codes.ERR_GENERIC,
            f"{call['binary']}: KILL does not end pid {pids} (uninterruptible sleep?); the node has to be fenced",
        )


def has_been_started(call: Call) -> bool:
    """Whether a start gave this resource its identity, and no stop has taken that away since."""
    return os.path.exists(identity.drop_in(call.instance))


def host(call: Call) -> str:
    """The identity that the agent gets from its resource; empty where its configuration or the node gives it."""
    return call["host"] or call["hostname"]


def forget(call: Call) -> None:
    """Identity and pid file are gone: the last step of a stop, so that one which failed is known to the next."""
    from hotspare_ocf import config_files

    config_files.forget(config_files.record_of(call.instance))
    ours = [call["pid"]] if identity.is_free_for_pid(call["pid"]) else []
    for path in (*ours, identity.drop_in(call.instance)):
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass


def refuse_strangers(call: Call) -> None:
    """Raises OcfError where the same program already runs on this node, started by somebody else."""
    program = os.path.basename(call["binary"]).encode()
    for pid in identity.pids():
        line = identity.command_line(pid)
        if program == identity.program(line) and not identity.is_marked(line, identity.drop_in(call.instance)):
            other = identity.resource_of(line)
            who = f"for the resource {other}" if other else f"not started by {call.instance}"
            remedy = f"crm resource stop {other}" if other else f"systemctl disable --now {program.decode()}"
            raise OcfError(
                codes.ERR_INSTALLED,
                f"{call['binary']} already runs on this node as pid {pid}, {who}; "
                f"two agents would fight over the same routers: stop the other one ({remedy})",
            )


class _Family:
    """The agent and its helpers (privsep daemons, rootwrap, what sudo put into another session), found again at every
    look.

    A helper is known by the agent's session, by descent from it, or by the drop-in on its command line. haproxy, radvd
    and keepalived have sessions of their own and do not carry the drop-in: they are the data plane, which is not this
    resource's to end.
    """

    def __init__(self, recorded: Process | None, leaders: set[Process], drop_in: str) -> None:
        self._drop_in = drop_in
        self._known: set[Process] = set(leaders)
        self._sessions = {process.pid for process in leaders}
        # A session's number stays taken while it has members: only if another process has this pid now is the session
        # surely gone.
        if recorded and (identity.living(recorded) or identity.stat(recorded.pid) is None):
            self._sessions.add(recorded.pid)

    def look(self) -> set[Process]:
        """All living members; those seen once stay members when their parent dies."""
        table = [now for pid in identity.pids() if (now := identity.stat(pid)) and now.is_alive]
        itself = os.getpid()
        living = {identity.Process(now.pid, now.start_ticks) for now in table}
        known = {process.pid for process in self._known & living}
        known |= {now.pid for now in table if identity.is_marked(identity.command_line(now.pid), self._drop_in)} - {
            itself
        }
        grown = True
        while grown:
            grown = False
            for now in table:
                if now.pid in known or now.pid == itself:
                    continue
                if now.session in self._sessions or now.parent in known:
                    known.add(now.pid)
                    grown = True
        members = {identity.Process(now.pid, now.start_ticks) for now in table if now.pid in known}
        self._known |= members
        return members


def _wait_until_ready(call: Call, process: Process, ready: Ready) -> int:
    """Returns as soon as the agent is ready, or when it has been alive and waiting for long enough."""
    import time

    from hotspare_ocf import events

    begun = time.monotonic()
    until = begun + min(_READY_WAIT_MAX_S, call.timeout_s * _READY_SHARE)
    missing = "its first breath"
    while time.monotonic() < until:
        if not identity.living(process):
            from hotspare_ocf import daemon

            raise OcfError(
                codes.ERR_GENERIC,
                f"{call['binary']} ended {time.monotonic() - begun:.1f} s after its start; "
                f"{call['log_file']} ends: {daemon.last_words(call['log_file'])}",
            )
        if (now_missing := ready(call, process)) != missing:
            missing = now_missing
            events.tell("agent.waits", resource=call.instance, took_s=time.monotonic() - begun, missing=missing)
        if not missing:
            events.tell("agent.ready", resource=call.instance, took_s=time.monotonic() - begun)
            return codes.SUCCESS
        time.sleep(_POLL_S)
    events.tell("agent.waiting", resource=call.instance, missing=missing)
    return codes.SUCCESS


def lacks_broker(call: Call, process: Process) -> str:
    """The connection to the broker: once it is there, the agent asks for what it has to do."""
    from hotspare_ocf import neutron_config, sockets

    ports = neutron_config.broker_ports(neutron_config.read(configuration(call)))
    connected = sockets.of(family(process)).connected
    return "" if ports & connected else f"a connection to the broker (port {', '.join(map(str, sorted(ports)))})"


def family(process: Process) -> list[int]:
    """Pids of the agent and of its session, the agent first."""
    session = [
        pid
        for pid in identity.pids()
        if (now := identity.stat(pid)) and now.session == process.pid and pid != process.pid
    ]
    return [process.pid, *session]


def configuration(call: Call) -> list[str]:
    """The configuration files in the order in which the agent reads them."""
    return [call["config"], call["plugin_config"], identity.drop_in(call.instance)]


def _write_drop_in(call: Call) -> None:
    os.makedirs(identity.RUN_DIR, mode=0o755, exist_ok=True)
    path = identity.drop_in(call.instance)
    hostname_line = f"{identity.HOSTNAME_NOTE}{call['hostname']}\n" if call["hostname"] else ""
    identity_line = f"host = {call['host']}\n" if call["host"] else hostname_line
    text = f"# Written at each start of the cluster's resource {call.instance}; gone while it is stopped.\n"
    whole_file.write(path, f"{text}[DEFAULT]\n{identity_line}", mode=0o644)


def _is_known_host(name: str) -> bool:
    """Whether the node resolves the name by itself. Source: hosts(5)."""
    try:
        with open(_HOSTS, encoding="utf-8", errors="replace") as file:
            return any(name in line.partition("#")[0].split()[1:] for line in file)
    except OSError:
        return False


def _more_arguments(call: Call) -> list[str]:
    if not call["additional_parameters"]:
        return []
    import shlex

    return shlex.split(call["additional_parameters"])


def _config_files(more: list[str]) -> list[str]:
    """Configuration files that the additional arguments name, `--config-file PATH` or `--config-file=PATH`."""
    from itertools import pairwise

    named = [value for option, value in pairwise(more) if option == "--config-file"]
    return named + [word.partition("=")[2] for word in more if word.startswith("--config-file=")]
