"""Drills beside one another: each router's outages together, in one picture, with each one's own report at hand."""

import dataclasses
import importlib
import json
import re
from pathlib import Path

import pool_history
import pytest
from drill_history import GATEWAY, ROUTERS, history, probed
from lxml import etree
from rich.console import Console
from test_report_faces import REPORTS, Balance
from typer.testing import CliRunner

from hotspare.codec import comparison_json, report_json
from hotspare.faces.cli import app
from hotspare.faces.report import page, plot, table
from hotspare.model.answer import Answer
from hotspare.model.comparison import Drilled
from hotspare.model.drill import Fault, Gateway, Strategy
from hotspare.model.errors import SpecError
from hotspare.plan.comparison import rows
from hotspare.plan.drill import judge

importlib.import_module("hotspare.faces.cli.compare")  # its verb is one of the app's from here on


def drilled(strategy: Strategy, *backs_s: float):
    """A power-off after which the routers answered again so long after T0."""
    trace = probed({router.floating_ips[0]: (0.0, back_s) for router, back_s in zip(ROUTERS, backs_s, strict=True)})
    gateway = Gateway(GATEWAY, strategy, dict.fromkeys(("net1", "net2"), GATEWAY))
    return judge(history(trace=trace, gateway=gateway), {})


COLD = drilled(Strategy.COLD, 10.0, 14.0, 12.0)
TWIN = drilled(Strategy.TWIN, 3.0, 3.1, 3.2)
GONE = REPORTS["one gone"]
POOL = judge(pool_history.history(fault=Fault.DRAIN), {})
SETS = {
    "cold and twin": (COLD, TWIN),
    "one router gone": (GONE, TWIN),
    "nothing in common": (COLD, POOL),
    "nothing recorded": (REPORTS["nothing recorded"], REPORTS["no routers"]),
    "as many as there is room for": (COLD, TWIN) * (len(plot.BARS) // 2),
}


@pytest.fixture(params=SETS)
def drills(request):
    reports = SETS[request.param]
    return [Drilled(f"drill {n}", report, f"{n}/report.html" if n else "") for n, report in enumerate(reports)]


def found(drills):
    return rows([one.report for one in drills])


# --- which belong together -------------------------------------------------------------------------------------------


def test_each_router_has_its_outage_of_every_drill_and_the_longest_of_the_first_is_first():
    told = [
        (row.router, *(round(one.outage_s) for one in row.outages if one and one.outage_s))
        for row in rows([COLD, TWIN])
    ]
    assert told == [("router-2", 14, 3), ("router-3", 12, 3), ("router-1", 10, 3)]


def test_what_is_not_back_comes_first_and_what_was_not_struck_last():
    first, *_ = rows([GONE, TWIN])
    assert (first.router, first.outages[0].outage_s) == ("router-2", None)
    fewer = dataclasses.replace(COLD, outages=COLD.outages[:1])
    assert [row.outages[0] is None for row in rows([fewer, TWIN])] == [False, True, True]


# --- faces -----------------------------------------------------------------------------------------------------------


def test_the_picture_names_every_drill_and_address_and_is_the_same_for_the_same_reports(drills):
    drawn = plot.beside(drills, found(drills))
    assert drawn == plot.beside(drills, found(drills))
    words = " ".join(etree.fromstring(drawn.encode()).itertext())
    for one in drills:
        assert f"{one.name}: median" in words
        assert all(outage.address in words for outage in one.report.outages)


def test_the_picture_says_median_and_worst_of_each_and_the_length_of_every_bar():
    drills = [Drilled("cold", COLD), Drilled("twin", TWIN)]
    words = " ".join(etree.fromstring(plot.beside(drills, found(drills)).encode()).itertext())
    for one in drills:
        outage = one.report.outage
        assert f"{one.name}: median {outage.median:.2f} s · worst {outage.worst:.2f} s" in words
        assert all(f"{router.outage_s:.2f} s" in words for router in one.report.outages)
    assert "seconds after power was cut" in words


def test_time_begins_where_each_drills_does():
    drills = [Drilled("cold", COLD), Drilled("pool", POOL)]
    assert "seconds after the order or power was cut" in plot.beside(drills, found(drills))


def test_the_page_is_whole_and_leads_to_the_reports_that_are_there(drills):
    text = page.beside(drills, found(drills))
    parser = Balance()
    parser.feed(text.replace("<br>", ""))
    assert parser.open == []
    assert re.findall(r'href="(?!#)([^"]+)"', text) == [one.page for one in drills if one.page]
    assert not re.search(r"""src\s*=|url\((?!#)|@import|<script""", text)


def test_all_faces_tell_the_same_medians(drills):
    console = Console(width=200)
    with console.capture() as shown:
        console.print(table.beside(drills, found(drills)))
    plain = json.loads(json.dumps(comparison_json.plain(drills, found(drills))))
    for one, told in zip(drills, plain["drills"], strict=True):
        assert told["name"] == one.name
        assert told["outage_s"]["median"] == one.report.outage.median
        said = "not back" if one.report.outage.median is None else f"{one.report.outage.median:.2f} s"
        assert f"{one.name} {said}" in shown.get()
        assert f"{one.name} {said}" in page.beside(drills, found(drills))
    assert len(plain["per_router"]) == len(found(drills))


def test_a_name_in_markup_stays_a_name():
    drills = [Drilled("<b>[red]x[/]&", COLD), Drilled("$y_1$", TWIN)]
    console = Console(width=200)
    with console.capture() as shown:
        console.print(table.beside(drills, found(drills)))
    assert "<b>[red]x[/]&" in shown.get()
    assert "<b>[red]" not in page.beside(drills, found(drills))
    words = " ".join(etree.fromstring(plot.beside(drills, found(drills)).encode()).itertext())
    assert "$y_1$: median" in words


def test_json_leaves_out_a_drill_that_did_not_strike_the_router():
    drills = [Drilled("cold", COLD), Drilled("pool", POOL)]
    told = comparison_json.plain(drills, found(drills))["per_router"]
    assert {frozenset(row["outage_s"]) for row in told} == {frozenset({"cold", "pool"}), frozenset({"cold"})}


# --- the verb --------------------------------------------------------------------------------------------------------


def kept(directory: Path, report, *, with_page: bool = True) -> str:
    """What a drill leaves there."""
    directory.mkdir(parents=True)
    (directory / "report.json").write_text(json.dumps(report_json.report(report)))
    if with_page:
        (directory / "report.html").write_text("")
    return str(directory)


def compared(*words: str, output: Path):
    return CliRunner().invoke(app, ["drill", "compare", *words, "--output", str(output)])


@pytest.mark.parametrize(
    ("second", "exit_code"),
    [(TWIN, 0), (GONE, 1), (dataclasses.replace(TWIN, verdict=Answer.CANNOT_TELL), 3)],
    ids=["yes", "no", "cannot tell"],
)
def test_the_exit_status_is_the_worst_verdict_and_the_picture_is_drawn_all_the_same(tmp_path, second, exit_code):
    words = (kept(tmp_path / "cold", COLD), kept(tmp_path / "twin", second))
    told = compared(*words, output=tmp_path / "all of them")
    assert told.exit_code == exit_code
    assert "cold: median" in told.stdout
    assert "<svg" in (tmp_path / "all of them" / "beside.svg").read_text()
    text = (tmp_path / "all of them" / "beside.html").read_text()
    assert 'href="../cold/report.html"' in text


def test_a_report_that_came_without_its_page_has_no_link(tmp_path):
    words = (kept(tmp_path / "cold", COLD), kept(tmp_path / "a twin", TWIN, with_page=False))
    assert compared(*words, output=tmp_path).exit_code == 0
    assert re.findall(r'href="(?!#)([^"]+)"', (tmp_path / "beside.html").read_text()) == ["cold/report.html"]


def test_json_is_all_that_is_on_the_standard_output(tmp_path):
    words = (kept(tmp_path / "cold", COLD), kept(tmp_path / "twin", TWIN), "--json")
    told = json.loads(compared(*words, output=tmp_path).stdout)
    assert (told["verdict"], [one["strategy"] for one in told["drills"]]) == ("yes", ["cold", "twin"])


def test_drills_with_one_name_are_told_apart_by_their_whole_path(tmp_path):
    words = (kept(tmp_path / "monday" / "drill", COLD), kept(tmp_path / "friday" / "drill", TWIN))
    told = json.loads(compared(*words, "--json", output=tmp_path).stdout)
    assert [one["name"] for one in told["drills"]] == list(words)


def test_everything_that_cannot_be_read_is_said_at_once_and_nothing_is_written(tmp_path):
    newer = kept(tmp_path / "newer", COLD)
    told = json.loads((tmp_path / "newer" / "report.json").read_text())
    (tmp_path / "newer" / "report.json").write_text(json.dumps({**told, "format": 99}))
    foreign = kept(tmp_path / "foreign", COLD)
    (tmp_path / "foreign" / "report.json").write_bytes(b"\xff\xfe")
    whole = kept(tmp_path / "whole", COLD)
    output = tmp_path / "output"
    error = compared(str(tmp_path / "none"), newer, foreign, whole, whole, output=output).exception
    assert isinstance(error, SpecError)
    assert [problem.where for problem in error.problems] == [
        str(tmp_path / "none" / "report.json"),
        f"{newer}/report.json",
        f"{foreign}/report.json",
        whole,
    ]
    assert "No such file" in error.problems[0].text
    assert "update it, or drill again" in error.problems[1].text
    assert error.problems[3].text == "named twice; leave one out"
    assert "hotspare drill poweroff --output" in error.hint
    assert not output.exists()


@pytest.mark.parametrize("count", [1, len(plot.BARS) + 1])
def test_a_picture_has_room_for_so_many(tmp_path, count):
    told = compared(*(str(tmp_path / str(number)) for number in range(count)), output=tmp_path)
    assert told.exit_code == 2
    assert "one picture has room" in told.stderr
