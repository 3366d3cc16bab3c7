"""Which strategy carries routers how."""

from collections.abc import Callable, Mapping

from hotspare.model.drill import Gateway, Strategy
from hotspare.plan.carriage import Carriage
from hotspare.plan.carried import Carried
from hotspare.plan.pooled import Pooled

CARRIAGES: Mapping[Strategy, Callable[[Gateway], Carriage]] = {
    Strategy.COLD: Carried,
    Strategy.TWIN: Carried,
    Strategy.RESCHEDULE: Pooled,
}


def carriage(gateway: Gateway) -> Carriage:
    """How the routers of this gateway are carried."""
    return CARRIAGES[gateway.strategy](gateway)
