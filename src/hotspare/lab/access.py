"""Ways into the machines: SSH keys and the texts that make OpenSSH know every one of them before first contact."""

import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hotspare.lab.layout import File, Layout, Machine


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An ed25519 key in OpenSSH's two forms."""

    private: str
    public: str

    def __repr__(self) -> str:
        return f"KeyPair({self.public!r})"


@dataclass(frozen=True, slots=True)
class Access:
    """All keys of one lab: the operator's, and a host key a machine; and the password of its BMCs."""

    operator: KeyPair
    hosts: Mapping[str, KeyPair]
    bmc_password: str

    def __repr__(self) -> str:
        return f"Access({', '.join(self.hosts)})"


def _key_pair(comment: str) -> KeyPair:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return KeyPair(private.decode(), f"{public.decode()} {comment}")


def generate(layout: Layout) -> Access:
    """New keys for every machine, and a password that fits IPMI 2.0's 20 bytes. Source: IPMI 2.0 section 22.30."""
    return Access(
        operator=_key_pair(f"hotspare-lab-{layout.name}"),
        hosts={machine.name: _key_pair(machine.name) for machine in layout.machines},
        bmc_password=secrets.token_hex(10),
    )


def desk(layout: Layout) -> dict[str, str]:
    """What a command at the operator's desk finds in its environment: cloud and cluster file of the lab."""
    return {
        **os.environ,
        "HOTSPARE_FILE": str(layout.cluster_yaml),
        "OS_CLIENT_CONFIG_FILE": str(layout.clouds_yaml),
        "OS_CLOUD": "lab",
        # So that `hotspare` is this one, from wherever it was started.
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
    }


def ssh_config(layout: Layout) -> str:
    """`ssh -F` on this text reaches every machine by its name, from the operator's namespace."""
    blocks = [
        f"""Host {machine.name}
    HostName {machine.address("mgmt")}
"""
        for machine in layout.machines
    ]
    blocks.append(f"""Host *
    User root
    IdentityFile {layout.ssh_key}
    IdentitiesOnly yes
    UserKnownHostsFile {layout.known_hosts}
    StrictHostKeyChecking yes
    PasswordAuthentication no
    ConnectTimeout 10
""")
    return "\n".join(blocks)


def known_hosts(layout: Layout, access: Access) -> str:
    """One line a machine: its name and all its addresses."""
    lines = []
    for machine in layout.machines:
        names = [machine.name, *(str(nic.address.ip) for nic in machine.nics if nic.address is not None)]
        lines.append(f"{','.join(names)} {access.hosts[machine.name].public}\n")
    return "".join(lines)


def machine_files(layout: Layout, machine: Machine, access: Access) -> dict[str, File]:
    """What makes the image this machine: its name, its keys, whom it lets in, whom it knows."""
    host_key = access.hosts[machine.name]
    hosts = "".join(f"{other.address('mgmt')} {other.name}\n" for other in layout.machines)
    return {
        "/etc/hostname": File(f"{machine.name}\n"),
        "/etc/hosts": File(f"127.0.0.1 localhost\n::1 localhost ip6-localhost\n{hosts}"),
        # An id that is already there: with an empty one systemd takes the boot for the first and applies its presets.
        "/etc/machine-id": File(f"{secrets.token_hex(16)}\n", 0o444),
        "/root/.ssh/authorized_keys": File(f"{access.operator.public}\n", 0o600),
        "/etc/ssh/ssh_host_ed25519_key": File(host_key.private, 0o600),
        "/etc/ssh/ssh_host_ed25519_key.pub": File(f"{host_key.public}\n"),
        "/etc/ssh/sshd_config.d/hotspare-lab.conf": File(
            "HostKey /etc/ssh/ssh_host_ed25519_key\n"
            "PermitRootLogin prohibit-password\n"
            "PasswordAuthentication no\n"
            "UseDNS no\n"
            "MaxStartups 100:30:200\n"
            "MaxSessions 100\n"
        ),
    }
