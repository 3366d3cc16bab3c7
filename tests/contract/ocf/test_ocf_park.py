"""What hotspare-park.service does between ovsdb-server and ovs-vswitchd, on a real Open vSwitch: after a boot no port
of a router comes back; on a node that is at work nothing is touched.
"""

import pytest

from hotspare.plan.layout import PARK_UNIT, PARK_UNIT_TEXT
from ocf_node import VSWITCHD, OcfNode

pytestmark = pytest.mark.lab

PARK = "/usr/lib/ocf/lib/hotspare/park"
BYSTANDERS = {"tap5a5a5a5a-11", "tap6b6b6b6b-22", "vm0", "qr-not-ours", "qr-0123456789a"}
DATABASE = "ovsdb-server --remote=punix:/run/openvswitch/db.sock --pidfile --detach --log-file -vconsole:off"


def plug_bystanders(node: OcfNode) -> None:
    """DHCP, a VM, and names that look like a router's: one is none, the other has the id of somebody else's port."""
    node.shell(f"""
for name in {" ".join(sorted(BYSTANDERS))}; do
    ovs-vsctl add-port br-int $name tag=7 -- set interface $name type=internal external_ids:iface-id=ffff-$name
done
""")


def end_switch(node: OcfNode) -> None:
    node.run("pkill", "-KILL", "ovs-vswitchd", expect=(0, 1))
    node.wait(lambda: not node.processes("ovs-vswitchd"), within_s=10, until="ovs-vswitchd has ended")


def boot(node: OcfNode) -> None:
    """As after a power cut: the database is there, and ovsdb-server runs on it. All else is gone."""
    node.run("bash", "-c", "ps -eo pid= | awk '$1 > 2' | xargs -r kill -9", expect=(0, 123, -9))
    node.wait(lambda: not node.processes("ovs"), within_s=10, until="Open vSwitch has ended")
    node.shell(
        "for netns in /run/netns/*; do [ -e $netns ] && { umount $netns || :; rm -f $netns; }; done\n"
        "rm -rf /run/hotspare /run/openvswitch; mkdir -p /run/openvswitch\n"
        f"for link in $(ls /sys/class/net); do [ $link = lo ] || ip link delete $link || :; done\n{DATABASE}"
    )


def park(node: OcfNode, *, code: int = 0) -> str:
    return node.run("bash", "-c", f"{PARK} 2>&1", expect=(code,))


def devices(node: OcfNode) -> set[str]:
    return set(node.run("ls", "/sys/class/net").split())


def rows(node: OcfNode) -> str:
    """Ports as they are in the database, whether ovs-vswitchd runs or not."""
    return node.run("ovs-vsctl", "--no-wait", "--columns=name,tag,vlan_mode,trunks", "list", "port")


@pytest.mark.parametrize("guarded", [True, False])
def test_no_router_speaks_after_a_boot(node: OcfNode, guarded: bool) -> None:
    """Unguarded it would, as soon as something brought its device up: the test can see what it looks for."""
    routers = node.make_routers(3)
    plug_bystanders(node)
    mine = {name for router in routers for name in (router.qr, router.qg)}
    node.run("ovs-vsctl", "add-br", "br-ex", "--", "set", "bridge", "br-ex", "datapath_type=netdev")
    node.run("ovs-vsctl", "add-port", "br-ex", "qg-0badc0de-00", "--", "set", "interface", "qg-0badc0de-00",
             "type=internal", "external_ids:hotspare-iface-id=0badc0de-0000")  # fmt: skip
    boot(node)
    if guarded:
        said = park(node)
        assert "removed 7 ports" in said
        assert all(name in said for name in mine)
    node.shell(f"{VSWITCHD}\novs-vsctl set bridge br-int fail_mode=standalone")
    node.shell(
        "ip link add up0 type veth peer name wire0; ip link set up0 up; ip link set wire0 up\n"
        "ovs-vsctl add-port br-int up0\n"
        "tcpdump -i wire0 -U -w /run/wire.pcap -Z root >/dev/null 2>/run/tcpdump.err </dev/null &"
    )
    node.wait(lambda: "listening on" in node.run("cat", "/run/tcpdump.err"), within_s=10, until="the wire is watched")
    there = mine & devices(node)
    assert there == (set() if guarded else mine)
    loud = "\n".join(f"ip link set {name} up; ip addr add 10.99.0.{n}/24 dev {name}" for n, name in enumerate(there, 1))
    node.shell(f"{loud}\nfor name in {' '.join(there)}; do arping -U -c 1 -I $name 10.99.0.1 || :; done")
    marker = ("-U", "-c", "1", "-I", "vm0", "10.98.0.1")
    node.shell("ip link set vm0 up; ip addr add 10.98.0.1/24 dev vm0")

    def seen() -> str:
        node.run("arping", *marker, expect=(0, 1))
        return node.run("tcpdump", "-nn", "-e", "-r", "/run/wire.pcap", expect=(0, 1))

    node.wait(lambda: "10.98.0.1" in seen(), within_s=20, until="the marker, which came last, is on the wire")
    node.run("pkill", "tcpdump")
    assert ("10.99.0." in seen()) is not guarded
    assert set(node.run("ovs-vsctl", "list-ports", "br-int").split()) >= BYSTANDERS
    assert "qg-0badc0de-00" not in node.run("ovs-vsctl", "list-ports", "br-ex") or not guarded


def test_a_carrier_whose_switch_is_restarted_is_not_touched(node: OcfNode) -> None:
    """Also where the unit was enabled after the boot, so that nothing tells that this boot was seen to."""
    node.make_routers(2)
    before = rows(node)
    end_switch(node)
    assert "routers are at work here (2 namespaces" in park(node)
    assert rows(node) == before


def test_a_boot_is_seen_to_once(node: OcfNode) -> None:
    """A port that is plugged since then stays, with or without a namespace."""
    boot(node)
    assert "no port" in park(node)
    node.shell(VSWITCHD)
    node.run("ovs-vsctl", "add-port", "br-int", "qr-01234567-89", "--", "set", "interface", "qr-01234567-89",
             "type=internal", "external_ids:iface-id=01234567-8900")  # fmt: skip
    end_switch(node)
    assert "seen to before" in park(node)
    assert "qr-01234567-89" in rows(node)


def test_a_switch_that_runs_is_not_touched(node: OcfNode) -> None:
    node.run("ovs-vsctl", "add-port", "br-int", "qr-01234567-89", "--", "set", "interface", "qr-01234567-89",
             "type=internal", "external_ids:iface-id=01234567-8900")  # fmt: skip
    assert "ovs-vswitchd runs" in park(node)
    assert "qr-01234567-89" in node.ports()


def test_without_an_answer_from_the_database_the_switch_is_not_to_start_and_the_reason_is_told(node: OcfNode) -> None:
    boot(node)
    node.run("pkill", "-STOP", "ovsdb-server")
    assert "ovs-vswitchd is not started" in park(node, code=1)
    node.run("pkill", "-KILL", "ovsdb-server")
    node.wait(lambda: not node.processes("ovsdb-server"), within_s=10, until="ovsdb-server has ended")
    assert "ovs-vswitchd is not started" in park(node, code=1)
    node.run("test", "!", "-e", "/run/hotspare/park.boot")


def test_systemd_orders_it_between_the_database_and_the_switch(node: OcfNode) -> None:
    """By the units of the distribution: no cycle, and the switch does not start without it."""
    place = f"/etc/systemd/system/{PARK_UNIT}"
    node.run("bash", "-c", f"cat > {place}", stdin=PARK_UNIT_TEXT)
    node.run("systemctl", "enable", "--quiet", PARK_UNIT)
    try:
        told = node.run(
            "bash", "-c", f"systemd-analyze verify --man=no {place} ovs-vswitchd.service 2>&1", expect=(0, 1)
        )
        assert PARK_UNIT not in told
        assert "cycle" not in told
        node.run("test", "-L", f"/etc/systemd/system/ovs-vswitchd.service.requires/{PARK_UNIT}")
    finally:
        node.run("systemctl", "disable", "--quiet", PARK_UNIT)
        node.run("rm", place)
