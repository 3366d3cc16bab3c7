"""The hosts of the operator's file, and what an apply needs."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from hotspare.adapters import spec_file
from hotspare.adapters.bundle import bundle
from hotspare.adapters.hosts import Hosts
from hotspare.adapters.nodes import RemoteNodes, digest
from hotspare.adapters.process import Processes
from hotspare.adapters.rescheduler_desk import ReschedulerDesk
from hotspare.adapters.site import Machines
from hotspare.adapters.spec_file import SpecFile
from hotspare.adapters.ssh import Ssh
from hotspare.codec import corosync_conf
from hotspare.flows.apply import Job
from hotspare.model.errors import SpecError
from hotspare.model.secret import Secret
from hotspare.ports import Dispatcher


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
async def cluster(file: SpecFile) -> AsyncGenerator[tuple[Job, RemoteNodes, Callable[[str], Dispatcher]], None]:
    """What is to be made of the file, the nodes to make it on, and the way to a gateway's rescheduler."""
    carried, cloud = bundle(), _cloud(file)
    passwords = {node: digest(secret) for node, secret in file.passwords.items()}
    job = Job(file.spec, passwords, digest(cloud) if cloud else "", carried.digest, corosync_conf.write)
    async with hosts(file) as remote:
        site = Machines(remote, tuple(file.spec.nodes), {})
        dispatcher = partial(ReschedulerDesk, remote, site.status)
        yield job, RemoteNodes(remote, file.passwords, carried, cloud=cloud), dispatcher


def _cloud(file: SpecFile) -> Secret | None:
    """What nodes get of clouds.yaml; None where none needs it.

    Raises:
        SpecError: it has no such cloud.
    """
    neutron = file.spec.neutron
    if neutron is None or not file.spec.pools:
        return None
    from hotspare.adapters import clouds  # noqa: PLC0415 (half a second that only pools need)

    try:
        return clouds.entry(neutron.cloud)
    except LookupError as error:
        raise SpecError([file.document.problem(("neutron", "cloud"), str(error))]) from error
