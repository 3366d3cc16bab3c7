"""The stager of a gateway with strategy `twin`, as resource agents see it: a daemon of each of its nodes.

Where the gateway is promoted it publishes the data plane, elsewhere it keeps a parked twin of it. It learns its role
from the gateway's marker when it starts (markers.py), and from `promote` and `demote` after that. The data plane is in
the kernel and in Open vSwitch: without a stager it forwards, or is parked, as it was.
"""

from __future__ import annotations

import os

from hotspare_ocf import codes, identity, service
from hotspare_ocf.codes import OcfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hotspare_ocf.environment import Call
    from hotspare_ocf.identity import Process

MODULE = "hotspare.faces.stager"
_SUFFIX = ".stager.json"
_GRACE_S = 1.0
"""Between TERM and KILL. What it does is in transactions, and the next one finishes what was cut."""


class StagerError(Exception):
    """The stager does not do what it was asked for: it is dead or hung, or it says why not."""


def service_of(gateway: str) -> service.Service:
    """The stager's processes and files."""
    base = f"{identity.RUN_DIR}/{gateway}.stager"
    return service.Service(
        f"the stager of gateway {gateway}",
        module=MODULE,
        settings_file=f"{identity.RUN_DIR}/{gateway}{_SUFFIX}",
        pid_file=f"{base}.pid",
        socket=f"{base}.sock",
        log_file=f"/var/log/hotspare/{gateway}.stager.log",
    )


def asked(gateway: str, ask: str, *, within_s: float) -> dict[str, object]:
    """The stager's answer: to `state` and `retire`, at once; to `promote`, `demote` and `drop`, when that is done.

    Raises:
        StagerError: no answer within the time, or a refusal.
    """
    from hotspare_ocf import daemon

    request: dict[str, object] = {"ask": ask}
    if ask not in {"state", "retire"}:
        request["within_s"] = round(within_s * _ITS_SHARE, 1)
    try:
        answer = daemon.ask(service_of(gateway).socket, request, within_s=within_s)
    except OSError as error:
        raise StagerError(f"the stager does not answer: {error}") from error
    if "error" in answer:
        raise StagerError(". ".join(str(answer[part]) for part in ("error", "hint") if answer.get(part)))
    return answer


_ITS_SHARE = 0.9
"""It is told to be done a little sooner than it is given up, so that its own reason comes through."""


def kept_here() -> list[str]:
    """The gateways whose stagers live on this node."""
    return [gateway for gateway in known_here() if service_of(gateway).running()]


def known_here() -> list[str]:
    """The gateways that have had a stager launched on this node, and not stopped since."""
    try:
        names = os.listdir(identity.RUN_DIR)
    except FileNotFoundError:
        return []
    return sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))


def stop(gateway: str, *, deadline: float) -> None:
    """The stager does nothing any more. One that KILL does not end (uninterruptible sleep) does not either: it has seen
    its last instruction, and whoever needs silence looks for himself.
    """
    daemon = service_of(gateway)
    if remaining := daemon.end(grace_s=_GRACE_S, deadline=deadline):
        from hotspare_ocf import events

        events.tell("stager.unkillable", gateway=gateway, pids=",".join(str(process.pid) for process in remaining))
    daemon.forget()


def stop_all(*, deadline: float) -> None:
    """No stager is at work on the node, whose ever: nothing comes back while it is cleaned."""
    for gateway in known_here():
        stop(gateway, deadline=deadline)


def ensure(call: Call) -> tuple[Process | None, str]:
    """The stager has been launched, with the settings, the key and the package of now. Returns the process where it was
    launched by this call, and what was wrong before or still is, in words.
    """
    daemon = service_of(call["gateway"])
    try:
        key_ns = _key_ns(call)
        wanted = settings(call)
        if daemon.running():
            if daemon.launched_with() == (wanted, key_ns):
                return None, ""
            daemon.end(grace_s=_GRACE_S, deadline=call.deadline)
            said = ""
        else:
            said = _obituary(daemon)
        process = launch(call, wanted, key_ns)
    except OcfError as error:
        return None, f"no stager is launched: {error.reason}"
    return process, said


def launch(call: Call, wanted: dict[str, object], key_ns: int) -> Process:
    """The stager has been launched with the key as old as this (time of its file, in ns).

    Raises:
        OcfError: it could not be, or another gateway was promoted here a moment ago.
    """
    from hotspare_ocf import events, markers
    from hotspare_ocf.alone import Alone

    os.makedirs(str(wanted["state_dir"]), mode=0o700, exist_ok=True)
    daemon = service_of(call["gateway"])
    interpreter = service.interpreter(call["python"])
    with Alone(call.deadline):
        if others := markers.promoted_beside(call["gateway"]):
            raise OcfError(codes.ERR_GENERIC, f"this node carries gateway {others[0]}, and keeps no twin beside it")
        process = daemon.launch(interpreter, wanted)
    # So it is known later that the key is another one by now.
    os.utime(daemon.settings_file, ns=(key_ns, key_ns))
    events.tell("stager.launched", gateway=call["gateway"], pid=process.pid)
    return process


def _key_ns(call: Call) -> int:
    try:
        return os.stat(call["key_file"]).st_mtime_ns
    except OSError as error:
        raise OcfError(
            codes.ERR_INSTALLED, f"{call['key_file']}: {error.strerror}; hotspare apply brings it"
        ) from error


def _obituary(daemon: service.Service) -> str:
    """What is left to say of a stager that has ended by itself; empty where none was launched before."""
    from hotspare_ocf import daemon as log

    if not os.path.exists(daemon.settings_file):
        return ""
    return f"{daemon.name} had ended and was launched anew; {daemon.log_file} ends: {log.last_words(daemon.log_file)}"


def settings(call: Call) -> dict[str, object]:
    """What the stager is to know.

    Raises:
        OcfError: `peers` is no list of nodes with addresses, or does not name this node.
    """
    peers = {node: addresses.split(",") for node, addresses in service.pairs("peers", call["peers"]).items()}
    if service.node() not in peers:
        raise OcfError(codes.ERR_CONFIGURED, f"parameter peers does not name this node, {service.node()}")
    return {
        "gateway": call["gateway"],
        "resource": call.instance,
        "node": service.node(),
        "peers": peers,
        "port": int(call["port"]),
        "key_file": call["key_file"],
        "stale_after_s": int(call["stale_after"]),
        "connections": call.yes("connections"),
        "state_dir": f"/var/lib/hotspare/{call['gateway']}",
        "socket": service_of(call["gateway"]).socket,
        "installed": service.installed(),
    }


def lacks(call: Call) -> list[str]:
    """What is missing on this node for a stager, in words."""
    problems = []
    if not os.path.isfile(call["key_file"]):
        problems.append(f"parameter key_file: there is no file {call['key_file']}; hotspare apply makes it")
    if not os.path.isdir(service.PACKAGES):
        problems.append(f"there is no {service.PACKAGES}; hotspare apply brings it")
    try:
        service.interpreter(call["python"])
    except OcfError as error:
        problems.append(error.reason)
    return problems
