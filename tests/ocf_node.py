"""A network node for tests of the resource agents: the lab's image, booted as a container of its own, with a real Open
vSwitch.

Pids, mounts and networks are its own, so an agent that cleans "the node" can reach nothing else.
"""

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BUNDLE = Path(__file__).parents[1] / "src/hotspare/ocf"
STATE = "/var/lib/neutron"
VSWITCHD = "ovs-vswitchd --disable-system --pidfile --detach --log-file -vconsole:off"
_START_OVS = f"""
set -e
mkdir -p /run/openvswitch /etc/openvswitch /var/log/openvswitch /run/netns /var/log/neutron
[ -f /etc/openvswitch/conf.db ] || ovsdb-tool create /etc/openvswitch/conf.db /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server --remote=punix:/run/openvswitch/db.sock --pidfile --detach --log-file -vconsole:off
ovs-vsctl --no-wait init
{VSWITCHD}
ip link set lo up
ovs-vsctl --may-exist add-br br-int -- set bridge br-int datapath_type=netdev fail_mode=secure
"""


@dataclass(frozen=True)
class Said:
    """What an action of an agent ended with."""

    code: int
    out: str
    err: str
    took_s: float

    @property
    def reason(self) -> str:
        return self.err.partition("ocf-exit-reason:")[2].strip()


@dataclass(frozen=True)
class Router:
    """A router made by hand as the L3 agent makes it: namespace, two ports, haproxy (and radvd)."""

    id: str
    qr: str
    qg: str
    index: int

    @property
    def namespace(self) -> str:
        return f"qrouter-{self.id}"


class OcfNode:
    def __init__(self, leader: int) -> None:
        self._leader = leader

    def run(self, *argv: str, stdin: str = "", expect: Sequence[int] = (0,), timeout_s: float = 60) -> str:
        """Standard output of a command in the node."""
        done = self._enter(argv, stdin=stdin, timeout_s=timeout_s)
        assert done.returncode in expect, f"{argv}: {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def shell(self, script: str, *, timeout_s: float = 60) -> str:
        return self.run("bash", "-es", stdin=script, timeout_s=timeout_s)

    def ocf(
        self, agent: str, action: str, *, probe: bool = False, level: int = 0, timeout_s: int = 60, **parameters: str
    ) -> Said:
        """One action of an agent (`hotspare/gateway`), called as Pacemaker calls it."""
        environ = {
            "OCF_ROOT": "/usr/lib/ocf",
            "OCF_RESOURCE_INSTANCE": parameters.pop("instance", agent.rpartition("/")[2]),
            "OCF_RESKEY_CRM_meta_timeout": str(timeout_s * 1000),
            "OCF_RESKEY_CRM_meta_interval": "0" if probe else "10000",
            "OCF_CHECK_LEVEL": str(level),
            **{f"OCF_RESKEY_{name}": value for name, value in parameters.items()},
        }
        words = [f"{name}={value}" for name, value in environ.items()]
        begun = time.monotonic()
        done = self._enter(["env", *words, f"/usr/lib/ocf/resource.d/{agent}", action], timeout_s=timeout_s)
        return Said(done.returncode, done.stdout, done.stderr, time.monotonic() - begun)

    def make_routers(self, count: int, *, radvd: bool = False) -> list[Router]:
        """Routers that forward: tagged ports, addresses, haproxy with its pid file."""
        routers = [self._router(index) for index in range(count)]
        add = ["ovs-vsctl"]
        for router in routers:
            for device, tag in ((router.qr, router.index + 1), (router.qg, 4000)):
                ids = f"external_ids:iface-id={device[3:]}00-0000-0000-000000000000"
                add += ["--", "add-port", "br-int", device, f"tag={tag}"]
                mac = f'external_ids:attached-mac="fa:16:3e:00:{device[3:5]}:{device[5:7]}"'
                add += ["--", "set", "interface", device, "type=internal", ids, mac]
        self.run(*add)
        self.shell("\n".join(self._furnish(router, radvd=radvd) for router in routers), timeout_s=180)
        return routers

    def _router(self, index: int) -> Router:
        ports = [str(uuid.uuid4()) for _ in range(2)]
        return Router(str(uuid.uuid4()), f"qr-{ports[0]}"[:14], f"qg-{ports[1]}"[:14], index)

    def _furnish(self, router: Router, *, radvd: bool) -> str:
        high, low = divmod(router.index, 250)
        script = f"""
ip netns add {router.namespace}
ip link set {router.qr} netns {router.namespace}
ip link set {router.qg} netns {router.namespace}
ip -n {router.namespace} -batch - <<END
link set lo up
link set {router.qr} up
link set {router.qg} up
addr add 10.1.{high}.{low + 1}/16 dev {router.qr}
addr add 2001:db8:{router.index:x}::1/64 dev {router.qr} nodad
addr add 10.30.{high}.{low + 1}/16 dev {router.qg}
END
mkdir -p {STATE}/external/pids {STATE}/ns-metadata-proxy {STATE}/ra
cat > {STATE}/ns-metadata-proxy/{router.id}.conf <<END
global
 pidfile {STATE}/external/pids/{router.id}.pid.haproxy
 daemon
defaults
 mode http
 timeout client 5s
 timeout server 5s
 timeout connect 5s
listen listener
 bind 0.0.0.0:9697
 server metadata {STATE}/metadata_proxy
END
ip netns exec {router.namespace} haproxy -f {STATE}/ns-metadata-proxy/{router.id}.conf
"""
        if radvd:
            script += f"""
cat > {STATE}/ra/{router.id}.radvd.conf <<END
interface {router.qr} {{ AdvSendAdvert on; prefix 2001:db8:{router.index:x}::/64 {{ }}; }};
END
pids={STATE}/external/pids
ip netns exec {router.namespace} radvd -C {STATE}/ra/{router.id}.radvd.conf -p $pids/{router.id}.pid.radvd
"""
        return script

    def namespaces(self) -> set[str]:
        return {line.split()[0] for line in self.run("ip", "netns", "list").splitlines() if line}

    def ports(self) -> set[str]:
        return set(self.run("ovs-vsctl", "list-ports", "br-int").split())

    def processes(self, word: str) -> list[str]:
        """Command lines of the processes that have the word in them."""
        lines = self.run("ps", "-eo", "args", "ww").splitlines()[1:]
        return [line for line in lines if word in line and not line.startswith("ps ")]

    def pid(self, word: str) -> int:
        lines = self.run("ps", "-eo", "pid,args", "ww").splitlines()[1:]
        return next(int(line.split()[0]) for line in lines if word in line and "ps -eo" not in line)

    def take(self, device: str, address: str) -> None:
        """A device of this machine is the node's from now on, up, under the same name."""
        subprocess.run(["ip", "link", "set", device, "netns", str(self._leader)], check=True)
        self.shell(f"ip address add {address} dev {device}\nip link set {device} up")

    def start_ovs(self) -> None:
        self.shell(_START_OVS)

    def reset(self) -> None:
        """An empty node with Open vSwitch running, whatever a test left."""
        self.run("pkill", "-CONT", "ovs", expect=(0, 1))
        self.run("bash", "-c", "ps -eo pid= | awk '$1 > 2' | xargs -r kill -9", expect=(0, 123, -9))
        self.wait(lambda: not self.processes("ovs-vswitchd"), within_s=10, until="Open vSwitch has ended")
        self.shell(
            "for netns in /run/netns/*; do [ -e $netns ] && { umount $netns || :; rm -f $netns; }; done\n"
            f"rm -rf /run/hotspare /run/openvswitch /etc/openvswitch/conf.db {STATE}/*\n"
            "for link in $(ls /sys/class/net); do [ $link = lo ] || ip link delete $link || :; done"
        )
        self.start_ovs()

    @staticmethod
    def wait(condition, *, within_s: float, until: str) -> None:
        limit = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < limit, f"not within {within_s} s: {until}"

    def _enter(self, argv: Sequence[str], *, timeout_s: float, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["nsenter", "-t", str(self._leader), "-m", "-u", "-i", "-n", "-p", "-r", "-w", *argv],
            input=stdin, capture_output=True, text=True, timeout=timeout_s + 10, check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/root"},
        )  # fmt: skip


@contextmanager
def booted(image: Path) -> Iterator[OcfNode]:
    """A node over the image, which stays as it is; nothing of the node is left afterwards, also where this process is
    killed.
    """
    container = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL",
         "systemd-nspawn", "--quiet", "--register=no", "--keep-unit", f"--directory={image}", "--volatile=overlay",
         "--as-pid2", "--private-network", "--capability=all", "--bind=/dev/net/tun", "--pipe",
         f"--machine=ocf-{os.getpid()}", "sleep", "infinity"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        node = OcfNode(_leader(container.pid))
        node.wait(lambda: node.processes("sleep infinity"), within_s=20, until="the container runs")
        archive = subprocess.run(
            ["tar", "-C", str(BUNDLE), "-c", "--exclude", "__pycache__", "resource.d", "lib"],
            check=True, capture_output=True,
        )  # fmt: skip
        unpack = ["tar", "-C", "/usr/lib/ocf", "-x", "--no-same-owner"]
        enter = ["nsenter", "-t", str(node._leader), "-m", "-p", "-r", "-w"]
        subprocess.run([*enter, *unpack], input=archive.stdout, check=True, capture_output=True)
        yield node
    finally:
        container.send_signal(signal.SIGKILL)
        container.wait()


def _leader(pid: int) -> int:
    """Pid of the container's first process, seen from here."""
    limit = time.monotonic() + 20
    while time.monotonic() < limit:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        for child in children:
            # There is a helper before it; the init of the container's own is the one with pid 1 in there.
            if _line(f"/proc/{child}/comm").startswith("(sd-stubinit"):
                return int(child)
    raise AssertionError("systemd-nspawn started nothing")


def _line(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except OSError:
        return ""
