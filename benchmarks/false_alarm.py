"""`make bench NAME=false-alarm`: whether a machine that is busy has Corosync take a living node for a dead one.

The lab's machines are on one machine. That is stressed for some minutes, by its CPUs, its disk, the networks between
the nodes, and all at once, while the cluster runs with the default token; every new membership and every fencing is a
false alarm.
"""

import argparse
import json
import os
import re
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import figures
from bench_lab import bench_lab
from figures import Figure
from hotspare.adapters.spec_file import SpecFile
from hotspare.codec import journal_json
from hotspare.model.event import Event, What
from hotspare.wiring.cluster import read
from lab_parts import Lab, eventually
from loads import LOADS, stressed

PHASES: tuple[tuple[str, ...], ...] = (*((load,) for load in LOADS), tuple(LOADS))
"""What stresses the machine, one after the other, each for the same time."""
SETTLED_S = 5.0
"""After a load, in which a membership that it cost is formed still."""
ROUTERS = 4
LIMIT_S = 300


@dataclass(frozen=True)
class Phase:
    """What the cluster told under a load."""

    load: str
    took_s: float
    load_average: float
    """The highest of the machine, over a minute."""
    memberships: int
    fencings: int
    silences_ms: tuple[int, ...]
    """Times for which a node had not seen the token when it warned, at three quarters of the token."""
    pauses_ms: tuple[float, ...]
    """Times for which Corosync itself was not scheduled, where it told that."""


def main() -> int:
    """0: no false alarm. 1: there were some."""
    parser = argparse.ArgumentParser(prog="make bench NAME=false-alarm OPTIONS=…", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, help="of load, all kinds together")
    parser.add_argument("--lab", metavar="NAME", help="use this lab, which is up; else one is brought up")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("a lab needs root")
    with bench_lab(options.lab, "--routers", str(ROUTERS), "--strategy", "twin") as lab:
        lab.hotspare("apply", str(lab.layout.cluster_yaml), timeout_s=LIMIT_S)
        await_well(lab)
        file = read(lab.layout.cluster_yaml)
        before = carriers(lab)
        phases = [measured(lab, file, loads, options.minutes * 60 / len(PHASES)) for loads in PHASES]
        await_well(lab)
        moved = sum(before[name] != now for name, now in carriers(lab).items())
    return 0 if figures.tell("false-alarm", told(phases, moved), notes(phases, file)) else 1


def measured(lab: Lab, file: SpecFile, loads: Sequence[str], length_s: float) -> Phase:
    """One load for so long, and what came of it."""
    name = " + ".join(loads)
    print(f"{name}: {length_s:.0f} s", flush=True)
    began_s, until_s, highest = time.time(), time.monotonic() + length_s, 0.0
    pause = threading.Event()
    with stressed(lab, loads, limit_s=length_s + LIMIT_S):
        while (left_s := until_s - time.monotonic()) > 0:
            pause.wait(min(1.0, left_s))
            highest = max(highest, os.getloadavg()[0])
    pause.wait(SETTLED_S)
    journals = [journal(lab, node, began_s) for node in file.spec.nodes]
    return Phase(
        load=name,
        took_s=length_s,
        load_average=highest,
        memberships=len({_membership(event) for found, _ in journals for event in _of(What.MEMBERSHIP_FORMED, found)}),
        fencings=max(len(_of(What.FENCE_CALLED, found)) for found, _ in journals),
        silences_ms=tuple(int(one) for _, text in journals for one in _SILENCE.findall(text)),
        pauses_ms=tuple(float(one) for _, text in journals for one in _PAUSE.findall(text)),
    )


# Source: Corosync 3.1, exec/totemsrp.c (token_warning, 75 % of the token) and exec/timer.c, exec/main.c.
_SILENCE = re.compile(r"Token has not been received in (\d+) ms")
_PAUSE = re.compile(r"was not scheduled (?:\(@\d+\) )?for ([\d.]+) ms")


def journal(lab: Lab, node: str, since_s: float) -> tuple[tuple[Event, ...], str]:
    """What the node's cluster told since: as events, and as it stands."""
    words = " ".join(f"-t {one}" for one in journal_json.IDENTIFIERS)
    text = lab.ssh(node, f"journalctl -q -o json {words} --since @{since_s:.0f}", timeout_s=LIMIT_S)
    return journal_json.events(text, node, 0.0), text


def _of(what: What, events: tuple[Event, ...]) -> list[Event]:
    return [event for event in events if event.what is what]


def _membership(event: Event) -> str:
    """The number of a membership, the same on all nodes of it."""
    found = re.search(r"\(([^)]*)\)", event.text)
    return found[1] if found else event.text


def await_well(lab: Lab) -> None:
    """All is well, as `hotspare status` says it."""
    eventually(lambda: status(lab)["answer"] == "yes", within_s=LIMIT_S, what="the cluster is well")


def status(lab: Lab) -> dict:
    """As JSON; the exit status says no more than it does."""
    return json.loads(lab.desk("sh", "-c", "hotspare status --json || :"))


def carriers(lab: Lab) -> dict[str, str]:
    """Who carries each gateway."""
    return {gateway["name"]: gateway["carrier"] for gateway in status(lab)["gateways"]}


def told(phases: Sequence[Phase], moved: int) -> list[Figure]:
    """What must not happen, load by load, and how near it was."""
    found = []
    for phase in phases:
        what = f"{phase.load}, {phase.took_s / 60:.3g} min"
        found.append(Figure(f"{what}: memberships", "new", (phase.memberships,), value_max=0))
        found.append(Figure(f"{what}: fencings", "called", (phase.fencings,), value_max=0))
        found.append(Figure(f"{what}: warnings of a late token", "told", (len(phase.silences_ms),)))
        found.append(Figure(f"{what}: Corosync not scheduled, longest", "ms", (max(phase.pauses_ms, default=0),)))
    return [*found, Figure("all: gateways that moved", "gateways", (moved,), value_max=0)]


def notes(phases: Sequence[Phase], file: SpecFile) -> list[str]:
    """Under which conditions."""
    loads = ", ".join(f"{phase.load} {phase.load_average:.1f}" for phase in phases)
    return [
        (
            f"{len(file.spec.nodes)} nodes on one machine, token_ms {file.spec.cluster.token_ms}. A membership or a "
            "fencing is a false alarm: no node was dead."
        ),
        f"Highest load average of a minute: {loads}.",
        (
            "CPU: two busy processes a core, not nice. Disk: a process a core writes and syncs each MiB, on the nodes' "
            "disk. Network: TCP as fast as it goes around the nodes, on both rings."
        ),
        (
            "A late token is told at three quarters of the time after which it is lost. Corosync runs with real-time "
            "priority, and tells where it was not scheduled for longer than 0.8 of the token."
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
