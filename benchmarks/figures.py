"""What a benchmark has measured: figures with their runs, the machine, a table, a file; whether what is asked holds."""

import datetime as dt
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

BUILD = Path("build/bench")


@dataclass(frozen=True)
class Figure:
    """One thing measured in several runs, ours and the peer's taking turns. Less is better.

    Asked is that the median of ours is at most `share_max` of the peer's, or at most `value_max`.
    """

    what: str
    unit: str
    ours: tuple[float, ...]
    peer: tuple[float, ...] = ()
    share_max: float | None = None
    value_max: float | None = None

    @property
    def share(self) -> float | None:
        """Ours as a share of the peer's, by their medians; None without one of the two, or where the peer's is 0."""
        return median(self.ours) / median(self.peer) if self.ours and self.peer and median(self.peer) else None

    @property
    def met(self) -> bool:
        """Whether what is asked holds. A share that cannot be told is none that holds."""
        if self.share_max is not None and (self.share is None or self.share > self.share_max):
            return False
        return self.value_max is None or max(self.ours) <= self.value_max

    @property
    def asked(self) -> str:
        if self.share_max is not None:
            return (
                f"≤ {self.share_max:.2f} of the peer's"
                if self.share_max > 1 / 3
                else f"≤ 1/{1 / self.share_max:.0f} of the peer's"
            )
        return "" if self.value_max is None else f"≤ {self.value_max:g}"


def machine() -> dict[str, str]:
    """The machine and the day: figures of another one are other figures."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
    return {
        "cpu": model,
        "cores": str(os.cpu_count()),
        "kernel": platform.release(),
        "date": dt.datetime.now(tz=dt.UTC).strftime("%Y-%m-%d"),
    }


def tell(name: str, figures: Sequence[Figure], notes: Sequence[str]) -> bool:
    """The figures are printed and in build/bench/NAME.json. Returns whether all that is asked holds."""
    where = machine()
    console = Console(width=150, highlight=False)
    table = Table("what", "unit", "runs", "ours", "peer", "ours / peer", "asked", "", title=name, title_justify="left")
    for figure in figures:
        table.add_row(
            figure.what, figure.unit, str(len(figure.ours)), _shown(figure.ours), _shown(figure.peer),
            "" if figure.share is None else f"{figure.share:.3f} (1 / {1 / figure.share:.1f})" if figure.share else "0",
            figure.asked, "" if not figure.asked else "met" if figure.met else "MISSED",
        )  # fmt: skip
    console.print(table)
    console.print("Median (least … most of the runs). " + ", ".join(f"{key}: {value}" for key, value in where.items()))
    for note in notes:
        console.print(f"- {note}")
    BUILD.mkdir(parents=True, exist_ok=True)
    told = {"machine": where, "figures": [_plain(figure) for figure in figures], "notes": list(notes)}
    (BUILD / f"{name}.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return all(figure.met for figure in figures)


def _plain(figure: Figure) -> dict[str, object]:
    return {
        "what": figure.what, "unit": figure.unit, "ours": figure.ours, "peer": figure.peer,
        "median_ours": median(figure.ours) if figure.ours else None,
        "median_peer": median(figure.peer) if figure.peer else None,
        "share": figure.share, "asked": figure.asked, "met": figure.met,
    }  # fmt: skip


def _shown(runs: tuple[float, ...]) -> str:
    if not runs:
        return ""
    return f"{_digits(median(runs))} ({_digits(min(runs))} … {_digits(max(runs))})"


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
