"""Commands inside a running machine, past its network: as if typed at its console."""

from collections.abc import Sequence

from hotspare.lab import machines
from hotspare.lab.command import run as run_here
from hotspare.lab.layout import Layout
from hotspare.model.errors import NotReachableError


def run(layout: Layout, machine: str, argv: Sequence[str], *, timeout_s: float, stdin: str = "") -> str:
    """What the command wrote to standard output.

    Raises:
        NotReachableError: the machine is off.
        RefusedError: the command ended with another exit code than 0; its words are in `output`.
        TimedOutError: no end within the limit.
    """
    init = machines.init_pid(layout, layout.machine(machine))
    if init is None:
        raise NotReachableError(f"{machine} is off", hint=f"hotspare lab power {machine} on --name {layout.name}")
    enter = (
        "nsenter",
        f"--target={init}",
        "--mount",
        "--uts",
        "--ipc",
        "--net",
        "--pid",
        "--cgroup",
        "--root",
        "--wd=/",
    )
    return run_here((*enter, "--", *argv), timeout_s=timeout_s, stdin=stdin).out
