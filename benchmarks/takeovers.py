"""What a takeover costs the routers of a gateway with strategy `twin`, by drills; and what the twin costs at rest."""

import json
import math
import shlex
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from figures import Figure
from hotspare.flows.drill import Limits
from hotspare.lab.cluster_file import GATEWAY, cluster_yaml
from hotspare.lab.layout import Choices
from hotspare.model.drill import Strategy
from lab_parts import Lab, eventually
from lab_twin import Twin, grown
from neutron_failover import Outages
from outside import await_all, machine_at_rest, pinging

DRILL_LIMIT_S = 1500
BUILT_S = 1800
"""So long agents may take for the routers that a lab has been given: some seconds each, on two cores."""
HERE = Path(__file__).parent
SNAT_ONLY = "netns: vm01-snat}"
REST_S = 60.0
TALKING_S = Limits().talk_s
"""So long routers have been talking before they are moved, as in a drill."""
ONNODE_LIMIT_S = 300
TAKEOVER_LIMIT_S = 600
BESIDE = {
    "taken_over": ("planned by `takeover`, many: the worst one", "s", 0.5),
    "staged": ("staging from nothing, many routers", "s", 4.0),
    "added": ("a router added, until it is in the twin", "s", 2.0),
    "cpu": ("stager at rest, many routers: CPU", "% of a core", 2.0),
    "memory": ("stager at rest, many routers: memory", "MB", 150.0),
}
"""What, in which unit, and how much at most."""

NOTES = (
    (
        "Ours, and cold: `hotspare drill` cuts the power of the carrier through its BMC (or puts it in standby), pings "
        "every floating IP from outside 25 times a second, a hundred of them 10 times, and holds a TCP connection of a "
        "VM through the shared SNAT and one of a VM with a floating IP. All in: from the last answer before the first "
        "silence."
    ),
    (
        "From fencing confirmed: from Pacemaker's word that the node is off to the last router's first answer. A "
        "second gap: the longest silence of a router after its first one, until the node that died was healed."
    ),
    (
        "Staging: from the first answer of a new stager, on a spare that has nothing, until its twin is fresh. A "
        "router added: from the moment at which the carrier has wired its last port, to that at which the spare has "
        "them all, parked, in its namespace. At rest: the busier of both stagers, for a minute."
    ),
)


class Takeovers:
    """What was measured in a lab, as it grew."""

    def __init__(self) -> None:
        self.reports: dict[str, Mapping[str, Any]] = {}
        """Of the drills, by name."""
        self.beside: dict[str, float] = {}
        """What is beside the drills: see BESIDE."""
        self.notes: list[str] = []

    def few(self, lab: Lab, routers: int) -> None:
        """The floor of a takeover."""
        _Measuring(lab, self).drilled("few", routers, "poweroff")

    def some(self, lab: Lab, routers: int) -> None:
        """The same number as the peers have."""
        _Measuring(lab, self).drilled("some", routers, "poweroff")

    def cold(self, lab: Lab, routers: int) -> None:
        """What a gateway whose spare has nothing ready takes for the same."""
        measuring = _Measuring(lab, self)
        with measuring.cold():
            measuring.drilled("cold", routers, "poweroff")

    def many(self, lab: Lab, routers: int) -> None:
        """All of it."""
        measuring = _Measuring(lab, self)
        measuring.drilled("many", routers, "poweroff")
        measuring.drilled("planned", routers, "standby")
        measuring.taken_over()
        measuring.at_rest()
        measuring.staged()
        measuring.added(routers)

    def figures(self, peers: Outages) -> list[Figure]:
        """Those of which something was measured."""
        return [figure for figure in self._figures(peers) if figure.ours]

    def _figures(self, peers: Outages) -> Iterator[Figure]:
        few, some, many, planned, cold = (self._of(name) for name in ("few", "some", "many", "planned", "cold"))
        vrrp = tuple(peers.medians("VRRP"))
        yield Figure("power cut, some routers: the worst one", "s", some.worst, vrrp, share_max=0.5)
        yield Figure(
            "power cut, some: from fencing confirmed, beside cold", "s", some.fenced, cold.fenced, share_max=0.05
        )
        yield Figure("power cut, many: from fencing confirmed", "s", many.fenced, value_max=1.5)
        yield Figure("power cut, many: the same beside few", "s", many.fenced, few.fenced, share_max=3.0)
        yield Figure("power cut, many: the worst one", "s", many.worst)
        yield Figure("planned by `standby`, many: the worst one", "s", planned.worst, value_max=0.5)
        yield from self._beside("taken_over")
        yield Figure("power cut, many: second gap", "s", many.second_gap, value_max=0.2)
        yield Figure("power cut, some: second gap", "s", some.second_gap, value_max=0.2)
        yield Figure("TCP connections lost", "", (*few.lost, *some.lost, *many.lost), value_max=0)
        stalls = (*few.stalls, *some.stalls, *many.stalls)
        yield Figure("TCP: stall beyond the outage", "s", stalls, value_max=1.0)
        yield from self._beside("staged", "added", "cpu", "memory")

    def _beside(self, *names: str) -> Iterator[Figure]:
        for name in names:
            what, unit, most = BESIDE[name]
            yield Figure(what, unit, (self.beside[name],) if name in self.beside else (), value_max=most)

    def _of(self, name: str) -> "Measured":
        return Measured(self.reports.get(name))


class _Measuring:
    """One lab, one measurement each."""

    def __init__(self, lab: Lab, told: Takeovers) -> None:
        self._lab, self._twin, self._told = lab, Twin(lab), told

    def drilled(self, name: str, routers: int, fault: str) -> None:
        """The report of a drill, whatever its verdict."""
        print(f"{routers} routers, {fault}, {name}", flush=True)
        self._ready()
        with self._a_floating_ip_too(), tempfile.TemporaryDirectory() as output:
            self._lab.desk(
                "sh", "-c", f"hotspare drill {fault} --yes --output {output} >&2 || :", timeout_s=DRILL_LIMIT_S
            )
            report = json.loads((Path(output) / "report.json").read_text())
        self._told.reports[name] = report
        self._told.notes.append(f"{routers} routers, {name}: {_told(report)}")

    def _ready(self) -> None:
        """Routers are served, the spare's twin is fresh, and no agent is still busy with what was before."""
        await_all(self._lab, within_s=BUILT_S)
        # Sooner than `fresh`, which asks so often that the agents have half of the machine less.
        eventually(self._are_adopted, within_s=BUILT_S, what="the L3 agent has come to every router")
        self._twin.fresh()
        machine_at_rest()

    def _are_adopted(self) -> bool:
        return self._twin.adopted(self._twin.carrier()) >= self._twin.routers().keys()

    @contextmanager
    def _a_floating_ip_too(self) -> Iterator[None]:
        """The drill holds a connection of a VM with a floating IP as well."""
        file = self._lab.layout.cluster_yaml
        own = file.read_text()
        assert SNAT_ONLY in own
        file.write_text(own.replace(SNAT_ONLY, f"{SNAT_ONLY}, {{host: cmp1, netns: vm01}}"))
        try:
            yield
        finally:
            file.write_text(own)

    @contextmanager
    def cold(self) -> Iterator[None]:
        """The gateway's spare has nothing ready."""
        file = self._lab.layout.cluster_yaml
        own = file.read_text()
        file.write_text(cluster_yaml(self._lab.layout, Choices(Strategy.COLD)))
        try:
            self._lab.hotspare("apply", timeout_s=900)
            yield
        finally:
            file.write_text(own)
            self._lab.hotspare("apply", timeout_s=900)

    def taken_over(self) -> None:
        """The spare takes the gateway over as an operator wishes it."""
        print("a planned takeover", flush=True)
        self._ready()
        with pinging(self._lab) as pinged:
            time.sleep(TALKING_S)
            self._lab.hotspare("takeover", GATEWAY, "--to", self._twin.spare(), timeout_s=TAKEOVER_LIMIT_S)
            self._twin.fresh()
        self._told.beside["taken_over"] = max(pinged.outages(), default=0.0)

    def at_rest(self) -> None:
        """CPU and memory of both stagers while nothing happens."""
        print("stagers at rest", flush=True)
        self._ready()
        nodes = (self._twin.carrier(), self._twin.spare())
        pid_file = f"/run/hotspare/{GATEWAY}.stager.pid"
        with ThreadPoolExecutor() as at_once:
            told = list(at_once.map(lambda node: self._on(node, "at_rest", pid_file, str(REST_S)), nodes))
        self._told.beside["cpu"] = max(one["cpu_share"] for one in told) * 100
        self._told.beside["memory"] = max(one["pss_mb"] for one in told)
        shares = (f"{node} {one['cpu_share']:.1%}" for node, one in zip(nodes, told, strict=True))
        self._told.notes.append(f"At rest, carrier and spare: {', '.join(shares)} of a core.")

    def staged(self) -> None:
        """A spare without a twin, as after a boot, has one."""
        print("a spare is staged from nothing", flush=True)
        self._ready()
        spare = self._twin.spare()
        self._lab.ssh(spare, "/usr/lib/ocf/lib/hotspare/clean --twins", timeout_s=120)
        self._told.beside["staged"] = self._on(spare, "staged", f"/run/hotspare/{GATEWAY}.stager.sock")["took_s"]
        self._twin.fresh()

    def added(self, routers: int) -> None:
        """One router more: how long after the carrier has it the twin has."""
        print("one router more", flush=True)
        nodes = (self._twin.carrier(), self._twin.spare())
        with ThreadPoolExecutor() as at_once:
            told = [at_once.submit(self._on, node, "added", parked) for node, parked in zip(nodes, "01", strict=True)]
            grown(self._lab, routers + 1)
            wired_s, staged_s = (one.result()["at_s"] for one in told)
        self._told.beside["added"] = staged_s - wired_s

    def _on(self, node: str, script: str, *words: str) -> dict[str, float]:
        """What a script tells that runs on the node."""
        text = (HERE / f"onnode/{script}.py").read_text()
        argv = shlex.join(["/usr/bin/python3", "-IS", "-c", text, *words])
        told: dict[str, float] = json.loads(self._lab.ssh(node, argv, timeout_s=ONNODE_LIMIT_S))
        return told


class Measured:
    """The figures of a drill's report, each as the runs of a figure; none of a drill that was not made."""

    def __init__(self, report: Mapping[str, Any] | None) -> None:
        self.worst: tuple[float, ...] = ()
        self.fenced: tuple[float, ...] = ()
        self.second_gap: tuple[float, ...] = ()
        self.lost: tuple[int, ...] = ()
        self.stalls: tuple[float, ...] = ()
        if report is None:
            return
        worst_s = report["outage_s"]["worst"]
        self.worst = (math.inf if worst_s is None else worst_s,)
        marks = {mark["name"]: mark["after_s"] for mark in report["marks"]}
        if {"fence", "adopt"} <= marks.keys():
            self.fenced = (marks["adopt"] - marks["fence"],)
        gaps = [gap for router in report["per_router"] for gap in router["gaps"][1:]]
        lengths_s = (math.inf if gap["to_s"] is None else gap["to_s"] - gap["from_s"] for gap in gaps)
        self.second_gap = (max(lengths_s, default=0.0),)
        self.lost = (sum(one["kept"] != "yes" for one in report["tcp"]),)
        self.stalls = tuple(one["stall_s"] - self.worst[0] for one in report["tcp"] if one["kept"] == "yes")


def _told(report: Mapping[str, Any]) -> str:
    phases = ", ".join(f"{name} {length} s" for name, length in report["phases_s"].items())
    tcp = "; ".join(f"{one['inside']}: {one['text']}" for one in report["tcp"])
    outage = report["outage_s"]
    verdict = ": ".join(filter(None, (report["verdict"], "; ".join(report["why"]))))
    return f"verdict {verdict}; median {outage['median']} s, worst {outage['worst']} s ({phases}). TCP: {tcp}"
