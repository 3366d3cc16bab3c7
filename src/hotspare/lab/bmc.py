"""The BMCs: IPMI 2.0 over LAN, one a machine, on the out-of-band network, alive whether the machine is or not.

`python -m hotspare.lab.bmc LAB` runs in the switch's namespace until the lab goes down. It holds one child a machine,
and starts one again that died. One process a BMC because pyghmi keeps its sessions by the client's address alone, so
two BMCs in one process could take each other's orders; and an order to one must not wait for another's.
"""

import logging
import os
import signal
import sys
import time

from pyghmi.ipmi import bmc as pyghmi_bmc
from pyghmi.ipmi.private import serversession, session

from hotspare.lab import machines, namespace, processes
from hotspare.lab.layout import BMC_PORT, BMC_USER, Layout, Machine
from hotspare.model.errors import HotspareError

LOG = logging.getLogger("hotspare.lab.bmc")

_LOOK_S = 1.0
"""How often a BMC looks whether its machine died or asked for a reboot on its own."""
_RESTART_S = 0.5
_NODE_BUSY = 0xC0
"""Completion code for an order that was not carried out. Source: IPMI 2.0 table 5-2."""


class MachineBmc(pyghmi_bmc.Bmc):  # type: ignore[misc]
    """Orders of IPMI become orders to one machine. Code 0 is said only after the order was carried out."""

    def __init__(self, layout: Layout, machine: Machine, password: str) -> None:
        super().__init__({BMC_USER: password}, port=BMC_PORT, address=machine.bmc)
        self._layout = layout
        self._machine = machine
        self._life: processes.Life | None = None

    def get_power_state(self) -> str:
        return "on" if machines.is_on(self._layout, self._machine) else "off"

    def power_off(self) -> int:
        return self._do("off")

    def power_on(self) -> int:
        return self._do("on")

    def power_cycle(self) -> int:
        return self._do("off") or self._do("on")

    def power_reset(self) -> int:
        return self.power_cycle()

    def power_shutdown(self) -> int:
        return self._do("shutdown")

    def _do(self, order: str) -> int:
        begun = time.monotonic()
        try:
            match order:
                case "off":
                    machines.power_off(self._layout, self._machine)
                case "on":
                    machines.boot(self._layout, self._machine)
                case _:
                    machines.shut_down(self._layout, self._machine)
        except (HotspareError, OSError) as failed:
            LOG.warning("power.failed machine=%s order=%s reason=%r", self._machine.name, order, str(failed))
            return _NODE_BUSY
        took_s = time.monotonic() - begun
        LOG.info("power.done machine=%s order=%s took_s=%.3f", self._machine.name, order, took_s)
        return 0

    def look(self) -> None:
        """A machine that went off on its own is off for the network, too; one that asked for a reboot gets it.

        Once the machine's first process is found, a look at it is one system call; all of /proc is searched without it.
        """
        if self._life is not None:
            if self._life.goes_on():
                return
            self._life.close()
            self._life = None
        match machines.settle(self._layout, self._machine):
            case machines.Fate.DIED:
                LOG.info("machine.died machine=%s", self._machine.name)
            case machines.Fate.REBOOTS:
                LOG.info("machine.reboots machine=%s", self._machine.name)
                self._do("on")
            case machines.Fate.AS_ORDERED:
                init = machines.init_pid(self._layout, self._machine)
                self._life = processes.Life(init) if init is not None else None


def _forget(closed: serversession.ServerSession) -> None:
    """A closed session is forgotten, so that the same client port may open another (pyghmi keeps all for ever)."""
    session.Session.bmc_handlers.pop(closed.sockaddr, None)


def _serve(layout: Layout, machine: Machine) -> None:
    serversession.ServerSession.close_server_session = _forget
    # Where pyghmi's I/O thread is woken: its own socket. Its guess, ::1, is not ours.
    session.myself = machine.bmc
    served = MachineBmc(layout, machine, layout.bmc_password.read_text().strip())
    next_look = time.monotonic()
    while True:
        session.Session.wait_for_rsp(_LOOK_S)
        if time.monotonic() >= next_look:
            served.look()
            next_look = time.monotonic() + _LOOK_S


def _start(layout: Layout, machine: Machine) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        _serve(layout, machine)
    except Exception:
        LOG.exception("bmc.crashed machine=%s", machine.name)
    finally:
        os._exit(code)


def supervise(layout: Layout) -> None:
    """Each machine has a BMC, for ever."""
    namespace.enter(layout.switch)
    children = {_start(layout, machine): machine for machine in layout.machines}
    while True:
        child, _ = os.wait()
        machine = children.pop(child)
        time.sleep(_RESTART_S)
        LOG.warning("bmc.restarted machine=%s", machine.name)
        children[_start(layout, machine)] = machine


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    supervise(Layout(sys.argv[1]))


if __name__ == "__main__":
    main()
