"""A report that was written is read again, whole; what is none is refused with the reason."""

import json
import re

import pytest
from drill_history import GATEWAY, ROUTERS, T0, history, probed
from hypothesis import given, settings
from hypothesis import strategies as st
from test_budget import SPEC, TOLD
from test_drill_beside import drilled
from test_report_faces import REPORTS

from hotspare.codec import report_json
from hotspare.model.drill import Gateway, Strategy
from hotspare.plan.drill import judge

BUDGETED = judge(history(events=TOLD), {"pacemaker": "2.1.5"}, SPEC)
BESIDE = judge(drilled(), {})
SILENCES = st.tuples(st.floats(0, 30), st.floats(0, 30) | st.just(1e6))
"""From and to, in seconds after T0; some never end."""


def written(report) -> dict:
    return json.loads(json.dumps(report_json.report(report)))


def again(report) -> dict:
    return written(report_json.read(json.dumps(written(report))))


@pytest.mark.parametrize(
    "report", [*REPORTS.values(), BUDGETED, BESIDE], ids=[*REPORTS, "with a budget", "of two gateways"]
)
def test_what_was_written_is_read_and_written_the_same(report):
    assert again(report) == written(report)


@given(st.lists(SILENCES, min_size=3, max_size=3), st.sampled_from([Strategy.COLD, Strategy.TWIN]))
@settings(max_examples=20, deadline=None)
def test_any_outages_are_read_as_they_were_written(silences, strategy):
    trace = probed({router.floating_ips[0]: silence for router, silence in zip(ROUTERS, silences, strict=True)})
    gateway = Gateway(GATEWAY, strategy, dict.fromkeys(("net1", "net2"), GATEWAY))
    report = judge(history(trace=trace, gateway=gateway), {})
    assert again(report) == written(report)


def test_a_report_that_was_read_is_the_one_that_was_judged_but_for_what_is_less_than_a_millisecond():
    read = report_json.read(json.dumps(written(BUDGETED)))
    for name in ("verdict", "strategy", "node", "carrier", "audits", "sessions", "metadata", "budget", "versions"):
        assert getattr(read, name) == getattr(BUDGETED, name)
    assert read.t0_s == pytest.approx(T0, abs=0.1)
    for one, other in zip(read.outages, BUDGETED.outages, strict=True):
        assert (one.router, one.outage_s) == (other.router, other.outage_s)
        assert one.gaps[0].began_s == pytest.approx(other.gaps[0].began_s, abs=0.002)


def spoiled(**changes) -> str:
    return json.dumps({**written(BUDGETED), **changes})


def without(name: str) -> str:
    return json.dumps({key: value for key, value in written(BUDGETED).items() if key != name})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON: "),
        ("<html>", "not JSON: "),
        ('{"format": 1, "verdict": NaN}', "NaN"),
        ("[]", "not the report of a drill"),
        ('{"format": 1}', "not the report of a drill"),
        ('{"format": "1", "verdict": "yes"}', "not the report of a drill"),
        (spoiled(format=2), "of a newer hotspare, in format 2; this one reads 1: update it, or drill again"),
        (without("tcp"), "tcp is missing"),
        (without("strategy"), "strategy is missing"),
        (spoiled(verdict="maybe"), "verdict: Input should be"),
        (spoiled(t0="yesterday"), "yesterday"),
        (spoiled(per_router=7), "not the whole report"),
        (spoiled(per_router=[7]), "not the whole report"),
        (spoiled(routers=[]), "not the whole report"),
        (spoiled(outage_s={"median": "long", "p95": 1, "worst": 1, "error": 0}), "outage.median: Input should be"),
    ],
)
def test_what_is_no_report_is_refused_with_the_reason(text, reason):
    with pytest.raises(ValueError, match=re.escape(reason)):
        report_json.read(text)
