"""How long a stager takes, from its first answer, until its twin is fresh. Prints JSON. Argument: its socket, at which
one will answer that does not yet.
"""

import json
import socket
import sys
import time

LIMIT_S = 120.0
LOOK_S = 0.05


def state() -> "dict[str, object]":
    """What it says of itself; nothing where it does not answer."""
    try:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(5)
            asking.connect(sys.argv[1])
            asking.sendall(b'{"ask": "state"}\n')
            with asking.makefile() as answer:
                return json.loads(answer.readline())
    except (OSError, ValueError):
        return {}


def main() -> None:
    until = time.monotonic() + LIMIT_S
    first = None
    while time.monotonic() < until:
        told = state()
        first = first or (time.monotonic() if told else None)
        if first and str(told.get("twin", "")).startswith("fresh"):
            print(json.dumps({"took_s": time.monotonic() - first}))
            return
        time.sleep(LOOK_S)
    sys.exit("no fresh twin")


main()
