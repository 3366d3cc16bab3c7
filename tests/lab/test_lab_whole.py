"""A whole lab: real OpenStack on its controller, routers and stand-in VMs as its topology file says."""

import json
from pathlib import Path

import pytest

from hotspare.lab import cgroup, namespace
from hotspare.lab.openstack.cloud import connect
from lab_parts import Lab, eventually

pytestmark = [
    pytest.mark.lab,
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),  # of openstacksdk, about itself
]

MEMORY_MAX = 8 * 1024**3


def topology(lab: Lab) -> dict[str, list[dict[str, object]]]:
    return json.loads(lab.layout.topology_json.read_text())


def has_memory(process: Path, mark: bytes) -> int:
    """Bytes of one process of the lab, what it shares counted once for all."""
    try:
        if mark not in (process / "cgroup").read_bytes():
            return 0
        lines = (process / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


@pytest.mark.parametrize("name", ["lab", "lab-app"])
def test_password_and_application_credential_see_every_router_of_the_topology_file(lab, name):
    with namespace.entered(lab.layout.switch), connect(lab.layout, name) as connection:
        known = {router.id for router in connection.network.routers()}
    assert {router["id"] for router in topology(lab)["routers"]} == known
    assert known


def test_every_floating_ip_is_known_to_neutron_with_its_vms_port(lab):
    with namespace.entered(lab.layout.switch), connect(lab.layout, "lab-app") as connection:
        floating = {ip.floating_ip_address: ip.port_id for ip in connection.network.ips()}
    assert floating == {router["floating_ip"]: router["vm_port_id"] for router in topology(lab)["routers"]}


def test_every_vm_is_a_namespace_with_its_address_on_the_compute_node(lab):
    shown = lab.ssh("cmp1", "for n in $(ip netns list | cut -d' ' -f1); do ip -n $n -brief address; done")
    for vm in topology(lab)["vms"]:
        assert all(str(address) in shown for address in vm["addresses"])


def test_the_network_nodes_run_no_agent_and_no_cluster(lab):
    for node in ("net1", "net2", "net3"):
        units = "corosync pacemaker neutron-l3-agent neutron-openvswitch-agent neutron-metadata-agent"
        assert "\nactive" not in "\n" + lab.ssh(node, f"systemctl is-active {units} || true")


def test_vms_are_back_after_a_power_cut_of_the_compute_node(lab):
    vms = len(topology(lab)["vms"])
    lab.lab("power", "cmp1", "cycle")

    def back() -> bool:
        try:
            return len(lab.ssh("cmp1", "ip netns list").split("\n")) - 1 == vms
        except AssertionError:  # not booted yet
            return False

    eventually(back, within_s=90, what=f"{vms} VMs on cmp1")


def test_up_again_keeps_what_is_there(lab):
    before = topology(lab)
    lab.lab("up", timeout_s=300)
    assert topology(lab) == before


def test_up_waits_for_a_keystone_that_went_away(lab):
    before = topology(lab)
    lab.ssh("ctl", "systemctl stop keystone && systemd-run --on-active=6 systemctl start keystone")
    lab.lab("up", timeout_s=300)
    assert topology(lab) == before


def test_nobody_but_root_reads_the_labs_secrets(lab):
    assert lab.state_dir.stat().st_mode & 0o077 == 0
    for path in (lab.layout.clouds_yaml, lab.layout.ssh_key, lab.layout.bmc_password):
        assert path.stat().st_mode & 0o077 == 0


def test_no_password_is_on_a_command_line(lab):
    secret = lab.layout.bmc_password.read_text().strip().encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            assert secret not in (process / "cmdline").read_bytes()
        except OSError:
            continue


def test_a_whole_lab_fits_into_its_memory(lab):
    if cgroup.systemd_rules():
        pytest.skip("the machines' control groups have other names here")
    mark = f"/hotspare/{lab.name}/".encode()
    assert 0 < sum(has_memory(process, mark) for process in Path("/proc").glob("[0-9]*")) < MEMORY_MAX
