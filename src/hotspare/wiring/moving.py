"""What moving routers by hand needs."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hotspare.adapters.rescheduler_desk import ReschedulerDesk
from hotspare.adapters.spec_file import SpecFile
from hotspare.model.errors import SpecError
from hotspare.plan.pools import chosen, lacking
from hotspare.ports import Dispatcher, Marks
from hotspare.wiring.cluster import hosts, read
from hotspare.wiring.probing import machines


@dataclass(frozen=True, slots=True)
class Pool:
    """A gateway whose nodes are all active."""

    file: SpecFile
    name: str

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[tuple[Marks, Dispatcher]]:
        """Its cluster and its rescheduler, with connections open for as long as the context lasts."""
        async with hosts(self.file) as remote:
            site = machines(self.file, remote)
            yield site, ReschedulerDesk(remote, site.status, self.name)


def pool(path: Path, *, node: str | None = None, gateway: str | None = None) -> Pool:
    """The pool that the command line means.

    Raises:
        SpecError: the file is wrong, or has no such pool.
    """
    file = read(path)
    problems = tuple(lacking(file.spec, str(path), node=node, gateway=gateway))
    if problems:
        raise SpecError(problems)
    return Pool(file, chosen(file.spec, node=node, gateway=gateway))
