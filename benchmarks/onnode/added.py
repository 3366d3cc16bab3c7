"""When a node had a router more than at the start, whole: both ports in the switch, live (0) or parked (1), as the
argument says, and their devices in its namespace. Prints JSON: `at_s`, by the wall clock.
"""

import json
import os
import subprocess
import sys
import time

LIMIT_S = 240.0
LOOK_S = 0.05
NETNS = "/run/netns"


def routers() -> "set[str]":
    return {name for name in os.listdir(NETNS) if name.startswith("qrouter-")}


def devices(name: str) -> "set[str]":
    said = subprocess.run(["ip", "-n", name, "-json", "link"], capture_output=True, check=False).stdout
    try:
        return {one["ifname"] for one in json.loads(said) if one["ifname"][:3] in ("qr-", "qg-")}
    except ValueError:
        return set()


def ports(parked: bool) -> "set[str]":
    columns = ["ovs-vsctl", "--format=json", "--columns=name,tag", "list", "port"]
    rows = json.loads(subprocess.run(columns, capture_output=True, check=True).stdout)["data"]
    return {name for name, tag in rows if isinstance(tag, int) and (tag == 4095) == parked}


def main() -> None:
    parked, before = sys.argv[1] == "1", routers()
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        for name in routers() - before:
            there = devices(name)
            if len(there) >= 2 and there <= ports(parked):
                print(json.dumps({"at_s": time.time()}))
                return
        time.sleep(LOOK_S)
    sys.exit("no router was added")


main()
