"""What the parts of a file have to be to each other. Works on the plain values, so that it finds what it can in a file
whose other parts are wrong, too.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping

from hotspare.model import pool_rules, twin_rules
from hotspare.model.plain import Finding, Path, dotted, mapping, rows

_NO_FENCING = (
    "no fencing: without it a node that hangs keeps forwarding beside its successor. "
    "Give it `fence: {agent: fence_ipmilan, ip: ..., username: ..., password_file: ...}`, "
    "or ask for a cluster without by `fencing: none`"
)
_SAME_DEVICE = (
    "{ip} already powers {other}; fencing one would cut the other. "
    "If the device has several plugs, name them in `options`"
)


def findings(plain: Mapping[str, object]) -> Iterator[Finding]:
    """Every contradiction: the path of the value and what to do about it. Values of a wrong type are left out."""
    yield from _rings(plain)
    yield from _addresses(plain)
    yield from _prefixes(plain)
    yield from _fencing(plain)
    yield from _gateways(plain)
    yield from pool_rules.findings(plain)
    yield from twin_rules.findings(plain)
    yield from _resources(plain)
    yield from _names(plain)
    yield from _drill(plain)


def _canonical(value: object) -> str | None:
    try:
        return str(ipaddress.ip_address(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def _rings(plain: Mapping[str, object]) -> Iterator[Finding]:
    """Each node has the same number of links, and link N of one family. Source: corosync.conf(5), knet."""
    first: tuple[str, int] | None = None
    families: dict[int, tuple[str, int]] = {}
    for name, node in mapping(plain.get("nodes")).items():
        rings = rows(mapping(node).get("rings"))
        if not rings:
            continue
        if first is None:
            first = (name, len(rings))
        elif len(rings) != first[1]:
            yield (
                ("nodes", name, "rings"),
                f"{len(rings)} rings where {first[0]} has {first[1]}; every node needs an address on each ring",
            )
        for number, address in enumerate(rings):
            if (text := _canonical(address)) is None:
                continue
            family = ipaddress.ip_address(text).version
            owner, expected = families.setdefault(number, (name, family))
            if family != expected:
                yield (
                    ("nodes", name, "rings", number),
                    f"IPv{family}, where ring {number} of {owner} is IPv{expected}; a ring has one family",
                )


def _addresses(plain: Mapping[str, object]) -> Iterator[Finding]:
    """No address twice: rings, VIPs and fence devices."""
    seen: dict[str, str] = {}
    for path, value in _all_addresses(plain):
        if (address := _canonical(value)) is None:
            continue
        if address in seen:
            yield path, f"{address} is already {seen[address]}; give each its own address"
        else:
            seen[address] = dotted(path)
    fences: dict[tuple[str, str], str] = {}
    for name, node in mapping(plain.get("nodes")).items():
        fence = mapping(mapping(node).get("fence"))
        options = mapping(fence.get("options"))
        # One device may serve several nodes where it has plugs or ports.
        key = (str(fence.get("ip")), repr(sorted((k, str(v)) for k, v in options.items())))
        if "ip" in fence and key in fences:
            yield ("nodes", name, "fence", "ip"), _SAME_DEVICE.format(ip=fence["ip"], other=fences[key])
        elif "ip" in fence:
            fences[key] = name
    ssh: dict[str, str] = {}
    for name, node in mapping(plain.get("nodes")).items():
        address = str(mapping(node).get("address") or name)
        if address in ssh:
            yield ("nodes", name, "address"), f"{address} is {ssh[address]} already; each node is another machine"
        ssh.setdefault(address, name)


def _all_addresses(plain: Mapping[str, object]) -> Iterator[tuple[Path, object]]:
    for name, node in mapping(plain.get("nodes")).items():
        for number, address in enumerate(rows(mapping(node).get("rings"))):
            yield ("nodes", name, "rings", number), address
    for name, vip in mapping(plain.get("vips")).items():
        yield ("vips", name, "ip"), mapping(vip).get("ip")


def _prefixes(plain: Mapping[str, object]) -> Iterator[Finding]:
    for name, vip in mapping(plain.get("vips")).items():
        prefix = mapping(vip).get("prefix")
        if (address := _canonical(mapping(vip).get("ip"))) is None or not isinstance(prefix, int):
            continue
        longest = ipaddress.ip_address(address).max_prefixlen
        if longest < prefix <= 128:
            yield ("vips", name, "prefix"), f"{prefix} is too long for {address}; at most {longest}"


def _fencing(plain: Mapping[str, object]) -> Iterator[Finding]:
    none = plain.get("fencing") == "none"
    for name, node in mapping(plain.get("nodes")).items():
        if not isinstance(node, Mapping):
            continue
        if not none and not node.get("fence"):
            yield ("nodes", name), _NO_FENCING
        if none and node.get("fence"):
            yield (
                ("nodes", name, "fence"),
                "a fence device, and `fencing: none` in the same file; take one of the two out",
            )


def _gateways(plain: Mapping[str, object]) -> Iterator[Finding]:
    nodes = mapping(plain.get("nodes"))
    gateways = mapping(plain.get("gateways"))
    if gateways and "neutron" not in plain:
        yield ("gateways",), "gateways need a `neutron` section (at least `cloud`)"
    for name, gateway in gateways.items():
        yield from _places(("gateways", name, "nodes"), mapping(gateway).get("nodes"), nodes)


def _places(path: Path, names: object, nodes: Mapping[str, object]) -> Iterator[Finding]:
    """A list of nodes names each once, and none that is not there."""
    seen: set[str] = set()
    for number, node in enumerate(rows(names)):
        if not isinstance(node, str):
            continue
        if node not in nodes:
            known = ", ".join(nodes) or "none"
            yield (*path, number), f"there is no node {node}; the nodes are: {known}"
        if node in seen:
            yield (*path, number), f"{node} is named twice; name each node once"
        seen.add(node)


def _resources(plain: Mapping[str, object]) -> Iterator[Finding]:
    resources = mapping(plain.get("resources"))
    for name, value in resources.items():
        resource = mapping(value)
        path: Path = ("resources", name)
        if isinstance(value, Mapping) and ("agent" in resource) == ("script" in resource):
            yield path, "give it either `agent` (ocf:, systemd: or lsb:) or `script` (one of heartbeat's kind)"
        if resource.get("parameters") and not str(resource.get("agent", "ocf:")).startswith("ocf:"):
            yield (*path, "parameters"), "only agents of class ocf take parameters; take them out"
        if resource.get("parameters") and "script" in resource:
            yield (*path, "parameters"), "a script takes none; write its arguments after it, in `script`"
        yield from _places((*path, "on"), resource.get("on"), mapping(plain.get("nodes")))
        yield from _company(name, resource, plain)


def _company(name: str, resource: Mapping[str, object], plain: Mapping[str, object]) -> Iterator[Finding]:
    """What a resource says of its company has a meaning: beside what it is, before and after which agents."""
    path: Path = ("resources", name)
    target = resource.get("with")
    for key in ("before", "after"):
        if key in resource and target not in mapping(plain.get("gateways")):
            yield (*path, key), "only beside a gateway; write `with:` and the gateway's name, or take it out"
    if "before" in resource and "after" in resource:
        yield (*path, "after"), "before and after at once; take one of the two out"
    if "with" not in resource and resource.get("critical") is True:
        yield (*path, "critical"), "it stays with nothing that could move; take it out, or say `with:` what"
    for key in ("on", "clone"):
        if "with" in resource and resource.get(key):
            yield (*path, key), f"it goes where {target} goes; take one of `{key}` and `with` out"
    if isinstance(target, str):
        yield from _target(name, target, plain)


def _target(name: str, target: str, plain: Mapping[str, object]) -> Iterator[Finding]:
    """What a resource stays with is there, and on one node at a time."""
    path: Path = ("resources", name, "with")
    gateways, vips, resources = (mapping(plain.get(part)) for part in ("gateways", "vips", "resources"))
    if target not in {*gateways, *vips, *resources}:
        known = ", ".join([*gateways, *vips, *(other for other in resources if other != name)]) or "none"
        yield path, f"there is no {target}; gateways, addresses and resources are: {known}"
    elif mapping(resources.get(target)).get("clone") is True or pool_rules.is_pool(gateways.get(target)):
        yield path, f"{target} is on several nodes at once; stay with something that is on one"
    elif name in _followed(target, resources):
        yield path, f"{target} stays with {name}, at last; a circle has no place to go"


def _followed(name: str, resources: Mapping[str, object]) -> tuple[str, ...]:
    """The resource and all that it stays with, one after the other, each once."""
    found: list[str] = []
    here: object = name
    while isinstance(here, str) and here not in found:
        found.append(here)
        here = mapping(resources.get(here)).get("with")
    return tuple(found)


_DERIVED = re.compile(
    r"-(after|apart|before|demote|meta|monitor|not|on|parameters|promote|rather|start|stop|with)(-.*)?"
)
"""What follows a resource's name in the ids of its own parts and constraints."""


_PARTS = ("clone", "agents", "ovs", "l3", "metadata")
"""What follows a gateway's name in the ids of its resources."""


def _names(plain: Mapping[str, object]) -> Iterator[Finding]:
    """Nodes, VIPs, gateways and resources become ids of one document, the cluster's configuration."""
    taken = {"hotspare": "the tag that names what is ours"}
    for path, id_, owner in _ids(plain):
        if id_ in taken:
            yield path, f"{id_} is the name of {taken[id_]}; choose another one"
        taken.setdefault(id_, owner)
    for part in ("gateways", "vips", "resources"):
        for name in mapping(plain.get(part)):
            if name[:1].isdigit():
                yield (part, name), "begins with a digit; names in Pacemaker's configuration begin with a letter"
            for other, owner in taken.items():
                if name.startswith(other) and _DERIVED.fullmatch(name[len(other) :]):
                    yield (part, name), f"{name} may be the name of a part of {owner}; choose another one"


def _ids(plain: Mapping[str, object]) -> Iterator[tuple[Path, str, str]]:
    """Where a name stands, the id that it becomes, and what has that id."""
    for name in mapping(plain.get("nodes")):
        yield ("nodes", name), f"fence-{name}", f"the fence device of {name}"
    for name, gateway in mapping(plain.get("gateways")).items():
        parts = pool_rules.PARTS if pool_rules.is_pool(gateway) else _PARTS
        for id_ in (name, *(f"{name}-{part}" for part in parts)):
            yield ("gateways", name), id_, f"a resource of gateway {name}"
    for name in mapping(plain.get("vips")):
        yield ("vips", name), name, f"the address {name}"
    for name in mapping(plain.get("resources")):
        for id_ in (name, f"{name}-clone"):
            yield ("resources", name), id_, f"resource {name}"


def _drill(plain: Mapping[str, object]) -> Iterator[Finding]:
    nodes = mapping(plain.get("nodes"))
    for number, witness in enumerate(rows(mapping(plain.get("drill")).get("witnesses"))):
        node = mapping(witness).get("node")
        if isinstance(node, str) and node not in nodes:
            yield ("drill", "witnesses", number, "node"), f"there is no node {node}; the nodes are: {', '.join(nodes)}"
