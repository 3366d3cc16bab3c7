"""The hosts of the operator's file, and what an apply needs."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from hotspare.adapters import spec_file
from hotspare.adapters.bundle import bundle
from hotspare.adapters.hosts import Hosts
from hotspare.adapters.nodes import RemoteNodes, digests
from hotspare.adapters.process import Processes
from hotspare.adapters.spec_file import SpecFile
from hotspare.adapters.ssh import Ssh
from hotspare.codec import corosync_conf
from hotspare.flows.apply import Job


def read(file: Path) -> SpecFile:
    """The operator's file, with its secrets.

    Raises:
        SpecError: all that is wrong with it.
    """
    return spec_file.read(file)


@asynccontextmanager
async def hosts(file: SpecFile) -> AsyncGenerator[Hosts, None]:
    """The hosts of the spec; connections are closed when the context ends."""
    spec = file.spec
    addresses = {name: node.address for name, node in spec.nodes.items() if node.address}
    config = file.beside(spec.ssh.config) if spec.ssh.config else None
    opened = Hosts(Ssh(config, addresses, connect_timeout_s=spec.ssh.connect_timeout_s), Processes())
    try:
        yield opened
    finally:
        await opened.close()


@asynccontextmanager
async def cluster(file: SpecFile) -> AsyncGenerator[tuple[Job, RemoteNodes], None]:
    """What is to be made of the file, and the nodes to make it on."""
    carried = bundle()
    job = Job(file.spec, digests(file.passwords), carried.digest, corosync_conf.write)
    async with hosts(file) as remote:
        yield job, RemoteNodes(remote, file.passwords, carried)
