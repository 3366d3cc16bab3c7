"""Which outages of several drills belong beside one another."""

from collections.abc import Sequence

from hotspare.model.comparison import Row
from hotspare.model.report import Outage, Report


def rows(reports: Sequence[Report]) -> tuple[Row, ...]:
    """Every address that one of the drills struck, the longest outage first: of the first drill, then of the others."""
    of_each = [{(one.router_id, one.address): one for one in report.outages} for report in reports]
    known = {key: one.router for found in of_each for key, one in found.items()}
    found = (
        Row(router_id, router, address, tuple(each.get((router_id, address)) for each in of_each))
        for (router_id, address), router in known.items()
    )
    return tuple(sorted(found, key=lambda row: ([_place(one) for one in row.outages], row.router, row.address)))


def _place(one: Outage | None) -> tuple[int, float]:
    """What is not back comes first, what was not struck last."""
    if one is None:
        return 2, 0.0
    return (0, 0.0) if one.outage_s is None else (1, -one.outage_s)
