"""The labs that lab tests run on, for the session: `lab` is a whole one; `pool_lab` is another, whose nodes are a pool;
`vxlan_lab` has its tenants' networks in tunnels; `bare_lab` has machines, cables and power, and a cluster once a test
has made one.

HOTSPARE_TEST_LAB names the whole one (default `test`), HOTSPARE_TEST_ROUTERS says how many routers it has. A lab of
that name that is up before is used as it is and left up: bring it up by hand once, and tests start at once.
HOTSPARE_TEST_POOL_LAB names that of the pool (default `testpool`), HOTSPARE_TEST_BARE_LAB the bare one (`testbare`),
HOTSPARE_TEST_VXLAN_LAB that of tenants in tunnels (`testvxlan`). A lab goes as soon as the last file whose tests need
it is over: what stays up takes time from the others.

Side by side (`pytest -n 2 --dist each`) the first process runs what needs `lab` or nothing at all, and the second the
rest, which takes longer. By marks, `--dist loadgroup` would say the same, but it cannot name groups with this pytest.
"""

import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from hotspare.lab import namespace
from hotspare.lab.layout import Layout, Role
from lab_aftermath import seen_by_controller
from lab_parts import HOTSPARE, Lab, run

# Properties are about what is true; how long an example takes is the machine's mood, and belongs in benchmarks.
settings.register_profile("hotspare", deadline=None)
settings.load_profile("hotspare")


LABS = ("lab", "pool_lab", "vxlan_lab", "bare_lab")
_LAST_FILES = pytest.StashKey[Mapping[str, Path]]()
"""Lab → the last file whose tests need it. A test that asks for one by `getfixturevalue` alone does not count."""
_up: dict[str, ExitStack] = {}
"""Labs that are up; what takes each down."""


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Of xdist: tells a process of its own whether the tests are to be shared out."""
    node.workerinput["shared_out"] = node.config.getoption("dist") == "each"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keeps this process's share, and when each lab will have done its part of it."""
    mine = getattr(config, "workerinput", {})
    if mine.get("shared_out"):
        first = mine["workerid"] == "gw0"
        items[:] = [item for item in items if _is_of_the_first(item) == first]
    config.stash[_LAST_FILES] = {lab: item.path for item in items for lab in LABS if lab in _needs(item)}


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """After what tests of a file put back themselves: labs that no later file needs are taken down."""
    if nextitem is not None and nextitem.path == item.path:
        return
    for lab, path in item.config.stash[_LAST_FILES].items():
        if path == item.path and lab in _up:
            _up.pop(lab).close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure tells how the labs' clusters stood."""
    report = yield
    if report.failed:
        labs = [value for value in getattr(item, "funcargs", {}).values() if isinstance(value, Lab)]
        nodes = [(lab, machine.name) for lab in labs for machine in lab.layout.machines if machine.role is Role.NETWORK]
        seen = {(lab.name, node): seen_by_controller(lab, node) for lab, node in nodes}
        report.sections += [(f"lab {lab}, its controller {node}", text) for (lab, node), text in seen.items() if text]
    return report


def _is_of_the_first(item: pytest.Item) -> bool:
    return "lab" in _needs(item) or item.get_closest_marker("lab") is None


def _needs(item: pytest.Item) -> tuple[str, ...]:
    return tuple(getattr(item, "fixturenames", ()))


def _lab(fixture: str, name: str, *options: str, timeout_s: float) -> Iterator[Lab]:
    if os.geteuid() != 0:
        pytest.fail("a lab needs root; without it: make check")
    layout = Layout(name)
    was_up = layout.up_json.exists() and namespace.exists(layout.switch)
    with ExitStack() as down:
        if not was_up:
            down.callback(run, [HOTSPARE, "lab", "down", "--name", name], 0, 120)
        run([HOTSPARE, "lab", "up", "--name", name, *options], 0, timeout_s)
        _up[fixture] = down
        yield Lab(layout)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    routers = os.environ.get("HOTSPARE_TEST_ROUTERS", "4")
    yield from _lab("lab", os.environ.get("HOTSPARE_TEST_LAB", "test"), "--routers", routers, timeout_s=900)


@pytest.fixture(scope="session")
def pool_lab() -> Iterator[Lab]:
    routers = os.environ.get("HOTSPARE_TEST_ROUTERS", "4")
    name = os.environ.get("HOTSPARE_TEST_POOL_LAB", "testpool")
    yield from _lab("pool_lab", name, "--strategy", "reschedule", "--routers", routers, timeout_s=900)


@pytest.fixture(scope="session")
def vxlan_lab() -> Iterator[Lab]:
    name = os.environ.get("HOTSPARE_TEST_VXLAN_LAB", "testvxlan")
    yield from _lab("vxlan_lab", name, "--strategy", "twin", "--tenant", "vxlan", "--routers", "2", timeout_s=900)


@pytest.fixture(scope="session")
def bare_lab() -> Iterator[Lab]:
    yield from _lab("bare_lab", os.environ.get("HOTSPARE_TEST_BARE_LAB", "testbare"), "--bare", timeout_s=600)
