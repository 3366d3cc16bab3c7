"""`ocf:hotspare:gateway`: the data plane of one gateway on this node, strategy `cold`, `twin` or `reschedule`.

Promoted is: this node may forward for the gateway, and the agents, ordered after the promotion, build its routers.
Unpromoted is clean: no router is here; or, with `twin`, parked: a copy of the data plane that is silent and only has to
be let go. Demoting and stopping end in proven silence.
"""

from __future__ import annotations

import posix

from hotspare_ocf import codes, markers, preference, troubles
from hotspare_ocf.alone import Alone
from hotspare_ocf.codes import OcfError
from hotspare_ocf.declaration import Action, Agent, Parameter, where_ports_are

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hotspare_ocf.cleaning import Mine
    from hotspare_ocf.environment import Call

_LEVEL_FORWARDING = 20
"""OCF_CHECK_LEVEL from which a monitor asks whether the routers really forward."""

_CODES = {markers.PROMOTED: codes.RUNNING_PROMOTED, markers.UNPROMOTED: codes.SUCCESS, "": codes.NOT_RUNNING}

_BOOT_S = 180.0
"""So long after the kernel's start a service that does not run yet may still be on its way."""

_NETNS_DIR = "/run/netns"


def monitor(call: Call) -> int:
    """Promoted, unpromoted, or not running only with no record and no router here that could forward.

    At OCF_CHECK_LEVEL 20 also whether the routers really forward, or, on a spare, whether they could. What is wrong and
    no failure is told beside the result (troubles.py).
    """
    gateway = call["gateway"]
    if not gateway:
        raise OcfError(codes.ERR_CONFIGURED, "; ".join(call.problems))
    role = markers.role(gateway)
    trouble = ""
    # Routers on a node where another gateway is promoted are that gateway's.
    if role != markers.PROMOTED and not _others_promoted(call) and (call.is_probe or _has_router_namespace()):
        trouble = _refuse_forwarding(call, role)
    if call.is_probe:
        troubles.forget(gateway)
        if role:
            _score(call, preference.without_twin(gateway, role))
    else:
        trouble = trouble or _look_further(call, role)
        troubles.tell(gateway, trouble, level=call.level)
    if trouble:
        from hotspare_ocf import events

        events.exit_reason(trouble)
    return _CODES.get(role, codes.SUCCESS)


def _look_further(call: Call, role: str) -> str:
    """Where the node is as its role has it. Returns what is wrong with the stager and, at level 20, with the routers.

    Raises:
        OcfError: nothing forwards here.
    """
    stagers = _stagers_trouble(call, role)
    deeper = _look_deeper(call, role) if call.level >= _LEVEL_FORWARDING else ""
    return "; ".join(filter(None, (deeper, stagers)))


def _stagers_trouble(call: Call, role: str) -> str:
    """Pacemaker knows how well this node would do as the promoted one. Returns what is wrong with the stager, if it has
    one.
    """
    if not _is_twin(call):
        if role:
            preference.tell_changed(call["gateway"], preference.without_twin(call["gateway"], role))
        return ""
    from hotspare_ocf import twin

    return twin.trouble(call, role)


def _refuse_forwarding(call: Call, role: str) -> str:
    """Raises OcfError where routers forward, or may, that no promotion allowed. Returns what keeps a spare from
    knowing: what was parked stays parked without ovsdb-server, and a recovery would clean the twin away.
    """
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
    if forwards is not None:
        return ""
    trouble = "routers' namespaces are here and Open vSwitch does not answer: cannot tell whether they forward"
    if _is_twin(call) and role == markers.UNPROMOTED and not call.is_probe:
        return trouble
    raise OcfError(codes.ERR_GENERIC, trouble)


def _look_deeper(call: Call, role: str) -> str:
    """Raises OcfError where nothing forwards here: another node has to be promoted. Returns why single routers do not,
    or why this spare could carry none: nobody would be helped by a takeover.
    """
    from hotspare_ocf import forwarding, sweep, vswitchd

    if role == markers.UNPROMOTED and (trouble := vswitchd.trouble()):
        return f"this node could not carry gateway {call['gateway']}: {trouble}"
    if role != markers.PROMOTED:
        return ""
    try:
        outage = forwarding.outage(call.remaining_s())
        trouble = "" if outage else forwarding.trouble(sweep.site(call))
    except OSError as error:
        return f"cannot tell whether the routers forward: {error}"
    if outage:
        _score(call, None)
        raise OcfError(codes.FAILED_PROMOTED, f"no router of gateway {call['gateway']} forwards here: {outage}")
    return trouble


def start(call: Call) -> int:
    """The node is clean (a crash or a reboot may have left routers), and may be promoted; a twin begins to grow."""
    validate(call)
    if markers.role(call["gateway"]) == markers.PROMOTED:
        raise OcfError(
            codes.ERR_GENERIC,
            f"gateway {call['gateway']} is promoted on this node already; it has to be demoted before a start",
        )
    with Alone(call.deadline):
        if not _others_promoted(call):
            _clean(call)
    _require_switch(call)
    markers.write(call["gateway"], markers.UNPROMOTED)
    if _is_twin(call) and not _others_promoted(call):
        from hotspare_ocf import twin

        twin.begin(call)
    else:
        _score(call, preference.without_twin(call["gateway"], markers.UNPROMOTED))
    return codes.SUCCESS


def promote(call: Call) -> int:
    """This node may forward for the gateway: by its twin, or from a clean slate."""
    if markers.role(call["gateway"]) == markers.PROMOTED:
        return codes.SUCCESS
    _require_switch(call)
    if _is_twin(call):
        _promote_twin(call)
    else:
        with Alone(call.deadline):
            _refuse_beside(call)
            _clean(call)
            markers.write(call["gateway"], markers.PROMOTED)
    # Before the next transition: a spare of the same score that is not the controller would be promoted instead.
    _score(call, preference.CARRIES)
    troubles.forget(call["gateway"])
    return codes.SUCCESS


def _refuse_beside(call: Call) -> None:
    """Raises OcfError where another gateway may forward here. Asked and answered while nobody cleans: the start of
    another gateway that looked before would clean away what this promotion lets go.
    """
    if others := _others_promoted(call):
        raise OcfError(codes.ERR_GENERIC, f"this node carries gateway {others[0]}; a node carries one at a time")


def _promote_twin(call: Call) -> None:
    """The marker comes first: routers forward from within this call on, and no other gateway here takes them for lost.

    Raises:
        OcfError: the twin could not be let go, and the cold way, a clean slate, could not be made either.
    """
    from hotspare_ocf import stager, twin

    with Alone(call.deadline):
        _refuse_beside(call)
        markers.write(call["gateway"], markers.PROMOTING)
    if not twin.released(call):
        try:
            with Alone(call.deadline):
                _clean(call)
        except OcfError:
            markers.write(call["gateway"], markers.UNPROMOTED)
            raise
    markers.write(call["gateway"], markers.PROMOTED)
    stager.ensure(call)


def demote(call: Call) -> int:
    """This node answers and forwards nothing of the gateway: it is clean or, with `twin`, all of it is parked."""
    if _is_twin(call) and markers.role(call["gateway"]) and not _others_promoted(call):
        _demote_twin(call)
    else:
        _withdraw(call)
        if markers.role(call["gateway"]):
            markers.write(call["gateway"], markers.UNPROMOTED)
    if call["gateway"]:
        troubles.forget(call["gateway"])
    return codes.SUCCESS


def _demote_twin(call: Call) -> None:
    """What cannot be proved to be parked is cleaned. The stager is launched again where it was ended for that."""
    from hotspare_ocf import stager, twin

    if not twin.silenced(call, _ours(call)):
        with Alone(call.deadline):
            _clean(call)
    markers.write(call["gateway"], markers.UNPROMOTED)
    stager.ensure(call)


def stop(call: Call) -> int:
    """As after a demote; the node has no part in the gateway. What is parked may still be on its way out."""
    if not _is_retired(call):
        _withdraw(call)
        if call["gateway"]:
            from hotspare_ocf import stager

            stager.stop(call["gateway"], deadline=call.deadline)
    if call["gateway"]:
        markers.forget(call["gateway"])
        _score(call, None)
        troubles.forget(call["gateway"])
    return codes.SUCCESS


def _is_retired(call: Call) -> bool:
    """Whether this node is a parked spare, and its stager takes the twin away. A start, a cleaning, or the promotion of
    another gateway ends one that is still at it.
    """
    if not _is_twin(call) or markers.role(call["gateway"]) != markers.UNPROMOTED or _others_promoted(call):
        return False
    from hotspare_ocf import cleaning, sweep, twin

    node = sweep.site(call).look()
    return cleaning.is_parked(node) and not node.agents and twin.retired(call)


def reload(call: Call) -> int:
    """The stager has the settings of now, or there is none; a spare that keeps no twin any more is clean. What forwards
    is not touched, also where the strategy changes between `cold` and `twin`; all else is read anew at every call.
    """
    role = markers.role(call["gateway"])
    if not role:
        raise OcfError(codes.NOT_RUNNING, f"gateway {call['gateway']} was not started here; there is nothing to reload")
    from hotspare_ocf import stager

    if _is_twin(call):
        if not _others_promoted(call):
            stager.ensure(call)
    elif call["gateway"] in stager.known_here():
        stager.stop(call["gateway"], deadline=call.deadline)
        if role == markers.UNPROMOTED:
            with Alone(call.deadline):
                if not _others_promoted(call):
                    _clean(call)
        _score(call, preference.without_twin(call["gateway"], role))
    return codes.SUCCESS


def validate(call: Call) -> int:
    """SUCCESS where the parameters are right and Open vSwitch is installed.

    What a stager lacks on this node is no reason against a start: without one this node is a cold spare.
    """
    import os

    if not os.path.exists("/usr/bin/ovs-vsctl"):
        raise OcfError(codes.ERR_INSTALLED, "Open vSwitch is not installed on this node (package openvswitch-switch)")
    if _is_twin(call):
        from hotspare_ocf import stager

        stager.settings(call)
        if call.action == "validate-all" and (lacks := stager.lacks(call)):
            raise OcfError(codes.ERR_INSTALLED, "; ".join(lacks))
    return codes.SUCCESS


def _is_twin(call: Call) -> bool:
    return call["strategy"] == "twin"


def _withdraw(call: Call) -> None:
    """Proven silence. A gateway that was never started here owns nothing on a node where a stranger's agents run."""
    with Alone(call.deadline):
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
    """No trace of a router is on the node, no twin either: that of another gateway is made anew when its own monitor
    launches a stager again. Whoever calls is alone: no stager is launched meanwhile.
    """
    from hotspare_ocf import look, stager, sweep

    stager.stop_all(deadline=call.deadline)
    sweep.clean_alone(sweep.site(call), programs=look.PROGRAMS, is_ours=_ours(call), owner=call["gateway"])


def _ours(call: Call) -> Mine:
    """Agents that the cluster started under the gateway's identity. One whose drop-in is gone may be, too: all that is
    known is that it is the cluster's.
    """
    return lambda agent: bool(agent.resource) and agent.host in (call["gateway"], None)


def _may_forward(call: Call) -> bool | None:
    from hotspare_ocf import cleaning, look, node, sweep

    switch, _ = look.switch_at(call["integration_bridge"], call.deadline, node.is_router_device)
    # A spare with a twin is asked every few seconds: what Open vSwitch says is enough, where it says something.
    return cleaning.forwards(switch) if switch else cleaning.may_forward(sweep.site(call).look())


def _is_strangers(call: Call) -> bool:
    """Whether agents run here that are not the gateway's; the routers are theirs then, and a start is refused."""
    from hotspare_ocf import cleaning, look, sweep

    return bool(cleaning.others(sweep.site(call).look(), look.PROGRAMS, _ours(call)))


def _others_promoted(call: Call) -> list[str]:
    return markers.promoted_beside(call["gateway"])


def _has_router_namespace() -> bool:
    try:
        names = posix.listdir(_NETNS_DIR)
    except FileNotFoundError:
        return False
    return any(name.startswith(("qrouter-", "snat-", "fip-")) for name in names)


def _score(call: Call, score: int | None) -> None:
    preference.tell(call["gateway"], score)


AGENT = Agent(
    "gateway",
    short="data plane of a Neutron gateway",
    long="Owns the data plane (routers' namespaces, ports, processes) of one gateway, a Neutron host identity, on a "
    "node. To be used as a promotable clone, with promoted-max=1 or, where each node has a gateway of its own, with as "
    "many as there are nodes: a promoted node may forward; the others are clean or parked. The Neutron agents "
    "(ocf:openstack:neutron-openvswitch-agent, ocf:openstack:neutron-agent-l3 with dataplane=gateway, "
    "ocf:openstack:neutron-metadata-agent) are colocated with the promoted role and ordered after it. "
    "demote and stop succeed only when this node provably answers and forwards nothing of the gateway.",
    parameters=(
        Parameter("gateway", "name", required=True, unique=True, short="identity",
                  long="Name of the gateway: the host name under which Neutron knows its agents."),
        Parameter("strategy", "choice", default="cold", choices=("cold", "twin", "reschedule"), reloadable=True,
                  short="what becomes of the routers",
                  long="cold: one node is promoted, and a spare has nothing ready; the agents rebuild all routers "
                       "after a takeover. twin: as cold, and a daemon on each node, the stager, keeps a parked copy of "
                       "the promoted node's data plane on the others; a takeover lets it go in one transaction, and "
                       "what has no twin is rebuilt. reschedule: every node is promoted, each with a gateway of its "
                       "own, and ocf:hotspare:rescheduler moves a lost node's routers to the others; on a node that "
                       "is the same as cold."),
        Parameter("peers", "words", reloadable=True, short="nodes of a twin",
                  long="With strategy=twin: NODE=ADDRESS[,ADDRESS] for every node of the gateway, apart by blanks: its "
                       "name in the cluster, and its addresses, the best one first."),
        Parameter("port", "integer", default="5409", least=1, most=65_535, reloadable=True, short="port of the stager",
                  long="With strategy=twin: the TCP port at which stagers ask each other. Each gateway of a node has "
                       "one of its own."),
        Parameter("stale_after", "integer", default="30", least=5, most=86_400, reloadable=True,
                  short="oldest twin (s)",
                  long="With strategy=twin: seconds after which a twin that is out of step is told as a trouble, and "
                       "another node is rather promoted."),
        Parameter("connections", "boolean", default="yes", reloadable=True, short="connections survive",
                  long="With strategy=twin: whether the connections that pass through the routers (conntrack) are "
                       "kept in step, so that a takeover does not end them."),
        Parameter("key_file", "path", default="/etc/hotspare/twin.pem", reloadable=True, short="key of the stagers",
                  long="With strategy=twin: a key and its certificate, in PEM, the same on all nodes and to be read by "
                       "root alone. A stager is launched anew when it has changed."),
        Parameter("python", "path", reloadable=True, short="interpreter of the stager",
                  long="With strategy=twin: Python 3.11 or newer with pyroute2. Empty: the one that the program "
                       "neutron-l3-agent names."),
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
