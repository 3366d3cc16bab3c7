"""What a process takes while nothing happens: CPU time as a share of a core, and memory (PSS). Prints JSON.

Arguments: its pid file, seconds.
"""

import json
import os
import sys
import time


def cpu_s(pid: str) -> float:
    """Source: proc(5), stat: utime and stime."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return sum(map(int, file.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    with open(sys.argv[1], encoding="ascii") as file:
        pid = file.readline().strip()
    began, before = time.monotonic(), cpu_s(pid)
    time.sleep(float(sys.argv[2]))
    share = (cpu_s(pid) - before) / (time.monotonic() - began)
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        pss_kb = next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    print(json.dumps({"cpu_share": share, "pss_mb": pss_kb / 1024}))


main()
