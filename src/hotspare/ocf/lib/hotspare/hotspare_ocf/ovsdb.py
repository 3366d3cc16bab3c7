"""Open vSwitch's database over its unix socket: one look, and single transactions. Source: RFC 7047,
ovs-vswitchd.conf.db(5).

JSON-RPC is spoken here and not left to `ovs-vsctl`, because a transaction on exact row ids cannot hit a port that was
made anew under the same name, and a look costs a millisecond instead of a process.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

SOCKET = os.environ.get("OVS_RUNDIR", "/var/run/openvswitch") + "/db.sock"
DATABASE = "Open_vSwitch"
_POLL_S = 0.005

Row = dict[str, object]
Operation = Mapping[str, object]


class OvsdbError(Exception):
    """ovsdb-server does not answer or refused: nothing is known of the ports."""


class Ovsdb:
    """A connection; every call ends by `deadline` (monotonic clock)."""

    def __init__(self, deadline: float, path: str = SOCKET) -> None:
        self._deadline = deadline
        self._ids = 0
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._limit()
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise OvsdbError(f"ovsdb-server ({path}): {error.strerror or error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def transact(self, *operations: Operation) -> list[dict[str, object]]:
        """All operations are done, or none; the result of each."""
        self._ids += 1
        request = {"method": "transact", "params": [DATABASE, *operations], "id": self._ids}
        try:
            self._limit()
            self._socket.sendall(json.dumps(request).encode())
            answer = self._receive()
        except OSError as error:
            raise OvsdbError(f"ovsdb-server: {error.strerror or error}") from error
        results = answer.get("result")
        if answer.get("error") or not isinstance(results, list):
            raise OvsdbError(f"ovsdb-server refused: {answer.get('error')}")
        for result in results:
            if isinstance(result, dict) and result.get("error"):
                raise OvsdbError(f"ovsdb-server refused: {result['error']}: {result.get('details', '')}")
        return results

    def select(self, **tables: tuple[str, ...]) -> dict[str, list[Row]]:
        """The named columns of all rows, of all the tables at the same instant."""
        results = self.transact(
            *(
                {"op": "select", "table": table, "where": [], "columns": list(columns)}
                for table, columns in tables.items()
            )
        )
        return {
            table: rows
            for table, result in zip(tables, results, strict=False)
            if isinstance(rows := result["rows"], list)
        }

    def change(self, *operations: Operation, wait_s: float) -> bool:
        """The operations are committed, in one transaction. Returns whether ovs-vswitchd has carried them out within
        `wait_s`.

        It says so by raising `cur_cfg` to the `next_cfg` it has read, which is what `ovs-vsctl` waits for as well.
        """
        bump = {"op": "mutate", "table": DATABASE, "where": [], "mutations": [["next_cfg", "+=", 1]]}
        read = {"op": "select", "table": DATABASE, "where": [], "columns": ["next_cfg", "cur_cfg"]}
        wanted = _number(self.transact(*operations, bump, read)[-1], "next_cfg")
        until = min(time.monotonic() + wait_s, self._deadline)
        while _number(self.transact(read)[0], "cur_cfg") < wanted:
            if time.monotonic() >= until:
                return False
            time.sleep(_POLL_S)
        return True

    def _receive(self) -> dict[str, object]:
        """The answer to the last request; what the server asks in between (echo) needs no answer from a connection this
        short.
        """
        decoder = json.JSONDecoder()
        pending = ""
        raw = b""
        while True:
            self._limit()
            piece = self._socket.recv(1 << 20)
            if not piece:
                raise OvsdbError("ovsdb-server closed the connection")
            raw += piece
            if not raw.rstrip().endswith(b"}"):
                continue
            try:
                pending = raw.decode()
                while pending:
                    message, end = decoder.raw_decode(pending)
                    pending = pending[end:].lstrip()
                    if message.get("id") == self._ids and "method" not in message:
                        return dict(message)
                    raw = pending.encode()
            except ValueError:
                continue  # not whole yet

    def _limit(self) -> None:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise OvsdbError("ovsdb-server did not answer in time")
        self._socket.settimeout(left_s)


def _number(result: dict[str, object], column: str) -> int:
    rows = result["rows"]
    return int(rows[0][column]) if isinstance(rows, list) and rows else 0


def atoms(value: object) -> list[object]:
    """The members of an OVSDB set; a lone atom stands for a set of one."""
    if isinstance(value, list) and len(value) == 2 and value[0] == "set":
        return list(value[1])
    return [value]


def mapping(value: object) -> dict[str, str]:
    """An OVSDB map."""
    return {str(name): str(text) for name, text in value[1]} if isinstance(value, list) and value[:1] == ["map"] else {}
