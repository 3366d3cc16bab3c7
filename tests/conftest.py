"""The labs that lab tests run on, for the session: `lab` is a whole one; `bare_lab` has machines, cables and power, and
a cluster once a test has made one.

HOTSPARE_TEST_LAB names the whole one (default `test`), HOTSPARE_TEST_ROUTERS says how many routers it has. A lab of
that name that is up before is used as it is and left up: bring it up by hand once, and tests start at once.
HOTSPARE_TEST_BARE_LAB names the bare one (default `testbare`).
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from hotspare.lab import namespace
from hotspare.lab.layout import Layout
from lab_parts import HOTSPARE, Lab, run

# Properties are about what is true; how long an example takes is the machine's mood, and belongs in benchmarks.
settings.register_profile("hotspare", deadline=None)
settings.load_profile("hotspare")


def _lab(name: str, *options: str, timeout_s: float) -> Iterator[Lab]:
    if os.geteuid() != 0:
        pytest.fail("a lab needs root; without it: make check")
    layout = Layout(name)
    was_up = layout.up_json.exists() and namespace.exists(layout.switch)
    try:
        run([HOTSPARE, "lab", "up", "--name", name, *options], 0, timeout_s)
        yield Lab(layout)
    finally:
        if not was_up:
            run([HOTSPARE, "lab", "down", "--name", name], 0, 120)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    routers = os.environ.get("HOTSPARE_TEST_ROUTERS", "4")
    yield from _lab(os.environ.get("HOTSPARE_TEST_LAB", "test"), "--routers", routers, timeout_s=900)


@pytest.fixture(scope="session")
def bare_lab() -> Iterator[Lab]:
    yield from _lab(os.environ.get("HOTSPARE_TEST_BARE_LAB", "testbare"), "--bare", timeout_s=600)
