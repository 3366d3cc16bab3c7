"""Whether ovs-vswitchd is at work: its main loop answers on its control socket. Source: ovs-appctl(8), JSON-RPC.

A process that is there may be stopped or stuck; then no frame finds its way that the datapath does not know already.
"""

from __future__ import annotations

import json
import os
import socket
import time

RUN_DIR = os.environ.get("OVS_RUNDIR", "/var/run/openvswitch")
_PID_FILE = RUN_DIR + "/ovs-vswitchd.pid"
RESTART_S = 5.0
"""An ovs-vswitchd that is being restarted answers within it; what is dead or hung does not."""

_TRY_S = 1.0
_POLL_S = 0.1


def trouble(*, within_s: float = RESTART_S) -> str:
    """Why ovs-vswitchd is not at work, in words; empty as soon as it answers."""
    until = time.monotonic() + within_s
    while True:
        said = _asked()
        if not said or time.monotonic() >= until:
            return said
        time.sleep(_POLL_S)


def _asked() -> str:
    try:
        with open(_PID_FILE, encoding="ascii") as file:
            pid = int(file.read())
    except (OSError, ValueError):
        return f"ovs-vswitchd does not run (no {_PID_FILE})"
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(_TRY_S)
        try:
            asking.connect(f"{RUN_DIR}/ovs-vswitchd.{pid}.ctl")
            asking.sendall(json.dumps({"id": 0, "method": "version", "params": []}).encode())
            if asking.recv(4096):
                return ""
        except TimeoutError:
            return f"ovs-vswitchd (pid {pid}) does not answer: it hangs or is stopped by a signal"
        except OSError as error:
            return f"ovs-vswitchd (pid {pid}) does not answer: {error.strerror or error}"
    return f"ovs-vswitchd (pid {pid}) closed the connection"
