"""From one strategy of a gateway to the other, without an outage beyond one move a router.

For a while the cluster has both. The cold gateway may run on one node alone, its carrier, and the pool on all others;
routers move from one to the other meanwhile, and only what has no routers any more is stopped and taken out. All of it
is told by what is in the configuration, so that a change that was cut anywhere, or that somebody thought better of, is
found as it was left.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from hotspare.model.cib import Element, Section, Wanted, element
from hotspare.model.cluster import ClusterStatus
from hotspare.model.spec import Spec
from hotspare.plan import configuration, health, reconcile
from hotspare.plan.names import cold_parts, pool_parts, rescheduler
from hotspare.plan.primitives import never, with_parameter
from hotspare.plan.verdict import drains

_NAMING = ("rsc", "with-rsc", "first", "then")
"""Attributes of constraints that name resources."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One gateway on its way."""

    gateway: str
    homeward: bool
    """Back to `cold`: routers go to the cold gateway; else they leave it."""
    carrier: str
    """The one node where the cold gateway may run meanwhile; empty: none is left for it."""

    @property
    def coming(self) -> tuple[str, ...]:
        """The resources of the strategy that the file asks for."""
        return cold_parts(self.gateway) if self.homeward else pool_parts(self.gateway)

    @property
    def going(self) -> tuple[str, ...]:
        """The resources of the other one."""
        return pool_parts(self.gateway) if self.homeward else cold_parts(self.gateway)


def changing(spec: Spec, cib: Element) -> tuple[str, ...]:
    """The gateways whose other strategy is there still."""
    there = {old.id for _, old in reconcile.ours(cib)}
    other = {name: cold_parts(name) if name in spec.pools else pool_parts(name) for name in spec.gateways}
    return tuple(name for name, parts in other.items() if not there.isdisjoint(parts))


def passages(spec: Spec, cib: Element, status: ClusterStatus) -> tuple[Passage, ...]:
    """The gateways whose strategy has to be changed, or is being changed."""
    return tuple(_passage(name, spec, cib, status) for name in changing(spec, cib))


def _passage(name: str, spec: Spec, cib: Element, status: ClusterStatus) -> Passage:
    if name in spec.carried:
        return Passage(name, homeward=True, carrier=_carrier_to_be(name, spec, cib, status))
    return Passage(name, homeward=False, carrier=_carrier(name, spec, cib, status))


def _carrier(name: str, spec: Spec, cib: Element, status: ClusterStatus) -> str:
    """Where the cold gateway may run already, if that is one node; where it is; or where it would be."""
    able = _free(cold_parts(name)[0], spec, cib)
    promoted = health.carrier(status, name)
    if promoted in able:
        return promoted
    return min(able, key=lambda node: (node not in status.online, able.index(node)), default="")


def _carrier_to_be(name: str, spec: Spec, cib: Element, status: ClusterStatus) -> str:
    """A node that is online. Better one that is the carrier already, so that a cut changes nothing; better one without
    routers (outside of the pool, or drained), since the pool's agents have to be silent there before the gateway comes.
    """
    nodes = spec.carried[name].nodes
    there = {old.id for _, old in reconcile.ours(cib)}
    chosen = _free(cold_parts(name)[0], spec, cib) if cold_parts(name)[0] in there else ()
    without_routers = {*spec.nodes} - {*_pool_nodes(name, spec, cib)} | drains(status).keys()
    return min(
        nodes,
        key=lambda node: (node not in status.online, (node,) != chosen, node not in without_routers, nodes.index(node)),
    )


def between(spec: Spec, cib: Element, passing: tuple[Passage, ...]) -> Wanted:
    """The configuration with both strategies of these gateways; all else is as the file wants it."""
    wanted = configuration.wanted(spec)
    parts = {new.id: (section, new) for section, new in wanted.elements}
    of_file = frozenset(parts) - frozenset(spec.resources)
    for passage in passing:
        parts = {old.id: (section, old) for section, old in _kept(passage, cib, of_file)} | parts
        there = frozenset(parts)
        parts |= {new.id: (Section.CONSTRAINTS, new) for new in _apart(passage, spec, cib, there)}
    return Wanted(tuple(parts.values()), wanted.properties)


def _kept(passage: Passage, cib: Element, of_file: frozenset[str]) -> Iterator[tuple[Section, Element]]:
    """What goes in the end, as it is there. Where it may run is said anew, and what the file puts elsewhere is free."""
    for section, old in reconcile.ours(cib):
        named = {old.get(name) for name in _NAMING} - {""}
        if old.id == rescheduler(passage.gateway) and passage.homeward:
            yield section, with_parameter(old, "homeward", "true")
        elif old.id in passage.going:
            yield section, old
        elif old.tag == "rsc_location" or named.isdisjoint(passage.going):
            continue
        elif named <= of_file.union(passage.going):
            yield section, old


def _apart(passage: Passage, spec: Spec, cib: Element, there: frozenset[str]) -> Iterator[Element]:
    """No node may run both; and where one follows the other, it waits until that has stopped and cleaned up."""
    name, carrier = passage.gateway, passage.carrier
    members = _pool_nodes(name, spec, cib)
    for node in spec.nodes:
        barred = cold_parts(name) if node != carrier else ()
        barred += pool_parts(name) if node == carrier or node not in members else ()
        yield from (never(part, node, discovery="never") for part in barred if part in there)
    cold, pool = cold_parts(name)[0], pool_parts(name)[0]
    if {cold, pool} <= there:
        yield _successor(cold, pool)
        yield _successor(pool, cold)


def _successor(first: str, then: str) -> Element:
    attributes = {"id": f"{then}-after-{first}-stopped", "kind": "Optional", "symmetrical": "false"}
    attributes |= {"first": first, "first-action": "stop", "then": then, "then-action": "start"}
    return element("rsc_order", attributes=attributes)


def _free(resource: str, spec: Spec, cib: Element) -> tuple[str, ...]:
    """The nodes where the configuration lets it run."""
    there = {old.id for _, old in reconcile.ours(cib)}
    return tuple(node for node in spec.nodes if never(resource, node).id not in there)


def _pool_nodes(name: str, spec: Spec, cib: Element) -> tuple[str, ...]:
    """The pool's nodes as the file has them, or, where it goes, as its rescheduler was told."""
    if name in spec.pools:
        return spec.pools[name].nodes
    mover = next((old for _, old in reconcile.ours(cib) if old.id == rescheduler(name)), Element("primitive"))
    told = next((pair.get("value") for pair in mover.walk() if pair.get("name") == "hosts"), "")
    return tuple(word.partition("=")[0] for word in told.split()) or _free(pool_parts(name)[0], spec, cib)
