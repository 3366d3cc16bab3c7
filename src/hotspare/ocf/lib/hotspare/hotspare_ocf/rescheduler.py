"""`ocf:hotspare:rescheduler`: the daemon that moves the routers of a pool's lost nodes to its live ones.

It runs on one node of the cluster. Whether Neutron's API answers it is its own affair, and never a failure here: a
daemon on another node would get no other answer. What is a failure: it is gone, or it does not answer on its socket.
"""

from __future__ import annotations

import os

from hotspare_ocf import codes, identity, service
from hotspare_ocf.codes import OcfError
from hotspare_ocf.declaration import Action, Agent, Parameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hotspare_ocf.environment import Call
    from hotspare_ocf.identity import Process

MODULE = "hotspare.faces.rescheduler"
_LEVEL_ANSWERS = 10
"""OCF_CHECK_LEVEL from which a monitor asks the daemon how it does."""

_GRACE_S = 6.0
"""Between TERM and KILL. The daemon gives itself 4 s to finish what it has begun (flows/reschedule/daemon.py, STOP_S),
and so ends within 5 s; mostly it is one or two.
"""

_WEIGHTS = "router=1 gateway=0.5 interface=0.25 floating_ip=0.1"


def start(call: Call) -> int:
    """The daemon runs, with the settings of this call, and answers on its socket."""
    validate(call)
    daemon = _service(call)
    process = daemon.running()
    if process is None:
        os.makedirs(_state_dir(call), mode=0o700, exist_ok=True)
        process = _launch(call)
    daemon.first_answer(process, deadline=call.deadline)
    return codes.SUCCESS


def _launch(call: Call) -> Process:
    from hotspare_ocf import events

    process = _service(call).launch(service.interpreter(call["python"]), _settings(call))
    events.tell("rescheduler.launched", resource=call.instance, pid=process.pid, pool=call["pool"])
    return process


def stop(call: Call) -> int:
    """No process of the daemon lives, and what its start wrote to /run is gone."""
    daemon = _service(call)
    if remaining := daemon.end(grace_s=min(_GRACE_S, call.remaining_s() / 2), deadline=call.deadline):
        pids = ", ".join(str(process.pid) for process in remaining)
        raise OcfError(codes.ERR_GENERIC, f"KILL does not end pid {pids} (uninterruptible sleep?)")
    daemon.forget()
    return codes.SUCCESS


def monitor(call: Call) -> int:
    """SUCCESS with the daemon alive; NOT_RUNNING only once neither pid file nor command line shows it.

    At OCF_CHECK_LEVEL 10 it is asked how it does: no answer is a failure, its trouble is DEGRADED. One that still runs
    the package of before an upgrade is launched anew: what it was about is in its journal.
    """
    daemon = _service(call)
    process = daemon.running()
    if process is None:
        return codes.NOT_RUNNING
    now = identity.living(process)
    if now and now.state == "T":
        raise OcfError(codes.ERR_GENERIC, f"the rescheduler (pid {process.pid}) is stopped by a signal")
    if call.level >= _LEVEL_ANSWERS:
        told, _at_ns = daemon.launched_with()
        if not isinstance(told, dict) or told.get("installed") != service.installed():
            stop(call)
            process = _launch(call)
            daemon.first_answer(process, deadline=call.deadline)
        state = _asked(call, process)
        if trouble := state.get("trouble"):
            raise OcfError(codes.DEGRADED, str(trouble))
    return codes.SUCCESS


def reload(call: Call) -> int:
    """SUCCESS: what may be changed without a restart is read anew at every call, so nothing is left to do."""
    if _service(call).running() is None:
        raise OcfError(codes.NOT_RUNNING, "the rescheduler does not run; there is nothing to reload")
    return codes.SUCCESS


def validate(call: Call) -> int:
    """SUCCESS where the daemon could be started on this node; everything that is missing is named at once."""
    hosts, _ = service.pairs("hosts", call["hosts"]), _weights(call)
    if len(call["socket"].encode()) > service.SOCKET_BYTES_MAX:
        raise OcfError(codes.ERR_CONFIGURED, f"parameter socket has more than {service.SOCKET_BYTES_MAX} bytes")
    if taken := _taken(call):
        raise OcfError(codes.ERR_ARGS, "; ".join(taken))
    problems = []
    if service.node() not in hosts:
        problems.append(f"parameter hosts does not name this node, {service.node()}")
    if not os.path.isfile(call["clouds_file"]):
        problems.append(f"parameter clouds_file: there is no file {call['clouds_file']}; hotspare apply writes it")
    try:
        service.interpreter(call["python"])
    except OcfError as error:
        problems.append(error.reason)
    if not os.path.isdir(service.PACKAGES):
        problems.append(f"there is no {service.PACKAGES}; hotspare apply brings it")
    if problems:
        raise OcfError(codes.ERR_INSTALLED, "; ".join(problems))
    return codes.SUCCESS


def _taken(call: Call) -> list[str]:
    """Paths that the daemon is to have and that are something else, in words."""
    state_dir = _state_dir(call)
    wrong = (
        ("pid", call["pid"], "no pid file", not identity.is_free_for_pid(call["pid"])),
        ("log_file", call["log_file"], "a directory", os.path.isdir(call["log_file"])),
        ("socket", call["socket"], "no socket", not service.is_free_for_socket(call["socket"])),
        ("state_dir", state_dir, "no directory", os.path.exists(state_dir) and not os.path.isdir(state_dir)),
    )
    return [f"parameter {name}: {path} is there already and is {what}" for name, path, what, is_so in wrong if is_so]


def _service(call: Call) -> service.Service:
    return service.Service(
        "the rescheduler",
        module=MODULE,
        settings_file=f"{identity.RUN_DIR}/{call.instance}.json",
        pid_file=call["pid"],
        socket=call["socket"],
        log_file=call["log_file"],
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


def _settings(call: Call) -> dict[str, object]:
    return {
        "resource": call.instance,
        "pool": call["pool"],
        "node": service.node(),
        "cloud": call["cloud"],
        "clouds_file": call["clouds_file"],
        "hosts": service.pairs("hosts", call["hosts"]),
        "dhcp_agents_per_network": int(call["dhcp_agents_per_network"]),
        "weights": _weights(call),
        "state_dir": _state_dir(call),
        "socket": call["socket"],
        "homeward": call.yes("homeward"),
        "unfenced": call.yes("unfenced"),
        "installed": service.installed(),
    }


def _state_dir(call: Call) -> str:
    return call["state_dir"] or f"/var/lib/hotspare/{call['pool']}"


def _weights(call: Call) -> dict[str, float]:
    known = [word.partition("=")[0] for word in _WEIGHTS.split()]
    weights = {}
    for name, value in service.pairs("weights", call["weights"]).items():
        is_number = value.replace(".", "", 1).isdecimal() and value.isascii()
        if name not in known or not is_number:
            raise OcfError(
                codes.ERR_CONFIGURED, f"parameter weights gives numbers to {', '.join(known)} only: {name}={value}"
            )
        weights[name] = float(value)
    return weights


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
