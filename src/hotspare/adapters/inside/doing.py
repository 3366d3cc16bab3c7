"""Steps in one router's namespace, in their order."""

import errno
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from typing import TypeVar

from hotspare.adapters import netns
from hotspare.adapters.inside import links, rules, sysctls
from hotspare.adapters.inside.netlink import NETFILTER, ROUTE, Netlink, Refusal
from hotspare.model.dataplane import Neighbour
from hotspare.model.errors import HotspareError, RefusedError, TimedOutError
from hotspare.model.staging import (
    AddNamespace,
    DropNamespace,
    Inside,
    MoveDevice,
    SetAddresses,
    SetRoutes,
    SetRules,
    SetSysctls,
)

S = TypeVar("S")


def carry_out(name: str, steps: Sequence[Inside]) -> HotspareError | None:
    """What kept the steps from being done: the first that failed, after which none was tried. None: all are done."""
    try:
        netns.checked(name)
        for is_whole, some in groupby(steps, key=lambda step: isinstance(step, AddNamespace | DropNamespace)):
            (_whole if is_whole else _inside)(name, list(some))
    except HotspareError as error:
        return error
    except TimeoutError as late:
        return TimedOutError(f"{name}: {late}")
    except OSError as error:
        return RefusedError(f"{name}: {_words(error)}", code=error.errno or 0)
    except ValueError as error:
        return RefusedError(f"{name}: {error}", code=errno.EINVAL)
    return None


def introduce(name: str, some: Collection[Neighbour], gone: Collection[Neighbour], *, parked: bool) -> str:
    """The router knows these, and those no more; one that is parked will ask briskly for the rest. What hindered it, in
    words, where it does not. It is no matter of state: it would ask.
    """
    try:
        with netns.entered(netns.checked(name)), Netlink(ROUTE) as kernel:
            known = links.links(kernel)
            refusals = kernel.carry_out(links.acquainted(known, some, gone, parked=parked))
            if parked:
                for device in known.keys() - {links.LOOPBACK}:
                    sysctls.ask_neighbours_briskly(device)
    except (HotspareError, OSError, ValueError) as error:
        return str(error)
    return str(refusals[0]) if refusals else ""


def _words(error: OSError) -> str:
    said = error.strerror or str(error)
    return f"{said}: {error.filename}" if error.filename else said


def _whole(name: str, steps: Sequence[Inside]) -> None:
    for step in steps:
        if isinstance(step, DropNamespace):
            netns.drop(name)
        else:
            netns.add(name)
            with netns.entered(name), Netlink(ROUTE) as kernel:
                _refuse(name, kernel.carry_out(links.shaped(links.links(kernel)[links.LOOPBACK])))


def _inside(name: str, steps: Sequence[Inside]) -> None:
    with Netlink(ROUTE) as node, netns.entered(name) as there, Netlink(ROUTE) as kernel:
        for kind, alike in groupby(steps, key=type):
            some = list(alike)
            if kind is MoveDevice:
                _move(name, node, there, kernel, _only(MoveDevice, some))
            elif kind is SetAddresses:
                _address(name, kernel, _only(SetAddresses, some))
            elif kind is SetRoutes:
                _route(name, kernel, _only(SetRoutes, some))
            else:
                for step in some:
                    _set(step)


def _only(kind: type[S], steps: Sequence[object]) -> list[S]:
    return [step for step in steps if isinstance(step, kind)]


def _move(name: str, node: Netlink, there: int, kernel: Netlink, steps: Sequence[MoveDevice]) -> None:
    known = links.links(kernel)
    away = [links.moved(step.name, there) for step in steps if step.name not in known]
    if away:
        _refuse(name, node.carry_out(away))
        known = links.links(kernel)
    changes = [links.shaped(_link(name, known, step.name), mac=step.mac, mtu=step.mtu) for step in steps]
    _refuse(name, kernel.carry_out([change for some in changes for change in some]))
    for step in steps:
        sysctls.ask_neighbours_briskly(step.name)


def _address(name: str, kernel: Netlink, steps: Sequence[SetAddresses]) -> None:
    known = links.links(kernel)
    changes = [links.addressed(_link(name, known, step.device), step.add, step.remove) for step in steps]
    _refuse(name, kernel.carry_out([change for some in changes for change in some]))


def _route(name: str, kernel: Netlink, steps: Sequence[SetRoutes]) -> None:
    known = links.links(kernel)
    for step in steps:
        for device in {route.device for route in step.add if route.device}:
            _link(name, known, device)
        _refuse(name, kernel.carry_out(links.routed(known, step.add, step.remove)))


def _set(step: Inside) -> None:
    if isinstance(step, SetSysctls):
        sysctls.write(step.values)
    elif isinstance(step, SetRules):
        with Netlink(NETFILTER) as kernel:
            there = rules.tables(kernel)
        rules.write(step.family, step.text, there)


def _link(name: str, known: Mapping[str, links.Link], device: str) -> links.Link:
    if (link := known.get(device)) is None:
        raise RefusedError(f"{name}: there is no device {device}", code=errno.ENODEV)
    return link


def _refuse(name: str, refusals: Sequence[Refusal]) -> None:
    if refusals:
        raise RefusedError(f"{name}: {'; '.join(map(str, refusals[:3]))}", code=refusals[0].code)
