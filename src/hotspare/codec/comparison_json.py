"""Drills beside one another as plain values, for `--json`."""

from collections.abc import Sequence
from typing import Any

from hotspare.codec import report_json
from hotspare.model.answer import together
from hotspare.model.comparison import Drilled, Row

TOLD = (
    "verdict", "why", "drill", "gateway", "strategy", "node", "carrier", "t0", "routers", "outage_s", "phases_s", "tcp",
    "versions",
)  # fmt: skip
"""What of each report; the rest is in its own file."""


def plain(drills: Sequence[Drilled], rows: Sequence[Row]) -> dict[str, Any]:
    """All of them, then address by address. null is `did not come back`; a drill that did not strike it is left out."""
    return {
        "verdict": str(together(one.report.verdict for one in drills)),
        "drills": [{"name": one.name, **_told(one)} for one in drills],
        "per_router": [
            {
                "router": row.router,
                "router_id": row.router_id,
                "address": row.address,
                "outage_s": {
                    one.name: outage.outage_s for one, outage in zip(drills, row.outages, strict=True) if outage
                },
            }
            for row in rows
        ],
    }


def _told(one: Drilled) -> dict[str, Any]:
    whole = report_json.report(one.report)
    return {name: whole[name] for name in TOLD}
