"""`ocf:hotspare:gateway`: the data plane of one gateway on this node, strategy `cold` or `reschedule`.

Unpromoted is clean: no router is here. Promoted is: this node may forward for the gateway, and the agents, ordered
after the promotion, build its routers. Demoting and stopping end in proven silence.
"""

from __future__ import annotations

import posix

from hotspare_ocf import codes, markers
from hotspare_ocf.codes import OcfError
from hotspare_ocf.declaration import Action, Agent, Parameter, where_ports_are

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hotspare_ocf.cleaning import Mine
    from hotspare_ocf.environment import Call

_SCORE_COLD = 100
"""Promotion score of a spare that starts from nothing; leaves room for fresher ones above and staler ones below."""

_LEVEL_FORWARDING = 20
"""OCF_CHECK_LEVEL from which a monitor asks whether the routers really forward."""

_CODES = {markers.PROMOTED: codes.RUNNING_PROMOTED, markers.UNPROMOTED: codes.SUCCESS, "": codes.NOT_RUNNING}

_BOOT_S = 180.0
"""So long after the kernel's start a service that does not run yet may still be on its way."""

_NETNS_DIR = "/run/netns"
_CRM_ATTRIBUTE = "/usr/sbin/crm_attribute"
_CRM_WAIT_S = 5.0


def monitor(call: Call) -> int:
    """Promoted, unpromoted, or not running only with no record and no router here that could forward.

    At OCF_CHECK_LEVEL 20 also whether the routers really forward, or, on a spare, whether they could.
    """
    if not call["gateway"]:
        raise OcfError(codes.ERR_CONFIGURED, "; ".join(call.problems))
    role = markers.role(call["gateway"])
    # Routers on a node where another gateway is promoted are that gateway's.
    if role != markers.PROMOTED and not markers.promoted() and (call.is_probe or _has_router_namespace()):
        _refuse_forwarding(call, role)
    if call.is_probe:
        if role:
            _score(call, _SCORE_COLD)
    elif call.level >= _LEVEL_FORWARDING:
        _look_deeper(call, role)
    return _CODES.get(role, codes.SUCCESS)


def _refuse_forwarding(call: Call, role: str) -> None:
    """Raises OcfError where routers forward, or may, that no promotion allowed."""
    forwards = _may_forward(call)
    if forwards and role:
        raise OcfError(
            codes.FAILED_PROMOTED,
            f"routers forward here, but gateway {call['gateway']} is not promoted on this node",
        )
    if forwards and not _is_strangers(call):
        raise OcfError(
            codes.FAILED_PROMOTED,
            f"routers forward here, but gateway {call['gateway']} was not started on this node",
        )
    if forwards is None:
        raise OcfError(
            codes.ERR_GENERIC,
            "routers' namespaces are here and Open vSwitch does not answer: cannot tell whether they forward",
        )


def _look_deeper(call: Call, role: str) -> None:
    """Raises OcfError: nothing forwards here (a failure: another node has to be promoted), or single routers do not, or
    this spare could carry none (degraded: told, and nobody would be helped by a takeover).
    """
    from hotspare_ocf import forwarding, sweep, vswitchd

    if role == markers.UNPROMOTED and (trouble := vswitchd.trouble()):
        raise OcfError(codes.DEGRADED, f"this node could not carry gateway {call['gateway']}: {trouble}")
    if role != markers.PROMOTED:
        return
    try:
        outage = forwarding.outage(call.remaining_s())
        trouble = "" if outage else forwarding.trouble(sweep.site(call))
    except OSError as error:
        raise OcfError(codes.DEGRADED_PROMOTED, f"cannot tell whether the routers forward: {error}") from error
    if outage:
        _score(call, None)
        raise OcfError(codes.FAILED_PROMOTED, f"no router of gateway {call['gateway']} forwards here: {outage}")
    if trouble:
        raise OcfError(codes.DEGRADED_PROMOTED, trouble)


def start(call: Call) -> int:
    """The node is clean (a crash or a reboot may have left routers), and may be promoted."""
    validate(call)
    if markers.role(call["gateway"]) == markers.PROMOTED:
        raise OcfError(
            codes.ERR_GENERIC,
            f"gateway {call['gateway']} is promoted on this node already; it has to be demoted before a start",
        )
    if not _others_promoted(call):
        _clean(call)
    _require_switch(call)
    markers.write(call["gateway"], markers.UNPROMOTED)
    _score(call, _SCORE_COLD)
    return codes.SUCCESS


def promote(call: Call) -> int:
    """This node may forward for the gateway, from a clean slate."""
    if markers.role(call["gateway"]) == markers.PROMOTED:
        return codes.SUCCESS
    if others := _others_promoted(call):
        raise OcfError(codes.ERR_GENERIC, f"this node carries gateway {others[0]}; a node carries one at a time")
    _require_switch(call)
    _clean(call)
    markers.write(call["gateway"], markers.PROMOTED)
    return codes.SUCCESS


def demote(call: Call) -> int:
    """This node answers and forwards nothing of the gateway, and is clean."""
    _withdraw(call)
    if markers.role(call["gateway"]):
        markers.write(call["gateway"], markers.UNPROMOTED)
    return codes.SUCCESS


def stop(call: Call) -> int:
    """As after a demote; the node has no part in the gateway."""
    _withdraw(call)
    if call["gateway"]:
        markers.forget(call["gateway"])
        _score(call, None)
    return codes.SUCCESS


def reload(call: Call) -> int:
    """SUCCESS: what may be changed without a restart is read anew at every call, so nothing is left to do."""
    if not markers.role(call["gateway"]):
        raise OcfError(codes.NOT_RUNNING, f"gateway {call['gateway']} was not started here; there is nothing to reload")
    return codes.SUCCESS


def validate(_call: Call) -> int:
    """SUCCESS where the parameters are right and Open vSwitch is installed."""
    import os

    if not os.path.exists("/usr/bin/ovs-vsctl"):
        raise OcfError(codes.ERR_INSTALLED, "Open vSwitch is not installed on this node (package openvswitch-switch)")
    return codes.SUCCESS


def _withdraw(call: Call) -> None:
    """Proven silence. A gateway that was never started here owns nothing on a node where a stranger's agents run."""
    if _others_promoted(call):
        return
    if not markers.role(call["gateway"]) and _is_strangers(call):
        return
    _clean(call)


def _require_switch(call: Call) -> None:
    """Raises OcfError where ovs-vswitchd is not at work.

    While the machine boots it is waited for. Later it is not: the promotion of the others waits for this start.
    """
    from hotspare_ocf import vswitchd

    with open("/proc/uptime", encoding="ascii") as file:
        is_booting = float(file.read().split()[0]) < _BOOT_S
    if trouble := vswitchd.trouble(within_s=call.remaining_s() / 2 if is_booting else vswitchd.RESTART_S):
        raise OcfError(codes.ERR_GENERIC, f"this node cannot carry gateway {call['gateway']}: {trouble}")


def _clean(call: Call) -> None:
    from hotspare_ocf import look, sweep

    sweep.clean(sweep.site(call), programs=look.PROGRAMS, is_ours=_ours(call), owner=call["gateway"])


def _ours(call: Call) -> Mine:
    """Agents that the cluster started under the gateway's identity. One whose drop-in is gone may be, too: all that is
    known is that it is the cluster's.
    """
    return lambda agent: bool(agent.resource) and agent.host in (call["gateway"], None)


def _may_forward(call: Call) -> bool | None:
    from hotspare_ocf import cleaning, sweep

    return cleaning.may_forward(sweep.site(call).look())


def _is_strangers(call: Call) -> bool:
    """Whether agents run here that are not the gateway's; the routers are theirs then, and a start is refused."""
    from hotspare_ocf import cleaning, look, sweep

    return bool(cleaning.others(sweep.site(call).look(), look.PROGRAMS, _ours(call)))


def _others_promoted(call: Call) -> list[str]:
    return [gateway for gateway in markers.promoted() if gateway != call["gateway"]]


def _has_router_namespace() -> bool:
    try:
        names = posix.listdir(_NETNS_DIR)
    except FileNotFoundError:
        return False
    return any(name.startswith(("qrouter-", "snat-", "fip-")) for name in names)


def _score(call: Call, score: int | None) -> None:
    """Pacemaker knows how well this node would do as the promoted one; without a score it promotes nobody.

    A failure is told, not raised: by hand and in ocf-tester there is no cluster to know it.
    """
    import subprocess

    from hotspare_ocf import events

    value = ["--delete"] if score is None else ["--update", str(score)]
    try:
        done = subprocess.run(
            [_CRM_ATTRIBUTE, "--promotion", *value],
            stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_CRM_WAIT_S,
        )  # fmt: skip
        reason = done.stderr.decode(errors="replace").strip() if done.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    if reason:
        events.tell("score.unset", gateway=call["gateway"], reason=reason)


AGENT = Agent(
    "gateway",
    short="data plane of a Neutron gateway",
    long="Owns the data plane (routers' namespaces, ports, processes) of one gateway, a Neutron host identity, on a "
    "node. To be used as a promotable clone, with promoted-max=1 or, where each node has a gateway of its own, with as "
    "many as there are nodes: a promoted node may forward; the others are clean. The Neutron agents "
    "(ocf:openstack:neutron-openvswitch-agent, ocf:openstack:neutron-agent-l3 with dataplane=gateway, "
    "ocf:openstack:neutron-metadata-agent) are colocated with the promoted role and ordered after it. "
    "demote and stop succeed only when this node provably answers and forwards nothing of the gateway.",
    parameters=(
        Parameter("gateway", "name", required=True, unique=True, short="identity",
                  long="Name of the gateway: the host name under which Neutron knows its agents."),
        Parameter("strategy", "choice", default="cold", choices=("cold", "reschedule"),
                  short="what becomes of the routers",
                  long="cold: one node is promoted, and a spare has nothing ready; the agents rebuild all routers "
                       "after a takeover. reschedule: every node is promoted, each with a gateway of its own, and "
                       "ocf:hotspare:rescheduler moves a lost node's routers to the others. On a node both are the "
                       "same."),
        *where_ports_are(),
    ),
    actions=(
        Action("start", start, timeout_s=60),
        Action("stop", stop, timeout_s=60),
        Action("promote", promote, timeout_s=60),
        Action("demote", demote, timeout_s=60),
        Action("monitor", monitor, timeout_s=20, interval_s=10, role="Unpromoted"),
        Action("monitor", monitor, timeout_s=20, interval_s=9, role="Promoted"),
        Action("monitor", monitor, timeout_s=30, interval_s=31, role="Promoted", depth=20),
        Action("monitor", monitor, timeout_s=30, interval_s=59, role="Unpromoted", depth=20),
        Action("reload-agent", reload, timeout_s=20),
        Action("validate-all", validate, timeout_s=10),
    ),
)  # fmt: skip
