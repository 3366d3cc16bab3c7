"""Power from the operator's side: orders go to a machine's BMC by ipmitool, as they would to real hardware."""

import sys
import time
from enum import StrEnum

from hotspare.lab import machines, namespace
from hotspare.lab.command import run
from hotspare.lab.layout import BMC_USER, MARK, Layout, Machine
from hotspare.model.errors import HotspareError, RefusedError, TimedOutError

_ANSWER_TIMEOUT_S = 90.0
"""Seconds are enough for a machine that is not busy; beside another lab on two cores 15 were not."""


class Order(StrEnum):
    """What a BMC is told, in ipmitool's words."""

    ON = "on"
    OFF = "off"
    CYCLE = "cycle"
    STATUS = "status"


def start_bmcs(layout: Layout) -> None:
    """The lab's BMCs run, detached from us, and each of them answers.

    Raises:
        TimedOutError: one does not answer.
    """
    with (layout.state_dir / "bmc.log").open("ab") as log:
        argv = ["setsid", "--fork", sys.executable, "-P", "-m", "hotspare.lab.bmc", layout.name]
        machines.spawn(argv, {MARK: layout.name}, log.fileno())
    deadline = time.monotonic() + _ANSWER_TIMEOUT_S
    for machine in layout.machines:
        while True:
            try:
                send(layout, machine, Order.STATUS, attempts=1)
                break
            except HotspareError as silent:
                if time.monotonic() > deadline:
                    raise TimedOutError(
                        f"the BMC of {machine.name} does not answer: {silent.message}",
                        hint=f"its log: {layout.state_dir}/bmc.log",
                    ) from silent
                time.sleep(0.05)


def send(layout: Layout, machine: Machine, order: Order, *, attempts: int = 4) -> str:
    """The machine's power after the order: "on" or "off". The password goes by file, never by command line.

    Raises:
        RefusedError: the BMC did not carry it out or does not answer.
    """
    tool = ["ipmitool", "-I", "lanplus", "-H", machine.bmc, "-U", BMC_USER, "-f", str(layout.bmc_password)]
    # An order is sent once, with time to be carried out: a cycle that is asked for twice would be two.
    tool += ["-N", "1", "-R", str(attempts)] if order is Order.STATUS else ["-N", "40", "-R", "1"]
    tool += ["chassis", "power", order.value]
    if not namespace.exists(layout.switch):
        raise RefusedError(f"lab {layout.name} is not up", code=1, hint=f"hotspare lab up --name {layout.name}")
    with namespace.entered(layout.switch):
        said = run(tool, timeout_s=60).out
    if order is Order.STATUS:
        return "on" if said.strip().endswith("on") else "off"
    return "off" if order is Order.OFF else "on"
