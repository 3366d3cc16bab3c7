"""The status as Prometheus reads it, by the reader of Prometheus's own library."""

import math
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from test_pool_status import judged as pool_judged
from test_status_view import WANTED, cluster, seen
from test_twin_status import carrying, judged, spare

from hotspare.faces.metrics import exporter
from hotspare.model.errors import HotspareError, NotReachableError
from hotspare.model.status import StatusView
from hotspare.plan.status import view

Labels = tuple[tuple[str, str], ...]


def read(text: str) -> Mapping[tuple[str, Labels], float]:
    """Every series and its value. Fails for one that is there twice, as Prometheus does."""
    found: dict[tuple[str, Labels], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            series = (sample.name, tuple(sorted(sample.labels.items())))
            assert series not in found
            found[series] = sample.value
    return found


def told(found: StatusView) -> Mapping[tuple[str, Labels], float]:
    return read(exporter.text(found))


def of(name: str, **labels: str) -> tuple[str, Labels]:
    return f"hotspare_{name}", tuple(sorted(labels.items()))


def at(node: str) -> dict[str, str]:
    return {"gateway": "neutron-gateway", "node": node}


def test_a_cluster_that_is_well_tells_who_carries_and_how_fresh_its_twin_is() -> None:
    found = told(judged({"net1": spare(equal_s=2.5, connections=7), "net2": carrying()}))
    assert found[of("up")] == 1
    assert found[of("answer", question="twins", answer="yes")] == 1
    assert found[of("answer", question="twins", answer="no")] == 0
    assert (found[of("gateway_carrier", **at("net2"))], found[of("gateway_carrier", **at("net1"))]) == (1, 0)
    assert (found[of("twin_age_seconds", **at("net1"))], found[of("twin_score", **at("net1"))]) == (2.5, 180)
    assert (found[of("twin_routers", **at("net1"))], found[of("twin_routers_cold", **at("net1"))]) == (3, 0)
    assert found[of("twin_connections", **at("net1"))] == 7
    assert of("twin_age_seconds", **at("net2")) not in found, "the carrier has no twin"


def test_a_twin_that_never_was_equal_is_older_than_every_limit() -> None:
    found = told(judged({"net1": spare(equal_s=None), "net2": carrying()}))
    assert found[of("twin_age_seconds", **at("net1"))] == math.inf


def test_routers_without_a_twin_are_counted() -> None:
    found = told(judged({"net1": spare(cold={"uuid-2": "QoS of qg-2: tbf"}), "net2": carrying()}))
    assert found[of("twin_routers_cold", **at("net1"))] == 1


def test_what_nobody_could_tell_has_no_series() -> None:
    found = told(view(WANTED, seen(asked=None, status="no route to host", routers={})))
    assert found[of("up")] == 0
    assert not [name for name, _ in found if name in ("hotspare_node_online", "hotspare_gateway_routers")]


def test_a_pool_tells_of_each_node() -> None:
    found = told(pool_judged())
    assert {labels for name, labels in found if name == "hotspare_pool_routers"} == {
        (("node", node), ("pool", "edge")) for node in ("net1", "net2", "net3")
    }


@given(
    promoted=st.booleans(),
    status=st.booleans(),
    told_of=st.dictionaries(
        st.sampled_from(["net1", "net2"]), st.one_of(st.just(spare()), st.just(carrying()), st.text())
    ),
)
def test_no_series_is_there_twice_whatever_the_cluster_is_like(promoted, status, told_of) -> None:
    lost = cluster(resources=()) if not promoted else cluster()
    assert told(judged(told_of, status=lost if status else "nobody answers"))


class _Scraped:
    """An exporter that listens, and what its status is."""

    def __init__(self) -> None:
        self.view: StatusView | HotspareError = judged({"net1": spare(), "net2": carrying()})
        self.troubles: list[str] = []
        self.server, self._thread = exporter.serving(
            "127.0.0.1", 0, ask=self._ask, tell=lambda failed: self.troubles.append(failed.message)
        )

    def _ask(self) -> StatusView:
        if isinstance(self.view, HotspareError):
            raise self.view
        return self.view

    def scrape(self) -> Mapping[tuple[str, Labels], float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.server.server_port}/metrics", timeout=30) as answer:
            return read(answer.read().decode())

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


@pytest.fixture
def scraped() -> Iterator[_Scraped]:
    with closing(_Scraped()) as exported:
        yield exported


def test_each_scrape_asks_anew_and_one_that_cannot_be_answered_says_so(scraped: _Scraped) -> None:
    assert scraped.scrape()[of("twin_age_seconds", **at("net1"))] == 2
    scraped.view = judged({"net1": spare(equal_s=40.0), "net2": carrying()})
    assert scraped.scrape()[of("twin_age_seconds", **at("net1"))] == 40
    scraped.view = NotReachableError("no node answers")
    assert scraped.scrape() == {of("up"): 0}
    assert scraped.troubles == ["no node answers"]
