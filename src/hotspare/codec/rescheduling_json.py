"""What the rescheduler is told and tells: its settings, its report, and plans, as JSON objects."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from hotspare.model.rescheduling import Batch, Burden, Kept, Report, Residence, Settings
from hotspare.model.routing import Placement, Weights


def settings(text: str) -> Settings:
    """The settings that the resource agent wrote.

    Raises:
        ValueError: they are not whole.
    """
    told = json.loads(text)
    try:
        weights = Weights(**{name: float(value) for name, value in told.pop("weights").items()})
        return Settings(weights=weights, **told)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"not the settings of a rescheduler: {error}") from error


def plain(report: Report) -> dict[str, Any]:
    """The report as plain values."""
    return dataclasses.asdict(report)


def report(told: Mapping[str, Any]) -> Report:
    """The report of these plain values.

    Raises:
        ValueError: they are none.
    """
    try:
        known = {field.name: told[field.name] for field in dataclasses.fields(Report)}
        return Report(
            **{
                **known,
                "batches": tuple(map(_batch, told["batches"])),
                "burdens": tuple(map(_burden, told["burdens"])),
                "routers": tuple(Residence(**router) for router in told["routers"]),
                "unplaced": tuple((name, reason) for name, reason in told["unplaced"]),
            }
        )
    except (TypeError, KeyError) as error:
        raise ValueError(f"not the report of a rescheduler: {error}") from error


def _batch(told: Mapping[str, Any]) -> Batch:
    failures = tuple((name, why) for name, why in told["failures"])
    return Batch(**{**told, "failures": failures, "outages_s": tuple(told["outages_s"])})


def _burden(told: Mapping[str, Any]) -> Burden:
    return Burden(**{**told, "kept": tuple(Kept(**kept) for kept in told["kept"])})


def placement(placed: Placement, *, names: Mapping[str, str], hosts: Mapping[str, str]) -> dict[str, Any]:
    """The plan with the names that people know."""
    return {
        "moves": [
            {
                "router": move.router,
                "name": names.get(move.router, move.router),
                "source": hosts.get(move.source or "", move.source),
                "target": hosts.get(move.target, move.target),
            }
            for move in placed.moves
        ],
        "unplaced": [
            {"router": one.router, "name": names.get(one.router, one.router), "reason": one.reason}
            for one in placed.unplaced
        ],
    }
