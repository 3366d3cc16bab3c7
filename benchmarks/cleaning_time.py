"""How long a node with many routers goes on answering when it is cleaned, and how long until no trace is left."""

import json
from pathlib import Path

from figures import Figure
from ocf_node import OcfNode, Router

HERE = Path(__file__).parent
ROUTERS = 250
ROUNDS = 3
WATCHED = 10
SILENT_SHARE_MAX = 1 / 10
GONE_SHARE_MAX = 1 / 3
LIMIT_S = 240
_PUBLIC_TAG = 4000

NOTES = (
    (
        f"Cleaning, silent: the last answer to unicast ARP of {WATCHED} of the routers, each asked every 10 ms from a "
        "port of the same bridge. Gone: seen by looks at names, processes and ports every 20 ms."
    ),
    (
        "Cleaning, the peer: neutron-ovs-cleanup and a loop of `ip netns delete`. Alone it leaves haproxy alive in "
        "namespaces without a name, and its last trace never goes; an operator's `ip netns pids … | xargs kill` was "
        "added to the loop."
    ),
    "Cleaning, ours: /usr/lib/ocf/lib/hotspare/clean, the code that a stop of the resource agents runs.",
)
CONF = """
[ovs]
ovsdb_connection = unix:/run/openvswitch/db.sock
[agent]
root_helper =
"""
OURS = ["/usr/lib/ocf/lib/hotspare/clean"]
PEER = ["/root/clean.sh"]


def measured(node: OcfNode) -> tuple[list[Figure], list[str]]:
    """Until silent, and until the last trace is gone, ours and the peer's in turn."""
    runs = {"ours": [_once(node, OURS)], "peer": [_once(node, PEER)]}
    for _ in range(ROUNDS - 1):
        runs["ours"].append(_once(node, OURS))
        runs["peer"].append(_once(node, PEER))

    def figure(what: str, key: str, share_max: float | None) -> Figure:
        return Figure(
            f"{ROUTERS} routers, {2 * ROUTERS} ports cleaned: {what}", "s",
            tuple(run[key] for run in runs["ours"]), tuple(run[key] for run in runs["peer"]), share_max=share_max,
        )  # fmt: skip

    return [
        figure("until silent", "silent", SILENT_SHARE_MAX),
        figure("until the last trace is gone", "gone", GONE_SHARE_MAX),
        figure("until the command ends", "ended", None),
    ], list(NOTES)


def _once(node: OcfNode, argv: list[str]) -> dict[str, float]:
    node.reset()
    node.run("mkdir", "-p", "/etc/neutron")
    node.run("tee", "/etc/neutron/cleanup.conf", stdin=CONF)
    node.run("tee", "/root/clean.sh", stdin=(HERE / "peers/clean.sh").read_text())
    node.shell(f"""
chmod 755 /root/clean.sh
ovs-ofctl add-flow br-int actions=NORMAL
ip netns add outside
ovs-vsctl add-port br-int probe tag={_PUBLIC_TAG} -- set interface probe type=internal
ip link set probe netns outside
ip -n outside link set probe up
""")
    routers = node.make_routers(ROUTERS)
    order = {
        "argv": argv,
        "environ": {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C",
            "HOME": "/root",
            "OCF_ROOT": "/usr/lib/ocf",
        },
        "netns": "outside",
        "device": "probe",
        "targets": [_address(node, router) for router in routers[:: ROUTERS // WATCHED]],
        "limit_s": LIMIT_S,
    }
    watch = (HERE / "onnode/watch_cleaning.py").read_text()
    told: dict[str, float] = json.loads(
        node.run("/usr/bin/python3", "-IS", "-", json.dumps(order), stdin=watch, timeout_s=LIMIT_S + 30)
    )
    return told


def _address(node: OcfNode, router: Router) -> tuple[str, str]:
    """IP and MAC of the router's public port."""
    shown = node.run("ip", "-json", "-n", router.namespace, "address", "show", "dev", router.qg)
    (link,) = json.loads(shown)
    return next(one["local"] for one in link["addr_info"] if one["family"] == "inet"), link["address"]
