"""A drill on one of two gateways that share their nodes: what is the other one's is watched, and is no leftover."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from cluster_world import spec_of
from drill_history import (
    BACK_S,
    END,
    GATEWAY,
    ROUTERS,
    T0,
    carrying,
    cluster,
    daemons,
    history,
    probed,
    sightings,
    spare,
)
from test_twin_file import twin

from hotspare.model.answer import Answer
from hotspare.model.drill import (
    Bound,
    ClusterState,
    Gateway,
    History,
    NodeState,
    Observation,
    Router,
    RunningProcess,
    Sighting,
    Strategy,
    SwitchPort,
)
from hotspare.model.report import Report
from hotspare.plan import strategies
from hotspare.plan.drill import gateway_of, judge, objections

WEST = "west"
NODES = ("net1", "net2", "net3")
SHARED = Gateway(GATEWAY, Strategy.TWIN, dict.fromkeys(NODES, GATEWAY), beside=(WEST,))
ITS = Router("uuid-west", "router-west", ("10.30.9.1",), ("port-west-int", "port-west-ext"))
BOUND = {GATEWAY: tuple(router.id for router in ROUTERS), WEST: (ITS.id,)}
CARRIAGE = strategies.carriage(SHARED)


def of_both(carrier: str, west: tuple[str, ...] = ("net3",), online: tuple[str, ...] = NODES) -> ClusterState:
    return replace(cluster(carrier, online=online), beside={WEST: west})


def wests_carrier() -> NodeState:
    """net3, with the other gateway's router and agents."""
    ports = tuple(SwitchPort(f"q-{port}", 3, parked=False, iface_id=port) for port in ITS.port_ids)
    running = (*daemons("ovs-vswitchd"), RunningProcess(700, 9, 1, "neutron-l3-agent"))
    running += (RunningProcess(701, 9, 1, "haproxy", router=ITS.id, namespace=f"qrouter-{ITS.id}"),)
    return NodeState("net3", "boot-net3", (f"qrouter-{ITS.id}",), ports, running)


def drilled(
    silence: tuple[float, float] = (0.0, 0.0),
    net3: NodeState | None = None,
    west: tuple[str, ...] = ("net3",),
    bound: Bound | None = BOUND,
) -> History:
    """net1 has died, net2 carries the gateway, net3 the other one all the time."""
    net3 = net3 or wests_carrier()
    silences: Mapping[str, tuple[float, float]] = {
        **{router.floating_ips[0]: (0.0, back) for router, back in zip(ROUTERS, BACK_S, strict=True)},
        ITS.floating_ips[0]: silence,
    }
    off = {"net1": "is off"}
    nodes = {"net2": carrying("net2"), "net3": net3}
    before = {"net1": carrying("net1"), "net2": spare("net2"), "net3": wests_carrier()}
    return history(
        gateway=SHARED,
        routers=(*ROUTERS, ITS),
        bound=BOUND,
        targets={address: router.id for router in (*ROUTERS, ITS) for address in router.floating_ips},
        trace=probed(silences),
        witnessed=NODES,
        sightings=(
            *sightings(),
            Sighting("net3", "echo-reply", ITS.floating_ips[0], "fa:16:3e:00:00:09", 990.0, END, 9),
        ),
        observations=(
            Observation("before", 994.0, of_both("net1"), before, bound=BOUND),
            Observation("recovered", T0 + 20, of_both("net2", west, ("net2", "net3")), nodes, off, bound),
            Observation("healed", END, of_both("net2"), {"net1": spare("net1", "boot-2"), **nodes}, bound=BOUND),
        ),
    )


def answer(report: Report, name: str, when: str) -> Answer:
    return next(audit.answer for audit in report.audits if (audit.name, audit.when) == (name, when))


def test_the_other_gateways_routers_are_bystanders_and_no_leftovers() -> None:
    report = judge(drilled(), {})
    assert (report.verdict, report.why) == (Answer.YES, ())
    assert report.routers_total == len(ROUTERS)
    assert [(one.router, one.outage_s) for one in report.bystanders] == [("router-west", 0.0)]
    assert answer(report, "bystanders", "throughout") is Answer.YES


def test_a_silence_of_the_other_gateways_router_is_a_no() -> None:
    report = judge(drilled(silence=(5.0, 8.0)), {})
    assert answer(report, "bystanders", "throughout") is Answer.NO
    assert report.routers_back == len(ROUTERS)


def test_the_gateways_own_routers_are_left_over_on_the_node_that_carries_the_other_one() -> None:
    there = wests_carrier()
    left = replace(there, namespaces=(*there.namespaces, f"qrouter-{ROUTERS[0].id}"))
    assert answer(judge(drilled(net3=left), {}), "clean", "recovered") is Answer.NO
    live = SwitchPort("qg-1", 4, parked=False, iface_id=ROUTERS[0].port_ids[1])
    left = replace(there, ports=(*(there.ports or ()), live))
    assert answer(judge(drilled(net3=left), {}), "clean", "recovered") is Answer.NO


def test_another_gateway_that_was_lost_meanwhile_is_a_no() -> None:
    report = judge(drilled(west=()), {})
    assert answer(report, "healthy", "recovered") is Answer.NO
    assert "west is promoted nowhere" in " ".join(report.why)


def test_without_neutrons_word_it_cannot_be_told_whose_a_router_is() -> None:
    report = judge(drilled(bound=None), {})
    assert answer(report, "clean", "recovered") is Answer.CANNOT_TELL
    assert answer(report, "nothing lost", "recovered") is Answer.CANNOT_TELL


def test_no_address_of_the_other_gateway_may_move() -> None:
    assert CARRIAGE.moves(drilled(), ITS.id) == 0
    assert CARRIAGE.moves(drilled(), ROUTERS[0].id) == 1


@pytest.mark.parametrize(
    ("state", "node", "told"),
    [
        (of_both("net1"), "net3", "net3 carries west: drill that one with --gateway west, or choose another node"),
        (of_both("net1", ("net2",), ("net1", "net2")), "net1", "only net1 is ready; net2 carries west"),
        (of_both("net1", ()), "net1", "west is promoted nowhere"),
    ],
)
def test_a_drill_does_not_begin_where_another_gateway_would_be_struck_or_is_in_the_way(
    state: ClusterState, node: str, told: str
) -> None:
    assert objections(CARRIAGE, of_both("net1"), "net1") == ()
    assert told in "\n".join(objections(CARRIAGE, state, node))


def test_gateways_that_share_a_node_are_beside_each_other() -> None:
    more = "gateways: {far: {nodes: [net3]}, west: {strategy: twin, nodes: [net2, net3], stage_port: 5410}, "
    spec = spec_of(twin(more=("gateways: {", more)))
    assert gateway_of(spec, "gw").beside == ("west",)
    assert gateway_of(spec, "west").beside == ("far", "gw")
