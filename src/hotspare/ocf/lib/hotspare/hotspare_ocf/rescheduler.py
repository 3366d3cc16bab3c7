"""`ocf:hotspare:rescheduler`: the daemon that moves the routers of a pool's lost nodes to its live ones.

It runs on one node of the cluster. Whether Neutron's API answers it is its own affair, and never a failure here: a
daemon on another node would get no other answer. What is a failure: it is gone, or it does not answer on its socket.
"""

from __future__ import annotations

import os

from hotspare_ocf import codes, identity
from hotspare_ocf.codes import OcfError
from hotspare_ocf.declaration import Action, Agent, Parameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hotspare_ocf.environment import Call
    from hotspare_ocf.identity import Process

MODULE = "hotspare.faces.rescheduler"
_PACKAGES = os.path.realpath(os.path.dirname(__file__) + "/../python")
"""Where `hotspare apply` puts the package that the module is in: /usr/lib/ocf/lib/hotspare/python."""

_AGENT_PROGRAM = "neutron-l3-agent"
"""Its interpreter has openstacksdk beside it where Neutron was installed as one."""

_LEVEL_ANSWERS = 10
"""OCF_CHECK_LEVEL from which a monitor asks the daemon how it does."""

_GRACE_S = 6.0
"""Between TERM and KILL. The daemon gives itself 4 s to finish what it has begun (flows/reschedule/daemon.py, STOP_S),
and so ends within 5 s; mostly it is one or two.
"""

_SOCKET_BYTES_MAX = 107  # unix(7), sun_path

_WEIGHTS = "router=1 gateway=0.5 interface=0.25 floating_ip=0.1"
_POLL_S = 0.1


def start(call: Call) -> int:
    """The daemon runs, with the settings of this call, and answers on its socket."""
    validate(call)
    if process := running(call):
        return _wait_until_it_answers(call, process)
    from hotspare_ocf import events, launching

    _write_settings(call)
    process = launching.launch(
        [_interpreter(call), "-m", MODULE, _settings_file(call)],
        user="root",
        log_file=call["log_file"],
        pid_file=call["pid"],
        environ={"PYTHONPATH": _PACKAGES, "PYTHONUNBUFFERED": "1"},
    )
    events.tell("rescheduler.launched", resource=call.instance, pid=process.pid, pool=call["pool"])
    return _wait_until_it_answers(call, process)


def stop(call: Call) -> int:
    """No process of the daemon lives, and what its start wrote to /run is gone."""
    from hotspare_ocf import ending

    remaining: list[Process] = []
    grace_s = min(_GRACE_S, call.remaining_s() / 2)
    while (alive := _family(call)) and call.remaining_s() > 0:
        remaining = ending.end(alive, grace_s=grace_s, deadline=call.deadline)
        grace_s = 0.0  # what came meanwhile is not asked a second time
    if alive or remaining:
        pids = ", ".join(str(process.pid) for process in alive or remaining)
        raise OcfError(codes.ERR_GENERIC, f"KILL does not end pid {pids} (uninterruptible sleep?)")
    ours = [call["pid"]] if identity.is_free_for_pid(call["pid"]) else []
    ours += [call["socket"]] if _is_free_for_socket(call["socket"]) else []
    for path in (*ours, _settings_file(call)):
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
    return codes.SUCCESS


def monitor(call: Call) -> int:
    """SUCCESS with the daemon alive; NOT_RUNNING only once neither pid file nor command line shows it.

    At OCF_CHECK_LEVEL 10 it is asked how it does: no answer is a failure, its trouble is DEGRADED.
    """
    process = running(call)
    if process is None:
        return codes.NOT_RUNNING
    now = identity.living(process)
    if now and now.state == "T":
        raise OcfError(codes.ERR_GENERIC, f"the rescheduler (pid {process.pid}) is stopped by a signal")
    if call.level >= _LEVEL_ANSWERS:
        state = _asked(call, process)
        if trouble := state.get("trouble"):
            raise OcfError(codes.DEGRADED, str(trouble))
    return codes.SUCCESS


def reload(call: Call) -> int:
    """SUCCESS: what may be changed without a restart is read anew at every call, so nothing is left to do."""
    if running(call) is None:
        raise OcfError(codes.NOT_RUNNING, "the rescheduler does not run; there is nothing to reload")
    return codes.SUCCESS


def validate(call: Call) -> int:
    """SUCCESS where the daemon could be started on this node; everything that is missing is named at once."""
    hosts, _ = _pairs(call, "hosts"), _weights(call)
    if len(call["socket"].encode()) > _SOCKET_BYTES_MAX:
        raise OcfError(codes.ERR_CONFIGURED, f"parameter socket has more than {_SOCKET_BYTES_MAX} bytes")
    if taken := _taken(call):
        raise OcfError(codes.ERR_ARGS, "; ".join(taken))
    problems = []
    if _node() not in hosts:
        problems.append(f"parameter hosts does not name this node, {_node()}")
    if not os.path.isfile(call["clouds_file"]):
        problems.append(f"parameter clouds_file: there is no file {call['clouds_file']}; hotspare apply writes it")
    try:
        _interpreter(call)
    except OcfError as error:
        problems.append(error.reason)
    if not os.path.isdir(_PACKAGES):
        problems.append(f"there is no {_PACKAGES}; hotspare apply brings it")
    if problems:
        raise OcfError(codes.ERR_INSTALLED, "; ".join(problems))
    return codes.SUCCESS


def _taken(call: Call) -> list[str]:
    """Paths that the daemon is to have and that are something else, in words."""
    state_dir = _state_dir(call)
    wrong = (
        ("pid", call["pid"], "no pid file", not identity.is_free_for_pid(call["pid"])),
        ("log_file", call["log_file"], "a directory", os.path.isdir(call["log_file"])),
        ("socket", call["socket"], "no socket", not _is_free_for_socket(call["socket"])),
        ("state_dir", state_dir, "no directory", os.path.exists(state_dir) and not os.path.isdir(state_dir)),
    )
    return [f"parameter {name}: {path} is there already and is {what}" for name, path, what, is_so in wrong if is_so]


def running(call: Call) -> Process | None:
    """The daemon of this resource, by its pid file or, where that says nothing, by its command line."""
    recorded = identity.read_pid_file(call["pid"])
    if recorded and identity.living(recorded):
        return recorded
    return next(iter(_marked(call)), None)


def _marked(call: Call) -> list[Process]:
    """Processes that were started as this resource's daemon: its settings follow the module on their command line."""
    mark = f"-m\0{MODULE}\0{_settings_file(call)}\0".encode()
    found = (identity.stat(pid) for pid in identity.pids() if mark in identity.command_line(pid))
    return [identity.Process(now.pid, now.start_ticks) for now in found if now and now.is_alive]


def _family(call: Call) -> set[Process]:
    """The daemon, every other one of this resource, and what they have started: it is in their sessions."""
    leaders = {process for process in (running(call), *_marked(call)) if process}
    sessions = {process.pid for process in leaders}
    table = [now for pid in identity.pids() if (now := identity.stat(pid)) and now.is_alive]
    return leaders | {identity.Process(now.pid, now.start_ticks) for now in table if now.session in sessions}


def _wait_until_it_answers(call: Call, process: Process) -> int:
    """Returns with its first answer; it listens before it looks at anything."""
    import time

    from hotspare_ocf import daemon

    while identity.living(process):
        try:
            daemon.ask(call["socket"], within_s=max(_POLL_S, min(1.0, call.remaining_s())))
        except OSError as error:
            if call.remaining_s() <= 0:
                raise OcfError(
                    codes.ERR_GENERIC,
                    f"the rescheduler (pid {process.pid}) does not answer on {call['socket']}: {error}; "
                    f"{call['log_file']} ends: {daemon.last_words(call['log_file'])}",
                ) from error
            time.sleep(_POLL_S)
        else:
            return codes.SUCCESS
    raise OcfError(
        codes.ERR_GENERIC,
        f"the rescheduler ended right after its start; {call['log_file']} ends: {daemon.last_words(call['log_file'])}",
    )


def _asked(call: Call, process: Process) -> dict[str, object]:
    from hotspare_ocf import daemon

    within_s = min(float(call["answer_max"]), call.remaining_s())
    try:
        return daemon.ask(call["socket"], within_s=within_s)
    except OSError as error:
        raise OcfError(
            codes.ERR_GENERIC,
            f"the rescheduler (pid {process.pid}) lives, but does not answer on {call['socket']}: {error}",
        ) from error


def _write_settings(call: Call) -> None:
    import json

    settings = {
        "resource": call.instance,
        "pool": call["pool"],
        "node": _node(),
        "cloud": call["cloud"],
        "clouds_file": call["clouds_file"],
        "hosts": _pairs(call, "hosts"),
        "dhcp_agents_per_network": int(call["dhcp_agents_per_network"]),
        "weights": _weights(call),
        "state_dir": _state_dir(call),
        "socket": call["socket"],
        "homeward": call.yes("homeward"),
        "unfenced": call.yes("unfenced"),
    }
    os.makedirs(identity.RUN_DIR, mode=0o755, exist_ok=True)
    os.makedirs(_state_dir(call), mode=0o700, exist_ok=True)
    draft = _settings_file(call) + ".new"
    with open(draft, "w", encoding="utf-8") as file:
        file.write(json.dumps(settings, indent=2) + "\n")
    os.rename(draft, _settings_file(call))


def _settings_file(call: Call) -> str:
    return f"{identity.RUN_DIR}/{call.instance}.json"


def _state_dir(call: Call) -> str:
    return call["state_dir"] or f"/var/lib/hotspare/{call['pool']}"


def _is_free_for_socket(path: str) -> bool:
    import stat

    try:
        return stat.S_ISSOCK(os.lstat(path).st_mode)
    except OSError:
        return True


def _node() -> str:
    """The node's name in the cluster. Source: Pacemaker 2.1, CRM_meta_on_node; by hand the machine's own."""
    return os.environ.get("OCF_RESKEY_CRM_meta_on_node") or os.uname().nodename  # noqa: SIM112


def _pairs(call: Call, name: str) -> dict[str, str]:
    pairs = {}
    for word in call[name].split():
        key, _, value = word.partition("=")
        if not key or not value or key in pairs:
            raise OcfError(codes.ERR_CONFIGURED, f"parameter {name} has to be NAME=VALUE, each once: {call[name]}")
        pairs[key] = value
    return pairs


def _weights(call: Call) -> dict[str, float]:
    known = [word.partition("=")[0] for word in _WEIGHTS.split()]
    weights = {}
    for name, value in _pairs(call, "weights").items():
        is_number = value.replace(".", "", 1).isdecimal() and value.isascii()
        if name not in known or not is_number:
            raise OcfError(
                codes.ERR_CONFIGURED, f"parameter weights gives numbers to {', '.join(known)} only: {name}={value}"
            )
        weights[name] = float(value)
    return weights


def _interpreter(call: Call) -> str:
    """The Python that runs the daemon.

    Raises:
        OcfError: there is none at `python`, or, where that is empty, the L3 agent's program does not name one.
    """
    if call["python"]:
        if not os.access(call["python"], os.X_OK):
            raise OcfError(codes.ERR_INSTALLED, f"parameter python: {call['python']} cannot be executed")
        return call["python"]
    from hotspare_ocf import daemon, launching

    program = launching.find_binary(_AGENT_PROGRAM)
    interpreter = daemon.interpreter_of(program) if program else ""
    if not interpreter:
        raise OcfError(
            codes.ERR_INSTALLED,
            f"{program or _AGENT_PROGRAM} does not tell a Python with openstacksdk; name one by the parameter python",
        )
    return interpreter


AGENT = Agent(
    "rescheduler",
    short="moves routers of lost nodes to live ones",
    long="Runs the daemon that moves the routers of a pool's lost nodes to its live ones through Neutron's API, once "
    "Pacemaker has proved that those nodes are dead or silent. One in the cluster, on a node of the pool. The pool's "
    "data planes and agents are resources of their own (ocf:hotspare:gateway with strategy=reschedule). An API that "
    "does not answer is told as degraded by a monitor with OCF_CHECK_LEVEL 10, and never a failure.",
    parameters=(
        Parameter("pool", "name", required=True, unique=True, short="the pool",
                  long="Name of the gateway with strategy reschedule. POOL-local is its data plane."),
        Parameter("cloud", "words", required=True, short="cloud in clouds_file",
                  long="Name of the cloud in clouds_file."),
        Parameter("clouds_file", "path", default="/etc/hotspare/clouds.yaml", short="how to reach Neutron's API",
                  long="File of the form of OpenStack's clouds.yaml, to be read by root alone."),
        Parameter("hosts", "words", required=True, short="nodes of the pool",
                  long="NODE=HOST for every node of the pool, apart by blanks: its name in the cluster, and the host "
                       "under which Neutron knows its agents."),
        Parameter("dhcp_agents_per_network", "integer", default="1", least=1, most=32, short="DHCP agents a network",
                  long="How many DHCP agents serve a network; as in neutron.conf."),
        Parameter("weights", "words", default=_WEIGHTS, short="what a router costs",
                  long="What a router costs the agent that serves it: NAME=NUMBER for router (each), gateway, "
                       "interface and floating_ip (each of its own)."),
        Parameter("homeward", "boolean", default="no", short="all routers go to the cold gateway",
                  long="Whether all routers go to the agents of the cold gateway that has the pool's name, because the "
                       "strategy is being changed back. Else routers leave those agents, where there are such."),
        Parameter("unfenced", "boolean", default="no", short="no fencing was asked for",
                  long="Whether a lost node counts as off without having been fenced, as the file's fencing: none "
                       "asks. Else nothing is moved from one while the cluster's stonith-enabled is false."),
        Parameter("python", "path", short="interpreter",
                  long="Python 3.11 or newer with openstacksdk. Empty: the one that the program neutron-l3-agent "
                       "names."),
        Parameter("state_dir", "path", short="directory of the journal",
                  long="Where the daemon keeps on record what it moves. Empty: /var/lib/hotspare/POOL."),
        Parameter("socket", "path", default=identity.RUN_DIR + "/${OCF_RESOURCE_INSTANCE}.sock", unique=True,
                  short="the daemon's socket",
                  long="Where the daemon tells its state. Default: /run/hotspare/RESOURCE.sock."),
        Parameter("pid", "path", default=identity.RUN_DIR + "/${OCF_RESOURCE_INSTANCE}.pid", unique=True,
                  short="pid file",
                  long="File with the daemon's pid, start time and boot. Default: /run/hotspare/RESOURCE.pid."),
        Parameter("log_file", "path", default="/var/log/hotspare/${OCF_RESOURCE_INSTANCE}.log", short="log file",
                  long="Where the daemon's output goes. Default: /var/log/hotspare/RESOURCE.log."),
        Parameter("answer_max", "integer", default="5", least=1, most=60, reloadable=True, short="slowest answer (s)",
                  long="Seconds after which a daemon that does not tell its state has failed, by a monitor with "
                       "OCF_CHECK_LEVEL 10."),
    ),
    actions=(
        Action("start", start, timeout_s=60),
        Action("stop", stop, timeout_s=30),
        Action("monitor", monitor, timeout_s=20, interval_s=10),
        Action("monitor", monitor, timeout_s=20, interval_s=31, depth=_LEVEL_ANSWERS),
        Action("reload-agent", reload, timeout_s=20),
        Action("validate-all", validate, timeout_s=10),
    ),
)  # fmt: skip
