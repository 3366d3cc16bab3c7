"""What a cleaning by hand needs."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hotspare.adapters.site import Machines
from hotspare.adapters.spec_file import SpecFile
from hotspare.model.errors import SpecError
from hotspare.plan.cleaning import Order, lacking, order
from hotspare.wiring.cluster import hosts, read
from hotspare.wiring.probing import machines


@dataclass(frozen=True, slots=True)
class Cleaning:
    """A cleaning that may be run."""

    file: SpecFile
    order: Order

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[Machines]:
        """The machines, with connections open for as long as the context lasts."""
        async with hosts(self.file) as remote:
            yield machines(self.file, remote)


def cleaning(path: Path, nodes: Sequence[str], gateway: str | None, *, twins: bool = False) -> Cleaning:
    """The cleaning that the file and the command line ask for.

    Raises:
        SpecError: the file is wrong, or has no such node or gateway.
    """
    file = read(path)
    problems = tuple(lacking(file.spec, str(path), nodes, gateway))
    if problems:
        raise SpecError(problems)
    return Cleaning(file, order(file.spec, nodes, gateway, twins=twins))
