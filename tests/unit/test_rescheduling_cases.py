"""Plans for routers and DHCP networks, case by case: the cases are in the folder `rescheduling`, in words."""

import pytest
from rescheduling_words import Cloud, cases

from hotspare.model.errors import InvariantError
from hotspare.model.routing import AgentFacts, Placement, Routing, Standing, Weights
from hotspare.plan.eligibility import why_none
from hotspare.plan.placement import drained

CASES = {shown: (given, expected) for shown, given, expected in cases()}


@pytest.mark.parametrize("shown", CASES)
def test_the_plan_reads(shown):
    given, expected = CASES[shown]
    assert Cloud(given).answer() == expected


def test_every_case_says_what_it_shows_and_shows_something_else():
    assert len(CASES) == len(list(cases()))


def test_a_router_deleted_after_its_binding_was_read_is_not_drained():
    agent = AgentFacts("a1", "net1", alive=True, admin_up=True)
    routing = Routing({"a1": agent}, {}, {"r1": ("a1",)})
    assert drained(routing, {"net1": Standing.LEAVING}, "net1", Weights()) == Placement()


def test_there_is_no_reason_against_an_agent_that_can():
    with pytest.raises(InvariantError, match="net1 can serve it"):
        why_none([AgentFacts("a1", "net1", alive=True, admin_up=True)], [])
