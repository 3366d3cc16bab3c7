"""`ocf:openstack:neutron-agent-l3`: Neutron's L3 agent, with an identity that moves."""

from __future__ import annotations

from hotspare_ocf import codes, neutron_agent
from hotspare_ocf.codes import OcfError
from hotspare_ocf.declaration import Agent, Parameter, where_ports_are

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hotspare_ocf.cleaning import Mine
    from hotspare_ocf.environment import Call
    from hotspare_ocf.identity import Process


def start(call: Call) -> int:
    """The agent lives and is connected to the broker, or waits for it. With a data plane of its own it begins on a
    clean node.
    """
    neutron_agent.validate(call)
    _check_data_plane(call)
    if neutron_agent.running(call) is None:
        neutron_agent.refuse_strangers(call)
        _require_switch(call)
        if call["dataplane"] == "own":
            _clean(call)
    return neutron_agent.start(call, neutron_agent.lacks_broker)


def stop(call: Call) -> int:
    """Neither agent nor helpers live; with a data plane of its own, this node is proven silent and clean."""
    neutron_agent.end(call)
    # Routers beside somebody else's agent are ours only if we were started: then cleaning refuses, and says why.
    if _owns_routers(call) and (neutron_agent.has_been_started(call) or not _is_others(call)):
        _clean(call, keep=_kept(call))
    neutron_agent.forget(call)
    return codes.SUCCESS


def monitor(call: Call) -> int:
    """As for every agent; but with a data plane of its own, a dead agent whose routers still forward is not stopped.

    Pacemaker takes NOT_RUNNING for proof that nothing is here and may start the resource elsewhere without a stop.
    At OCF_CHECK_LEVEL 20 an Open vSwitch that is dead or hung under routers of its own is a failure, too.
    """
    if call.level >= neutron_agent.LEVEL_WORK and _owns_routers(call) and neutron_agent.running(call):
        _look_for_outage(call)
    code = neutron_agent.monitor(call, _lacks)
    if code != codes.NOT_RUNNING or not _owns_routers(call):
        return code
    from hotspare_ocf import cleaning, sweep

    forwards = cleaning.may_forward(sweep.site(call).look())
    if forwards is False or (not neutron_agent.has_been_started(call) and _is_others(call)):
        return code
    known = "its routers still forward" if forwards else "Open vSwitch does not tell whether its routers still forward"
    raise OcfError(codes.ERR_GENERIC, f"{call['binary']} is dead, but {known}: a stop has to clean this node")


def _owns_routers(call: Call) -> bool:
    from hotspare_ocf import markers

    return call["dataplane"] == "own" and not markers.promoted()


def _check_data_plane(call: Call) -> None:
    from hotspare_ocf import markers

    carried = markers.promoted()
    if call["dataplane"] == "own" and carried:
        raise OcfError(
            codes.ERR_INSTALLED, f"gateway {carried[0]} owns the routers of this node; set dataplane=gateway"
        )
    if call["dataplane"] == "gateway":
        if not neutron_agent.host(call):
            raise OcfError(codes.ERR_CONFIGURED, "parameter host is required with dataplane=gateway")
        if neutron_agent.host(call) not in carried:
            raise OcfError(
                codes.ERR_GENERIC,
                f"gateway {neutron_agent.host(call)} is not promoted on this node, so nothing may forward for it here; "
                "order this resource after the promotion and colocate it with the promoted role",
            )


def _lacks(call: Call, _process: Process) -> str:
    """What keeps single routers from forwarding."""
    from hotspare_ocf import forwarding, sweep

    return forwarding.trouble(sweep.site(call))


def _look_for_outage(call: Call) -> None:
    from hotspare_ocf import forwarding

    if outage := forwarding.outage(call.remaining_s()):
        raise OcfError(codes.ERR_GENERIC, f"no router of this node forwards: {outage}")


def _require_switch(call: Call) -> None:
    from hotspare_ocf import vswitchd

    if trouble := vswitchd.trouble(within_s=call.remaining_s() / 2):
        raise OcfError(codes.ERR_GENERIC, f"no router could forward on this node: {trouble}")


def _is_others(call: Call) -> bool:
    """Whether an L3 agent runs that is not this resource's: then the routers here are its own, and this resource was
    refused its start.
    """
    from hotspare_ocf import cleaning, look, sweep

    return bool(cleaning.others(sweep.site(call).look(), look.L3_PROGRAMS, _ours(call)))


def _ours(call: Call) -> Mine:
    return lambda agent: agent.resource == call.instance


def _clean(call: Call, *, keep: frozenset[str] = frozenset()) -> None:
    from hotspare_ocf import look, sweep

    # An Open vSwitch agent may go on: it sees ports go, as it does whenever a router is deleted.
    sweep.clean(sweep.site(call), programs=look.L3_PROGRAMS, is_ours=_ours(call), owner=call.instance, keep=keep)


def _kept(call: Call) -> frozenset[str]:
    """What of the routers stays after a stop, silenced."""
    from hotspare_ocf import cleaning

    return frozenset(what for what in cleaning.KEEPABLE if not call.yes(f"cleanup_{what}"))


AGENT = Agent(
    "neutron-agent-l3",
    short="Neutron L3 agent",
    long="Runs Neutron's L3 agent under an identity (host) that may move between nodes. Alone (dataplane=own) its stop "
    "also removes every router from the node, and succeeds only when the node provably answers for none of them.",
    parameters=(
        *neutron_agent.parameters(
            binary="neutron-l3-agent",
            plugin_config="/etc/neutron/l3_agent.ini",
            log_file="/var/log/neutron/neutron-l3-agent.log",
        ),
        Parameter("dataplane", "choice", default="own", choices=("own", "gateway"), short="who owns the routers here",
                  long="own: this resource; its stop removes them. gateway: a resource ocf:hotspare:gateway; stop "
                       "leaves them forwarding, so that a restart of the agent costs no packet."),
        Parameter("cleanup_ports", "boolean", default="yes", reloadable=True, short="stop deletes the routers' ports",
                  long="With dataplane=own. no: they stay in the integration bridge for a post-mortem, on the dead "
                       "VLAN, where nothing reaches them. The next start deletes them."),
        Parameter("cleanup_namespaces", "boolean", default="yes", reloadable=True,
                  short="stop removes the routers' namespaces",
                  long="With dataplane=own. no: they stay for a post-mortem, without a process, every link down. "
                       "The next start removes them."),
        *where_ports_are(),
    ),
    actions=neutron_agent.actions(start, monitor, stop),
)  # fmt: skip
