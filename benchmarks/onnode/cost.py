"""What commands cost: CPU time (user and system, of the command and all that it waited for) and wall time.

Argument: JSON with `commands` (name to argv), `environ` (by name) and `rounds`. They take turns; a first round warms up
and is not counted. Prints JSON: name to a list of [cpu_s, wall_s]. A command that fails ends all.
"""

import json
import os
import sys
import time


def cost(argv: "list[str]", environ: "dict[str, str]") -> "tuple[float, float]":
    begun = time.monotonic()
    quiet = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
    pid = os.posix_spawn(argv[0], argv, environ, file_actions=quiet)
    _, status, used = os.wait4(pid, 0)
    took_s = time.monotonic() - begun
    if status != 0:
        sys.exit(f"{argv} ended with wait status {status}")
    return used.ru_utime + used.ru_stime, took_s


def main() -> None:
    order = json.loads(sys.argv[1])
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in order["commands"]}
    for turn in range(order["rounds"] + 1):
        for name, argv in order["commands"].items():
            measured = cost(argv, order["environ"][name])
            if turn:
                found[name].append(measured)
    json.dump(found, sys.stdout)


main()
