"""What a drill and a status need."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time

from hotspare.adapters.neutron import NeutronApi
from hotspare.adapters.site import Fence, Machines
from hotspare.adapters.spec_file import SpecFile
from hotspare.adapters.stager_desks import StagerDesks
from hotspare.flows import drill as drill_flow
from hotspare.flows import status as status_flow
from hotspare.model.drill import Cable, Fault, Place
from hotspare.model.errors import SpecError
from hotspare.model.status import StatusView
from hotspare.plan import fencing, resources
from hotspare.plan.drill import gateway_of, lacking
from hotspare.plan.status import Wanted
from hotspare.ports import Remote
from hotspare.wiring.cluster import hosts, read


@dataclass(frozen=True, slots=True)
class Drill:
    """A drill that may be run: the order, and what it needs from the file."""

    file: SpecFile
    order: drill_flow.Order
    cloud: str

    @asynccontextmanager
    async def opened(self, *, tell: Callable[[str], None]) -> AsyncGenerator[drill_flow.Drill]:
        """The drill with its connections open for as long as the context lasts."""
        async with hosts(self.file) as remote:
            site = machines(self.file, remote)
            yield drill_flow.Drill(self.order, site, NeutronApi(self.cloud), tell=tell, now=time)


def drill(path: Path, fault: Fault, *, node: str | None, gateway: str | None) -> Drill:
    """The drill that the file and the command line ask for.

    Raises:
        SpecError: the file is wrong, or does not say what a drill needs.
    """
    file = read(path)
    spec = file.spec
    problems = tuple(lacking(spec, str(path), fault, node, gateway))
    if problems or spec.drill is None or spec.neutron is None:
        raise SpecError(problems)
    asked = spec.drill
    order = drill_flow.Order(
        fault=fault,
        node=node,
        gateway=gateway_of(spec, gateway or next(iter(spec.gateways))),
        nodes=tuple(spec.nodes),
        prober=Place(asked.prober),
        inside=tuple(Place(place.host, place.netns) for place in asked.inside),
        witnesses=tuple(
            Cable(witness.node, Place(witness.host, witness.netns or ""), witness.interface)
            for witness in asked.witnesses
        ),
    )
    return Drill(file, order, spec.neutron.cloud)


async def status(path: Path) -> StatusView:
    """The status of the cluster in the file.

    Raises:
        SpecError: the file is wrong.
    """
    async with asking(path) as ask:
        return await ask()


async def well(path: Path, *, within_s: float, tell: Callable[[StatusView], None]) -> StatusView:
    """Its first status in which all is well, or the last one before the time is over; `tell` hears of those before.

    Raises:
        SpecError: the file is wrong.
    """
    async with asking(path) as ask:
        return await status_flow.well(ask, within_s=within_s, tell=tell, now=monotonic)


@asynccontextmanager
async def asking(path: Path) -> AsyncGenerator[Callable[[], Awaitable[StatusView]]]:
    """What asks for the status of the cluster in the file, again and again for as long as the context lasts.

    Raises:
        SpecError: the file is wrong.
    """
    file = read(path)
    spec = file.spec
    wanted = Wanted(
        cluster=spec.cluster.name,
        nodes=tuple(spec.nodes),
        fenced=spec.fenced,
        fenced_nodes=tuple(name for name, node in spec.nodes.items() if node.fence),
        vips=tuple(spec.vips),
        gateways={name: gateway.nodes for name, gateway in spec.carried.items()},
        resources=tuple(resources.home(spec, name) for name in spec.resources),
        pools={name: spec.hosts(name) for name in spec.pools},
        twins=frozenset(spec.twins),
        reboot_actions={name: node.fence.reboot_action for name, node in spec.nodes.items() if node.fence},
    )
    neutron = NeutronApi(spec.neutron.cloud) if spec.neutron else None
    async with hosts(file) as remote:
        site, stagers = machines(file, remote), StagerDesks(remote)

        async def ask() -> StatusView:
            return await status_flow.status(wanted, site, neutron, stagers, now=time)

        yield ask


def machines(file: SpecFile, remote: Remote) -> Machines:
    """The machines of the file's cluster."""
    fences = {
        name: Fence(
            node.fence.agent,
            fencing.parameters(node.fence),
            file.passwords[name],
        )
        for name, node in file.spec.nodes.items()
        if node.fence
    }
    return Machines(remote, tuple(file.spec.nodes), fences)
