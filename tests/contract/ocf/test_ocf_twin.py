"""`ocf:hotspare:gateway` with strategy `twin` on a real Open vSwitch, around a stand-in for the stager that speaks the
socket's protocol, parks and lets go real ports, and does what a test wants of it.
"""

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ocf_node import OcfNode, Router, Said

pytestmark = pytest.mark.lab

AGENT = "hotspare/gateway"
PACKAGE = "/usr/lib/ocf/lib/hotspare/python/hotspare"
MODULE = "hotspare.faces.stager"
KEY = "/etc/hotspare/twin.pem"
LOCAL_VLAN = 7

# Files in /run/want change what it does; /run/asked has what it was asked.
_STAGER = """
import json, os, signal, socket, subprocess, sys, time
settings = json.load(open(sys.argv[1]))
want = lambda word: os.path.exists("/run/want/" + word)
def ports():
    said = subprocess.run(["ovs-vsctl", "list-ports", "br-int"], capture_output=True, text=True, check=True).stdout
    return [name for name in said.split() if name[:3] in ("qr-", "qg-")]
def transact(*per_port):
    words = [word for port in ports() for word in ("--", *(one.format(port=port) for one in per_port))]
    if words:
        subprocess.run(["ovs-vsctl", *words[1:]], check=True)
def promote():
    if want("refusal"):
        return {"error": "the twin is of last week", "hint": "see the log"}
    transact("set", "port", "{port}", "tag=7", "vlan_mode=access", "trunks=[]")
def demote():
    os.system("ps -eo args >/run/at-demotion")
    if want("nothing-to-park"):
        return {"parked": 0}
    if not want("lying"):
        transact("set", "port", "{port}", "tag=4095", "vlan_mode=trunk", "trunks=4095")
    return {"parked": len(ports())}
def drop():
    for port in ports():
        subprocess.run(["ovs-vsctl", "del-port", port], check=True)
    for name in os.listdir("/run/netns"):
        subprocess.run(["ip", "netns", "delete", name], check=True)
if want("death"):
    sys.exit("cannot reach the stars")
if want("silence"):
    time.sleep(3000)
if os.path.exists(settings["socket"]):
    os.unlink(settings["socket"])
server = socket.socket(socket.AF_UNIX)
server.bind(settings["socket"])
server.listen()
while True:
    line, _ = server.accept()
    asked = json.loads(line.makefile().readline())
    with open("/run/asked", "a") as file:
        file.write(settings["gateway"] + " " + asked["ask"] + "\\n")
    does = {"promote": promote, "demote": demote, "drop": drop, "state": lambda: None, "retire": lambda: None}
    answer = does[asked["ask"]]() or {}
    if asked["ask"] != "state" and want("a-hang"):
        time.sleep(3000)
    trouble = open("/run/want/trouble").read().strip() if want("trouble") else ""
    score = int(open("/run/want/score").read()) if want("score") else 150
    line.sendall(json.dumps({"score": score, "trouble": trouble, "end": True, **answer}).encode() + b"\\n")
    line.close()
    if asked["ask"] == "retire":
        if want("slowness"):
            time.sleep(3000)
        drop()
        os.unlink(sys.argv[1])
        break
"""

_CRM_ATTRIBUTE = '#!/bin/sh\necho "$*" >> /run/told\n'


@pytest.fixture
def prepared(node: OcfNode) -> Iterator[OcfNode]:
    node.shell(
        f"rm -rf /run/want /run/asked /run/told /var/lib/hotspare /var/log/hotspare; mkdir -p {PACKAGE}/faces "
        f"/etc/hotspare /run/want; touch {PACKAGE}/__init__.py {PACKAGE}/faces/__init__.py; echo key > {KEY}\n"
        "printf '#!/usr/bin/python3\\n' > /usr/local/bin/neutron-l3-agent; chmod 755 /usr/local/bin/neutron-l3-agent\n"
        "touch /run/asked /run/told; mv /usr/sbin/crm_attribute /usr/sbin/crm_attribute.real"
    )
    node.run("tee", f"{PACKAGE}/faces/stager.py", stdin=_STAGER)
    node.run("tee", "/usr/sbin/crm_attribute", stdin=_CRM_ATTRIBUTE)
    node.run("chmod", "755", "/usr/sbin/crm_attribute")
    yield node
    node.run("mv", "/usr/sbin/crm_attribute.real", "/usr/sbin/crm_attribute")


def gateway(node: OcfNode, action: str, *, name: str = "edge", **more) -> Said:
    known = {
        "strategy": "twin",
        "peers": "net1=172.16.1.1,172.16.2.1 net2=172.16.1.2",
        "CRM_meta_on_node": "net1",
        "instance": name,
        "timeout_s": 40,
    }
    return node.ocf(AGENT, action, gateway=name, **{**known, **more})


def want(node: OcfNode, **words: str) -> None:
    for word, text in words.items():
        node.run("tee", f"/run/want/{word.replace('_', '-')}", stdin=text)


def unwant(node: OcfNode) -> None:
    node.shell("rm -f /run/want/*")


def stagers(node: OcfNode) -> list[str]:
    return node.processes(MODULE)


def asked(node: OcfNode) -> list[str]:
    """What stagers were asked for, but for their state."""
    return [line for line in node.run("cat", "/run/asked").splitlines() if not line.endswith(" state")]


def scores(node: OcfNode) -> list[str]:
    told = node.run("cat", "/run/told").splitlines()
    return [line.removeprefix("--promotion ") for line in told if line.startswith("--promotion ")]


def troubles(node: OcfNode) -> list[str]:
    """What Pacemaker was told of the gateway's trouble on this node."""
    told = node.run("cat", "/run/told").splitlines()
    which = "--name hotspare-trouble-edge --lifetime reboot "
    return [line.removeprefix(which) for line in told if line.startswith(which)]


def marker(node: OcfNode) -> str:
    return node.run("cat", "/run/hotspare/edge.gateway").strip()


def live_ports(node: OcfNode) -> set[str]:
    """Routers' ports that pass frames."""
    said = json.loads(node.run("ovs-vsctl", "--format=json", "--columns=name,tag,vlan_mode,trunks", "list", "port"))
    routers = [row for row in said["data"] if row[0].startswith(("qr-", "qg-"))]
    return {row[0] for row in routers if row[1:] != [4095, "trunk", 4095]}


def spare_with_twin(node: OcfNode, count: int = 2) -> list[Router]:
    """A started gateway with parked routers; their helpers do not run for a twin."""
    assert gateway(node, "start").code == 0
    routers = node.make_routers(count)
    node.shell("pkill haproxy || :")
    words = [f"-- set port {name} tag=4095 vlan_mode=trunk trunks=4095" for one in routers for name in (one.qr, one.qg)]
    node.shell("ovs-vsctl " + " ".join(words))
    assert live_ports(node) == set()
    return routers


def is_there(node: OcfNode, routers: list[Router]) -> bool:
    """Whether the routers' namespaces and ports are all there, whatever they do."""
    ports = {name for one in routers for name in (one.qr, one.qg)}
    return {one.namespace for one in routers} <= node.namespaces() and ports <= node.ports()


def is_clean(node: OcfNode) -> bool:
    devices = [name for name in node.ports() if name.startswith(("qr-", "qg-"))]
    return not devices and not [name for name in node.namespaces() if name.startswith("qrouter-")]


def kill_stager(node: OcfNode, number: signal.Signals) -> None:
    node.run("kill", f"-{number}", node.run("head", "-1", "/run/hotspare/edge.stager.pid").strip())
    if number is signal.SIGKILL:
        node.wait(lambda: not stagers(node), within_s=5, until="the stager has ended")


def test_a_twin_is_let_go_and_parked_and_only_a_stop_takes_it_away(prepared: OcfNode) -> None:
    node = prepared
    assert gateway(node, "monitor", probe=True).code == 7
    routers = spare_with_twin(node)
    assert stagers(node) == [f"/usr/bin/python3 -m {MODULE} /run/hotspare/edge.stager.json"]
    settings = json.loads(node.run("cat", "/run/hotspare/edge.stager.json"))
    assert settings.pop("installed")
    assert settings == {
        "gateway": "edge",
        "resource": "edge",
        "node": "net1",
        "peers": {"net1": ["172.16.1.1", "172.16.2.1"], "net2": ["172.16.1.2"]},
        "port": 5409,
        "key_file": KEY,
        "stale_after_s": 30,
        "connections": True,
        "state_dir": "/var/lib/hotspare/edge",
        "socket": "/run/hotspare/edge.stager.sock",
    }
    assert (gateway(node, "monitor", probe=True).code, gateway(node, "monitor").code) == (0, 0)
    promoted = gateway(node, "promote")
    assert (promoted.code, promoted.err, marker(node)) == (0, "", "promoted")
    assert live_ports(node) == {name for one in routers for name in (one.qr, one.qg)}
    assert gateway(node, "monitor").code == 8
    demoted = gateway(node, "demote")
    assert (demoted.code, demoted.err, marker(node)) == (0, "", "unpromoted")
    assert live_ports(node) == set()
    assert is_there(node, routers)
    assert gateway(node, "monitor").code == 0
    assert gateway(node, "stop").code == 0
    assert asked(node) == ["edge promote", "edge demote", "edge retire"]
    assert gateway(node, "monitor", probe=True).code == 7
    node.wait(lambda: is_clean(node) and not stagers(node), within_s=20, until="the twin has gone, and its stager")
    assert gateway(node, "stop").code == 0
    assert node.run("ls", "/run/hotspare") == ""


@pytest.mark.parametrize("trouble", ["killed", "stopped by a signal", "a process serves a router"])
def test_a_stop_whose_stager_does_not_take_the_twin_away_cleans_by_itself(prepared: OcfNode, trouble: str) -> None:
    node = prepared
    routers = spare_with_twin(node)
    if trouble == "a process serves a router":
        node.shell(f"ip netns exec {routers[0].namespace} sleep 2004 >/dev/null 2>&1 &")
        node.wait(lambda: node.processes("sleep 2004"), within_s=5, until="a process serves a router")
    else:
        kill_stager(node, signal.SIGKILL if trouble == "killed" else signal.SIGSTOP)
    assert gateway(node, "stop", timeout_s=20).code == 0
    assert (is_clean(node), stagers(node), node.processes("sleep 2004")) == (True, [], [])


def test_a_start_ends_a_stager_that_is_taking_its_twin_away(prepared: OcfNode) -> None:
    node = prepared
    spare_with_twin(node)
    want(node, slowness="")
    assert gateway(node, "stop").code == 0
    old = stagers(node)
    unwant(node)
    assert gateway(node, "start").code == 0
    assert (len(old), len(stagers(node)), is_clean(node)) == (1, 1, True)
    assert gateway(node, "monitor", level=10).code == 0


@pytest.mark.parametrize("trouble", ["killed", "stopped by a signal", "refuses", "hangs"])
def test_without_its_stager_a_gateway_is_promoted_the_cold_way(prepared: OcfNode, trouble: str) -> None:
    node = prepared
    spare_with_twin(node)
    before = node.run("head", "-1", "/run/hotspare/edge.stager.pid")
    if trouble in {"killed", "stopped by a signal"}:
        kill_stager(node, signal.SIGKILL if trouble == "killed" else signal.SIGSTOP)
    else:
        want(node, **{"refusal" if trouble == "refuses" else "a_hang": ""})
    promoted = gateway(node, "promote", timeout_s=20)
    assert (promoted.code, marker(node)) == (0, "promoted")
    assert is_clean(node), "what the stager left is not what the agents would build"
    assert len(stagers(node)) == 1
    assert node.run("head", "-1", "/run/hotspare/edge.stager.pid") != before
    assert gateway(node, "monitor").code == 8


@pytest.mark.parametrize("trouble", ["killed", "stopped by a signal", "hangs", "lies"])
def test_a_demotion_needs_no_stager_to_be_silent_and_to_keep_the_twin(prepared: OcfNode, trouble: str) -> None:
    node = prepared
    routers = spare_with_twin(node)
    assert gateway(node, "promote").code == 0
    node.shell(f"ip netns exec {routers[0].namespace} sleep 2003 >/dev/null 2>&1 &")
    node.wait(lambda: node.processes("sleep 2003"), within_s=5, until="a process serves a router")
    if trouble in {"killed", "stopped by a signal"}:
        kill_stager(node, signal.SIGKILL if trouble == "killed" else signal.SIGSTOP)
    else:
        want(node, **{"lying": "", **({"a_hang": ""} if trouble == "hangs" else {})})
    demoted = gateway(node, "demote", timeout_s=20)
    assert (demoted.code, marker(node)) == (0, "unpromoted")
    assert live_ports(node) == set()
    assert is_there(node, routers)
    assert not node.processes("sleep 2003")
    assert len(stagers(node)) == 1
    unwant(node)
    node.wait(lambda: gateway(node, "monitor").code == 0, within_s=10, until="the spare is well")


def test_what_serves_the_routers_ends_before_they_are_silent_and_without_a_farewell(prepared: OcfNode) -> None:
    """The routers are without service from their silence on, so nothing else is left for then. radvd tells hosts that
    the router is none any more when it is asked to end, and they would give up their default route.
    """
    node = prepared
    (router,) = spare_with_twin(node, 1)
    assert gateway(node, "promote").code == 0
    script = 'trap "touch /run/want/farewell" TERM; touch /run/want/$0; while :; do sleep 0.1; done'
    for program in ("haproxy", "radvd"):
        enter = f"ip netns exec {router.namespace} bash -c 'exec -a {program} bash -c \"$1\" {program}' - '{script}'"
        node.shell(f"setsid {enter} >/dev/null 2>&1 &")
        node.wait(lambda word=program: word in node.run("ls", "/run/want"), within_s=10, until="it lives there")
    assert gateway(node, "demote").code == 0
    alive = node.run("cat", "/run/at-demotion")
    assert [program for program in ("haproxy", "radvd") if f"{program} -c" in alive] == []
    assert "farewell" not in node.run("ls", "/run/want")


def test_what_the_agent_parks_by_itself_can_be_found_by_nobody_but_a_stager(prepared: OcfNode) -> None:
    node = prepared
    (router,) = spare_with_twin(node, 1)
    assert gateway(node, "promote").code == 0
    ids = json.loads(node.run("ovs-vsctl", "--format=json", "get", "interface", router.qr, "external_ids:iface-id"))
    want(node, lying="")
    assert gateway(node, "demote").code == 0
    hidden = node.run("ovs-vsctl", "get", "interface", router.qr, "external_ids")
    assert f'hotspare-iface-id="{ids}"' in hidden
    assert "hotspare-gateway=edge" in node.run("ovs-vsctl", "get", "port", router.qr, "external_ids")
    assert "{iface-id" not in hidden.replace(" ", "")
    assert ", iface-id" not in hidden
    assert f'tag="{LOCAL_VLAN}"' in node.run("ovs-vsctl", "get", "port", router.qr, "other_config")


def test_a_port_that_was_parked_before_the_demotion_is_hidden_by_it(prepared: OcfNode) -> None:
    """An agent that somebody starts would wire it: the stager parks and hides what forwards, and this does not."""
    node = prepared
    first, second = spare_with_twin(node)
    assert gateway(node, "promote").code == 0
    node.run("ovs-vsctl", "set", "port", second.qr, "tag=4095", "vlan_mode=trunk", "trunks=4095")
    assert gateway(node, "demote").code == 0
    for port in (first.qr, second.qr):
        shown = node.run("ovs-vsctl", "--if-exists", "get", "interface", port, "external_ids:iface-id").strip()
        assert (port, shown) == (port, "")


@pytest.mark.parametrize("before", ["forwards", "parked, and nobody knows whether Open vSwitch did it"])
def test_a_demotion_without_open_vswitch_cleans_until_all_is_silent(prepared: OcfNode, before: str) -> None:
    node = prepared
    routers = spare_with_twin(node)
    assert gateway(node, "promote").code == 0
    node.shell("kill -STOP $(cat /run/openvswitch/ovs-vswitchd.pid)")
    if before == "forwards":
        want(node, lying="")
    else:
        parked = "tag=4095 vlan_mode=trunk trunks=4095"
        words = [f"-- set port {name} {parked}" for one in routers for name in (one.qr, one.qg)]
        node.shell("ovs-vsctl --no-wait " + " ".join(words))
        want(node, nothing_to_park="")
    demoted = gateway(node, "demote", timeout_s=40)
    node.shell("kill -CONT $(cat /run/openvswitch/ovs-vswitchd.pid)")
    assert demoted.code == 0
    assert not {one.namespace for one in routers} & node.namespaces()
    assert live_ports(node) == set()


def test_a_stager_that_died_is_told_and_launched_anew_and_nothing_fails(prepared: OcfNode) -> None:
    node = prepared
    routers = spare_with_twin(node)
    kill_stager(node, signal.SIGKILL)
    told = gateway(node, "monitor")
    assert told.code == 0
    assert "the stager of gateway edge had ended and was launched anew" in told.reason
    assert is_there(node, routers)
    node.wait(lambda: not gateway(node, "monitor", level=10).reason, within_s=10, until="the new one answers")
    assert gateway(node, "promote").code == 0
    kill_stager(node, signal.SIGKILL)
    told = gateway(node, "monitor")
    assert (told.code, "had ended and was launched anew" in told.reason) == (8, True)
    assert live_ports(node)
    assert scores(node)[-1] == "--update 199", "a carrier without a stager is still above every spare"
    node.wait(lambda: not gateway(node, "monitor", level=10).reason, within_s=10, until="the new one answers")
    assert scores(node)[-1] == "--update 199"


def test_a_stager_that_cannot_live_leaves_a_cold_spare(prepared: OcfNode) -> None:
    node = prepared
    want(node, death="")
    assert gateway(node, "start").code == 0
    assert scores(node)[-1] == "--update 100"
    told = gateway(node, "monitor")
    assert (told.code, "cannot reach the stars" in told.reason) == (0, True)
    node.run("rm", KEY)
    assert f"{KEY}: No such file" in gateway(node, "monitor").reason
    assert gateway(node, "validate-all").code == 5
    assert gateway(node, "promote").code == 0
    assert gateway(node, "stop").code == 0


def test_pacemaker_hears_how_fresh_a_twin_is_when_that_changes(prepared: OcfNode) -> None:
    node = prepared
    assert gateway(node, "start").code == 0
    assert scores(node) == ["--update 150"]
    for _ in range(2):
        assert gateway(node, "monitor").code == 0
    assert scores(node) == ["--update 150"]
    want(node, score="90", trouble="the twin is 40 s old")
    assert gateway(node, "monitor").code == 0
    told = gateway(node, "monitor", level=20)
    assert (told.code, told.reason) == (0, "the twin is 40 s old")
    assert scores(node) == ["--update 150", "--update 90"]
    want(node, score="100000")
    assert gateway(node, "monitor").code == 0
    assert scores(node)[-1] == "--update 199"
    assert gateway(node, "stop").code == 0
    assert scores(node)[-1] == "--delete"


def test_a_trouble_is_no_result_and_pacemaker_hears_of_it_once_and_of_its_end(prepared: OcfNode) -> None:
    node = prepared
    assert gateway(node, "start").code == 0
    assert gateway(node, "monitor", level=20).code == 0
    assert troubles(node) == []
    want(node, trouble="the twin is stale")
    for _ in range(2):
        assert gateway(node, "monitor", level=20).code == 0
        assert gateway(node, "monitor").code == 0, "it does not look that deep, and does not end what it cannot see"
    assert troubles(node) == ["--update the twin is stale"]
    unwant(node)
    for _ in range(2):
        assert gateway(node, "monitor", level=20).code == 0
    assert troubles(node)[1:] == ["--delete"]


@pytest.mark.parametrize("change", ["promote", "stop", "probe"])
def test_a_trouble_of_another_role_is_void_and_one_that_a_probe_finds_on_record_is_told_anew(
    prepared: OcfNode, change: str
) -> None:
    node = prepared
    assert gateway(node, "start").code == 0
    want(node, trouble="the twin is stale")
    assert gateway(node, "monitor", level=20).code == 0
    done = gateway(node, "monitor", probe=True) if change == "probe" else gateway(node, change)
    assert done.code == 0
    assert troubles(node)[1:] == ["--delete"]
    if change == "probe":
        assert gateway(node, "monitor", level=20).code == 0
        assert troubles(node)[2:] == ["--update the twin is stale"]


@pytest.mark.parametrize("strategy", ["cold", "twin"])
def test_a_carriers_score_is_above_every_spares_from_its_promotion_on(prepared: OcfNode, strategy: str) -> None:
    """Whoever becomes the cluster's controller: its little minus is less than the distance."""
    node = prepared
    assert gateway(node, "start", strategy=strategy).code == 0
    assert gateway(node, "promote", strategy=strategy).code == 0
    assert scores(node)[-1] == "--update 199"
    told = len(scores(node))
    assert gateway(node, "monitor", strategy=strategy).code == 8
    assert len(scores(node)) == told
    assert gateway(node, "monitor", strategy=strategy, probe=True).code == 8
    assert scores(node)[-1] == "--update 199"
    assert gateway(node, "demote", strategy=strategy).code == 0
    assert gateway(node, "monitor", strategy=strategy).code == 0
    assert scores(node)[-1] == {"cold": "--update 100", "twin": "--update 150"}[strategy]


def test_a_twin_that_becomes_cold_still_carries(prepared: OcfNode) -> None:
    node = prepared
    assert gateway(node, "start").code == 0
    assert gateway(node, "promote").code == 0
    assert gateway(node, "reload-agent", strategy="cold").code == 0
    assert scores(node)[-1] == "--update 199"


def test_routers_that_forward_beside_a_spare_are_found_though_its_twin_is_not(prepared: OcfNode) -> None:
    node = prepared
    routers = spare_with_twin(node)
    assert gateway(node, "monitor", probe=True).code == 0
    node.run("ovs-vsctl", "set", "port", routers[0].qr, "tag=7", "--", "clear", "port", routers[0].qr, "vlan_mode")
    assert (gateway(node, "monitor").code, gateway(node, "monitor", probe=True).code) == (9, 9)


@pytest.mark.parametrize("changed", ["settings", "key", "package"])
def test_what_a_stager_was_launched_with_is_kept_up_to_date_without_touching_routers(
    prepared: OcfNode, changed: str
) -> None:
    node = prepared
    routers = spare_with_twin(node)
    assert gateway(node, "promote").code == 0
    before = node.run("head", "-1", "/run/hotspare/edge.stager.pid")
    if changed == "key":
        node.shell(f"echo other > {KEY}.new; touch -d @1 {KEY}.new; mv {KEY}.new {KEY}")
        assert gateway(node, "monitor").code == 8
    elif changed == "package":
        node.shell(f"cp {PACKAGE}/__init__.py {PACKAGE}/new; mv {PACKAGE}/new {PACKAGE}/__init__.py")
        assert gateway(node, "monitor").code == 8
    else:
        assert gateway(node, "reload-agent", port="5410").code == 0
        assert json.loads(node.run("cat", "/run/hotspare/edge.stager.json"))["port"] == 5410
    assert node.run("head", "-1", "/run/hotspare/edge.stager.pid") != before
    assert len(stagers(node)) == 1
    assert live_ports(node) == {name for one in routers for name in (one.qr, one.qg)}


def test_the_strategy_changes_under_a_gateway_that_forwards(prepared: OcfNode) -> None:
    node = prepared
    assert gateway(node, "start", strategy="cold").code == 0
    assert gateway(node, "promote", strategy="cold").code == 0
    node.make_routers(2)
    live = live_ports(node)
    assert stagers(node) == []
    assert gateway(node, "reload-agent").code == 0
    assert (len(stagers(node)), live_ports(node)) == (1, live)
    assert gateway(node, "reload-agent", strategy="cold").code == 0
    assert (stagers(node), live_ports(node)) == ([], live)


def test_a_spare_whose_strategy_becomes_cold_is_clean(prepared: OcfNode) -> None:
    node = prepared
    spare_with_twin(node)
    assert gateway(node, "reload-agent", strategy="cold").code == 0
    assert (stagers(node), is_clean(node)) == ([], True)
    assert gateway(node, "monitor", strategy="cold").code == 0


def test_a_node_that_carries_a_gateway_keeps_no_twin_of_another(prepared: OcfNode) -> None:
    node = prepared
    assert gateway(node, "start").code == 0
    assert gateway(node, "start", name="other", port="5410").code == 0
    assert len(stagers(node)) == 1, "a start cleans the node, and nothing comes back meanwhile"
    assert gateway(node, "monitor").code == 0
    assert len(stagers(node)) == 2
    node.make_routers(1)
    node.shell("pkill haproxy || :")
    assert gateway(node, "promote", name="other", port="5410").code == 0
    assert asked(node) == ["other promote", "edge drop"], "what is parked goes when routers forward"
    assert is_clean(node)
    assert stagers(node) == [f"/usr/bin/python3 -m {MODULE} /run/hotspare/other.stager.json"]
    assert gateway(node, "monitor").code == 0
    assert len(stagers(node)) == 1
    assert scores(node)[-1] == "--update -1", "nobody is promoted here"
    assert gateway(node, "promote").code == 1
    assert gateway(node, "demote", name="other", port="5410").code == 0
    assert gateway(node, "monitor").code == 0
    assert len(stagers(node)) == 2
    assert scores(node)[-1] == "--update 100"
    # One that was launched a moment ago may not listen yet.
    node.wait(
        lambda: gateway(node, "monitor").code == 0 and scores(node)[-1] == "--update 150",
        within_s=60,
        until="the stager tells its twin's score",
    )
    assert scores(node)[-2:] == ["--update 100", "--update 150"]


@pytest.mark.parametrize("strategy", ["cold", "twin"])
def test_a_node_that_carries_a_gateway_is_not_to_be_promoted_for_another(prepared: OcfNode, strategy: str) -> None:
    node, other = prepared, {"name": "other", "port": "5410"} if strategy == "twin" else {"name": "other"}
    assert gateway(node, "start", strategy=strategy).code == 0
    assert gateway(node, "promote", strategy=strategy).code == 0
    assert gateway(node, "start", strategy=strategy, **other).code == 0
    assert scores(node)[-2:] == ["--update 199", "--update -1"]
    assert gateway(node, "monitor", strategy=strategy, **other).code == 0
    assert gateway(node, "monitor", strategy=strategy).code == 8
    assert scores(node)[-1] == "--update -1"
    assert gateway(node, "demote", strategy=strategy).code == 0
    assert gateway(node, "monitor", strategy=strategy, **other).code == 0
    assert scores(node)[-1] in {"--update 100", "--update 150"}


def test_a_start_that_waits_for_a_promotion_cleans_nothing_of_what_that_lets_go(prepared: OcfNode) -> None:
    """As on a node that boots: gateways start there side by side, and the first one is promoted at once."""
    node = prepared
    routers = spare_with_twin(node)
    node.shell("setsid flock /run/hotspare/.cleaning.lock sleep 1006 >/dev/null 2>&1 &")
    node.wait(lambda: bool(node.processes("sleep 1006")), within_s=5, until="somebody cleans")
    with ThreadPoolExecutor() as beside:
        starting = beside.submit(gateway, node, "start", name="other", port="5410")
        node.wait(lambda: bool(node.processes("gateway start")), within_s=5, until="the other gateway starts")
        node.run("tee", "/run/hotspare/edge.gateway", stdin="promoting\n")
        node.run("pkill", "-f", "sleep 1006")
        assert starting.result().code == 0
    assert is_there(node, routers)
    assert stagers(node) == [f"/usr/bin/python3 -m {MODULE} /run/hotspare/edge.stager.json"]
    assert scores(node)[-1] == "--update -1"


def test_no_stager_is_launched_amid_a_cleaning_or_beside_a_gateway_that_was_just_promoted(prepared: OcfNode) -> None:
    node = prepared
    assert gateway(node, "start").code == 0
    kill_stager(node, signal.SIGKILL)
    node.shell("setsid flock /run/hotspare/.cleaning.lock sleep 1006 >/dev/null 2>&1 &")
    node.wait(lambda: bool(node.processes("sleep 1006")), within_s=5, until="somebody cleans")
    with ThreadPoolExecutor() as beside:
        looking = beside.submit(gateway, node, "monitor")
        node.wait(lambda: bool(node.processes("gateway monitor")), within_s=5, until="the monitor looks")
        node.run("tee", "/run/hotspare/other.gateway", stdin="promoting\n")
        node.run("pkill", "-f", "sleep 1006")
        told = looking.result()
    assert (told.code, stagers(node)) == (0, [])
    assert gateway(node, "monitor").code == 0
    assert stagers(node) == []


def test_a_stager_that_is_found_beside_a_promoted_gateway_drops_its_twin_and_ends(prepared: OcfNode) -> None:
    node = prepared
    spare_with_twin(node, 1)
    node.run("tee", "/run/hotspare/other.gateway", stdin="promoted\n")
    assert gateway(node, "monitor").code == 0
    assert asked(node) == ["edge drop"]
    assert is_clean(node)
    assert stagers(node) == []


def test_another_gateways_stager_that_does_not_drop_its_twin_makes_no_promotion_a_cold_one(prepared: OcfNode) -> None:
    """What it leaves is parked."""
    node = prepared
    routers = spare_with_twin(node, 1)
    node.run("tee", "/run/hotspare/other.stager.json", stdin="{}")
    assert gateway(node, "promote").code == 0
    assert asked(node) == ["edge promote"]
    assert is_there(node, routers)
    assert live_ports(node)
    told = node.run("cat", "/run/hotspare/edge.gateway")
    assert told.strip() == "promoted"
    assert not node.run("find", "/run/hotspare", "-name", "other.stager.json")


def test_a_promotion_that_was_killed_is_made_whole_by_the_next(prepared: OcfNode) -> None:
    node = prepared
    spare_with_twin(node)
    node.shell("echo promoting > /run/hotspare/edge.gateway")
    assert gateway(node, "monitor").code == 0
    assert gateway(node, "promote").code == 0
    assert (marker(node), bool(live_ports(node))) == ("promoted", True)
    node.shell("echo promoting > /run/hotspare/edge.gateway")
    assert gateway(node, "monitor").code == 9
    assert gateway(node, "demote").code == 0
    assert (marker(node), live_ports(node)) == ("unpromoted", set())


def test_cleaning_by_hand_leaves_a_healthy_twin_alone_unless_asked(prepared: OcfNode) -> None:
    node = prepared
    routers = spare_with_twin(node)
    clean = "/usr/lib/ocf/lib/hotspare/clean"
    for more in ((), ("--plan",)):
        said = json.loads(node.run(clean, "--json", *more))
        assert said["state"] == "twin"
        assert is_there(node, routers)
    assert json.loads(node.run(clean, "--json", "--plan", "--twins", expect=(1,)))["state"] == "planned"
    assert json.loads(node.run(clean, "--json", "--twins"))["state"] == "cleaned"
    assert is_clean(node)
    assert gateway(node, "monitor").code == 0
    assert len(stagers(node)) == 1
    assert gateway(node, "promote").code == 0
    assert json.loads(node.run(clean, "--json", "--twins", expect=(1,)))["state"] == "refused"


def test_a_stop_of_many_routers_leaves_nothing_and_a_demotion_takes_one_transaction(prepared: OcfNode) -> None:
    node = prepared
    routers = spare_with_twin(node, 20)
    assert gateway(node, "promote").code == 0
    want(node, lying="")
    assert gateway(node, "demote", timeout_s=20).code == 0
    assert live_ports(node) == set()
    assert is_there(node, routers)
    assert gateway(node, "stop").code == 0
    node.wait(lambda: is_clean(node) and not stagers(node), within_s=20, until="the twin has gone, and its stager")
