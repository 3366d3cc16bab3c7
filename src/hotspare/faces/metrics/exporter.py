"""Asks for the status whenever somebody scrapes."""

from collections.abc import Callable, Iterator
from threading import Lock, Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from hotspare.faces.metrics.families import families, unknown
from hotspare.model.errors import HotspareError
from hotspare.model.status import StatusView


def text(view: StatusView) -> str:
    """The metrics in Prometheus's text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Asked(lambda: families(view)))
    return generate_latest(registry).decode()


def serving(
    address: str, port: int, *, ask: Callable[[], StatusView], tell: Callable[[HotspareError], None]
) -> tuple[WSGIServer, Thread]:
    """A server that answers scrapes, and its thread. A status that cannot be made is told, and `hotspare_up` is 0.

    Raises:
        OSError: nobody can listen there.
    """
    alone = Lock()

    def asked() -> Iterator[Metric]:
        try:
            with alone:  # one look at the cluster at a time, whoever scrapes
                view = ask()
        except HotspareError as failed:
            tell(failed)
            yield from unknown()
        else:
            yield from families(view)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Asked(asked))
    return start_http_server(port, address, registry)


class _Asked(Collector):
    def __init__(self, ask: Callable[[], Iterator[Metric]]) -> None:
        self._ask = ask

    def collect(self) -> Iterator[Metric]:
        return self._ask()
