"""The few values that an agent's start has to know of Neutron's own configuration files. Later files win, as in
oslo.config.
"""

from __future__ import annotations

BROKER_PORT_DEFAULT = 5672


def read(paths: list[str]) -> dict[tuple[str, str], str]:
    """(section, option) → value of all files; sections in lower case, absent files are empty."""
    values: dict[tuple[str, str], str] = {}
    for path in paths:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                _parse(file.read(), values)
        except OSError:
            continue
    return values


def _parse(text: str, values: dict[tuple[str, str], str]) -> None:
    section = "default"
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped[0] in "#;":
            continue
        if stripped.startswith("[") and stripped.endswith("]"):
            section = stripped[1:-1].strip().lower()
        elif not line[0].isspace() and "=" in stripped:
            name, _, value = stripped.partition("=")
            values[section, name.strip()] = value.strip()


def broker_ports(values: dict[tuple[str, str], str]) -> frozenset[int]:
    """TCP ports of the brokers in `transport_url` (scheme://user:password@host:port,user:password@host:port/vhost)."""
    url = values.get(("default", "transport_url"), "")
    hosts = url.partition("://")[2].partition("/")[0] if "://" in url else ""
    ports = set()
    for host in hosts.split(","):
        port = host.rpartition("@")[2].rpartition("]")[2].rpartition(":")[2]
        ports.add(int(port) if port.isdigit() else BROKER_PORT_DEFAULT)
    return frozenset(ports)
