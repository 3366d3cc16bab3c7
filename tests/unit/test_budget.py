"""Where the seconds of an outage go: computed from the file, and set beside what a drill saw."""

import dataclasses
import html
import json

import pool_history
import pytest
from cluster_world import edge, spec_of
from drill_history import GATEWAY, T0, cluster, events, history
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from test_twin_file import twin

from hotspare.codec import report_json
from hotspare.faces.report import budget as words
from hotspare.faces.report import page, table
from hotspare.model.budget import Basis, Budget, Part, Spent
from hotspare.model.drill import Fault
from hotspare.model.event import Event, What
from hotspare.plan.budget import MEANING, budget, slowest
from hotspare.plan.drill import judge

FENCE = "username: admin, password_file: bmc}"


def parts(text: str, gateway: str = "gw", node: str = "net1", **known) -> dict[str, Part]:
    return {part.name: part for part in budget(spec_of(text), gateway, node, **known).parts}


def seconds(part: Part) -> tuple[float | None, float | None]:
    return part.expected_s, part.worst_s


def fencing(*options: str) -> str:
    """A file in which net1's fence device has these options."""
    text = edge()
    return text.replace(FENCE, FENCE.replace("}", f", {', '.join(options)}}}"), 1)


def test_a_membership_takes_the_token_and_the_consensus_that_corosync_makes_of_it():
    found = parts(edge())
    assert seconds(found["token"]) == (pytest.approx(0.91, abs=0.001), 1.0)  # half of `hold`, 180 ms, less
    assert seconds(found["consensus"]) == (1.2, 1.2)
    assert {found["token"].basis, found["consensus"].basis} == {Basis.COMPUTED}
    assert Budget(tuple(found.values())).until("consensus").worst_s == 2.2


def test_nodes_beyond_two_cost_nothing_since_the_file_says_so_to_corosync():
    assert parts(edge(2))["token"].worst_s == parts(edge(5))["token"].worst_s == 1.0


def test_each_strategy_has_the_parts_that_its_routers_wait_for():
    noticed = ["token", "consensus", "controller", "scheduler", "fence"]
    assert list(parts(twin())) == [*noticed, "promote", "announce"]
    assert list(parts(edge())) == [*noticed, "promote", "start", "adopt"]
    assert list(parts(edge(more=("{gw: {nodes", "{gw: {strategy: reschedule, nodes")))) == noticed
    assert {*parts(twin()), *parts(edge())} == MEANING.keys()


def test_the_controllers_death_costs_an_election_and_is_the_worst_where_nobody_knows():
    without, unknown, dead = (parts(twin(), was_controller=known) for known in (False, None, True))
    assert seconds(without["controller"]) == (0.16, 0.25)
    assert seconds(unknown["controller"]) == (0.16, 0.55)
    assert seconds(dead["controller"]) == (0.42, 0.55)


@pytest.mark.parametrize(
    ("options", "expected_s", "worst_s"),
    [
        ((), 0.15, 0.4),
        (("options: {power_wait: 4}",), 4.15, 4.4),
        (("options: {delay: 2, power_wait: 1}",), 3.15, 3.4),
        (("options: {pcmk_delay_base: 3s}",), 3.15, 3.4),
        (("options: {pcmk_delay_base: 1500ms, pcmk_delay_max: 2s}",), 1.9, 2.4),
        (("options: {pcmk_delay_base: 'net1:1;net2:2'}",), None, None),
        (("reboot_action: reboot",), None, None),
    ],
)
def test_fencing_takes_what_the_file_has_it_wait_and_what_the_device_took(options, expected_s, worst_s):
    part = parts(fencing(*options))["fence"]
    assert seconds(part) == (expected_s, worst_s)
    assert part.basis is (Basis.UNKNOWN if expected_s is None else Basis.BOTH)


def test_of_two_nodes_one_is_fenced_later_and_the_slowest_counts():
    two = edge(2)
    assert [parts(two, node=node)["fence"].worst_s for node in ("net1", "net2")] == [1.4, 0.4]
    assert slowest(spec_of(two), "gw").until("fence").worst_s == pytest.approx(2.2 + 0.55 + 0.08 + 1.4)


def test_a_device_that_nobody_measured_has_no_figure():
    found = parts(edge(more=("fence_ipmilan", "fence_xvm")))
    assert seconds(found["fence"]) == (None, None)
    assert "fence_xvm" in found["fence"].source
    assert slowest(spec_of(edge(more=("fence_ipmilan", "fence_xvm"))), "gw").expected_s is None


def test_without_fencing_nothing_is_proved_off():
    text = "\n".join(line.partition(", fence:")[0] + "}" if "fence:" in line else line for line in edge().splitlines())
    assert "fence" not in parts(text + "\nfencing: none\n")


def test_what_agents_have_to_build_grows_with_routers_and_is_not_known_without_them():
    assert seconds(parts(edge())["adopt"]) == (None, None)
    assert seconds(parts(edge(), routers=10)["adopt"]) == (10.0, 54.0)


@given(
    st.integers(300, 60_000), st.integers(2, 32), st.sampled_from([edge, twin]), st.sampled_from([None, True, False])
)
def test_nothing_is_expected_to_take_longer_than_at_most_and_all_has_a_source(token_ms, nodes, file, was_controller):
    text = file(nodes, token=("token_ms: 1000", f"token_ms: {token_ms}"))
    for part in parts(text, was_controller=was_controller, routers=7).values():
        assert 0 <= part.expected_s <= part.worst_s
        assert part.source


# --- beside what a drill saw ------------------------------------------------------------------------------------------

SPEC = spec_of(edge(name=("{gw: {", f"{{{GATEWAY}: {{")))
TOLD = (
    Event(T0 + 0.95, "net2", What.TOKEN_LOST),
    Event(T0 + 2.25, "net3", What.FENCE_PLANNED, "net1"),
    *events(),
)


def spent(**spoiled) -> dict[str, Spent]:
    report = judge(history(**{"events": TOLD, **spoiled}), {}, SPEC)
    return {one.part.name: one for one in report.budget}


def test_each_part_is_measured_from_the_end_of_the_one_before():
    measured = {name: one.measured_s for name, one in spent().items()}
    assert measured == {
        "token": pytest.approx(0.95, abs=0.05),
        "consensus": pytest.approx(1.25),
        "controller": pytest.approx(0.05),
        "scheduler": pytest.approx(0.05),
        "fence": pytest.approx(0.2),
        "promote": pytest.approx(0.2),
        "start": pytest.approx(2.3),
        "adopt": pytest.approx(9.0, abs=0.05),
    }
    worst = judge(history(events=TOLD), {}, SPEC).outage.worst
    assert sum(measured.values()) == pytest.approx(worst, abs=0.01)


def test_what_nobody_told_is_not_measured_and_nothing_is_made_of_it():
    found = spent(events=tuple(event for event in TOLD if event.what is not What.FENCE_PLANNED))
    assert (found["controller"].measured_s, found["scheduler"].measured_s) == (None, None)
    assert found["fence"].measured_s == pytest.approx(0.2)


def test_the_record_says_whether_the_dead_node_was_the_controller():
    for controller, expected_s in (("net1", 0.42), ("net3", 0.16)):
        before = dataclasses.replace(
            history().observations[0], cluster=dataclasses.replace(cluster("net1"), controller=controller)
        )
        found = spent(observations=(before, *history().observations[1:]))
        assert found["controller"].part.expected_s == expected_s


def test_a_takeover_that_is_ordered_and_a_report_without_the_file_have_no_budget():
    assert judge(history(fault=Fault.STANDBY), {}, SPEC).budget == ()
    assert judge(history(), {}).budget == ()


def test_a_pool_is_measured_until_its_node_is_off():
    spec = spec_of(edge(more=("{gw: {nodes: [net1, net2]", "{edge: {strategy: reschedule, nodes: [net1, net2, net3]")))
    names = [one.part.name for one in judge(pool_history.history(), {}, spec).budget]
    assert names == ["token", "consensus", "controller", "scheduler", "fence"]


def test_only_what_took_longer_than_at_most_is_over():
    part = Part("fence", 0.1, 0.2, Basis.BOTH, "")
    assert [Spent(part, measured_s).is_over for measured_s in (None, 0.2, 0.24, 0.3)] == [False] * 3 + [True]
    assert not Spent(dataclasses.replace(part, worst_s=None), 9.0).is_over


# --- in words ---------------------------------------------------------------------------------------------------------


def test_the_three_forms_of_a_report_show_the_same_budget():
    report = judge(history(events=TOLD), {}, SPEC)
    console = Console(width=200)
    with console.capture() as shown:
        table.show(report, console)
    told = json.loads(json.dumps(report_json.report(report)))["budget"]
    assert [one["part"] for one in told] == [one.part.name for one in report.budget]
    for text in (shown.get(), html.unescape(page.html(report))):
        assert "where each second went" in text
        assert all(MEANING[one.part.name] in text for one in report.budget)
    assert told[0]["measured_s"] == report.budget[0].measured_s
    assert "corosync.conf(5)" in page.html(report)


def test_without_a_budget_none_is_shown():
    report = judge(history(), {})
    assert "each second" not in page.html(report)
    assert report_json.report(report)["budget"] == []


def test_a_sum_is_not_told_where_a_part_is_not():
    (*_parts, last) = words.rows(tuple(spent(events=events()).values()))
    assert (last.part, last.measured) == ("all", "not seen")


def test_a_plan_says_how_soon_a_dead_node_is_replaced():
    (said,) = words.sentences(spec_of(twin()))
    assert said == (
        "gw: a dead node is noticed after 2.1 to 2.2 s and off after 2.4 to 3.2 s; a fresh twin forwards after "
        "2.8 to 6.1 s"
    )
    (cold,) = words.sentences(spec_of(edge()))
    assert cold.endswith("agents run on another node after 18.7 to 26.5 s, then routers are built")
    (pool,) = words.sentences(spec_of(edge(more=("{gw: {nodes", "{gw: {strategy: reschedule, nodes"))))
    assert pool.endswith("off after 2.4 to 3.2 s; then its routers are moved to other nodes")
    (unknown,) = words.sentences(spec_of(twin(more=("fence_ipmilan", "fence_xvm"))))
    assert "off after a time that nobody has measured" in unknown


def test_a_plan_gives_its_parts_to_machines():
    (found,) = words.plain(SPEC).values()
    assert [one["part"] for one in found] == list(parts(edge()))
