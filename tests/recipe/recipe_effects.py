"""What commands of the recipe do to routers, agents and addresses: seen on the machines, from outside, in Neutron."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from recipe_step import Cluster, Effect

from hotspare.lab import namespace
from hotspare.lab.openstack.cloud import connect
from lab_parts import eventually

DHCP = "qdhcp-11111111-2222-3333-4444-555555555555"
TAP = "tap11111111-22"
"""A bystander, named as Neutron's DHCP agent names its own."""

_LIMIT_S = 180
_LOST_MAX = 1  # a reply may still be on its way when the pinging ends
_LOOK = (
    "ip netns list | grep -o '^qrouter-[^ ]*'; ovs-vsctl list-ports br-int | grep -E '^q[rg]-'; "
    "pgrep -x haproxy | sed 's/^/haproxy-/'"
)


def all_of(*effects: Effect) -> Effect:
    """Each of them, checked in this order."""

    @contextmanager
    def effect(cluster: Cluster) -> Iterator[None]:
        with ExitStack() as stack:
            for each in reversed(effects):  # the last to be entered is the first to be left
                stack.enter_context(each(cluster))
            yield

    return effect


def routers_on(node: str = "", *, dead: str = "") -> Effect:
    """Every router is on the node (on one, if none is named) and answers from outside; no other has a trace of any.

    A node that is dead is not asked.
    """

    @contextmanager
    def effect(cluster: Cluster) -> Iterator[None]:
        yield
        eventually(
            lambda: carrier(cluster, dead) in ({node} if node else cluster.machines),
            within_s=_LIMIT_S,
            what=f"all routers on {node or 'one node'}, and nothing of any elsewhere",
        )
        answer = " && ".join(f"ping -qc1 -W1 {address}" for address in _floating_ips(cluster))
        eventually(lambda: _succeeds(cluster, "ext", answer), within_s=_LIMIT_S, what="all floating IPs answer")

    return effect


@contextmanager
def no_router_anywhere(cluster: Cluster) -> Iterator[None]:
    """No port, namespace or helper of a router is on any node, and no floating IP answers."""
    yield
    eventually(
        lambda: not any(_traces(cluster, node) for node in cluster.machines),
        within_s=_LIMIT_S,
        what="no trace of a router on any node",
    )
    answer = " || ".join(f"ping -qc1 -W1 {address}" for address in _floating_ips(cluster))
    assert not _succeeds(cluster, "ext", answer)


def bystander_stays(node: str) -> Effect:
    """The DHCP namespace of the node, its tap port and the device are the very same as before.

    The port's tag is not looked at: an Open vSwitch agent gives the dead VLAN to a port that Neutron does not know.
    """

    @contextmanager
    def effect(cluster: Cluster) -> Iterator[None]:
        look = f"ip netns exec {DHCP} cat /sys/class/net/{TAP}/ifindex; ovs-vsctl get port {TAP} _uuid"
        before = cluster.on(node, look)
        yield
        assert cluster.on(node, look) == before

    return effect


def agent_is_new(resource: str) -> Effect:
    """The resource runs as another process than before, and Pacemaker has seen it start."""

    @contextmanager
    def effect(cluster: Cluster) -> Iterator[None]:
        before = _processes(cluster, resource)
        assert before, f"{resource} does not run"
        yield
        eventually(
            lambda: bool(now := _processes(cluster, resource)) and now.keys() != before.keys(),
            within_s=_LIMIT_S,
            what=f"another process for {resource}",
        )
        (node,) = _processes(cluster, resource).values()
        started = f"crm_mon --one-shot | grep -w {resource} | grep -w Started"
        eventually(lambda: _succeeds(cluster, node, started), within_s=_LIMIT_S, what=f"{resource} is started")

    return effect


def together(*resources: str) -> Effect:
    """The resources run, on one node."""

    @contextmanager
    def effect(cluster: Cluster) -> Iterator[None]:
        yield

        def on_one_node() -> bool:
            nodes = [set(_processes(cluster, resource).values()) for resource in resources]
            return len(nodes[0]) == 1 and all(other == nodes[0] for other in nodes)

        eventually(on_one_node, within_s=_LIMIT_S, what=f"{', '.join(resources)} on one node")

    return effect


@contextmanager
def vms_have_metadata(cluster: Cluster) -> Iterator[None]:
    """A VM behind each router reads its metadata."""
    yield
    for router in _topology(cluster):
        ask = f"ip netns exec {router['vm']} curl -sfm 5 http://169.254.169.254/latest/meta-data/"
        eventually(lambda ask=ask: _succeeds(cluster, "cmp1", ask), within_s=_LIMIT_S, what=f"metadata: {ask}")


@contextmanager
def no_packet_is_lost(cluster: Cluster) -> Iterator[None]:
    """All floating IPs answer all the time, asked 20 times a second."""
    log = "/tmp/recipe-pings"  # noqa: S108 in a machine of the lab
    ping = "; ".join(
        f"ping -q -i 0.05 {address} </dev/null >>{log} 2>&1 & echo $!" for address in _floating_ips(cluster)
    ).replace("$!;", "$!\n")
    pids = " ".join(cluster.on("ext", f"rm -f {log}\n{ping}").split())
    yield
    end = f"kill -INT {pids}; while kill -0 {pids} 2>/dev/null; do sleep 0.1; done"
    lost = cluster.on("ext", f"{end}; awk '/transmitted/ {{print $1 - $4}}' {log}").split()
    assert len(lost) == len(_topology(cluster)), lost
    assert max(map(int, lost)) <= _LOST_MAX, f"packets lost, of each floating IP: {lost}"


def neutron_knows(*kinds: str, host: str) -> Effect:
    """Neutron sees a living agent of each of these kinds, under that host."""

    @contextmanager
    def effect(cluster: Cluster) -> Iterator[None]:
        yield
        eventually(
            lambda: {(kind, host) for kind in kinds} <= _living_agents(cluster),
            within_s=_LIMIT_S,
            what=f"living agents of {host}: {', '.join(kinds)}",
        )

    return effect


@contextmanager
def names_stay(cluster: Cluster) -> Iterator[None]:
    """Every node is called what it was called, and knows its neighbours by the same names."""
    look = "hostname; cat /etc/hosts"
    before = [cluster.on(node, look) for node in cluster.machines]
    yield
    assert [cluster.on(node, look) for node in cluster.machines] == before


def address_on(nodes: int) -> Effect:
    """So many nodes have 172.16.1.100, and the network hears one."""

    @contextmanager
    def effect(cluster: Cluster) -> Iterator[None]:
        yield
        eventually(
            lambda: (
                sum(_succeeds(cluster, node, "ip -o address | grep -F ' 172.16.1.100/'") for node in cluster.machines)
                == nodes
            ),
            within_s=_LIMIT_S,
            what=f"172.16.1.100 on {nodes} of the nodes",
        )
        eventually(lambda: _succeeds(cluster, "ext", "ping -qc1 -W1 172.16.1.100"), within_s=10, what="it answers")

    return effect


@contextmanager
def one_key_of_root(cluster: Cluster) -> Iterator[None]:
    """All nodes have the same key of Corosync, and none but root may read it."""
    yield
    look = "stat -c '%a %U' /etc/corosync/authkey; sha256sum /etc/corosync/authkey"
    keys = {cluster.on(node, look) for node in cluster.machines}
    assert len(keys) == 1
    assert keys.pop().startswith("400 root\n")


def carrier(cluster: Cluster, dead: str = "") -> str | None:
    """The node with every router and a metadata proxy for each; None while another has a trace of any."""
    asked = cluster.machines.keys() - {dead}
    found = {node: traces for node in asked if (traces := _traces(cluster, node))}
    if len(found) != 1:
        return None
    ((node, traces),) = found.items()
    wanted = {f"qrouter-{router['id']}" for router in _topology(cluster)}
    proxies = [trace for trace in traces if trace.startswith("haproxy-")]
    return node if wanted <= set(traces) and len(proxies) == len(wanted) else None


def _traces(cluster: Cluster, node: str) -> list[str]:
    """Namespaces, ports and metadata proxies of routers."""
    return cluster.on(node, f"{_LOOK}; :").split()


def _processes(cluster: Cluster, resource: str) -> dict[str, str]:
    """Where the resource's agent runs, by what its pid file says of it (pid, start, boot)."""
    look = f"kill -0 $(head -1 /run/hotspare/{resource}.pid) && cat /run/hotspare/{resource}.pid || :"
    said = {node: cluster.on(node, f"{{ {look}; }} 2>/dev/null") for node in cluster.machines}
    return {process: node for node, process in said.items() if process}


def _succeeds(cluster: Cluster, where: str, question: str) -> bool:
    return cluster.on(where, f"{{ {question}; }} >/dev/null 2>&1 && echo yes || echo no").strip() == "yes"


def _living_agents(cluster: Cluster) -> set[tuple[str, str]]:
    layout = cluster.lab.layout
    with namespace.entered(layout.switch), connect(layout) as cloud:
        return {(agent.agent_type, agent.host) for agent in cloud.network.agents() if agent.is_alive}


def _floating_ips(cluster: Cluster) -> list[str]:
    return [router["floating_ip"] for router in _topology(cluster)]


def _topology(cluster: Cluster) -> list[dict[str, str]]:
    routers: list[dict[str, str]] = json.loads(cluster.lab.layout.topology_json.read_text())["routers"]
    return routers
