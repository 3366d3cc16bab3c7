"""A drill's report and history as JSON: what a person's script or a later `hotspare` reads."""

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

from hotspare.model.budget import Part
from hotspare.model.drill import History
from hotspare.model.report import Journey, Outage, Report

FORMAT = 1


def stamp(at_s: float) -> str:
    """Seconds since 1970 as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def report(judged: Report) -> dict[str, Any]:
    """The report as plain values. Times are seconds; null is `not seen` or `did not come back`."""
    phases = judged.phases
    return {
        "format": FORMAT,
        "verdict": str(judged.verdict),
        "why": list(judged.why),
        "drill": str(judged.fault),
        "gateway": judged.gateway,
        "node": judged.node,
        "carrier_before": judged.carrier_before,
        "carrier": judged.carrier,
        "began": stamp(judged.began_s),
        "t0": stamp(judged.t0_s),
        "routers": {"total": judged.routers_total, "back": judged.routers_back},
        "outage_s": {
            "median": judged.outage.median,
            "p95": judged.outage.p95,
            "worst": judged.outage.worst,
            "error": round(judged.outage.error, 4),
        },
        "phases_s": dict(phases.lengths),
        "marks": [dataclasses.asdict(mark) for mark in phases.marks],
        "budget": [{**part(one.part), "measured_s": one.measured_s} for one in judged.budget],
        "per_router": [_outage(one, judged) for one in judged.outages],
        **(
            {"bystanders": [_outage(one, judged) for one in judged.bystanders]}
            if judged.journeys or judged.bystanders
            else {}
        ),
        "audits": [
            {
                "name": audit.name,
                "when": audit.when,
                "answer": str(audit.answer),
                "text": audit.text,
                "findings": list(audit.findings),
            }
            for audit in judged.audits
        ],
        "tcp": [{**dataclasses.asdict(one), "works": str(one.works), "kept": str(one.kept)} for one in judged.sessions],
        "metadata": [{**dataclasses.asdict(one), "answered": str(one.answered)} for one in judged.metadata],
        "probe": {
            "interval_s": judged.probe_interval_s,
            "error_s": round(judged.probe_error_s, 4),
            "clock_error_s": round(judged.clock_error_s, 4),
        },
        "versions": dict(judged.versions),
    }


def part(one: Part) -> dict[str, Any]:
    """A part of a budget."""
    return {
        "part": one.name,
        "expected_s": one.expected_s,
        "worst_s": one.worst_s,
        "basis": str(one.basis),
        "source": one.source,
    }


def _outage(one: Outage, judged: Report) -> dict[str, Any]:
    return {
        **_way(judged.journeys.get(one.router_id)),
        "router": one.router,
        "router_id": one.router_id,
        "address": one.address,
        "outage_s": one.outage_s,
        "error_s": one.error_s,
        "lost": one.lost,
        "sent": one.sent,
        "gaps": [
            {
                "from_s": round(gap.began_s - judged.t0_s, 3),
                "to_s": None if gap.ended_s is None else round(gap.ended_s - judged.t0_s, 3),
            }
            for gap in one.gaps
        ],
    }


def _way(journey: Journey | None) -> dict[str, Any]:
    """The nodes before and after, where routers go their own way."""
    if journey is None:
        return {}
    return {
        "nodes_before": list(journey.before),
        "nodes_after": None if journey.after is None else list(journey.after),
    }


def history(recorded: History) -> str:
    """The whole record as JSON, so that it can be judged again."""
    return json.dumps(dataclasses.asdict(recorded), separators=(",", ":"))
