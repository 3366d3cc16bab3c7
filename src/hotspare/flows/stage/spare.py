"""A spare's work: it hears what the carrier has, and keeps a parked twin of it."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from hotspare.codec import dataplane_json, neighbours_json
from hotspare.codec.twin_frames import Frame
from hotspare.flows.stage.node import Node
from hotspare.flows.stage.payload import Payload
from hotspare.model.dataplane import DataPlane, Neighbour
from hotspare.model.errors import HotspareError
from hotspare.model.stager import Settings
from hotspare.model.staging import NodeLook
from hotspare.plan.twin.deltas import applied
from hotspare.plan.twin.demotion import demotion
from hotspare.plan.twin.differences import differences
from hotspare.plan.twin.freshness import Freshness
from hotspare.plan.twin.staged import left_out
from hotspare.ports import Came, Fresh, Lost, SpareConnections, Standing, Tell, TwinRecord, Whole

STEP_S = 20.0
"""For one transaction; ovs-vswitchd plugs a hundred ports in one within a second or two (measured)."""
COMPARE_S = 60.0
"""All of the node is looked at so often, and not only what is known to have changed."""
MEND_S = 2.0
"""How often connections are given to namespaces that have come."""
PAUSE_S, PAUSE_MAX_S = 0.5, 15.0
RECORD_S, RECORD_PAUSE_S = 1.0, 5.0
"""How often it is looked whether there is something to keep on disk, and how long after that was kept: a hundred
routers take a tenth of a second of CPU time, and agents that adopt them change them all the time.
"""


@dataclass(frozen=True, slots=True)
class Standings:
    """What a spare has to do with, as far as it is known."""

    cold: Mapping[str, str]
    """Router → why there is no twin of it."""
    trouble: str


class Spare:
    """Keeps the twin of one gateway on this node."""

    def __init__(
        self,
        settings: Settings,
        node: Node,
        record: TwinRecord,
        *,
        keep: Callable[[], SpareConnections] | None,
        even_s: Callable[[], float | None],
        at_rest: Callable[[DataPlane, NodeLook], None],
        now: Callable[[], float],
        tell: Tell,
    ) -> None:
        """`keep` begins to keep connections; None: they are not kept in step. `even_s` says when all that the carrier
        had published until then had been taken (monotonic seconds). `at_rest` is told what is wanted, and there, when
        both have been the same for a moment.
        """
        self._settings, self._node, self._record, self._keep = settings, node, record, keep
        self._connections: SpareConnections | None = None
        self._even_s, self._at_rest, self._now, self._tell = even_s, at_rest, now, tell
        self._staged: NodeLook | None = None
        """The node as it was when nothing was to be done, until `at_rest` has been told of it."""
        self.wanted: DataPlane | None = None
        """The carrier's data plane, on its last word."""
        self._coming: DataPlane | None = None
        self.neighbours: Mapping[str, frozenset[Neighbour]] = {}
        """Whom the carrier's routers knew, on its last word."""
        self._introduced: Mapping[str, frozenset[Neighbour]] | None = None
        """Whom the routers here were told of; None: of nobody since they were staged, or were looked at as a whole."""
        self._is_staged = False
        self._equal_s: float | None = None
        self._cold: Mapping[str, str] = {}
        self._hindered: Mapping[str, str] = {}
        self._trouble = ""
        self._compared_s = self._mended_s = now()

    def want(self, plane: DataPlane | None) -> None:
        """This is the gateway's data plane from now on; None: nothing is known of it."""
        if plane == self.wanted:
            return
        self.wanted = plane
        self._is_staged = False
        if plane is not None:
            self._node.known |= plane.routers.keys()
        self._node.stirred.set()

    def has(self, plane: DataPlane) -> None:
        """This node has carried the gateway by this data plane until now: that is its twin. All of it is not looked at
        before the node that carries the gateway now has had a while to itself: what both share is busy.
        """
        self.want(plane)
        self._equal_s = self._compared_s = self._now()

    def has_none(self) -> None:
        """There is no twin on this node, whatever is wanted."""
        self._is_staged, self._equal_s = False, None

    # --- what comes from the carrier ---------------------------------------------------------------------------------

    async def take(self, peer: str, came: Came) -> None:
        """A peer has told something; peers that do not carry the gateway tell only that they do not."""
        try:
            await self._taken(came)
        except ValueError as wrong:
            self._coming = None  # what changes another plane than this one has is not taken; a whole one follows
            self._trouble = f"{peer} tells what this version does not understand: {wrong}"
            self._tell("twin.not_understood", {"gateway": self._settings.gateway, "peer": peer, "why": str(wrong)})

    async def _taken(self, came: Came) -> None:
        match came:
            case Fresh():
                self._coming = None
            case Frame(Payload.PLANE, payload):
                self._coming = dataplane_json.plane(payload.decode())
                self._heard()
            case Frame(Payload.CHANGE, payload) if self._coming is not None:
                self._coming = applied(self._coming, dataplane_json.delta(payload.decode()))
                self._heard()
            case Frame(Payload.NEIGHBOURS, payload):
                self.neighbours = neighbours_json.neighbours(payload.decode())
            case Frame(Payload.CONNECTIONS, payload) if self._keep is not None:
                self._connections = self._connections or self._keep()
                await self._connections.apply(payload)
            case Standing() | Whole() | Lost() | Frame():
                pass

    def _heard(self) -> None:
        if self._coming is not None and self._coming.gateway == self._settings.gateway:
            self._trouble = ""
            self.want(self._coming)

    @property
    def connections(self) -> int:
        """How many are kept in step."""
        return 0 if self._connections is None else self._connections.sums().connections

    async def let_connections_live(self) -> None:
        """Nothing is put in or taken out any more: from here on they are this node's own."""
        if self._connections is not None:
            await self._connections.close()
            self._connections = None

    # --- staging -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the twin until this is cancelled: wherever it is cut, it goes on from there."""
        pause_s = PAUSE_S
        while True:
            try:
                await self._something_to_do()
                well = await self._round()
            except HotspareError as failed:
                well, self._trouble = False, failed.message
                self._node.forget()
                self._tell("twin.hindered", {"gateway": self._settings.gateway, "why": failed.message})
            if well:
                pause_s = PAUSE_S
            else:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, PAUSE_MAX_S)

    async def _something_to_do(self) -> None:
        """The node has to be looked at. Until then connections are mended now and then, for which it has not to be: a
        look at a hundred routers takes a tenth of a second.
        """
        while not (self._node.stirred.is_set() or self._node.is_carried_otherwise()):
            with suppress(TimeoutError):
                async with asyncio.timeout(MEND_S):
                    await self._node.stirred.wait()
            if self._now() - self._compared_s >= COMPARE_S:
                break
            self.freshness()
            await self._mend()
            if self._is_staged:
                await self.introduce()
            self._rest()
        if self._now() - self._compared_s >= COMPARE_S:
            self._compared_s, self._introduced = self._now(), None
            self._node.forget()

    def _rest(self) -> None:
        seen, self._staged = self._staged, None
        if seen is not None and self.wanted is not None and not self._node.stirred.is_set():
            self._at_rest(self.wanted, seen)

    async def _round(self) -> bool:
        """Whether all that is wanted could be done, or was done already."""
        seen = await self._node.look()
        if seen.carried == self._settings.gateway:
            return True  # it is being promoted, or was: nothing here is to be parked
        wanted = self._wanted(seen)
        if wanted is None:
            park = demotion(self._settings.gateway, seen)
            if park.plugs:
                await self._node.carry_out([park], within_s=STEP_S)
            return True
        steps = differences(wanted, seen)
        if steps:
            self._is_staged, self._staged, self._introduced = False, None, None
            self._hindered = await self._node.carry_out(steps, within_s=STEP_S)
            if not self._hindered and wanted is self.wanted:
                # What is left of other routers has gone: what comes of one from now on is another gateway's.
                self._node.known &= wanted.routers.keys()
            self._node.stirred.set()  # what came of it is looked at
        else:
            self._hindered = {}
        self._cold = left_out(wanted, seen)
        if seen.carried:
            self.has_none()
        elif not steps and wanted is self.wanted:
            self._is_staged, self._trouble, self._staged = True, "", seen
            self.freshness()
        await self._mend(anew=bool(steps))
        return not self._hindered

    def _wanted(self, seen: NodeLook) -> DataPlane | None:
        """Where another gateway is promoted on this node there is no twin of ours: its agents would take it away."""
        if seen.carried:
            return DataPlane(self._settings.gateway, {}, {})
        return self.wanted

    async def _mend(self, *, anew: bool = False) -> None:
        if self._connections is None or not (anew or self._now() - self._mended_s >= MEND_S):
            return
        self._mended_s = self._now()
        await self._connections.mend(self._node.namespaces())

    async def introduce(self) -> None:
        """The parked routers know whom the carrier's routers knew, and nobody whom these know no more."""
        known, before = self.neighbours, self._introduced
        if known is before:
            return
        self._introduced = known
        nobody: frozenset[Neighbour] = frozenset()
        if before is None:
            some, gone = {name: known.get(name, nobody) for name in self._node.namespaces()}, {}
        else:
            some = {name: these for name, these in known.items() if these != before.get(name)}
            gone = {name: left for name, these in before.items() if (left := these - known.get(name, nobody))}
        await self._node.introduce(some, gone, parked=True)

    async def let_neighbours_go(self) -> None:
        """The routers, which are parked no more, may forget whom they know by now."""
        self._introduced = None
        await self._node.introduce(await self._node.neighbours(), {}, parked=False)

    # --- telling -----------------------------------------------------------------------------------------------------

    def freshness(self) -> Freshness:
        """How good the twin is now."""
        even_s = self._even_s()
        if self._is_staged and self._coming is not None and even_s is not None:
            self._equal_s = max(even_s, self._equal_s or even_s)
        routers = len(self.wanted.routers) if self.wanted else 0
        age_s = None if self._equal_s is None else max(0.0, self._now() - self._equal_s)
        return Freshness(age_s, routers, len(self._cold))

    def standings(self) -> Standings:
        """What is to be told of it beside that."""
        hindered = "; ".join(f"{name}: {why}" for name, why in sorted(self._hindered.items())[:3])
        return Standings(self._cold, self._trouble or hindered)

    async def keep_record(self) -> None:
        """What is wanted is kept on disk, so that it is known after the carrier has died and this stager was killed."""
        kept: DataPlane | None = None
        while True:
            pause_s = RECORD_S
            if self.wanted is not None and self.wanted is not kept:
                kept, pause_s = self.wanted, RECORD_PAUSE_S
                try:
                    self._record.keep(kept)
                except HotspareError as failed:
                    self._tell("twin.unrecorded", {"gateway": self._settings.gateway, "why": failed.message})
            await asyncio.sleep(pause_s)
