"""Calls to Neutron: no more at once than it answers quickly, and those that end a router's outage first."""

import asyncio
import heapq
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import IntEnum
from itertools import count
from typing import TypeVar

from hotspare.model.errors import NotReachableError, RefusedError, TimedOutError
from hotspare.plan.pacing import CallPace

T = TypeVar("T")

SERVER_FAILED = 500
"""From here on it is the server that cannot; below, the question was wrong. Source: RFC 9110, 15.6."""


class First(IntEnum):
    """Which of the calls that wait goes first: a router that is bound nowhere waits for its binding."""

    BIND = 0
    READ = 1
    UNBIND = 2


class Calls:
    """The way to Neutron that all moves share."""

    def __init__(self, pace: CallPace, *, now: Callable[[], float]) -> None:
        self._pace, self._now = pace, now
        self._on_the_way = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = count()

    @property
    def limit(self) -> int:
        """How many calls may be on the way at once, now."""
        return self._pace.limit

    async def ask(self, kind: str, first: First, call: Callable[[], Awaitable[T]]) -> T:
        """The answer of one call.

        Raises:
            NotReachableError, TimedOutError, RefusedError: as the call raised it.
        """
        async with self._slot(first):
            begun_s = self._now()
            try:
                answer = await call()
            except RefusedError as refused:
                if refused.code >= SERVER_FAILED:
                    self._pace.failed()
                raise
            except (NotReachableError, TimedOutError):
                self._pace.failed()
                raise
            self._pace.ended(kind, self._now() - begun_s)
            return answer

    @asynccontextmanager
    async def _slot(self, first: First) -> AsyncGenerator[None]:
        if self._on_the_way >= self._pace.limit or self._waiting:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (first, next(self._numbers), turn))
            self._let_in()
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._on_the_way -= 1
                    self._let_in()
                raise
        else:
            self._on_the_way += 1
        try:
            yield
        finally:
            self._on_the_way -= 1
            self._let_in()

    def _let_in(self) -> None:
        while self._waiting and self._on_the_way < self._pace.limit:
            _first, _number, turn = heapq.heappop(self._waiting)
            if not turn.done():
                self._on_the_way += 1
                turn.set_result(None)
