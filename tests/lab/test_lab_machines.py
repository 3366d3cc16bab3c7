"""Machines, cables and power of a lab, by the tools that an operator has: ssh, ip, ipmitool, fence_ipmilan."""

import json
import subprocess

import pytest

from hotspare.lab import machines, namespace, processes
from lab_parts import Lab, eventually

pytestmark = pytest.mark.lab


def power(lab: Lab, machine: str, order: str) -> str:
    return json.loads(lab.lab("power", machine, order, "--json"))["power"]


def answers_ssh(lab: Lab, machine: str) -> bool:
    return machines.answers_ssh(lab.layout, lab.layout.machine(machine), timeout_s=1.0)


def back(lab: Lab, machine: str) -> None:
    eventually(lambda: answers_ssh(lab, machine), within_s=30, what=f"{machine} answers SSH")


def switch_end(lab: Lab, cable: str) -> dict[str, object]:
    shown = subprocess.run(
        ["ip", "-n", lab.layout.switch, "-json", "link", "show", cable], capture_output=True, check=True
    ).stdout
    return json.loads(shown)[0]


def test_every_machine_lets_the_operator_in_by_key_and_is_known_before(bare_lab):
    for machine in bare_lab.layout.machines:
        assert bare_lab.lab("ssh", machine.name, "--", "hostname").strip() == machine.name


def test_every_machine_is_running_without_a_failed_unit(bare_lab):
    for machine in bare_lab.layout.machines:
        assert bare_lab.ssh(machine.name, "systemctl is-system-running --wait").strip() == "running"


def test_machines_reach_each_other_on_every_addressed_network(bare_lab):
    for network in ("mgmt", "ring2", "oob"):
        address = bare_lab.layout.machine("net2").address(network)
        bare_lab.ssh("net1", f"ping -c1 -W2 {address}")


OFFLOADS = """
import ctypes, fcntl, socket, struct, sys
control = socket.socket()
for interface in sys.argv[1:]:
    for get in (0x16, 0x1E, 0x23):  # ETHTOOL_GTXCSUM, ETHTOOL_GTSO, ETHTOOL_GGSO
        value = ctypes.create_string_buffer(struct.pack("II", get, 1))
        fcntl.ioctl(control, 0x8946, struct.pack("16sP16x", interface.encode(), ctypes.addressof(value)))
        print(struct.unpack("II", value.raw[:8])[1])
"""


def test_no_cable_leaves_checksums_or_segments_to_a_nic_that_is_not_there(bare_lab):
    ours = [machine.cable(nic.network) for machine, nic in bare_lab.layout.cables()]
    assert set(bare_lab.desk("python3", "-c", OFFLOADS, *ours).split()) == {"0"}
    for machine in bare_lab.layout.machines:
        theirs = " ".join(nic.interface for nic in machine.nics)
        assert set(bare_lab.ssh(machine.name, f"python3 -c '{OFFLOADS}' {theirs}").split()) == {"0"}


def test_power_off_is_a_power_cut(bare_lab):
    bare_lab.ssh("net1", "echo kept >/var/kept; sync; ip tuntap add stray mode tap; ip netns add inner")
    before = switch_end(bare_lab, "net1-public")["ifindex"]
    first_boot = bare_lab.ssh("net1", "cat /proc/sys/kernel/random/boot_id /etc/machine-id; stat -c %Z /proc/1")
    assert power(bare_lab, "net1", "off") == "off"
    assert power(bare_lab, "net1", "status") == "off"
    assert processes.marked(bare_lab.name, "net1") == ()
    address = bare_lab.layout.machine("net1").address("mgmt")
    bare_lab.ssh("net2", f"ping -c1 -W1 {address}", expect=1)
    assert switch_end(bare_lab, "net1-public")["operstate"] != "UP"
    assert power(bare_lab, "net1", "on") == "on"
    back(bare_lab, "net1")
    assert bare_lab.ssh("net1", "cat /var/kept").strip() == "kept"
    assert "stray" not in bare_lab.ssh("net1", "ip -brief link")
    assert bare_lab.ssh("net1", "ip netns").strip() == ""
    assert bare_lab.ssh("net1", "cat /proc/sys/kernel/random/boot_id /etc/machine-id; stat -c %Z /proc/1") != first_boot
    assert switch_end(bare_lab, "net1-public")["ifindex"] == before, "captures on the switch live through a power cycle"


def test_debians_fence_agent_fences_from_a_machine(bare_lab):
    bmc = bare_lab.layout.machine("net2").bmc
    secret = bare_lab.layout.bmc_password.read_text()
    bare_lab.ssh("net3", f"umask 077; printf '#!/bin/sh\\necho {secret}\\n' >/root/secret; chmod 700 /root/secret")
    fence = f"fence_ipmilan --lanplus --ip={bmc} --username=admin --password-script=/root/secret --power-wait=0"
    try:
        bare_lab.ssh("net3", f"{fence} --action=monitor")
        assert "ON" in bare_lab.ssh("net3", f"{fence} --action=status")
        bare_lab.ssh("net3", f"{fence} --action=off")
        assert "OFF" in bare_lab.ssh("net3", f"{fence} --action=status", expect=2)
        assert processes.marked(bare_lab.name, "net2") == ()
        bare_lab.ssh("net3", f"{fence} --action=on")
        back(bare_lab, "net2")
        bare_lab.ssh("net3", f"{fence} --action=reboot")
    finally:
        power(bare_lab, "net2", "on")
        bare_lab.ssh("net3", "rm /root/secret")
    back(bare_lab, "net2")


def test_a_cut_cable_stays_cut_through_a_power_cycle_and_is_healed_by_word(bare_lab):
    mgmt = bare_lab.layout.machine("net3").address("mgmt")
    bare_lab.lab("cut", "net3", "mgmt")
    bare_lab.ssh("net1", f"ping -c1 -W1 {mgmt}", expect=1)
    power(bare_lab, "net3", "cycle")
    seen = json.loads(bare_lab.lab("status", "--json"))
    assert {machine["name"]: machine["cut"] for machine in seen["machines"]}["net3"] == ["mgmt"]
    bare_lab.ssh("net1", f"ping -c1 -W1 {mgmt}", expect=1)
    bare_lab.lab("heal", "net3", "mgmt")
    back(bare_lab, "net3")


def test_a_cable_that_is_not_there_is_refused_with_the_ones_that_are(bare_lab):
    bare_lab.lab("cut", "ctl", "public", expect=2)
    bare_lab.lab("cut", "nobody", "public", expect=2)


def test_a_machine_that_reboots_itself_comes_back_clean(bare_lab):
    bare_lab.ssh("net1", "ip tuntap add stray mode tap")
    init = machines.init_pid(bare_lab.layout, bare_lab.layout.machine("net1"))
    bare_lab.ssh("net1", "systemctl reboot --no-block")

    def another() -> bool:
        now = machines.init_pid(bare_lab.layout, bare_lab.layout.machine("net1"))
        return now is not None and now != init

    eventually(another, within_s=60, what="net1 has a new init")
    back(bare_lab, "net1")
    assert "stray" not in bare_lab.ssh("net1", "ip -brief link")


def test_a_machine_that_shuts_itself_down_is_off_for_its_bmc_and_for_the_network(bare_lab):
    bare_lab.ssh("net1", "systemctl poweroff --no-block")
    eventually(lambda: power(bare_lab, "net1", "status") == "off", within_s=60, what="net1 is off")
    eventually(
        lambda: switch_end(bare_lab, "net1-mgmt")["operstate"] != "UP", within_s=10, what="net1 is off the network"
    )
    power(bare_lab, "net1", "on")
    back(bare_lab, "net1")


def test_a_bmc_that_crashes_is_started_again_and_the_machine_does_not_notice(bare_lab):
    init = machines.init_pid(bare_lab.layout, bare_lab.layout.machine("net2"))
    inode = namespace.inode(bare_lab.layout.switch)
    bmcs = [found for found in processes.inside({inode}) if found.name.startswith("python")]
    supervisor = next(found for found in bmcs if found.parent not in {other.pid for other in bmcs})
    workers = [found.pid for found in bmcs if found.pid != supervisor.pid]
    processes.kill(workers, timeout_s=5)

    def served() -> bool:
        asked = ["ipmitool", "-I", "lanplus", "-N", "1", "-R", "1", "-H", bare_lab.layout.machine("net2").bmc]
        asked += ["-U", "admin", "-f", str(bare_lab.layout.bmc_password), "chassis", "power", "status"]
        with namespace.entered(bare_lab.layout.switch):
            return subprocess.run(asked, capture_output=True, check=False).returncode == 0

    eventually(served, within_s=20, what="the BMC of net2 answers again")
    assert machines.init_pid(bare_lab.layout, bare_lab.layout.machine("net2")) == init


def test_a_wrong_password_opens_no_bmc(bare_lab):
    address = bare_lab.layout.machine("net1").bmc
    asked = ["ipmitool", "-I", "lanplus", "-N", "1", "-R", "1", "-H", address, "-U", "admin", "-P", "guess"]
    bare_lab.desk(*asked, "chassis", "power", "off", expect=1)
    assert power(bare_lab, "net1", "status") == "on"


def test_up_on_a_lab_that_is_up_changes_nothing(bare_lab):
    pids = {m.name: machines.init_pid(bare_lab.layout, m) for m in bare_lab.layout.machines}
    bare_lab.lab("up", "--bare")
    assert {m.name: machines.init_pid(bare_lab.layout, m) for m in bare_lab.layout.machines} == pids


def test_the_operators_desk_finds_cloud_and_cluster_file(bare_lab):
    said = bare_lab.lab("shell", "--", "sh", "-c", "echo $OS_CLOUD $HOTSPARE_FILE; ip -brief address show br-oob")
    assert f"lab {bare_lab.layout.cluster_yaml}" in said
    assert "10.0.9.254/24" in said
