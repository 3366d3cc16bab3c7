"""A drill's report and history as JSON: what a person's script or a later `hotspare` reads."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

from pydantic import TypeAdapter, ValidationError

from hotspare.model.budget import Part
from hotspare.model.drill import History
from hotspare.model.plain import dotted
from hotspare.model.report import Journey, Outage, Report

FORMAT = 1


def stamp(at_s: float) -> str:
    """Seconds since 1970 as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def report(judged: Report) -> dict[str, Any]:
    """The report as plain values. Times are seconds; null is `not seen` or `did not come back`. See `read`."""
    phases = judged.phases
    return {
        "format": FORMAT,
        "verdict": str(judged.verdict),
        "why": list(judged.why),
        "drill": str(judged.fault),
        "gateway": judged.gateway,
        "strategy": str(judged.strategy),
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
        **_undisturbed(judged),
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
                "error_s": round(gap.error_s, 4),
            }
            for gap in one.gaps
        ],
    }


def _undisturbed(judged: Report) -> dict[str, Any]:
    """Routers that were not struck, where such were watched; and the way of each one of a pool, also of those without
    an address.
    """
    if not judged.journeys and not judged.bystanders:
        return {}
    told: dict[str, Any] = {"bystanders": [_outage(one, judged) for one in judged.bystanders]}
    if judged.journeys:
        told["ways"] = {router_id: _way(journey) for router_id, journey in judged.journeys.items()}
    return told


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


def read(text: str) -> Report:
    """The report that `report` made plain, as exact as it was written: stamps to a millisecond.

    Raises:
        ValueError: it is none, or one of another format, with what to do.
    """
    try:
        told = json.loads(text, parse_constant=_no_number)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(told, dict) or not isinstance(told.get("format"), int) or "verdict" not in told:
        raise ValueError("not the report of a drill")
    if told["format"] > FORMAT:
        raise ValueError(
            f"of a newer hotspare, in format {told['format']}; this one reads {FORMAT}: update it, or drill again"
        )
    try:
        return TypeAdapter(Report).validate_python(_fields(told))
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"not the whole report of a drill: {dotted(first['loc'])}: {first['msg']}") from error
    except KeyError as error:
        raise ValueError(f"not the whole report of a drill: {error.args[0]} is missing") from error
    except (TypeError, AttributeError) as error:
        raise ValueError(f"not the whole report of a drill: {error}") from error


def _fields(told: Mapping[str, Any]) -> dict[str, Any]:
    """The report's own fields, by the names that they have in the JSON where these differ."""
    t0_s = _seconds(told["t0"])
    return {
        **{name: told[name] for name in ("verdict", "why", "gateway", "strategy", "node", "carrier_before", "carrier")},
        "fault": told["drill"],
        "began_s": _seconds(told["began"]),
        "t0_s": t0_s,
        "routers_total": told["routers"]["total"],
        "routers_back": told["routers"]["back"],
        "outages": list(_outages(told["per_router"], t0_s)),
        "outage": told["outage_s"],
        "phases": {"t0_s": t0_s, "marks": told["marks"], "lengths": told["phases_s"]},
        "audits": told["audits"],
        "sessions": told["tcp"],
        "metadata": told["metadata"],
        "probe_interval_s": told["probe"]["interval_s"],
        "probe_error_s": told["probe"]["error_s"],
        "clock_error_s": told["probe"]["clock_error_s"],
        "versions": told["versions"],
        "budget": [{"part": {**one, "name": one["part"]}, "measured_s": one["measured_s"]} for one in told["budget"]],
        "bystanders": list(_outages(told.get("bystanders", []), t0_s)),
        "journeys": _journeys(told.get("ways", {})),
    }


def _journeys(ways: Mapping[str, Any]) -> dict[str, Any]:
    return {router_id: {"before": way["nodes_before"], "after": way["nodes_after"]} for router_id, way in ways.items()}


def _outages(rows: list[dict[str, Any]], t0_s: float) -> Iterator[dict[str, Any]]:
    for row in rows:
        gaps = [
            {
                "began_s": t0_s + gap["from_s"],
                "ended_s": None if gap["to_s"] is None else t0_s + gap["to_s"],
                "error_s": gap["error_s"],
            }
            for gap in row["gaps"]
        ]
        yield {**row, "gaps": gaps}


def _seconds(stamped: str) -> float:
    """What `stamp` made a text."""
    return datetime.fromisoformat(stamped).timestamp()


def _no_number(word: str) -> NoReturn:
    """JSON has no such number, but Python reads it.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{word} is no number of it")
