"""The lab that a benchmark runs in."""

from collections.abc import Iterator
from contextlib import contextmanager

from hotspare.lab import namespace
from hotspare.lab.layout import Layout
from lab_parts import HOTSPARE, Lab, run

NAME = "bench"


@contextmanager
def bench_lab(name: str | None, *options: str) -> Iterator[Lab]:
    """The lab of that name, which is up; or one that is up with these options for as long as this lasts."""
    if name:
        yield Lab(Layout(name))
        return
    lab = Lab(Layout(NAME))
    if lab.layout.up_json.exists() and namespace.exists(lab.layout.switch):
        raise SystemExit(f"a lab named {NAME} is up already: use it (--lab {NAME}), or take it down")
    try:
        run([HOTSPARE, "lab", "up", "--name", lab.name, *options], 0, 900)
        yield lab
    finally:
        run([HOTSPARE, "lab", "down", "--name", lab.name], 0, 120)
