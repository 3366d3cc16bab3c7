"""What a planned takeover of a gateway needs."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hotspare.adapters.spec_file import SpecFile
from hotspare.adapters.stager_desks import StagerDesks
from hotspare.model.errors import SpecError
from hotspare.model.takeover import Order
from hotspare.plan.takeover import lacking, means_gateway, order
from hotspare.ports import Site, Stagers
from hotspare.wiring.cluster import hosts, read
from hotspare.wiring.probing import machines


@dataclass(frozen=True, slots=True)
class Ordered:
    """A takeover that may be asked for."""

    file: SpecFile
    order: Order

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[tuple[Site, Stagers]]:
        """Its cluster and its stagers, with connections open for as long as the context lasts."""
        async with hosts(self.file) as remote:
            yield machines(self.file, remote), StagerDesks(remote)


def handover(path: Path, words: Sequence[str], node: str) -> Ordered | None:
    """The takeover that the command line means; None where it means routers of a pool.

    Raises:
        SpecError: the file is wrong, or has no such node for the gateway.
    """
    file = read(path)
    if not means_gateway(file.spec, words):
        return None
    problems = tuple(lacking(file.spec, str(path), words, node))
    if problems:
        raise SpecError(problems)
    return Ordered(file, order(file.spec, words, node))
