"""The labs that lab tests run on, for the session: `lab` is a whole one; `pool_lab` is another, whose nodes are a pool;
`vxlan_lab` has its tenants' networks in tunnels; `bare_lab` has machines, cables and power, and a cluster once a test
has made one.

HOTSPARE_TEST_LAB names the whole one (default `test`), HOTSPARE_TEST_ROUTERS says how many routers it has. A lab of
that name that is up before is used as it is and left up: bring it up by hand once, and tests start at once.
HOTSPARE_TEST_POOL_LAB names that of the pool (default `testpool`), HOTSPARE_TEST_BARE_LAB the bare one (`testbare`),
HOTSPARE_TEST_VXLAN_LAB that of tenants in tunnels (`testvxlan`), which goes as soon as its tests are over.

Side by side (`pytest -n 2 --dist each`) the first process runs what needs `lab`, and the second the rest. By marks,
`--dist loadgroup` would say the same, but it cannot name groups with this pytest.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from hotspare.lab import namespace
from hotspare.lab.layout import Layout
from lab_parts import HOTSPARE, Lab, run

# Properties are about what is true; how long an example takes is the machine's mood, and belongs in benchmarks.
settings.register_profile("hotspare", deadline=None)
settings.load_profile("hotspare")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Of xdist: tells a process of its own whether the tests are to be shared out."""
    node.workerinput["shared_out"] = node.config.getoption("dist") == "each"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keeps this process's share."""
    mine = getattr(config, "workerinput", {})
    if mine.get("shared_out"):
        with_lab = mine["workerid"] == "gw0"
        items[:] = [item for item in items if ("lab" in getattr(item, "fixturenames", ())) == with_lab]


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
def pool_lab() -> Iterator[Lab]:
    routers = os.environ.get("HOTSPARE_TEST_ROUTERS", "4")
    name = os.environ.get("HOTSPARE_TEST_POOL_LAB", "testpool")
    yield from _lab(name, "--strategy", "reschedule", "--routers", routers, timeout_s=900)


@pytest.fixture(scope="module")
def vxlan_lab() -> Iterator[Lab]:
    name = os.environ.get("HOTSPARE_TEST_VXLAN_LAB", "testvxlan")
    yield from _lab(name, "--strategy", "twin", "--tenant", "vxlan", "--routers", "2", timeout_s=900)


@pytest.fixture(scope="session")
def bare_lab() -> Iterator[Lab]:
    yield from _lab(os.environ.get("HOTSPARE_TEST_BARE_LAB", "testbare"), "--bare", timeout_s=600)
