"""Ways into the machines: every key known before first contact, and no secret in any text that is shown."""

import subprocess

import pytest

from hotspare.lab import access
from hotspare.lab.layout import File, Layout

LAYOUT = Layout("unit")


@pytest.fixture(scope="module")
def keys() -> access.Access:
    return access.generate(LAYOUT)


def test_openssh_reads_the_keys(keys, tmp_path):
    private = tmp_path / "key"
    private.write_text(keys.operator.private)
    private.chmod(0o600)
    said = subprocess.run(["ssh-keygen", "-y", "-f", str(private)], capture_output=True, text=True, check=True).stdout
    assert said.split()[:2] == keys.operator.public.split()[:2]


def test_every_machine_is_known_by_its_name_and_all_its_addresses(keys, tmp_path):
    known = tmp_path / "known_hosts"
    known.write_text(access.known_hosts(LAYOUT, keys))
    for machine in LAYOUT.machines:
        for name in (machine.name, machine.address("mgmt"), machine.address("oob")):
            found = subprocess.run(
                ["ssh-keygen", "-F", name, "-f", str(known)], capture_output=True, text=True, check=True
            ).stdout
            assert keys.hosts[machine.name].public.split()[1] in found


def test_openssh_reads_the_config_and_checks_host_keys(tmp_path):
    config = tmp_path / "ssh_config"
    config.write_text(access.ssh_config(LAYOUT))
    said = subprocess.run(
        ["ssh", "-G", "-F", str(config), "net2"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert "hostname 172.16.1.123" in said
    assert "user root" in said
    assert "stricthostkeychecking true" in said
    assert f"identityfile {LAYOUT.ssh_key}" in said


def test_a_machines_secrets_are_for_root_alone_and_its_boot_is_not_a_first_one(keys):
    files = access.machine_files(LAYOUT, LAYOUT.machine("ext"), keys)
    assert files["/etc/ssh/ssh_host_ed25519_key"].mode == 0o600
    assert files["/root/.ssh/authorized_keys"].mode == 0o600
    assert len(files["/etc/machine-id"].octets.strip()) == 32
    assert files["/etc/hostname"] == File("ext\n")


def test_nothing_that_prints_keys_prints_a_secret(keys):
    shown = f"{keys!r} {keys.operator!r} {keys.hosts['net1']!r}"
    assert "PRIVATE" not in shown
    assert keys.bmc_password not in shown


def test_a_bmc_password_fits_ipmi(keys):
    assert len(keys.bmc_password.encode()) <= 20
