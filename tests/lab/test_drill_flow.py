"""A drill from end to end over real probes and real silences; the cluster's own decisions are played by the test.

The takeover: an address leaves one host and appears on another. What a real Pacemaker does is in tests/drills.
"""

import asyncio
import dataclasses
import os
import time

import pytest
from drill_wire import Played, wired

from hotspare.flows.drill import Drill, Limits, Order
from hotspare.model.answer import Answer
from hotspare.model.drill import Cable, Fault, Gateway, Place, Strategy
from hotspare.model.errors import RefusedError, WorldError
from hotspare.plan.drill import judge

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces and raw sockets need root"),
]

LIMITS = Limits(clean_s=1.0, baseline_s=10.0, recover_s=8.0, heal_s=8.0, probes_s=60.0)


def order(played: Played, fault: Fault = Fault.POWEROFF, *, inside: bool = False) -> Order:
    return Order(
        fault=fault,
        node=None,
        gateway=Gateway("gw", Strategy.COLD, {"a": "gw", "b": "gw"}),
        nodes=("a", "b"),
        prober=Place("prober"),
        inside=(Place("local", played.wire.names["prober"]),) if inside else (),
        witnesses=tuple(
            Cable(node, Place("local", played.wire.names["switch"]), f"cable-{node}") for node in ("a", "b")
        ),
        limits=LIMITS,
    )


def drilled(played: Played, asked: Order):
    said: list[str] = []
    drill = Drill(asked, played, played, tell=said.append, now=time.time)
    return drill, said


@pytest.fixture
def played():
    with wired() as found:
        yield found


@pytest.mark.parametrize("fault", [Fault.POWEROFF, Fault.STANDBY])
def test_a_takeover_is_measured_and_healed(played, fault):
    drill, _said = drilled(played, order(played, fault))
    history = asyncio.run(drill.run())
    report = judge(history, {})
    assert history.troubles == ()
    assert report.outage.worst == pytest.approx(played.gone_s, abs=0.6)
    owner = next(audit for audit in report.audits if audit.name == "one owner")
    assert (owner.answer, owner.findings) == (Answer.YES, ())
    assert played.broken == set()
    assert report.carrier == "b"


def test_the_routers_of_a_twin_talk_for_a_while_before_the_fault(played):
    twin = Gateway("gw", Strategy.TWIN, {"a": "gw", "b": "gw"})
    asked = dataclasses.replace(order(played), gateway=twin, limits=dataclasses.replace(LIMITS, talk_s=4.0))
    drill, said = drilled(played, asked)
    history = asyncio.run(drill.run())
    assert history.called_s - history.began_s >= 4.0
    assert any("the routers talk for 4 s" in line for line in said)


def test_two_owners_are_caught_by_the_capture(played):
    """The old node is cut off from the cluster, not from the network: both answer."""
    played.zombie = True
    drill, _said = drilled(played, order(played))
    report = judge(asyncio.run(drill.run()), {})
    owner = next(audit for audit in report.audits if audit.name == "one owner")
    assert (owner.answer, report.verdict) == (Answer.NO, Answer.NO)


def test_a_takeover_that_does_not_come_is_a_no_and_the_node_is_healed(played):
    played.takes_over = False
    drill, _said = drilled(played, order(played))
    report = judge(asyncio.run(drill.run()), {})
    assert report.verdict is Answer.NO
    assert played.broken == set()


def test_a_cluster_that_is_not_whole_is_left_alone(played):
    played.maintenance = True
    drill, _said = drilled(played, order(played))
    with pytest.raises(WorldError, match="maintenance mode"):
        asyncio.run(drill.run())
    assert played.done == []


def test_an_address_that_does_not_answer_before_is_named_and_nothing_is_touched(played):
    played.addresses = (*played.addresses, "10.99.0.77")
    drill, _said = drilled(played, dataclasses.replace(order(played), limits=Limits(clean_s=0.5, baseline_s=4.0)))
    with pytest.raises(WorldError, match=r"10\.99\.0\.77 does not answer"):
        asyncio.run(drill.run())
    assert played.done == []


def test_a_fault_that_is_refused_is_healed_all_the_same(played):
    played.refuses = True
    drill, _said = drilled(played, order(played))
    with pytest.raises(RefusedError):
        asyncio.run(drill.run())
    assert played.done[-1] == ("on", "a")


def test_an_interrupt_in_the_middle_heals_and_leaves_no_probe(played):
    async def interrupted() -> None:
        drill, said = drilled(played, order(played))
        running = asyncio.create_task(drill.run())
        while not any("after its poweroff" in text for text in said):  # noqa: ASYNC110 (what is said is a list, not an event)
            await asyncio.sleep(0.05)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(interrupted())
    assert played.done[-1] == ("on", "a")
    assert played.wire.processes() == []
