"""What is said of a twin, to people and to Pacemaker."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotspare.plan.twin.freshness import Freshness, Score, score, words

score_of = partial(score, stale_after_s=30)


@pytest.mark.parametrize(
    ("twin", "before", "expected"),
    [
        (Freshness(None, 40), Score.COLD, Score.COLD),
        (Freshness(1, 40, cold=40), Score.FRESH, Score.COLD),
        (Freshness(1, 40, cold=5), Score.FRESH, Score.PARTIAL),
        (Freshness(1, 40, cold=4), Score.COLD, Score.FRESH),
        (Freshness(16, 40), Score.COLD, Score.STALE),
        (Freshness(29, 40), Score.FRESH, Score.FRESH),
        (Freshness(31, 40), Score.FRESH, Score.STALE),
        (Freshness(1, 0), Score.COLD, Score.FRESH),
    ],
)
def test_the_score_says_how_good_a_takeover_by_this_spare_would_be(twin, before, expected):
    assert score_of(twin, before) is expected


def test_a_cold_spare_scores_as_one_of_strategy_cold_and_the_carrier_above_all():
    assert Score.COLD == 100 < Score.PARTIAL < Score.STALE < Score.FRESH < Score.CARRIES


@given(st.floats(0, 1e6), st.integers(0, 40), st.sampled_from([*Score, 0]))
def test_a_score_that_was_told_stays_while_nothing_changes(equal_s, cold, before):
    twin = Freshness(equal_s, 40, cold)
    told = score_of(twin, before)
    assert score_of(twin, told) == told


@given(st.lists(st.floats(16, 29), min_size=2))
def test_an_age_that_hovers_is_told_once(ages):
    told = [score_of(Freshness(ages[0], 1), Score.COLD)]
    told += [score_of(Freshness(age, 1), told[-1]) for age in ages]
    assert len(set(told)) == 1


@pytest.mark.parametrize(
    ("twin", "told", "expected"),
    [
        (Freshness(None, 0), Score.COLD, "none"),
        (Freshness(2.4, 40), Score.FRESH, "fresh (2 s), 40 routers"),
        (Freshness(300, 1), Score.STALE, "stale (5 min), 1 router"),
        (Freshness(9000, 40, cold=20), Score.PARTIAL, "partial (2 h), 20 of 40 routers"),
    ],
)
def test_it_reads(twin, told, expected):
    assert words(twin, told) == expected
