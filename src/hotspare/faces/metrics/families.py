"""A status as metric families. Names and units: Prometheus, "Metric and label naming".

Each series is there once, whatever the cluster is like: one that is there twice makes Prometheus refuse all.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from hotspare.model.answer import Answer, together
from hotspare.model.stager import Role
from hotspare.model.status import GatewayLine, PoolLine, StatusView


def unknown() -> Iterator[Metric]:
    """All there is to tell where not even a status could be made."""
    yield _up(False)


def families(view: StatusView) -> Iterator[Metric]:
    """What a scrape tells. What could not be told has no series; the age of a twin that never was equal is +Inf."""
    yield _up(view.asked is not None)
    yield _answers(view)
    nodes = {node.name: node for node in view.nodes}
    yield _gauge("node_online", "Whether the node is a member.", ("node",), {(n,): nodes[n].online for n in nodes})
    yield _gauge("node_standby", "Whether it is in standby.", ("node",), {(n,): nodes[n].standby for n in nodes})
    yield _gauge("node_unclean", "Whether it waits to be fenced.", ("node",), {(n,): nodes[n].unclean for n in nodes})
    yield from _gateways(view.gateways, tuple(nodes))
    yield from _twins(view.gateways)
    yield from _pools(view.pools)


def _up(up: bool) -> Metric:
    return GaugeMetricFamily("hotspare_up", "Whether a node of the cluster could be asked.", value=up)


def _answers(view: StatusView) -> Metric:
    by_question = defaultdict(list)
    for line in view.lines:
        by_question[line.name].append(line.answer)
    return _gauge(
        "answer",
        "What `hotspare status` says to each of its questions: 1 for the answer that holds.",
        ("question", "answer"),
        {
            (question, answer): together(answers) is answer
            for question, answers in by_question.items()
            for answer in Answer
        },
    )


def _gateways(gateways: tuple[GatewayLine, ...], nodes: tuple[str, ...]) -> Iterator[Metric]:
    yield _gauge(
        "gateway_carrier",
        "Whether the node carries the gateway.",
        ("gateway", "node"),
        {(gateway.name, node): gateway.carrier == node for gateway in gateways for node in nodes},
    )
    yield _gauge(
        "gateway_routers",
        "Routers that Neutron has bound to the gateway.",
        ("gateway",),
        {(gateway.name,): gateway.routers for gateway in gateways},
    )
    yield _gauge(
        "gateway_routers_served",
        "Those of them that its carrier serves.",
        ("gateway",),
        {(gateway.name,): gateway.served for gateway in gateways},
    )


def _twins(gateways: tuple[GatewayLine, ...]) -> Iterator[Metric]:
    states = {
        (gateway.name, twin.name): twin.state
        for gateway in gateways
        for twin in gateway.twins
        if twin.state is not None and twin.state.role is Role.SPARE
    }
    labels = ("gateway", "node")
    yield _gauge(
        "twin_age_seconds",
        "Time since the twin was known to be equal to the carrier's data plane.",
        labels,
        {keeper: math.inf if state.equal_s is None else state.equal_s for keeper, state in states.items()},
    )
    yield _gauge(
        "twin_score", "Pacemaker's promotion score of the spare.", labels, {at: states[at].score for at in states}
    )
    yield _gauge("twin_routers", "Routers of the twin.", labels, {at: states[at].routers for at in states})
    yield _gauge(
        "twin_routers_cold", "Routers without a twin there.", labels, {at: len(states[at].cold) for at in states}
    )
    yield _gauge(
        "twin_connections", "Connections that are kept in step.", labels, {at: states[at].connections for at in states}
    )


def _pools(pools: tuple[PoolLine, ...]) -> Iterator[Metric]:
    nodes = {(pool.name, node.name): node for pool in pools for node in pool.nodes}
    labels = ("pool", "node")
    yield _gauge("pool_node_active", "Whether it may forward.", labels, {at: nodes[at].active for at in nodes})
    yield _gauge(
        "pool_routers", "Routers that Neutron has bound to the node.", labels, {at: nodes[at].routers for at in nodes}
    )
    yield _gauge("pool_routers_served", "Those of them that it serves.", labels, {at: nodes[at].served for at in nodes})


def _gauge(
    name: str, what: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float | None]
) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(f"hotspare_{name}", what, labels=labels)
    for label, value in values.items():
        if value is not None:
            gauge.add_metric(label, value)
    return gauge
