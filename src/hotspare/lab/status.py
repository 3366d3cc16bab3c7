"""What a lab is just now, as seen from outside its machines."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from hotspare.lab import machines, namespace, network, power
from hotspare.lab.layout import STATE_ROOT, Layout, Machine
from hotspare.lab.up import last_report
from hotspare.model.errors import HotspareError


@dataclass(frozen=True, slots=True)
class MachineStatus:
    """One machine; `power` is its BMC's word, or "unknown" where the BMC does not answer."""

    name: str
    role: str
    power: str
    address: str
    bmc: str
    ssh: bool
    cut: tuple[str, ...]
    """Networks whose cable is cut."""


@dataclass(frozen=True, slots=True)
class LabStatus:
    """`state`: "up" as `lab up` left it, "unfinished" when it was cut short, "absent"."""

    name: str
    state: str
    routers: int
    machines: tuple[MachineStatus, ...] = ()


def observe(layout: Layout) -> LabStatus:
    """The lab's state, each machine asked at the same time."""
    if not namespace.exists(layout.switch):
        return LabStatus(layout.name, "unfinished" if layout.state_dir.exists() else "absent", 0)
    report = last_report(layout)
    cut = network.cut_cables(layout)
    with ThreadPoolExecutor(len(layout.machines)) as pool:
        seen = tuple(pool.map(lambda machine: _machine(layout, machine, cut), layout.machines))
    return LabStatus(layout.name, "up" if report else "unfinished", report.routers if report else 0, seen)


def _machine(layout: Layout, machine: Machine, cut: frozenset[str]) -> MachineStatus:
    try:
        state = power.send(layout, machine, power.Order.STATUS, attempts=1)
    except HotspareError:
        state = "unknown"
    return MachineStatus(
        name=machine.name,
        role=machine.role.value,
        power=state,
        address=machine.address("mgmt"),
        bmc=machine.bmc,
        ssh=machines.answers_ssh(layout, machine, timeout_s=2.0),
        cut=tuple(nic.network for nic in machine.nics if machine.cable(nic.network) in cut),
    )


def names() -> tuple[str, ...]:
    """The labs of this machine, finished or not."""
    return tuple(sorted(path.name for path in STATE_ROOT.iterdir() if path.is_dir())) if STATE_ROOT.is_dir() else ()
