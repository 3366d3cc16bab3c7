"""`ocf:openstack:neutron-agent-l3`: Neutron's L3 agent, with an identity that moves."""

from __future__ import annotations

from hotspare_ocf import codes, markers, neutron_agent
from hotspare_ocf.codes import OcfError
from hotspare_ocf.declaration import Action, Agent, Parameter

TYPE_CHECKING = False
if TYPE_CHECKING:
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
        if call["dataplane"] == "own":
            _clean(call)
    return neutron_agent.start(call, _missing)


def stop(call: Call) -> int:
    """Neither agent nor helpers live; with a data plane of its own, this node is proven silent and clean."""
    neutron_agent.end(call)
    # Routers beside a stranger's agent are ours only if we were started: then cleaning refuses, and says why.
    if _owns_routers(call) and (neutron_agent.has_been_started(call) or not _is_strangers(call)):
        _clean(call)
    neutron_agent.forget(call)
    return codes.SUCCESS


def monitor(call: Call) -> int:
    """As for every agent; but with a data plane of its own, a dead agent whose routers still forward is not stopped.

    Pacemaker takes NOT_RUNNING for proof that nothing is here and may start the resource elsewhere without a stop.
    """
    code = neutron_agent.monitor(call)
    if code != codes.NOT_RUNNING or not _owns_routers(call):
        return code
    from hotspare_ocf import cleaning, sweep

    forwards = cleaning.may_forward(sweep.site(call).look())
    if forwards is False or (not neutron_agent.has_been_started(call) and _is_strangers(call)):
        return code
    known = "its routers still forward" if forwards else "Open vSwitch does not tell whether its routers still forward"
    raise OcfError(codes.ERR_GENERIC, f"{call['binary']} is dead, but {known}: a stop has to clean this node")


def _owns_routers(call: Call) -> bool:
    return call["dataplane"] == "own" and not markers.promoted()


def _check_data_plane(call: Call) -> None:
    carried = markers.promoted()
    if call["dataplane"] == "own" and carried:
        raise OcfError(
            codes.ERR_INSTALLED, f"gateway {carried[0]} owns the routers of this node; set dataplane=gateway"
        )
    if call["dataplane"] == "gateway":
        if not call["host"]:
            raise OcfError(codes.ERR_CONFIGURED, "parameter host is required with dataplane=gateway")
        if call["host"] not in carried:
            raise OcfError(
                codes.ERR_GENERIC,
                f"gateway {call['host']} is not promoted on this node, so nothing may forward for it here; "
                "order this resource after the promotion and colocate it with the promoted role",
            )


def _missing(call: Call, process: Process) -> str:
    """The connection to the broker: once it is there, the agent asks for its routers."""
    from hotspare_ocf import neutron_config, sockets

    ports = neutron_config.broker_ports(neutron_config.read(neutron_agent.configuration(call)))
    connected = sockets.of(neutron_agent.family(process)).connected
    return "" if ports & connected else f"a connection to the broker (port {', '.join(map(str, sorted(ports)))})"


def _is_strangers(call: Call) -> bool:
    """Whether an L3 agent runs that the cluster did not start: then the routers here are its own, and this resource was
    refused its start.
    """
    from hotspare_ocf import cleaning, look, sweep

    programs = {program.decode() for program in look.L3_PROGRAMS}
    return any(agent.program in programs for agent in cleaning.strangers(sweep.site(call).look()))


def _clean(call: Call) -> None:
    from hotspare_ocf import look, sweep

    # An Open vSwitch agent may go on: it sees ports go, as it does whenever a router is deleted.
    sweep.clean(sweep.site(call), programs=look.L3_PROGRAMS, owner=call.instance)


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
        Parameter("integration_bridge", "words", default="br-int", short="integration bridge",
                  long="The Open vSwitch bridge with the routers' ports."),
        Parameter("state_path", "path", default="/var/lib/neutron", short="Neutron's state directory",
                  long="state_path of neutron.conf: pid and configuration files of the routers' helpers."),
    ),
    actions=(
        Action("start", start, timeout_s=60),
        Action("stop", stop, timeout_s=60),
        Action("monitor", monitor, timeout_s=20, interval_s=10),
        Action("validate-all", neutron_agent.validate, timeout_s=10),
    ),
)  # fmt: skip
