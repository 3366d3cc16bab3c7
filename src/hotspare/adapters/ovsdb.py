"""Open vSwitch's unix sockets: ovsdb-server's database, and the commands of ovs-vswitchd. Source: RFC 7047, 4 (wire
protocol), 5 (operations); ovs-appctl(8).

JSON-RPC is spoken here and not left to `ovs` or `ovsdbapp`: the one parses JSON in Python, without its C extension in
Neutron's environment, and keeps a copy of tables by a poll loop of its own; the other runs that in a thread.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from hotspare.codec.ovsdb_rows import DATABASE, Operation, confirmation
from hotspare.model.errors import NotReachableError, RefusedError, TimedOutError

_PIECE = 1 << 20

Message = dict[str, Any]


class FailedOperationError(RefusedError):
    """A transaction was refused whole, because of its operation `index`."""

    def __init__(self, message: str, *, index: int) -> None:
        super().__init__(message, code=0)
        self.index = index


class JsonRpc:
    """One request at a time; whoever waits has to limit it. What the other side asks (echo) is answered meanwhile."""

    def __init__(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._name, self._reader, self._writer = name, reader, writer
        self._messages = Messages()
        self._updates: list[Message] = []
        self._ids = 0

    async def call(self, method: str, params: Sequence[Any]) -> Any:
        """The result.

        Raises:
            RefusedError: the answer is an error.
            NotReachableError: the connection was lost; what was asked may be done.
        """
        self._ids += 1
        await self._send({"method": method, "params": params, "id": self._ids})
        answer = None
        while answer is None:
            answer = await self._hear()
        if answer.get("error"):
            raise RefusedError(f"{self._name} refused {method}: {answer['error']}", code=0)
        return answer["result"]

    async def updates(self) -> AsyncGenerator[Message]:
        """What is told without having been asked for, in its order; ends by NotReachableError with the connection."""
        while True:
            for message in self._updates:
                yield message
            self._updates = []
            await self._hear()

    async def _hear(self) -> Message | None:
        """The answer to the last request, if it came; updates are kept, echoes answered."""
        try:
            piece = await self._reader.read(_PIECE)
        except OSError as error:
            raise self._lost(error) from error
        if not piece:
            raise NotReachableError(f"{self._name} closed the connection")
        answer = None
        for message in self._messages.take(piece):
            match message.get("method"):
                case "echo":
                    await self._send({"result": message["params"], "error": None, "id": message["id"]})
                case "update":
                    self._updates.append(message)
                case None if message.get("id") == self._ids:
                    answer = message
                case _:
                    pass
        return answer

    async def _send(self, message: Message) -> None:
        try:
            self._writer.write(json.dumps(message, separators=(",", ":")).encode())
            await self._writer.drain()
        except OSError as error:
            raise self._lost(error) from error

    def _lost(self, error: OSError) -> NotReachableError:
        return NotReachableError(f"{self._name}: {error.strerror or error}")


class Ovsdb:
    """A connection to ovsdb-server."""

    def __init__(self, rpc: JsonRpc) -> None:
        self._rpc = rpc

    async def transact(self, operations: Sequence[Operation]) -> list[Message]:
        """All operations are done, or none; the result of each.

        Raises:
            FailedOperationError: none is done.
            NotReachableError: the connection was lost; they may be done.
        """
        results = await self._rpc.call("transact", [DATABASE, *operations])
        for index, result in enumerate(results):
            if isinstance(result, dict) and result.get("error"):
                told = f"{result['error']}: {result.get('details', '')}".rstrip(": ")
                raise FailedOperationError(f"ovsdb-server refused: {told}", index=index)
        return list(results)

    async def confirmed(self, wanted: int, *, within_s: float) -> None:
        """ovs-vswitchd has carried out what `next_cfg` was raised to `wanted` for. ovsdb-server waits, nobody polls.

        Raises:
            TimedOutError: not within `within_s`.
        """
        try:
            await self.transact([confirmation(wanted, within_s)])
        except FailedOperationError as error:
            raise TimedOutError(f"ovs-vswitchd has not confirmed within {within_s:g} s") from error

    async def monitor(self, tables: Mapping[str, Sequence[str]]) -> None:
        """From now on `updates` tells what changes in these columns."""
        select = {"initial": False}
        asked = {table: [{"columns": list(columns), "select": select}] for table, columns in tables.items()}
        await self._rpc.call("monitor", [DATABASE, None, asked])

    async def updates(self) -> AsyncGenerator[Mapping[str, Any]]:
        """`table-updates` of the monitor, one a transaction; ends by NotReachableError with the connection."""
        async with aclosing(self._rpc.updates()) as updates:
            async for message in updates:
                yield message["params"][1]


class Messages:
    """JSON objects out of a stream that has nothing between them."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._decoder = json.JSONDecoder()

    def take(self, piece: bytes) -> Iterator[Message]:
        """What is whole with this piece.

        Only where a piece ends as an object does it can be read; so a long message is not tried over and over.
        """
        self._pending += piece
        if not piece.rstrip().endswith(b"}"):
            return
        try:
            text = self._pending.decode()
        except UnicodeDecodeError:
            return
        while text := text.lstrip():
            try:
                message, end = self._decoder.raw_decode(text)
            except ValueError:
                break  # not whole yet
            text = text[end:]
            self._pending = bytearray(text.encode())
            yield message


@asynccontextmanager
async def connected(path: str) -> AsyncGenerator[Ovsdb]:
    """A connection to ovsdb-server's socket.

    Raises:
        NotReachableError: nobody listens there.
    """
    async with _open(f"ovsdb-server ({path})", path) as rpc:
        yield Ovsdb(rpc)


async def forget_flows(run_dir: str) -> None:
    """The datapath forwards by nothing that it learned before: what it holds in its cache is made anew, by need.

    ovs-vswitchd confirms a change of the database before it has gone through that cache, which may take it half a
    second; until then frames go the old way. Source: OVS, ofproto-dpif-upcall.c, `revalidator/purge`.

    Raises:
        NotReachableError: ovs-vswitchd does not answer.
    """
    try:
        pid = _pid(f"{run_dir}/ovs-vswitchd.pid")
    except (OSError, ValueError) as error:
        raise NotReachableError(f"ovs-vswitchd: no pid in {run_dir}") from error
    async with _open("ovs-vswitchd", f"{run_dir}/ovs-vswitchd.{pid}.ctl") as rpc:
        await rpc.call("revalidator/purge", [])


def _pid(path: str) -> int:
    return int(Path(path).read_text(encoding="ascii"))


@asynccontextmanager
async def _open(name: str, path: str) -> AsyncGenerator[JsonRpc]:
    try:
        reader, writer = await asyncio.open_unix_connection(path)
    except OSError as error:
        raise NotReachableError(f"{name}: {error.strerror or error}") from error
    try:
        yield JsonRpc(name, reader, writer)
    finally:
        writer.close()
