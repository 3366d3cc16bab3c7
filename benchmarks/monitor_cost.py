"""What a monitor of the L3 agent costs, ours and that of a shell agent, which a cluster runs every few seconds on every
node for years.
"""

import json
from pathlib import Path

from figures import Figure
from ocf_node import OcfNode

HERE = Path(__file__).parent
ROUNDS = 100
SHARE_MAX = 0.4
ROUTERS = 250
AGENT = "openstack/neutron-agent-l3"
NOTE = (
    "Monitor: the peer is a shell script with the steps of openstack-resource-agents' bash agent (shell functions, "
    "binaries, configuration, user, kill -0, netstat), run by dash. netstat looks at every process of the node. A "
    "stand-in with a connection to a broker is the agent: neither monitor looks further."
)
Costs = dict[str, list[tuple[float, float]]]
PIDS = {"ours": "/run/hotspare/neutron-agent-l3.pid", "peer": "/run/peer.pid"}


def measured(node: OcfNode) -> tuple[list[Figure], list[str]]:
    """CPU and wall time of one monitor, with what an interpreter alone costs beside it."""
    _start(node)
    idle = _costs(node)
    node.make_routers(ROUTERS)
    busy = _costs(node)
    node.ocf(AGENT, "stop", user="root")

    def figure(what: str, costs: Costs, field: int, ours: str, peer: str, share_max: float | None = None) -> Figure:
        unit = ("ms CPU", "ms")[field]
        runs = [tuple(run[field] * 1000 for run in costs[name]) for name in (ours, peer)]
        return Figure(what, unit, *runs, share_max=share_max)

    return [
        figure(f"monitor of the L3 agent, {ROUTERS} routers: CPU", busy, 0, "ours", "peer", SHARE_MAX),
        figure(f"monitor of the L3 agent, {ROUTERS} routers: wall", busy, 1, "ours", "peer"),
        figure("monitor of the L3 agent, nothing else on the node: CPU", idle, 0, "ours", "peer", SHARE_MAX),
        figure("beside it: python3 -IS -c pass (ours), sh -c : (peer)", busy, 0, "python", "sh"),
    ], [NOTE]


def _start(node: OcfNode) -> None:
    """The agent runs as the cluster starts it; its pid is in a file of the peer's form too."""
    node.reset()
    node.run("tee", "/usr/local/bin/neutron-l3-agent", stdin=(HERE / "onnode/stand_in_agent.py").read_text())
    node.run("tee", "/root/monitor.sh", stdin=(HERE / "peers/monitor.sh").read_text())
    node.shell(
        "chmod 755 /usr/local/bin/neutron-l3-agent /root/monitor.sh; touch /etc/neutron/{neutron.conf,l3_agent.ini}"
    )
    started = node.ocf(AGENT, "start", user="root")
    assert started.code == 0, started.err
    node.shell("head -1 /run/hotspare/neutron-agent-l3.pid > /run/peer.pid")


def _costs(node: OcfNode) -> Costs:
    """CPU and wall time of each command's runs, in s."""
    commands = {
        "ours": [f"/usr/lib/ocf/resource.d/{AGENT}", "monitor"],
        "peer": ["/root/monitor.sh"],
        "python": ["/usr/bin/python3", "-IS", "-c", "pass"],
        "sh": ["/bin/sh", "-c", ":"],
    }
    common = {
        "PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "OCF_ROOT": "/usr/lib/ocf",
        "OCF_RESOURCE_INSTANCE": "neutron-agent-l3", "OCF_RESKEY_CRM_meta_interval": "10000",
        "OCF_RESKEY_user": "root", "OCF_RESKEY_binary": "neutron-l3-agent", "OCF_RESKEY_amqp_port": "5672",
        "OCF_RESKEY_config": "/etc/neutron/neutron.conf",
    }  # fmt: skip
    # Each has a pid file of its own form.
    environ = {name: {**common, "OCF_RESKEY_pid": PIDS[name]} if name in PIDS else common for name in commands}
    order = json.dumps({"commands": commands, "environ": environ, "rounds": ROUNDS})
    told: Costs = json.loads(
        node.run("/usr/bin/python3", "-IS", "-", order, stdin=(HERE / "onnode/cost.py").read_text())
    )
    return told
