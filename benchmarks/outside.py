"""The lab's floating IPs, pinged from outside while something is done to the nodes behind them."""

import json
import os
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from hotspare.adapters.site import script
from lab_parts import HOTSPARE, Lab, eventually

INTERVAL_S = 0.05
LIMIT_S = 1200
"""The probe ends by itself after so long: above what anything takes that is done meanwhile."""
ANSWERS_WITHIN_S = 240
REST_S, REST_WITHIN_S = 5.0, 300
BUSY_MAX = 0.5
"""Of the cores, while nothing goes on but the lab itself."""


class Pinged:
    """What the probe told, once it has ended. Times are seconds by the wall clock, which all machines share."""

    def __init__(self) -> None:
        self._sent: dict[int, float] = {}
        self._answered: set[tuple[int, int]] = set()
        self._targets = 0

    def read(self, lines: list[str]) -> None:
        """The probe's lines, of which the last may be cut."""
        for line in lines:
            if not line.endswith("}"):
                continue
            fact = json.loads(line)
            if fact["k"] == "hello":
                self._targets = len(fact["source"])
            elif fact["k"] == "rounds":
                self._sent |= {fact["first"] + offset: at for offset, at in enumerate(fact["at"])}
            elif fact["k"] == "replies":
                self._answered |= {(target, number) for target, number, _ in fact["r"]}

    @property
    def lost(self) -> int:
        """Requests without a reply, but for those of the last second, whose replies may not have been told yet."""
        return sum(map(len, self._losses().values()))

    def back(self) -> list[float]:
        """When each floating IP that lost a request was first asked after its last loss."""
        between = sorted(self._sent)
        following = dict(pairwise(between))
        return sorted(self._sent[following[max(lost)]] for lost in self._losses().values())

    def outages(self) -> list[float]:
        """Of each floating IP that lost a request the time from the first to the last of its longest row of losses, in
        seconds, with the pause before the next request.
        """
        between = sorted(self._sent)
        following = dict(pairwise(between))
        found = []
        for lost in self._losses().values():
            rows: list[list[int]] = []
            for number in sorted(lost):
                if rows and following[rows[-1][-1]] == number:
                    rows[-1].append(number)
                else:
                    rows.append([number])
            found.append(max(self._sent[following[row[-1]]] - self._sent[row[0]] for row in rows))
        return sorted(found)

    def _losses(self) -> dict[int, list[int]]:
        end_s = max(self._sent.values()) - 1
        found = defaultdict(list)
        for number, at_s in self._sent.items():
            for target in range(self._targets):
                if at_s < end_s and (target, number) not in self._answered:
                    found[target].append(number)
        return found


@contextmanager
def pinging(lab: Lab) -> Iterator[Pinged]:
    """Every floating IP is pinged from outside; what came of it is known when the context has ended."""
    order = json.dumps({"targets": floating_ips(lab), "interval_s": INTERVAL_S, "limit_s": LIMIT_S})
    argv = [HOTSPARE, "lab", "ssh", "ext", "--name", lab.name, "--", f"/usr/bin/python3 -IS - '{order}'"]
    pinged = Pinged()
    with tempfile.TemporaryFile() as said, subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=said) as probe:
        assert probe.stdin
        probe.stdin.write(script("ping.py"))
        probe.stdin.close()
        try:
            eventually(
                lambda: b'"replies"' in os.pread(said.fileno(), 1 << 20, 0),
                within_s=30,
                what="the probe is answered",
            )
            yield pinged
            assert probe.poll() is None, "the probe has ended early: what it did not see is no sign that all was well"
        finally:
            probe.terminate()
            probe.wait()
        said.seek(0)
        pinged.read(said.read().decode().splitlines())


def machine_at_rest() -> None:
    """Agents have found out that all is well, which takes them a minute and more after a takeover: at least half of the
    cores' time is idle.
    """
    eventually(lambda: _busy() <= BUSY_MAX, within_s=REST_WITHIN_S, what="the machine is at rest")


def _busy() -> float:
    """Share of the cores' time that was not idle, for a while. Source: proc(5), /proc/stat."""
    before = _ticks()
    time.sleep(REST_S)
    idle, ticks = (after - earlier for after, earlier in zip(_ticks(), before, strict=True))
    return 1 - idle / ticks


def _ticks() -> tuple[int, int]:
    """Idle ones, and all."""
    told = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return told[3] + told[4], sum(told)


def floating_ips(lab: Lab) -> list[str]:
    """One a router."""
    routers = json.loads(lab.layout.topology_json.read_text())["routers"]
    return [router["floating_ip"] for router in routers]


def await_all(lab: Lab, *, within_s: float = ANSWERS_WITHIN_S) -> None:
    """Every floating IP answers."""
    each = " ".join(floating_ips(lab))
    ask = f"for one in {each}; do ping -qc2 -i 0.2 -W1 $one >/dev/null 2>&1 || exit 0; done; echo yes"
    eventually(
        lambda: lab.ssh("ext", ask, timeout_s=120).strip() == "yes",
        within_s=within_s,
        what="every floating IP answers",
    )
