"""One look into a router's namespace."""

from dataclasses import dataclass

from hotspare.adapters import netns
from hotspare.adapters.inside import links, rules, sysctls
from hotspare.adapters.inside.netlink import NETFILTER, ROUTE, Netlink
from hotspare.model.dataplane import Neighbour
from hotspare.model.staging import InsideLook, SeenDevice

PORTS = ("qr-", "qg-")
"""A centralized router's devices."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """Rules as they were read, and the state of the namespace that they are of."""

    state: tuple[int, int] | None
    """The namespace's own number, and the generation of its rules; None where the kernel does not tell one of them."""
    rules: rules.Rules


def look(name: str, known: Remembered | None) -> tuple[InsideLook, Remembered | None] | None:
    """What is in the namespace, and what the next look need not read again; None without a namespace of the name.

    What cannot be read is one of the words about what is not staged.
    """
    try:
        with netns.entered(name):
            return _look(known)
    except OSError as error:
        if not netns.is_namespace(name):
            return None
        return InsideLook(unstaged=(f"what cannot be looked at: {error.strerror or error}",)), None


def neighbours(name: str) -> frozenset[Neighbour]:
    """Whom the router knows; nobody where the namespace is not there."""
    try:
        with netns.entered(name), Netlink(ROUTE) as kernel:
            by_index = {link.index: link for link in links.links(kernel).values() if link.name.startswith(PORTS)}
            return links.neighbours(kernel, by_index)
    except OSError:
        return frozenset()


def _look(known: Remembered | None) -> tuple[InsideLook, Remembered]:
    with Netlink(ROUTE) as kernel:
        found = links.links(kernel)
        by_index = {link.index: link for link in found.values()}
        addresses = links.addresses(kernel, by_index)
        routes, strange_routes = links.routes(kernel, by_index)
        policy = links.policy(kernel)
        queueing = links.queueing(kernel, by_index)
    ports = {name: link for name, link in found.items() if name.startswith(PORTS)}
    strangers = [name for name, link in found.items() if name not in ports and not link.is_idle_tunnel]
    words = [f"device {name}" for name in sorted(strangers) if name != links.LOOPBACK]
    remembered = _rules(known)
    return InsideLook(
        devices={
            name: SeenDevice(name, link.mac, link.mtu, link.up, addresses.get(name, frozenset()), link.wired)
            for name, link in ports.items()
        },
        routes=routes,
        sysctls=sysctls.read(ports),
        rules=remembered.rules.text,
        unstaged=(*words, *strange_routes, *policy, *queueing, *sysctls.proxies(ports), *remembered.rules.strange),
    ), remembered


def _rules(known: Remembered | None) -> Remembered:
    with Netlink(NETFILTER) as kernel:
        there = rules.tables(kernel)
        cookie = kernel.cookie
    state = None if cookie is None or there.generation is None else (cookie, there.generation)
    if known is not None and state is not None and known.state == state:
        return known
    return Remembered(state, rules.read(there))
