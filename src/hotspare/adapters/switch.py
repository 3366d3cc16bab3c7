"""Open vSwitch of this node: routers' ports in OVSDB, flows by OpenFlow."""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import assert_never

from hotspare.adapters.ovsdb import FailedOperationError, connected, forget_flows
from hotspare.adapters.process import Processes
from hotspare.adapters.switch_watch import watched
from hotspare.codec import openflow, ovsdb_transaction
from hotspare.codec.ovsdb_rows import (
    BUMP,
    FOREIGN_KINDS,
    KEPT_KINDS,
    READ_NEXT,
    Operation,
    PortRow,
    Rows,
    next_cfg,
    rows,
    selects,
)
from hotspare.codec.ovsdb_transaction import InDatabase
from hotspare.model.dataplane import PARKED_TAG, TUNNEL_BRIDGE, Bridge
from hotspare.model.errors import NotReachableError, RefusedError, TimedOutError
from hotspare.model.staging import (
    InSwitch,
    Park,
    RemovePlugs,
    SetFlows,
    SetTunnels,
    StagePlugs,
    SwitchChange,
    SwitchLook,
    Unpark,
)
from hotspare.model.wording import some
from hotspare.ports import Done

RUN_DIR = "/var/run/openvswitch"
OPENFLOW = "OpenFlow14"
"""Bundles need it. Source: ovs-ofctl(8), `--bundle`."""
READABLE = "OpenFlow10,OpenFlow13,OpenFlow14"
"""The newest of these that a bridge speaks is read."""
OFCTL = ("ovs-ofctl", "--names")
LOOK_S = 10.0
LOOKS_MAX = 3
"""So often ports and flows are read together until no port changed meanwhile."""
HERE = "this node"


class Switch:
    """What it waits for is ovs-vswitchd, which says by raising `cur_cfg` to the `next_cfg` it has read that it has
    carried a transaction out. Source: ovs-vswitchd.conf.db(5).
    """

    def __init__(self, *, run_dir: str = RUN_DIR) -> None:
        self._run_dir, self._socket = run_dir, f"{run_dir}/db.sock"
        self._processes = Processes()
        self._looked: Rows | None = None
        """The last look's."""

    async def look(self, *, flows: bool) -> SwitchLook:
        """Routers' ports; with flows also how all bridges forward.

        Raises:
            NotReachableError: Open vSwitch does not answer.
            TimedOutError: not within LOOK_S.
        """
        async with _limit(LOOK_S, "Open vSwitch did not tell its ports and flows"):
            found = await self._rows()
            bridges = await self._bridges(found) if flows else {}
            for _ in range(LOOKS_MAX if flows else 0):
                before, found = found, await self._rows()
                if before == found:
                    break
                bridges = await self._bridges(found)
        self._looked = found
        told = [row for row in found.ports.values() if row.name.startswith((*KEPT_KINDS, *FOREIGN_KINDS))]
        return SwitchLook(
            plugs={row.name: row.seen() for row in told},
            bridges=bridges,
            faults={row.name: row.fault for row in told if row.fault},
            devices=frozenset(name for _, name in socket.if_nameindex()) & {row.name for row in told},
        )

    async def carry_out(self, step: InSwitch, *, within_s: float) -> None:
        """The step is true, in OVSDB and in ovs-vswitchd.

        Raises:
            RefusedError: nothing was changed; for StagePlugs and SetTunnels also: ovs-vswitchd could make no device of
                a port.
            NotReachableError: Open vSwitch does not answer; it may be changed.
            TimedOutError: it may be changed, and ovs-vswitchd has not confirmed it.
        """
        async with _limit(within_s, f"Open vSwitch has not confirmed {type(step).__name__}"):
            match step:
                case StagePlugs(plugs=plugs):
                    for bridge in sorted({plug.bridge for plug in plugs}):
                        await self._drop_parked(bridge)
                    await self._change(step, within_s)
                    _require_devices((await self._rows()).ports, [plug.name for plug in plugs])
                case SetTunnels(tunnels):
                    await self._change(step, within_s)
                    _require_devices((await self._rows()).ports, [tunnel.name for tunnel in tunnels])
                case Unpark():
                    await self._let_go(step, within_s)
                case RemovePlugs():
                    await self._change(step, within_s)
                case Park():
                    await self._change(step, within_s)
                    await forget_flows(self._run_dir)
                case SetFlows(bridge, flows):
                    await self._set_flows(bridge, flows, within_s)
                case _:
                    assert_never(step)

    async def put_out(self, bridge: str, frames: Iterable[tuple[str, bytes]]) -> None:
        """The bridge has treated each frame as if it had come in by that port of it.

        Raises:
            RefusedError, NotReachableError, TimedOutError: none of them, as far as is known.
        """
        told = "".join(openflow.put_out(port, frame) for port, frame in frames)
        await self._ofctl(bridge, OPENFLOW, "bundle", "-", stdin=told)

    def changes(self) -> AsyncIterator[SwitchChange]:
        """What changes from now on, for ever. The first one says that the watch has begun: what was seen before may be
        old.
        """
        return watched(self._run_dir)

    async def _rows(self) -> Rows:
        async with connected(self._socket) as database:
            return rows(await database.transact(selects()))

    async def _change(self, step: InDatabase, within_s: float) -> None:
        operations = ovsdb_transaction.operations(step, await self._rows())
        await self._commit(operations, within_s)

    async def _let_go(self, step: Unpark, within_s: float) -> None:
        """By what the last look saw, as far as that is still so: whoever lets go has looked a moment before, and
        routers are without service meanwhile.
        """
        try:
            rows, self._looked = self._looked or await self._rows(), None
            await self._commit(ovsdb_transaction.operations(step, rows), within_s)
        except RefusedError:
            await self._change(step, within_s)

    async def _commit(self, operations: list[Operation], within_s: float) -> None:
        """One transaction, and ovs-vswitchd has carried it out."""
        async with connected(self._socket) as database:
            try:
                results = await database.transact([*operations, BUMP, READ_NEXT])
            except FailedOperationError as error:
                name = ovsdb_transaction.failed(operations, error.index)
                about = f"{name} was changed or removed meanwhile" if name else error.message
                raise RefusedError(f"nothing was changed in the switch: {about}", code=0, hint="look again") from error
            await database.confirmed(next_cfg(results), within_s=within_s)

    async def _bridges(self, found: Rows) -> dict[str, Bridge]:
        names = tuple(found.bridges)
        dumps = await asyncio.gather(*(self._ofctl(name, READABLE, "dump-flows", "--no-stats") for name in names))
        bridges = {name: Bridge(name, openflow.flows(done.stdout)) for name, done in zip(names, dumps, strict=True)}
        if TUNNEL_BRIDGE in bridges:
            tunnels = [row for row in found.ports.values() if ovsdb_transaction.is_tunnel(row) and not row.fault]
            told = {row.name: row.tunnel() for row in tunnels}
            bridges[TUNNEL_BRIDGE] = replace(bridges[TUNNEL_BRIDGE], tunnels=told)
        return bridges

    async def _drop_parked(self, bridge: str) -> None:
        """The bridge drops what parked ports say, before it has any."""
        there = await self._ofctl(bridge, READABLE, "dump-flows", f"table=0,dl_vlan={PARKED_TAG}")
        if "actions=drop" not in there.stdout:
            await self._ofctl(bridge, READABLE, "add-flow", openflow.ADD_DROP_PARKED)

    async def _set_flows(self, bridge: str, flows: frozenset[str], within_s: float) -> None:
        found = await self._rows()
        if bridge not in found.bridges:
            raise RefusedError(f"there is no bridge {bridge}", code=0)
        needed = openflow.ports(flows)
        operations = [
            *ovsdb_transaction.bridge_set_up(found.bridges[bridge]),
            *ovsdb_transaction.patches(bridge, needed, found),
        ]
        if operations:
            await self._commit(operations, within_s)
            found = await self._rows()
        there = {row.name for row in found.ports.values() if row.bridge == bridge}
        if missing := sorted(needed - there):
            raise RefusedError(f"flows of bridge {bridge} need ports that it does not have: {some(missing)}", code=0)
        await self._ofctl(bridge, OPENFLOW, "replace-flows", "-", "--bundle", stdin=openflow.file(flows))

    async def _ofctl(self, bridge: str, protocols: str, command: str, *more: str, stdin: str = "") -> Done:
        argv = (*OFCTL, "-O", protocols, command, f"unix:{self._run_dir}/{bridge}.mgmt", *more)
        try:
            return await self._processes.run(HERE, argv, stdin=stdin.encode(), timeout_s=LOOK_S)
        except RefusedError as error:
            if "failed to connect" in error.output:
                raise NotReachableError(f"ovs-vswitchd: {error.output}") from error
            raise


def _require_devices(ports: Mapping[str, PortRow], names: Iterable[str]) -> None:
    faults = [f"{name}: {ports[name].fault}" for name in names if name in ports and ports[name].fault]
    if faults:
        raise RefusedError(f"ovs-vswitchd made no device of {some(faults)}", code=0)


@asynccontextmanager
async def _limit(within_s: float, what: str) -> AsyncGenerator[None]:
    try:
        async with asyncio.timeout(within_s):
            yield
    except TimeoutError:
        raise TimedOutError(f"{what} within {within_s:g} s") from None
