"""Builds what a drill and a status need from the operator's file."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time

from hotspare import wiring
from hotspare.adapters.neutron import NeutronApi
from hotspare.adapters.site import Fence, Machines
from hotspare.adapters.spec_file import SpecFile
from hotspare.flows import drill as drill_flow
from hotspare.flows import status as status_flow
from hotspare.model.drill import Cable, Fault, Place
from hotspare.model.errors import Problem, SpecError
from hotspare.model.spec import Spec
from hotspare.model.status import StatusView
from hotspare.plan.health import agents_of
from hotspare.plan.status import Wanted
from hotspare.ports import Remote


@dataclass(frozen=True, slots=True)
class Drill:
    """A drill that may be run: the order, and what it needs from the file."""

    file: SpecFile
    order: drill_flow.Order
    cloud: str

    @asynccontextmanager
    async def opened(self, *, tell: Callable[[str], None]) -> AsyncGenerator[drill_flow.Drill]:
        """The drill with its connections open for as long as the context lasts."""
        async with wiring.hosts(self.file) as remote:
            site = machines(self.file, remote)
            yield drill_flow.Drill(self.order, site, NeutronApi(self.cloud), tell=tell, now=time)


def drill(path: Path, fault: Fault, *, node: str | None, gateway: str | None) -> Drill:
    """The drill that the file and the command line ask for.

    Raises:
        SpecError: the file is wrong, or does not say what a drill needs.
    """
    file = wiring.read(path)
    spec = file.spec
    problems = tuple(_lacking(spec, str(path), fault, node, gateway))
    if problems or spec.drill is None or spec.neutron is None:
        raise SpecError(problems)
    name = gateway or next(iter(spec.gateways))
    asked = spec.drill
    order = drill_flow.Order(
        fault=fault,
        node=node,
        gateway=name,
        gateway_nodes=spec.gateways[name].nodes,
        nodes=tuple(spec.nodes),
        agents=agents_of(name),
        prober=Place(asked.prober),
        inside=tuple(Place(place.host, place.netns) for place in asked.inside),
        witnesses=tuple(
            Cable(witness.node, Place(witness.host, witness.netns or ""), witness.interface)
            for witness in asked.witnesses
        ),
    )
    return Drill(file, order, spec.neutron.cloud)


def _lacking(spec: Spec, where: str, fault: Fault, node: str | None, gateway: str | None) -> list[Problem]:
    """What a drill needs and the file, or the command line, does not give."""
    found: list[Problem] = []
    if spec.drill is None:
        found.append(Problem(where, "drill", "missing; say where to probe from: drill: {prober: HOST}"))
    if spec.neutron is None:
        found.append(Problem(where, "neutron", "missing; a drill asks Neutron which routers there are"))
    if gateway is not None and gateway not in spec.gateways:
        known = ", ".join(spec.gateways) or "none"
        found.append(Problem("--gateway", "", f"{gateway} is none of the file's gateways: {known}"))
    if gateway is None and len(spec.gateways) != 1:
        found.append(Problem(where, "gateways", f"{len(spec.gateways)} of them: name one with --gateway"))
    if node is not None and node not in spec.nodes:
        found.append(Problem("NODE", "", f"{node} is none of the file's nodes: {', '.join(spec.nodes)}"))
    if fault is Fault.POWEROFF:
        unfenced = [name for name, member in spec.nodes.items() if member.fence is None and name == (node or name)]
        found += [
            Problem(where, f"nodes.{name}.fence", "missing; its power cannot be cut, try: hotspare drill standby")
            for name in unfenced
        ]
    return found


async def status(path: Path) -> StatusView:
    """The status of the cluster in the file.

    Raises:
        SpecError: the file is wrong.
    """
    file = wiring.read(path)
    spec = file.spec
    wanted = Wanted(
        cluster=spec.cluster.name,
        nodes=tuple(spec.nodes),
        fenced=spec.fenced,
        fenced_nodes=tuple(name for name, node in spec.nodes.items() if node.fence),
        vips=tuple(spec.vips),
        gateways={name: gateway.nodes for name, gateway in spec.gateways.items()},
    )
    neutron = NeutronApi(spec.neutron.cloud) if spec.neutron else None
    async with wiring.hosts(file) as remote:
        return await status_flow.status(wanted, machines(file, remote), neutron, now=time)


def machines(file: SpecFile, remote: Remote) -> Machines:
    """The machines of the file's cluster."""
    fences = {
        name: Fence(
            node.fence.agent,
            {"ip": node.fence.ip, "username": node.fence.username, **_defaults(node.fence.agent), **node.fence.options},
            file.passwords[name],
        )
        for name, node in file.spec.nodes.items()
        if node.fence
    }
    return Machines(remote, tuple(file.spec.nodes), fences)


def _defaults(agent: str) -> dict[str, str]:
    """IPMI 2.0 as every BMC of today speaks it, and no waiting after an action that is confirmed by asking."""
    return {"lanplus": "1", "power_wait": "0"} if agent == "fence_ipmilan" else {}
