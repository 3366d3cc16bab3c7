"""Waiting until the lab's OpenStack answers."""

import socket
import time
from collections.abc import Callable
from functools import partial

from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException

from hotspare.lab import console
from hotspare.lab.layout import Layout
from hotspare.lab.openstack.cloud import connect
from hotspare.lab.openstack.clouds import APPLICATION_CLOUD
from hotspare.lab.openstack.services import COMPUTE, CONTROLLER, KEYSTONE_PORT, NEUTRON_PORT, controller_address
from hotspare.model.errors import HotspareError, TimedOutError

READY_TIMEOUT_S = 240.0
"""Much more than it takes: this machine may be doing other things."""
POLL_S = 0.3
OVS_AGENT = "Open vSwitch agent"

Progress = Callable[[str], None]


def wait_ready(layout: Layout, progress: Progress) -> None:
    """Keystone and Neutron answer the operator's application credential, and the compute node's agent is alive.

    To be called in the lab's switch namespace.

    Raises:
        TimedOutError: they do not within four minutes; the message says what the controller's systemd says.
    """
    deadline = time.monotonic() + READY_TIMEOUT_S
    address = controller_address(layout)
    for name, port in (("Keystone", KEYSTONE_PORT), ("Neutron", NEUTRON_PORT)):
        _until(partial(_listens, address, port), f"{name} does not listen", layout, deadline)
        progress(f"{name} listens")
    _until(partial(_agent_alive, layout), f"no live {OVS_AGENT} on {COMPUTE}", layout, deadline)
    progress("Neutron answers, and the compute node's agent is alive")


def _until(holds: Callable[[], bool], otherwise: str, layout: Layout, deadline: float) -> None:
    while not holds():
        if time.monotonic() > deadline:
            raise TimedOutError(
                f"{otherwise} after {READY_TIMEOUT_S:g} s\n{state_of_units(layout)}",
                hint=f"hotspare lab ssh {CONTROLLER} --name {layout.name} -- journalctl -p warning",
            )
        time.sleep(POLL_S)


def _listens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True


def _agent_alive(layout: Layout) -> bool:
    """Keystone knows the application credential, Neutron accepts its token, and has heard of the agent."""
    try:
        with connect(layout, APPLICATION_CLOUD) as cloud:
            return any(agent.is_alive for agent in cloud.network.agents(host=COMPUTE, agent_type=OVS_AGENT))
    except (ClientException, SDKException):
        return False


def state_of_units(layout: Layout) -> str:
    """What the controller's systemd says of services that failed or still start; empty where all run."""
    try:
        listed = ("systemctl", "list-units", "--plain", "--no-legend", "--state=failed,activating")
        return console.run(layout, CONTROLLER, listed, timeout_s=10).strip()
    except HotspareError as error:
        return error.message
