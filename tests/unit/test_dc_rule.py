"""The promoted role is kept off the cluster's controller where that costs nothing: how much that weighs."""

from itertools import pairwise

import pytest
from cluster_world import edge
from hotspare_ocf import markers, preference
from test_pool_plan import elements, meta
from test_twin_file import twin

from hotspare.plan.gateways import RATHER_NOT_ON_DC
from hotspare.plan.twin.freshness import Score

FILES = {"cold": edge(), "twin": twin()}


@pytest.mark.parametrize("strategy", FILES)
def test_a_carried_gateways_promoted_role_is_rather_not_on_the_controller(strategy: str) -> None:
    found = elements(FILES[strategy])
    place = found["gw-clone-rather-not-on-dc"]
    (rule,) = place.children
    (expression,) = rule.children
    assert (place.get("rsc"), place.get("score")) == ("gw-clone", "")
    assert (rule.get("role"), rule.get("score")) == ("Promoted", str(RATHER_NOT_ON_DC))
    assert [expression.get(name) for name in ("attribute", "operation", "value")] == ["#is_dc", "eq", "true"]


def test_a_pool_is_promoted_everywhere_and_has_no_such_rule() -> None:
    pool = edge(more=("{gw: {nodes", "{gw: {strategy: reschedule, nodes"))
    assert not [id_ for id_ in elements(pool) if "dc" in id_]


@pytest.mark.parametrize("strategy", FILES)
def test_a_gateways_clone_is_not_counted(strategy: str) -> None:
    """Where a count sank with a node of the list, Pacemaker would number anew, and may stop the promoted one."""
    assert "clone-max" not in meta(elements(FILES[strategy])["gw-clone"])


def test_nobody_is_promoted_where_another_gateway_is_carried() -> None:
    assert preference.ELSEWHERE < 0


def test_the_rule_weighs_less_than_any_difference_of_two_scores() -> None:
    """So it decides between equals, prefers no worse twin, and takes no carrier below a spare."""
    assert 0 < -RATHER_NOT_ON_DC < min(above - below for below, above in pairwise(sorted(Score)))


@pytest.mark.parametrize("spare", [score for score in Score if score is not Score.CARRIES])
def test_a_carrier_that_becomes_the_controller_is_still_above_every_spare(spare: Score) -> None:
    assert preference.without_twin("gw", markers.PROMOTED) + RATHER_NOT_ON_DC > spare
    assert preference.without_twin("gw", markers.UNPROMOTED) == Score.COLD
