"""What is wrong with the machines, said before anything is changed, and all of it at once."""

import ipaddress
from collections.abc import Iterator, Mapping

from hotspare.model.errors import Problem
from hotspare.model.observed import NodeFacts
from hotspare.model.spec import Spec
from hotspare.plan import layout, resources
from hotspare.plan.layout import AGENT_UNITS, query
from hotspare.plan.reconcile import canonical

_PYTHON_MIN = (3, 11)
_PACKAGES = {"openstack": "openstacksdk", "pyroute2": "pyroute2"}
"""The package of each module, as pip and, after `python3-`, Debian call it."""


def problems(spec: Spec, facts: Mapping[str, NodeFacts]) -> tuple[Problem, ...]:
    """Every reason not to begin, node by node; nodes that could not be asked are not in `facts`."""
    return tuple(_problems(spec, facts))


def _problems(spec: Spec, facts: Mapping[str, NodeFacts]) -> Iterator[Problem]:
    for name, node in facts.items():
        yield from (Problem(name, "", text) for text in node.troubles)
        yield from _absent(spec, node)
        yield from _addresses(spec, node)
        yield from _python(spec, node)
        for unit in AGENT_UNITS:
            has = node.units.get(unit)
            if has and (has.enabled or has.active):
                yield Problem(
                    name, unit, f"systemd runs it, and the cluster would run it too; systemctl disable --now {unit}"
                )
        yield from _units(spec, node, _primitives(facts))
    yield from _occupied(spec, facts)


def _units(spec: Spec, node: NodeFacts, known: set[str]) -> Iterator[Problem]:
    """Units that the cluster is to run: there, and started by nobody else. `known` are resources that it has by now."""
    for name, unit in layout.units(spec, node.name):
        has = node.units.get(unit)
        if has is None:
            continue
        is_systemds = resources.agent(spec.resources[name]).startswith("systemd:")
        if is_systemds and not has.known:
            yield Problem(
                node.name,
                unit,
                f"systemd does not know it (not installed, or masked), and {name} runs it; install what brings it, "
                "or leave this node out of `on`",
            )
        if has.enabled or (has.active and name not in known):
            yield Problem(
                node.name,
                unit,
                f"systemd runs it, and the cluster would run it too, as {name}; systemctl disable --now {unit}",
            )


def _primitives(facts: Mapping[str, NodeFacts]) -> set[str]:
    """Names of the resources that the cluster has."""
    return {
        canonical(part).id for node in facts.values() if node.cib for part in node.cib.walk() if part.tag == "primitive"
    }


def _absent(spec: Spec, node: NodeFacts) -> Iterator[Problem]:
    asked = query(spec, node.name)
    remedies = {need.path: need.remedy for need in asked.needs}
    for path in node.absent:
        yield Problem(node.name, path, f"not there; {remedies.get(path, 'install it')}")
    for user in asked.users:
        if user not in node.users:
            yield Problem(node.name, "neutron.user", f"there is no user {user}; the agents cannot run as it")


def _python(spec: Spec, node: NodeFacts) -> Iterator[Problem]:
    """The interpreter that would run our daemons on this node."""
    found = node.python
    if found is None:
        return
    packages = [_PACKAGES[module] for module in query(spec, node.name).modules if module in _PACKAGES]
    debian = " ".join(f"python3-{package}" for package in packages)
    remedy = f"name a Python 3.11 or newer with {' and '.join(packages)} in `neutron.python`; apt-get install {debian}"
    if not found.path:
        yield Problem(node.name, "neutron.python", f"the program neutron-l3-agent names no Python; {remedy}")
    elif found.version is None:
        yield Problem(node.name, "neutron.python", f"{found.path} cannot be run: {found.lacks}; {remedy}")
    elif found.version < _PYTHON_MIN:
        version = ".".join(map(str, found.version))
        yield Problem(node.name, "neutron.python", f"{found.path} is Python {version}, too old; {remedy}")
    elif found.lacks:
        yield Problem(node.name, "neutron.python", f"{found.path}: {found.lacks}; {remedy}")


def _addresses(spec: Spec, node: NodeFacts) -> Iterator[Problem]:
    for number, ring in enumerate(spec.nodes[node.name].rings):
        if ring not in node.addresses:
            have = ", ".join(sorted(a for a in node.addresses if not ipaddress.ip_address(a).is_loopback))
            yield Problem(
                node.name, f"rings[{number}]", f"the node does not have {ring}; it has {have}. Correct one of the two"
            )
    for vip in spec.vips.values():
        if vip.nic not in node.interfaces:
            yield Problem(node.name, vip.nic, f"there is no such interface, and {vip.ip} shall be on it")


def _occupied(spec: Spec, facts: Mapping[str, NodeFacts]) -> Iterator[Problem]:
    """An address that somebody answers for who is not the cluster itself."""
    known = _primitives(facts)
    ours = {mac for node in facts.values() for mac in node.macs}
    for name, vip in spec.vips.items():
        holders = [node.name for node in facts.values() if vip.ip in node.addresses]
        if holders and name not in known:
            yield Problem(
                holders[0], f"vips.{name}", f"{vip.ip} is on this node and not by the cluster; take it off the node"
            )
        strangers = {mac for node in facts.values() for mac in node.answers.get(vip.ip, ()) if mac not in ours}
        if strangers:
            macs = ", ".join(sorted(strangers))
            yield Problem(
                vip.nic, f"vips.{name}", f"{vip.ip} is in use by {macs}; free the address or choose another one"
            )
