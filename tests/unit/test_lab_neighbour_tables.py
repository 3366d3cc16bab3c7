"""The kernel's limits for neighbours, while there are labs and after the last one."""

from pathlib import Path

import pytest

from hotspare.lab.neighbour_tables import LIMITS, give_back, make_room


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    for family in ("ipv4", "ipv6"):
        directory = tmp_path / "net" / family / "neigh/default"
        directory.mkdir(parents=True)
        for name, value in (("gc_thresh1", 128), ("gc_thresh2", 512), ("gc_thresh3", 1024)):
            (directory / name).write_text(f"{value}\n")
    (tmp_path / "netns").mkdir()
    return tmp_path / "net"


def limits(tables: Path) -> dict[str, int]:
    return {str(path.relative_to(tables)): int(path.read_text()) for path in tables.rglob("gc_*")}


def test_they_are_raised_for_the_first_lab_and_set_back_after_the_last_one(tables, tmp_path):
    mark, names = tmp_path / "state/mark", tmp_path / "netns"
    before = limits(tables)
    make_room(tables, mark)
    make_room(tables, mark)  # a second lab
    assert {Path(name).name: value for name, value in limits(tables).items()} == LIMITS
    (names / "hs-other").touch()
    give_back(tables, mark, names)
    assert limits(tables) != before, "a lab is there still"
    (names / "hs-other").unlink()
    give_back(tables, mark, names)
    assert limits(tables) == before
    assert not mark.exists()


def test_higher_ones_and_those_that_somebody_sets_meanwhile_stay(tables, tmp_path):
    mark = tmp_path / "mark"
    high, meanwhile = tables / "ipv4/neigh/default/gc_thresh3", tables / "ipv6/neigh/default/gc_thresh1"
    high.write_text("100000\n")
    make_room(tables, mark)
    meanwhile.write_text("5000\n")
    give_back(tables, mark, tmp_path / "netns")
    assert (high.read_text(), meanwhile.read_text()) == ("100000\n", "5000\n")
    assert (tables / "ipv4/neigh/default/gc_thresh1").read_text() == "128\n"


def test_a_namespace_that_has_no_such_limits_is_left_alone(tmp_path):
    make_room(tmp_path / "nothing", tmp_path / "mark")
    assert not (tmp_path / "mark").exists()
