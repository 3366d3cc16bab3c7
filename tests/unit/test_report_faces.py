"""The report's faces: the same words everywhere, nothing from elsewhere, equal pictures for equal reports."""

import dataclasses
import re
from html.parser import HTMLParser

import pool_history
import pytest
from drill_history import T0, history, trace
from lxml import etree
from rich.console import Console

from hotspare.faces.report import page, plot, table
from hotspare.model.drill import Fault, Trace
from hotspare.plan.drill import judge


def gone():
    """A drill whose second router never came back."""
    whole = trace()
    replies = {**whole.replies, "10.30.1.2": tuple(r for r in whole.replies["10.30.1.2"] if r[1] < T0)}
    return judge(history(trace=Trace(0.04, whole.rounds, replies)), {})


REPORTS = {
    "all back": judge(history(), {"pacemaker": "2.1.5"}),
    "one gone": gone(),
    "standby": judge(history(fault=Fault.STANDBY), {}),
    "nothing recorded": judge(history(trace=Trace(0.04, (), {}), events=(), observations=(), streams=(), gets=()), {}),
    "no routers": judge(history(routers=(), targets={}), {}),
    "a pool": judge(pool_history.history(), {}),
    "a pool drained": judge(pool_history.history(fault=Fault.DRAIN), {}),
    "a pool, nothing recorded": judge(pool_history.history(events=(), observations=(), streams=(), gets=()), {}),
}


@pytest.fixture(params=REPORTS)
def report(request):
    return REPORTS[request.param]


def printed(report) -> str:
    console = Console(width=200)
    with console.capture() as shown:
        table.show(report, console)
    return shown.get()


def test_the_table_names_verdict_audits_and_every_address(report):
    text = printed(report)
    assert str(report.verdict).upper() in text
    assert all(one.address in text for one in report.outages)
    assert all(audit.name in text for audit in report.audits)


def test_the_picture_is_svg_and_the_same_for_the_same_report(report):
    drawn = plot.svg(report)
    assert drawn == plot.svg(report)
    words = " ".join(etree.fromstring(drawn.encode()).itertext())
    assert str(report.verdict).upper() in words
    assert all(one.address in words for one in report.outages)
    assert "seconds after" in words


class Balance(HTMLParser):
    """Counts tags that are open; void ones do not count."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, _attrs):
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_fetches_nothing(report):
    text = page.html(report)
    parser = Balance()
    parser.feed(text)
    assert parser.open == []
    fetched = re.findall(r"""(?:src|href)\s*=\s*["'](?!#)([^"']+)|url\((?!#)([^)]+)\)|@import""", text)
    assert fetched == []
    assert "<script" not in text


def test_a_router_named_in_markup_stays_a_name():
    whole = history()
    named = dataclasses.replace(whole.routers[0], name="<b>[red]x[/]</b>& $\\x$")
    report = judge(dataclasses.replace(whole, routers=(named, *whole.routers[1:])), {})
    assert "[red]x[/]" in printed(report)
    assert "<b>[red]" not in page.html(report)
    etree.fromstring(plot.svg(report).encode())


def test_what_did_not_come_back_is_said_first():
    text = printed(REPORTS["one gone"])
    routers = text[text.index("Routers, longest") :]
    assert routers.index("10.30.1.2 ") < routers.index("10.30.1.1 ")
    assert "not back" in routers


def test_where_routers_went_is_said_where_they_go_their_own_ways():
    pool, cold = REPORTS["a pool"], REPORTS["all back"]
    for text in (printed(pool), page.html(pool), plot.svg(pool)):
        assert "net1 → net2" in text
        assert "its routers moved (1 to net2, 1 to net3)" in text
    for text in (printed(cold), page.html(cold), plot.svg(cold)):
        assert "→" not in text
    assert "no router moved" in printed(REPORTS["a pool, nothing recorded"])
    assert "net1 → ?" in printed(REPORTS["a pool, nothing recorded"])
