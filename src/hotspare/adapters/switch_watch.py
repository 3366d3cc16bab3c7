"""What changes in Open vSwitch, told by ovsdb-server's monitor, and by the kernel when ovs-vswitchd ends: nothing here
runs while nothing happens.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path

from hotspare.adapters.ovsdb import connected
from hotspare.codec.ovsdb_rows import BUMP, READ_NEXT, changed_names, next_cfg
from hotspare.model.errors import HotspareError
from hotspare.model.staging import SwitchChange

WATCHED = {
    "Port": ("name", "interfaces", "tag", "vlan_mode", "trunks", "other_config", "external_ids"),
    "Interface": ("name", "mtu_request", "external_ids", "ofport", "error"),
}
"""Not the statistics, which change every 5 s."""
RETRY_S = 0.1
"""After a loss; doubled up to RETRY_MAX_S."""
RETRY_MAX_S = 2.0
CONFIGURED_S = 60.0
"""So long a new ovs-vswitchd may take for what is in OVSDB before it is told as being back all the same."""

Tell = Callable[[SwitchChange], None]


async def watched(run_dir: str) -> AsyncGenerator[SwitchChange]:
    """See `Switch.changes`. What is not taken yet is told as one change."""
    news = _News()
    tasks = [
        asyncio.create_task(_database(f"{run_dir}/db.sock", news.tell)),
        asyncio.create_task(_daemon(run_dir, news.tell)),
    ]
    try:
        while True:
            yield await news.taken()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _News:
    """What was told and not taken."""

    def __init__(self) -> None:
        self._names: frozenset[str] = frozenset()
        self._restarted: list[str] = []
        self._any = asyncio.Event()

    def tell(self, change: SwitchChange) -> None:
        self._names |= change.names
        if change.restarted and change.restarted not in self._restarted:
            self._restarted.append(change.restarted)
        self._any.set()

    async def taken(self) -> SwitchChange:
        await self._any.wait()
        self._any.clear()
        change = SwitchChange(self._names, "; ".join(self._restarted))
        self._names, self._restarted = frozenset(), []
        return change


async def _database(path: str, tell: Tell) -> None:
    pauses = _pauses()
    while True:
        with suppress(HotspareError):
            async with connected(path) as database:
                await database.monitor(WATCHED)
                tell(SwitchChange(restarted="ovsdb-server is watched from now on"))
                pauses = _pauses()
                async with aclosing(database.updates()) as updates:
                    async for update in updates:
                        if names := changed_names(update):
                            tell(SwitchChange(names))
        pause_s = next(pauses)
        if pause_s == RETRY_S:
            tell(SwitchChange(restarted="ovsdb-server is lost"))
        await asyncio.sleep(pause_s)


async def _daemon(run_dir: str, tell: Tell) -> None:
    pauses = _pauses()
    was_lost = False
    while True:
        with _process(run_dir) as handle:
            if handle is not None:
                if was_lost:
                    await _configured(f"{run_dir}/db.sock")
                    tell(SwitchChange(restarted="ovs-vswitchd is back"))
                await _end(handle)
                pauses = _pauses()
        pause_s = next(pauses)
        if pause_s == RETRY_S:
            was_lost = True
            tell(SwitchChange(restarted="ovs-vswitchd is lost"))
        await asyncio.sleep(pause_s)


def _pauses() -> Iterator[float]:
    """Between tries to find again what was lost."""
    pause_s = RETRY_S
    while True:
        yield pause_s
        pause_s = min(2 * pause_s, RETRY_MAX_S)


@contextmanager
def _process(run_dir: str) -> Iterator[int | None]:
    """A handle of ovs-vswitchd's process, which becomes readable when that ends; None where it does not run."""
    handle = None
    with suppress(OSError, ValueError):
        pid = int(Path(run_dir, "ovs-vswitchd.pid").read_text(encoding="ascii"))
        handle = os.pidfd_open(pid)
        if Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip() != "ovs-vswitchd":
            os.close(handle)
            handle = None
    try:
        yield handle
    finally:
        if handle is not None:
            os.close(handle)


async def _end(handle: int) -> None:
    """The process of the handle has ended."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(handle, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(handle)


async def _configured(path: str) -> None:
    """ovs-vswitchd has carried out what is in OVSDB, or is not seen to."""
    with suppress(HotspareError, TimeoutError):
        async with asyncio.timeout(CONFIGURED_S), connected(path) as database:
            wanted = next_cfg(await database.transact([BUMP, READ_NEXT]))
            await database.confirmed(wanted, within_s=CONFIGURED_S)
