"""The runtime of the Neutron agents' resource agents: launching, identity, ending. A small program stands where
Neutron's would, because what is tested is how a process is treated that hangs, ignores TERM, has helpers in other
sessions, or dies at once; Neutron's own are met in the lab.
"""

import pytest

from ocf_node import STATE, OcfNode, Said

pytestmark = pytest.mark.lab

L3 = "openstack/neutron-agent-l3"
OVS = "openstack/neutron-openvswitch-agent"
DHCP = "openstack/neutron-agent-dhcp"
NETWORK = "5a5a5a5a-1111-2222-3333-444444444444"

# Helpers as oslo.privsep makes them: one in the session, one that has left it and is known by its --config-file.
_PROGRAM = r"""#!/usr/bin/python3
import os, signal, socket, sys, threading, time
if "--ignore-term" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "--die" in sys.argv:
    sys.exit("cannot reach the stars")
if os.fork() == 0:
    os.execvp("sleep", ["sleep", "2001"])
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv("/usr/bin/python3", ["privsep-helper", "-c", "import time; time.sleep(2002)", *sys.argv[1:]])
    os._exit(0)
fds = sorted(os.listdir("/proc/self/fd"))[:4]
print("umask %o cwd %s uid %d fds %s" % (os.umask(0), os.getcwd(), os.getuid(), fds), flush=True)
print("called", socket.gethostname(), flush=True)
kept = []
def accept(server):
    while True:
        kept.append(server.accept())
if "metadata" in sys.argv[0]:
    server = socket.socket(socket.AF_UNIX)
    if os.path.exists("/var/lib/neutron/metadata_proxy"):
        os.unlink("/var/lib/neutron/metadata_proxy")
    server.bind("/var/lib/neutron/metadata_proxy")
    server.listen()
elif "openvswitch" in sys.argv[0]:
    server = socket.create_server(("127.0.0.1", 6633))
    threading.Thread(target=accept, args=(server,), daemon=True).start()
else:
    try:
        broker = socket.create_connection(("127.0.0.1", 5672), timeout=1)
    except OSError:
        pass
time.sleep(2000)
"""


@pytest.fixture
def prepared(node: OcfNode) -> OcfNode:
    programs = [f"/usr/local/bin/neutron-{kind}-agent" for kind in ("l3", "openvswitch", "metadata", "dhcp")]
    node.run("tee", *programs, stdin=_PROGRAM)
    node.shell(
        "chmod 755 /usr/local/bin/neutron-*-agent; mkdir -p /etc/neutron/plugins/ml2; rm -f /var/log/neutron/*\n"
        "cd /etc/neutron; for file in neutron.conf {l3,metadata,dhcp}_agent.ini plugins/ml2/openvswitch_agent.ini\n"
        "do echo '[DEFAULT]' > $file; done"
    )
    return node


def agent(node: OcfNode, action: str, name: str = L3, **parameters: str) -> Said:
    # 4 s: the stand-in never connects to a broker, so a start waits for half of its timeout.
    return node.ocf(name, action, **{"user": "root", "host": "edge", "timeout_s": 4, **parameters})


def test_an_agent_starts_with_its_identity_and_stops_with_its_helpers(prepared):
    node = prepared
    assert agent(node, "monitor", probe=True).code == 7
    assert agent(node, "start").code == 0
    assert agent(node, "start").code == 0
    assert agent(node, "monitor").code == 0
    assert "host = edge" in node.run("cat", "/run/hotspare/neutron-agent-l3.conf")
    (process,) = [line for line in node.processes("/usr/local/bin/neutron-l3-agent") if "privsep" not in line]
    assert "--config-file /etc/neutron/l3_agent.ini --config-file /run/hotspare/neutron-agent-l3.conf" in process
    assert "umask 22 cwd / uid 0 fds ['0', '1', '2', '3']" in node.run("cat", "/var/log/neutron/neutron-l3-agent.log")
    node.wait(lambda: node.processes("2002"), within_s=5, until="the helper is there")
    assert agent(node, "stop").code == 0
    assert not node.processes("neutron-l3-agent")
    assert not node.processes("sleep 2001")
    assert not node.processes("privsep-helper")
    assert node.run("ls", "/run/hotspare") == ""
    assert agent(node, "stop").code == 0
    assert agent(node, "monitor", probe=True).code == 7


def test_an_agent_and_its_helpers_let_others_go_first_where_they_are_told_to(prepared):
    node = prepared
    assert agent(node, "start", nice="10").code == 0
    node.wait(lambda: node.processes("2002"), within_s=5, until="the helper is there")
    lines = node.run("ps", "-eo", "ni,args", "ww").splitlines()
    found = [line.split()[0] for line in lines if "neutron-l3-agent" in line or "2001" in line]
    assert found
    assert set(found) == {"10"}
    # Without it the value counts among the agent's own processes only; a kernel may have no such groups.
    groups = node.shell("cat /proc/$(head -1 /run/hotspare/neutron-agent-l3.pid)/autogroup || :").split()
    assert groups[1:] in (["nice", "10"], [])
    assert agent(node, "stop").code == 0
    assert agent(node, "start").code == 0
    lines = node.run("ps", "-eo", "ni,args", "ww").splitlines()
    assert {line.split()[0] for line in lines if "neutron-l3-agent" in line} == {node.run("nice").strip()}


@pytest.mark.parametrize("trouble", ["ignores TERM", "is stopped by a signal", "was killed", "lost its pid file"])
def test_an_agent_in_any_state_is_ended(prepared, trouble):
    node = prepared
    more = "--ignore-term" if trouble == "ignores TERM" else ""
    assert agent(node, "start", additional_parameters=more).code == 0
    node.wait(lambda: node.processes("2002"), within_s=5, until="the helper is there")
    pid = node.run("head", "-1", "/run/hotspare/neutron-agent-l3.pid").strip()
    if trouble == "is stopped by a signal":
        node.run("kill", "-STOP", pid)
        monitored = agent(node, "monitor")
        assert (monitored.code, "stopped by a signal" in monitored.reason) == (1, True)
    elif trouble == "was killed":
        node.run("kill", "-KILL", pid)
        assert agent(node, "monitor").code == 7
    elif trouble == "lost its pid file":
        node.run("rm", "/run/hotspare/neutron-agent-l3.pid")
        assert agent(node, "monitor").code == 0
    stopped = agent(node, "stop", timeout_s=20)
    assert (stopped.code, stopped.reason) == (0, "")
    assert stopped.took_s < 10
    assert not node.processes("neutron-l3-agent")
    assert not node.processes("200")


@pytest.mark.parametrize(
    "content", ["", "rubbish\0\xff", "1", "99999999999999999999", "1\n1\nno-boot\n", "x" * 100_000]
)
def test_a_pid_file_with_anything_in_it_names_nobody(prepared, content):
    node = prepared
    node.run("mkdir", "-p", "/run/hotspare")
    node.run("tee", "/run/hotspare/neutron-agent-l3.pid", stdin=content)
    assert agent(node, "monitor", probe=True).code == 7
    assert agent(node, "stop").code == 0
    assert node.processes("sleep infinity")


def test_another_process_with_the_same_pid_is_left_alone(prepared):
    node = prepared
    node.shell("setsid sleep 1010 >/dev/null 2>&1 &")
    pid = node.pid("sleep 1010")
    node.shell(
        f"mkdir -p /run/hotspare; boot=$(cat /proc/sys/kernel/random/boot_id)\n"
        f"printf '{pid}\\n1\\n%s\\n' $boot > /run/hotspare/neutron-agent-l3.pid"
    )
    assert agent(node, "monitor", probe=True).code == 7
    assert agent(node, "stop").code == 0
    assert node.processes("sleep 1010")


def test_an_agent_that_dies_at_once_fails_the_start_with_its_last_words(prepared):
    started = agent(prepared, "start", additional_parameters="--die")
    assert started.code == 1
    assert "cannot reach the stars" in started.reason
    assert agent(prepared, "stop").code == 0


def test_a_second_agent_on_the_node_is_refused(prepared):
    node = prepared
    node.shell("setsid /usr/local/bin/neutron-l3-agent --config-file /etc/neutron/neutron.conf >/dev/null 2>&1 &")
    node.wait(lambda: node.processes("neutron-l3-agent"), within_s=5, until="the other agent runs")
    assert agent(node, "monitor", probe=True).code == 7
    started = agent(node, "start")
    assert started.code == 5
    assert "already runs on this node" in started.reason
    assert agent(node, "stop").code == 0
    assert node.processes("/usr/local/bin/neutron-l3-agent")


def test_a_stop_beside_a_strangers_agent_fails_and_stays_failed(prepared):
    """The routers may be forwarded by the other agent now: nobody can say that this node is silent."""
    node = prepared
    assert agent(node, "start").code == 0
    node.make_routers(1)
    node.shell("setsid /usr/local/bin/neutron-l3-agent --config-file /etc/neutron/neutron.conf >/dev/null 2>&1 &")
    node.wait(lambda: len(node.processes("/usr/local/bin/neutron-l3-agent")) > 1, within_s=5, until="the other runs")
    for _ in range(2):
        stopped = agent(node, "stop", timeout_s=20)
        assert (stopped.code, "not started by the cluster" in stopped.reason) == (5, True)
    assert len(node.namespaces()) == 1
    node.run("pkill", "-KILL", "-f", "/usr/local/bin/neutron-l3-agent")
    assert agent(node, "stop", timeout_s=20).code == 0
    assert not node.namespaces()


def test_alone_the_l3_agent_cleans_the_node_when_it_stops(prepared):
    node = prepared
    assert agent(node, "start").code == 0
    node.make_routers(3)
    node.run("kill", "-KILL", node.run("head", "-1", "/run/hotspare/neutron-agent-l3.pid").strip())
    monitored = agent(node, "monitor")
    assert (monitored.code, "routers still forward" in monitored.reason) == (1, True)
    assert agent(node, "stop", timeout_s=20).code == 0
    assert agent(node, "monitor").code == 7
    assert not node.namespaces()
    assert not node.processes("haproxy")
    assert not [name for name in node.ports() if name.startswith("q")]


def test_with_a_gateway_the_l3_agent_leaves_the_routers_forwarding(prepared):
    node = prepared
    mine = {"dataplane": "gateway"}
    refused = agent(node, "start", **mine)
    assert (refused.code, "not promoted" in refused.reason) == (1, True)
    assert node.ocf("hotspare/gateway", "start", gateway="edge").code == 0
    assert node.ocf("hotspare/gateway", "promote", gateway="edge").code == 0
    assert agent(node, "start", **mine).code == 0
    node.make_routers(2)
    assert agent(node, "stop", **mine).code == 0
    assert len(node.namespaces()) == 2
    assert len(node.processes("haproxy -f")) == 2
    assert agent(node, "start").code == 5, "dataplane=own on a gateway's node is refused"


def test_what_a_stop_keeps_for_a_post_mortem_is_silent_and_goes_with_the_next_start(prepared):
    node = prepared
    assert agent(node, "start").code == 0
    (router,) = node.make_routers(1)
    assert agent(node, "stop", cleanup_ports="no", cleanup_namespaces="no", timeout_s=20).code == 0
    assert node.namespaces() == {router.namespace}
    assert {router.qr, router.qg} <= node.ports()
    assert node.run("ovs-vsctl", "get", "port", router.qr, "tag", "trunks").split() == ["4095", "[4095]"]
    assert "state UP" not in node.run("ip", "-n", router.namespace, "link", "show", router.qg)
    assert not node.processes("haproxy")
    assert agent(node, "monitor", probe=True).code == 7
    assert agent(node, "start").code == 0
    assert not node.namespaces()
    assert agent(node, "stop").code == 0


def test_an_agent_has_its_host_name_to_itself(prepared):
    """The recipe's way, `hostname neutron-gateway`, and the node keeps its own name."""
    node = prepared
    before = node.run("hostname"), node.run("cat", "/etc/hosts")
    alone = {"host": "", "hostname": "neutron-gateway"}
    assert agent(node, "start", **alone).code == 0
    log = "/var/log/neutron/neutron-l3-agent.log"
    node.wait(lambda: "called" in node.run("cat", log), within_s=5, until="the agent says its host's name")
    assert "called neutron-gateway\n" in node.run("cat", log)
    assert (node.run("hostname"), node.run("cat", "/etc/hosts")) == before
    assert "host =" not in node.run("cat", "/run/hotspare/neutron-agent-l3.conf")
    assert agent(node, "monitor", **alone).code == 0
    assert agent(node, "stop", **alone).code == 0
    assert not node.processes("neutron-l3-agent")


def test_trouble_with_the_broker_is_degraded_and_never_a_failure(prepared):
    node = prepared
    assert agent(node, "start").code == 0
    assert agent(node, "monitor").code == 0
    told = agent(node, "monitor", level=10)
    assert (told.code, "no connection to the broker (port 5672)" in told.reason) == (190, True)
    assert agent(node, "stop").code == 0
    node.shell("setsid nc -lk 127.0.0.1 5672 >/dev/null 2>&1 &")
    node.wait(lambda: ":5672" in node.run("ss", "-tln"), within_s=5, until="a broker listens")
    assert agent(node, "start").code == 0
    assert agent(node, "monitor", level=10).code == 0
    # This agent never says a word; the connection was made a moment ago.
    node.wait(
        lambda: "has sent nothing" in agent(node, "monitor", level=10, silence_max="1").reason,
        within_s=10,
        until="its silence is told",
    )
    assert agent(node, "monitor", level=10, silence_max="1").code == 190
    assert agent(node, "stop").code == 0


def test_an_agent_whose_open_vswitch_hangs_has_failed_and_is_not_started(prepared):
    node = prepared
    assert agent(node, "start").code == 0
    node.make_routers(1)
    assert agent(node, "monitor", level=20).code == 190, "there is no broker"
    node.shell("kill -STOP $(cat /run/openvswitch/ovs-vswitchd.pid)")
    told = agent(node, "monitor", level=20, timeout_s=10)
    assert (told.code, "no router of this node forwards: ovs-vswitchd" in told.reason) == (1, True)
    assert agent(node, "stop", timeout_s=30).code == 0
    started = agent(node, "start")
    assert (started.code, "ovs-vswitchd" in started.reason) == (1, True)
    node.shell("kill -CONT $(cat /run/openvswitch/ovs-vswitchd.pid)")
    assert agent(node, "start").code == 0
    assert agent(node, "stop").code == 0


def test_a_reload_changes_nothing_that_runs(prepared):
    node = prepared
    assert agent(node, "reload-agent").code == 7
    assert agent(node, "start").code == 0
    pid = node.run("head", "-1", "/run/hotspare/neutron-agent-l3.pid")
    assert agent(node, "reload-agent", silence_max="600", cleanup_ports="no").code == 0
    assert node.run("head", "-1", "/run/hotspare/neutron-agent-l3.pid") == pid
    assert agent(node, "stop").code == 0


@pytest.mark.parametrize("after_ms", [5, 20, 40, 80, 200, 500])
def test_a_start_that_is_killed_is_cleaned_by_the_next_stop(prepared, after_ms):
    node = prepared
    node.shell(
        "export OCF_RESKEY_user=root OCF_RESKEY_host=edge OCF_RESKEY_CRM_meta_timeout=60000\n"
        f"timeout -s KILL {after_ms / 1000} /usr/lib/ocf/resource.d/{L3} start 2>/dev/null || :"
    )
    assert agent(node, "stop", timeout_s=20).code == 0
    assert not node.processes("neutron-l3-agent")
    assert not node.processes("privsep-helper")
    assert agent(node, "monitor", probe=True).code == 7
    left = node.run("ls", "/run/hotspare").split()
    assert not [name for name in left if not name.endswith(".new")]
    assert agent(node, "start").code == 0
    assert agent(node, "stop").code == 0


_WRONG = [
    # What an operator may write, the code that it gets at a start, and a word of the reason.
    ({"config": "neutron.conf"}, 6, "parameter config is not an absolute path"),
    ({"config": "/absent.conf"}, 5, "parameter config: /absent.conf: No such file"),
    ({"config": "/etc"}, 5, "parameter config: /etc: Is a directory"),
    ({"plugin_config": "/absent.ini"}, 5, "parameter plugin_config: /absent.ini"),
    ({"user": "nobody", "config": "/etc/neutron/secret.conf"}, 5, "secret.conf cannot be read by user nobody"),
    ({"user": "no-such-user"}, 5, "parameter user: no user no-such-user"),
    ({"host": "two words"}, 6, "parameter host may have"),
    ({"hostname": "a/b"}, 6, "parameter hostname may have"),
    ({"hostname": "x" * 65}, 6, "parameter hostname has more than 64"),
    ({"binary": "no-such-agent"}, 5, "parameter binary: no program no-such-agent"),
    ({"pid": "l3.pid"}, 6, "parameter pid is not an absolute path"),
    ({"pid": "/run"}, 2, "parameter pid: /run is there already and is no pid file"),
    ({"pid": "/etc/passwd"}, 2, "parameter pid: /etc/passwd is there already and is no pid file"),
    ({"log_file": "/var/log"}, 2, "parameter log_file: /var/log is a directory"),
    ({"log_file": "/proc/no/agent.log"}, 5, "parameter log_file: /proc/no/agent.log"),
    ({"additional_parameters": "'open"}, 6, "parameter additional_parameters: No closing quotation"),
    ({"additional_parameters": "--config-file /absent"}, 5, "parameter additional_parameters: /absent"),
    ({"silence_max": "soon"}, 6, "parameter silence_max is not a whole number"),
    ({"silence_max": "0"}, 6, "parameter silence_max is not a whole number from 1"),
    ({"cleanup_ports": "perhaps"}, 6, "parameter cleanup_ports is not yes or no"),
    ({"dataplane": "mine"}, 6, "parameter dataplane is not one of own, gateway"),
    ({"dataplane": "gateway", "host": ""}, 6, "parameter host is required with dataplane=gateway"),
]


@pytest.mark.parametrize(("wrong", "code", "words"), _WRONG, ids=[" ".join(map(str, row[0].items())) for row in _WRONG])
def test_wrong_input_is_named_in_one_sentence_and_harms_neither_probe_nor_stop(prepared, wrong, code, words):
    node = prepared
    node.shell("cp /etc/neutron/neutron.conf /etc/neutron/secret.conf; chmod 600 /etc/neutron/secret.conf")
    started = agent(node, "start", **wrong)
    assert (started.code, words in started.reason) == (code, True), started.reason
    assert "\n" not in started.reason
    probed = agent(node, "monitor", probe=True, **wrong)
    assert (probed.code, probed.err) == (7, ""), "a probe on a passive node is quiet"
    assert agent(node, "stop", **wrong).code == 0
    assert not node.processes("neutron-l3-agent")
    assert node.run("head", "-1", "/etc/passwd").startswith("root:")


def test_two_resources_with_one_agent_on_a_node_are_told_apart(prepared):
    node = prepared
    assert agent(node, "start", instance="first").code == 0
    node.make_routers(1)
    second = agent(node, "start", instance="second")
    assert second.code == 5
    assert "for the resource first" in second.reason
    assert "crm resource stop first" in second.reason
    assert agent(node, "monitor", instance="second", probe=True).code == 7
    assert agent(node, "stop", instance="second").code == 0
    assert agent(node, "monitor", instance="first").code == 0
    assert len(node.namespaces()) == 1
    assert agent(node, "stop", instance="first").code == 0


def test_what_is_missing_is_named_all_at_once(prepared):
    said = agent(prepared, "validate-all", config="/none", user="nobody-at-all", binary="no-such-program")
    assert said.code == 5
    for word in ("config", "/none", "nobody-at-all", "no-such-program"):
        assert word in said.reason
    assert agent(prepared, "validate-all", additional_parameters="'open").code == 6
    assert agent(prepared, "monitor", probe=True, config="/none").code == 7
    assert agent(prepared, "stop", config="/none", user="nobody-at-all").code == 0


def test_a_dead_agents_routers_outlive_it_on_no_account(prepared):
    """A start after a crash begins on a clean node: what the last one left was nobody's to forward."""
    node = prepared
    node.make_routers(1)
    assert agent(node, "start").code == 0
    assert not node.namespaces()
    assert not node.shell(f"ls {STATE}/ns-metadata-proxy").strip()
    assert agent(node, "stop").code == 0


def test_who_reads_about_an_agent_is_not_one(prepared):
    node = prepared
    node.shell("setsid tail -f /usr/local/bin/neutron-l3-agent --pid=1 >/dev/null 2>&1 &")
    node.wait(lambda: node.processes("tail -f"), within_s=5, until="somebody reads")
    assert agent(node, "start").code == 0
    assert agent(node, "stop").code == 0
    assert node.processes("tail -f")


def test_the_open_vswitch_agent_is_one_of_the_family(prepared):
    node = prepared
    assert agent(node, "start", OVS).code == 0
    assert agent(node, "monitor", OVS).code == 0
    assert agent(node, "stop", OVS).code == 0
    assert agent(node, "monitor", OVS, probe=True).code == 7


def serve_network(node: OcfNode) -> None:
    """A network as the DHCP agent serves it, and a VM's port beside it."""
    node.shell(f"""
ip netns add qdhcp-{NETWORK}
ovs-vsctl add-port br-int tap5a5a5a5a-11 tag=7 -- set interface tap5a5a5a5a-11 type=internal
ovs-vsctl add-port br-int tap6b6b6b6b-22 tag=7 -- set interface tap6b6b6b6b-22 type=internal
ip link set tap5a5a5a5a-11 netns qdhcp-{NETWORK}
ip -n qdhcp-{NETWORK} address add 10.9.0.2/24 dev tap5a5a5a5a-11
ip -n qdhcp-{NETWORK} link set tap5a5a5a5a-11 up
mkdir -p {STATE}/dhcp/{NETWORK}
ip netns exec qdhcp-{NETWORK} dnsmasq --conf-file= --pid-file={STATE}/dhcp/{NETWORK}/pid --port=0 \
    --dhcp-leasefile={STATE}/dhcp/{NETWORK}/leases --dhcp-range=10.9.0.3,10.9.0.9 --interface=tap5a5a5a5a-11
""")


def test_the_dhcp_agents_stop_leaves_no_dhcp_server_and_touches_neither_router_nor_vm(prepared):
    node = prepared
    assert agent(node, "start", DHCP).code == 0
    serve_network(node)
    (router,) = node.make_routers(1)
    node.run("kill", "-KILL", node.run("head", "-1", "/run/hotspare/neutron-agent-dhcp.pid").strip())
    monitored = agent(node, "monitor", DHCP)
    assert (monitored.code, "1 processes of its networks live" in monitored.reason) == (1, True)
    assert agent(node, "stop", DHCP, timeout_s=20).code == 0
    assert node.namespaces() == {router.namespace}
    assert not node.processes("dnsmasq")
    assert node.ports() == {"tap6b6b6b6b-22", router.qr, router.qg}
    assert node.processes("haproxy -f")
    assert not node.run("ls", f"{STATE}/dhcp").strip()
    assert agent(node, "monitor", DHCP).code == 7


def test_dhcp_servers_may_outlive_an_agent_that_never_moves_and_a_dead_one_is_told(prepared):
    node = prepared
    node.shell("setsid nc -lk 127.0.0.1 5672 >/dev/null 2>&1 &")
    node.wait(lambda: ":5672" in node.run("ss", "-tln"), within_s=5, until="a broker listens")
    kept = {"dataplane": "kept"}
    assert agent(node, "start", DHCP, **kept).code == 0
    serve_network(node)
    assert agent(node, "monitor", DHCP, level=20, **kept).code == 0
    assert agent(node, "stop", DHCP, **kept).code == 0
    assert agent(node, "monitor", DHCP, **kept).code == 7
    assert node.processes("dnsmasq")
    assert agent(node, "start", DHCP, **kept).code == 0
    node.run("pkill", "dnsmasq")
    node.wait(lambda: not node.processes("dnsmasq"), within_s=5, until="the DHCP server has ended")
    told = agent(node, "monitor", DHCP, level=20, **kept)
    assert (told.code, f"1 networks without a DHCP server, the first is {NETWORK}" in told.reason) == (190, True)
    assert agent(node, "stop", DHCP, **kept).code == 0


def test_an_agent_runs_as_its_user_and_may_write_its_log(prepared):
    node = prepared
    assert agent(node, "start", user="nobody").code == 0
    pid = node.run("head", "-1", "/run/hotspare/neutron-agent-l3.pid").strip()
    assert node.run("ps", "-o", "user=,group=", "-p", pid).split() == ["nobody", "nogroup"]
    assert node.run("stat", "-c", "%U %a", "/var/log/neutron/neutron-l3-agent.log").split() == ["nobody", "640"]
    assert "uid 65534" in node.run("cat", "/var/log/neutron/neutron-l3-agent.log")
    assert agent(node, "stop", user="nobody").code == 0
    assert not node.processes("privsep-helper")


@pytest.mark.parametrize("name", [L3, OVS, DHCP, "openstack/neutron-metadata-agent", "hotspare/gateway"])
def test_ocf_tester_passes(prepared, name):
    node = prepared
    # What the agents' starts wait for, so that they need not wait: a broker, and a bridge with flows that connects.
    node.shell(
        "setsid nc -lk 127.0.0.1 5672 >/dev/null 2>&1 &\n"
        "ovs-vsctl set-controller br-int tcp:127.0.0.1:6633 -- set bridge br-int other_config:disable-in-band=true\n"
        "for vlan in 1 2; do ovs-ofctl add-flow br-int dl_vlan=$vlan,actions=drop; done"
    )
    options = ["gateway=edge"] if name == "hotspare/gateway" else ["host=edge", "user=root"]
    words = [word for option in options for word in ("-o", option)]
    said = node.run("ocf-tester", "-n", "tested", *words, f"/usr/lib/ocf/resource.d/{name}", timeout_s=180)
    assert "passed all tests" in said
