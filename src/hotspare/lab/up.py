"""`lab up`: from nothing to machines that run OpenStack, in phases that are timed and told."""

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Protocol

from hotspare.adapters import whole_file
from hotspare.lab import (
    access,
    cluster_file,
    image,
    lock,
    machines,
    namespace,
    neighbour_tables,
    network,
    power,
    preflight,
    teardown,
)
from hotspare.lab.layout import MARK, Choices, File, Layout, Machine, Tenant
from hotspare.model.errors import RefusedError

_BOOT_TIMEOUT_S = 90.0


class Tell(Protocol):
    """Who is told how far it is."""

    def began(self, phase: str) -> None: ...

    def note(self, text: str) -> None: ...

    def ended(self, phase: str, took_s: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Report:
    """What is up, and how long each phase of making it took, in seconds."""

    name: str
    image: str
    routers: int
    bare: bool
    tenant: Tenant = Tenant.VLAN
    phases_s: dict[str, float] = field(default_factory=dict)


class _Phases:
    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self.took_s: dict[str, float] = {}

    @contextmanager
    def one(self, name: str) -> Iterator[None]:
        self._tell.began(name)
        begun = time.monotonic()
        yield
        self.took_s[name] = round(time.monotonic() - begun, 2)
        self._tell.ended(name, self.took_s[name])


def bring_up(layout: Layout, *, routers: int, choices: Choices, bare: bool, tell: Tell) -> Report:
    """The lab is up: all machines on and reachable, services answering, `routers` routers with what hangs on them.

    What an unfinished `lab up` left is removed first; to a lab that is up, only missing routers are added, none is
    taken away.
    `choices`: a lab that is up keeps those that it was made with.
    `bare`: machines, cables and power alone, without OpenStack.

    Raises:
        WorldError: this machine cannot hold a lab; nothing was touched.
        RefusedError, TimedOutError: a phase failed; `lab down` removes what there is.
    """
    phases = _Phases(tell)
    if os.geteuid() != 0 or last_report(layout) is None:
        with phases.one("preflight"):
            preflight.check(bare=bare)
    os.environ[MARK] = layout.name  # all that we start inherits it, so that a teardown finds it if we die
    with lock.held(layout):
        before = last_report(layout)
        if before is None:
            _build(layout, phases, choices=choices, bare=bare, tell=tell)
        elif before.bare != bare:
            raise RefusedError(
                f"lab {layout.name} is up {'without' if before.bare else 'with'} OpenStack",
                code=1,
                hint=f"hotspare lab down --name {layout.name}",
            )
        if before is not None:
            phases.took_s = dict(before.phases_s)
            routers = max(routers, before.routers)
        tenant = before.tenant if before is not None else choices.tenant
        if not bare:
            with phases.one("topology"):
                _topology(layout, routers=routers, tell=tell)
        report = Report(layout.name, str(machines.image_of(layout)), routers, bare, tenant, phases.took_s)
        whole_file.write(layout.up_json, json.dumps(asdict(report), indent=2) + "\n")
    return report


def last_report(layout: Layout) -> Report | None:
    """What the last finished `lab up` made, where the lab is still there; None where there is none or a half."""
    if not layout.up_json.exists() or not namespace.exists(layout.switch):
        return None
    return Report(**json.loads(layout.up_json.read_text()))


def _build(layout: Layout, phases: _Phases, *, choices: Choices, bare: bool, tell: Tell) -> None:
    with phases.one("image"):
        base = image.ensure_image(tell.note)
    with phases.one("network"):
        if teardown.take_down(layout).anything:
            tell.note("removed what an unfinished lab had left")
        layout.state_dir.mkdir(parents=True, mode=0o700)
        machines.record_image(layout, base)
        network.create_switch(layout)
        neighbour_tables.make_room()  # with a namespace of ours there, no other lab that ends takes it away
    keys = access.generate(layout)
    _write_access(layout, keys)
    whole_file.write(layout.cluster_yaml, cluster_file.cluster_yaml(layout, choices))
    if bare:
        _start(layout, phases, tell, lambda machine: (access.machine_files(layout, machine, keys), ("ssh.service",)))
        return
    from hotspare.lab import openstack  # noqa: PLC0415  # openstacksdk takes a second to import

    secrets = openstack.generate_secrets()

    def disk(machine: Machine) -> tuple[dict[str, File], tuple[str, ...]]:
        own = openstack.role_files(machine, layout, secrets, choices)
        files = {**access.machine_files(layout, machine, keys), **own}
        return files, ("ssh.service", *openstack.role_units(machine))

    whole_file.write(layout.clouds_yaml, openstack.clouds_yaml(layout, secrets), mode=0o600)
    _start(layout, phases, tell, disk)
    with phases.one("services"), namespace.entered(layout.switch):
        openstack.wait_ready(layout, tell.note)


def _write_access(layout: Layout, keys: access.Access) -> None:
    whole_file.write(layout.ssh_key, keys.operator.private, mode=0o600)
    whole_file.write(layout.known_hosts, access.known_hosts(layout, keys))
    whole_file.write(layout.ssh_config, access.ssh_config(layout))
    whole_file.write(layout.bmc_password, keys.bmc_password, mode=0o600)


def _start(
    layout: Layout,
    phases: _Phases,
    tell: Tell,
    disk: Callable[[Machine], tuple[dict[str, File], tuple[str, ...]]],
) -> None:
    """Every machine has its disk and its BMC, is on, and answers SSH. The controller has most to do and goes first."""

    def one(machine: Machine) -> None:
        files, units = disk(machine)
        machines.prepare(layout, machine, files, units)
        machines.boot(layout, machine)
        took_s = machines.wait_for_ssh(layout, machine, timeout_s=_BOOT_TIMEOUT_S)
        tell.note(f"{machine.name} answers ({took_s:.1f} s)")

    with phases.one("machines"), ThreadPoolExecutor(len(layout.machines) + 1) as pool:
        controller_first = sorted(layout.machines, key=lambda machine: machine.role != "controller")
        booting = [pool.submit(one, machine) for machine in controller_first]
        power.start_bmcs(layout)
        for boot in booting:
            boot.result()


def _topology(layout: Layout, *, routers: int, tell: Tell) -> None:
    from hotspare.lab import topology  # noqa: PLC0415  # as above

    os.environ["OS_CLIENT_CONFIG_FILE"] = str(layout.clouds_yaml)
    with namespace.entered(layout.switch):
        made = topology.create(layout, routers=routers, progress=tell.note)
    whole_file.write(layout.topology_json, json.dumps(made, indent=2) + "\n")
