"""Outages from probes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotspare.model.drill import Trace
from hotspare.plan.downtime import blind_s, outage, percentile, probe_interval_s, steady, summary
from hotspare.plan.drill import ERROR_LIMIT_S

ADDRESS = "10.30.1.7"
RTT_S = 0.001
INTERVAL_S = 0.04


def trace(dead_from_s: float, dead_to_s: float, *, until_s: float = 60.0, interval_s: float = INTERVAL_S) -> Trace:
    """A router that answers every probe but those sent while it is dead."""
    count = int(until_s / interval_s)
    rounds = tuple((number, number * interval_s) for number in range(count))
    alive = tuple((number, at_s + RTT_S) for number, at_s in rounds if not dead_from_s <= at_s < dead_to_s)
    return Trace(interval_s, rounds, {ADDRESS: alive})


def judged(of: Trace, until_s: float = 60.0):
    return outage(of, ADDRESS, ("r1", "router-1"), 1.0, until_s)


@given(st.floats(2.0, 20.0), st.floats(0.1, 30.0), st.sampled_from([0.01, 0.04, 0.05]))
def test_the_true_outage_lies_within_the_stated_error(dead_from_s, length_s, interval_s):
    found = judged(trace(dead_from_s, dead_from_s + length_s, interval_s=interval_s))
    assert found.outage_s is not None
    if not found.gaps:  # shorter than two probes: nothing is claimed but that it was shorter than that
        assert length_s <= found.error_s
        return
    assert found.outage_s - found.error_s - 1e-3 <= length_s <= found.outage_s + RTT_S + 1e-3
    assert found.error_s <= 2 * interval_s + 2 * RTT_S + 1e-6


@given(st.integers(0, 20_000))
def test_many_addresses_are_probed_less_often_and_often_enough_to_judge_each(addresses):
    interval_s = probe_interval_s(addresses)
    assert interval_s == 0.04 or addresses > 40
    assert addresses / interval_s <= 1000.01 or 2 * interval_s == pytest.approx(0.4)
    assert 2 * interval_s < ERROR_LIMIT_S


def test_a_router_that_never_stopped_has_no_outage():
    found = judged(trace(0, 0))
    assert (found.outage_s, found.gaps, found.lost) == (0, (), 0)


def test_a_router_that_does_not_come_back_has_no_length():
    found = judged(trace(10, math.inf))
    assert found.outage_s is None
    assert found.gaps[-1].ended_s is None
    assert found.back_s is None


def test_one_lost_probe_is_counted_but_is_no_outage():
    found = judged(trace(10.0, 10.0 + INTERVAL_S))
    assert (found.lost, found.gaps) == (1, ())


def test_a_probe_that_waited_for_the_neighbour_does_not_hide_the_outage():
    """The kernel queues a probe while it resolves the neighbour: its answer comes late and proves life only then."""
    dead = trace(10.0, 20.0)
    first_lost = next(number for number, at_s in dead.rounds if at_s >= 10.0)
    answers = sorted([*dead.replies[ADDRESS], (first_lost, 20.0), (first_lost + 5, 20.0)], key=lambda reply: reply[1])
    found = judged(Trace(INTERVAL_S, dead.rounds, {ADDRESS: tuple(answers)}))
    assert found.outage_s == pytest.approx(10.0, abs=0.1)


def test_a_prober_that_was_starved_claims_no_outage_but_is_blind():
    full = trace(0, 0)
    rounds = tuple(probe for probe in full.rounds if not 20 <= probe[1] < 25)
    numbers = {number for number, _at_s in rounds}
    starved = Trace(INTERVAL_S, rounds, {ADDRESS: tuple(r for r in full.replies[ADDRESS] if r[0] in numbers)})
    assert judged(starved).gaps == ()
    assert blind_s(starved, 1.0, 59.0) == pytest.approx(5.0, abs=0.1)


def test_a_starved_prober_during_an_outage_widens_the_error():
    dead = trace(10.0, 20.0)
    rounds = tuple(probe for probe in dead.rounds if not 18 <= probe[1] < 22)
    numbers = {number for number, _at_s in rounds}
    starved = Trace(INTERVAL_S, rounds, {ADDRESS: tuple(r for r in dead.replies[ADDRESS] if r[0] in numbers)})
    found = judged(starved)
    assert found.outage_s == pytest.approx(12.0, abs=0.1)
    assert found.outage_s - found.error_s <= 10.0


def test_probes_that_a_router_held_back_until_it_could_answer_leave_the_error_small():
    """It asks once a second who has the VM's address; what came meanwhile is answered together, late."""
    dead = trace(10.0, 20.0)
    held = tuple((number, max(at_s, 21.1)) for number, at_s in dead.replies[ADDRESS] if at_s >= 20.0)
    prompt = tuple(reply for reply in dead.replies[ADDRESS] if reply[1] < 20.0)
    found = judged(Trace(INTERVAL_S, dead.rounds, {ADDRESS: prompt + held}))
    assert found.outage_s == pytest.approx(11.1, abs=INTERVAL_S + RTT_S)
    assert found.error_s <= 3 * INTERVAL_S


def test_two_silences_add_up():
    rounds = trace(0, 0).rounds
    alive = tuple((n, at + RTT_S) for n, at in rounds if not (10 <= at < 12 or 15 <= at < 18))
    found = judged(Trace(INTERVAL_S, rounds, {ADDRESS: alive}))
    assert len(found.gaps) == 2
    assert found.outage_s == pytest.approx(5.0, abs=0.2)


def test_the_last_probes_of_a_record_may_still_be_under_way():
    found = judged(trace(59.5, 60.0))
    assert found.gaps == ()


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50), st.floats(0.01, 1.0))
def test_a_percentile_is_a_value_that_happened(values, share):
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9


def test_the_summary_shows_an_endless_outage_as_none():
    back = judged(trace(10, 12))
    gone = judged(trace(10, math.inf))
    assert summary([back, back, gone]).median == back.outage_s
    assert summary([back, back, gone]).worst is None


def test_steady_names_who_is_not():
    alive = trace(10, 12)
    assert steady(alive, [ADDRESS], 20, 23) == ()
    assert steady(alive, [ADDRESS], 10, 13) == (ADDRESS,)
    assert steady(alive, [ADDRESS, "10.30.9.9"], 20, 23) == ("10.30.9.9",)
    assert steady(alive, [ADDRESS], 70, 73) == (ADDRESS,)
