"""The next call of a move, and how much goes at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotspare.model.routing import Move, Standing
from hotspare.plan.moving import Bind, Leave, Settled, Unbind, next_call
from hotspare.plan.pacing import BRISK, PATIENT, SEEN_EVERY_S, CallPace, TargetPace

LIVE, LEAVING, GONE, UNKNOWN, FOREIGN = (
    Standing.LIVE,
    Standing.LEAVING,
    Standing.GONE,
    Standing.UNKNOWN,
    Standing.FOREIGN,
)
MOVE = Move("r", "source", "target")


@pytest.mark.parametrize(
    ("holders", "source", "target", "asked", "expected"),
    [
        (("source",), GONE, LIVE, False, Unbind("source")),
        (("source",), LEAVING, LIVE, False, Unbind("source")),
        (("source",), LIVE, LIVE, True, Unbind("source")),
        ((), GONE, LIVE, False, Bind("target")),
        ((), UNKNOWN, LIVE, False, Bind("target")),
        (("target",), GONE, LIVE, False, Settled("target")),
        (("target",), GONE, LEAVING, False, Settled("target")),
        (("source", "target"), GONE, LIVE, False, Unbind("source")),
        (("source", "target"), LEAVING, LIVE, False, Unbind("source")),
        (("third",), GONE, LIVE, False, Settled("third")),
        (("foreign",), GONE, LIVE, False, Settled("foreign")),
        (("dead",), GONE, LIVE, False, Unbind("dead")),
    ],
)
def test_what_is_next(holders, source, target, asked, expected):
    standings = {"source": source, "target": target, "third": LIVE, "dead": GONE}
    assert next_call(MOVE, holders, standings, asked=asked) == expected


@pytest.mark.parametrize(
    ("holders", "source", "target", "asked", "why"),
    [
        (("source",), LIVE, LIVE, False, "its agent is there"),
        (("source",), UNKNOWN, LIVE, True, "cannot tell"),
        (("source",), GONE, GONE, False, "target is gone"),
        (("source",), LEAVING, UNKNOWN, False, "target is unknown"),
        ((), GONE, GONE, False, "target is gone"),
        (("target",), GONE, GONE, False, "target is gone"),
        (("unknown",), GONE, LIVE, False, "cannot tell"),
    ],
)
def test_what_is_left_alone_and_why(holders, source, target, asked, why):
    standings = {"source": source, "target": target, "unknown": UNKNOWN}
    left = next_call(MOVE, holders, standings, asked=asked)
    assert isinstance(left, Leave)
    assert why in left.reason


AGENTS = ("source", "target", "third")


@given(
    standings=st.fixed_dictionaries({agent: st.sampled_from(Standing) for agent in AGENTS}),
    holders=st.sets(st.sampled_from(AGENTS)).map(lambda found: tuple(sorted(found))),
    source=st.sampled_from((*AGENTS, None)),
    asked=st.booleans(),
)
def test_doing_what_is_next_comes_to_an_end_and_takes_nothing_from_whom_nothing_may_be_taken(
    standings, holders, source, asked
):
    move = Move("r", source, "target")
    held = set(holders)
    for _step in range(2 * len(AGENTS)):
        match next_call(move, tuple(sorted(held)), standings, asked=asked):
            case Unbind(agent):
                assert agent in held
                assert standings[agent] is not UNKNOWN
                assert standings[agent] is not FOREIGN or "target" in held
                held.discard(agent)
            case Bind(agent):
                assert not held
                assert standings[agent] is LIVE
                held.add(agent)
            case Settled(agent):
                assert agent in held
                assert standings[agent] is not GONE
                return
            case Leave():
                return
    pytest.fail(f"no end: {held}")


# --- paces ------------------------------------------------------------------------------------------------------------


def served(pace: CallPace, *, capacity: int, idle_s: float, calls: int) -> float:
    """The longest call of a server that does `capacity` calls at once without getting slower."""
    longest_s = 0.0
    for _ in range(calls):
        took_s = idle_s * max(1.0, pace.limit / capacity)
        longest_s = max(longest_s, took_s)
        pace.ended("bind", took_s)
    return longest_s


@pytest.mark.parametrize("capacity", [1, 2, 4, 16, 1000])
def test_calls_are_as_many_as_the_server_does_without_getting_slow(capacity):
    pace = CallPace(most=64)
    served(pace, capacity=capacity, idle_s=0.2, calls=2000)
    assert min(capacity, 64) * 0.5 <= pace.limit <= min(64, max(2 * capacity, 2))
    assert served(pace, capacity=capacity, idle_s=0.2, calls=500) <= 3 * 0.2


def test_a_server_that_does_not_answer_is_asked_less():
    pace = CallPace(most=64)
    served(pace, capacity=1000, idle_s=0.05, calls=2000)
    for _ in range(8):
        pace.failed()
    assert pace.limit == 1


def test_one_lucky_call_does_not_set_the_pace_for_ever():
    pace = CallPace(most=64)
    pace.ended("bind", 0.001)
    served(pace, capacity=1000, idle_s=0.2, calls=3000)
    assert pace.limit == 64


def test_the_first_router_goes_alone():
    urgent = TargetPace(careful=False, opened=8, most=32)
    careful = TargetPace(careful=True, opened=2, most=4)
    assert (urgent.window, careful.window) == (1, 1)
    urgent.bound()
    careful.bound()
    assert (urgent.window, careful.window) == (8, 1)
    careful.forwarding(3.0)
    assert careful.window == 2


def test_an_agent_that_gets_slow_gets_less():
    pace = TargetPace(careful=False, opened=8, most=32)
    pace.bound()
    for _ in range(100):
        pace.forwarding(2.0)
    assert pace.window == 32
    for _ in range(100):
        pace.forwarding(20.0)
    assert pace.window == 4


def test_an_agent_that_takes_more_than_twice_its_best_gets_no_more():
    pace = TargetPace(careful=False, opened=4, most=32)
    pace.bound()
    windows = []
    for took_s in (2.0, 3.9, 3.9, 4.1, 4.1):
        pace.forwarding(took_s)
        windows.append(pace.window)
    assert windows == [4, 5, 6, 5, 4]


def test_a_router_that_was_wired_just_before_a_look_makes_no_other_one_slow():
    pace = TargetPace(careful=False, opened=8, most=32)
    pace.bound()
    for _ in range(100):
        pace.forwarding(0.02)
        pace.forwarding(1.01)
    assert pace.window == 32


def test_a_router_that_was_wired_while_nobody_looked_makes_no_agent_slow():
    pace = TargetPace(careful=False, opened=8, most=32)
    pace.bound()
    pace.forwarding(1.0, known_to_s=1.0)
    for _ in range(100):
        pace.forwarding(9.0, known_to_s=6.0)
    assert pace.window == 32


@pytest.mark.parametrize(("looking", "share"), [(BRISK, 0.2), (PATIENT, 0.05)])
def test_looks_that_take_long_are_few(looking, share):
    assert looking.pause_s(0.01) == SEEN_EVERY_S
    assert all(look_s / (look_s + looking.pause_s(look_s)) <= share for look_s in (0.01, 0.2, 0.5, 0.75))
    assert looking.pause_s(60.0) == looking.pause_s(30.0) > looking.pause_s(0.2), "moves are not kept waiting for ever"
