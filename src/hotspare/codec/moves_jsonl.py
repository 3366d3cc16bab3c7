"""The journal of moves: one JSON object a line. A move's agents stand in its first line only."""

import json
from collections.abc import Iterable, Iterator

from hotspare.model.routing import Move, MoveRecord, Stage


def line(record: MoveRecord) -> str:
    """The record's line, with its end."""
    told: dict[str, object] = {"at": round(record.at_s, 3), "router": record.move.router, "stage": str(record.stage)}
    if record.stage is Stage.PLANNED:
        told |= {"source": record.move.source, "target": record.move.target}
    if record.note:
        told["note"] = record.note
    if record.outage_s is not None:
        told["outage_s"] = round(record.outage_s, 3)
    return json.dumps(told, separators=(",", ":")) + "\n"


def whole(record: MoveRecord) -> str:
    """Lines from which the record can be read without those before it."""
    planned = MoveRecord(record.at_s, record.move, Stage.PLANNED)
    return line(planned) + (line(record) if record.stage is not Stage.PLANNED else "")


def read(lines: Iterable[str]) -> Iterator[MoveRecord]:
    """The records, oldest first. A line that was cut by a crash, or is none of ours, is passed over."""
    moves: dict[str, Move] = {}
    for text in lines:
        try:
            told = json.loads(text)
            router, stage = str(told["router"]), Stage(told["stage"])
            if stage is Stage.PLANNED:
                moves[router] = Move(router, told["source"], told["target"])
            record = MoveRecord(
                float(told["at"]), moves[router], stage, str(told.get("note", "")), told.get("outage_s")
            )
        except (ValueError, KeyError, TypeError):
            continue
        yield record
