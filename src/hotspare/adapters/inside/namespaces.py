"""The namespaces of a node's routers: see them, change them, hear of changes."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence

from hotspare.adapters import netns
from hotspare.adapters.daemon_threads import DaemonThreads
from hotspare.adapters.inside import doing, looking
from hotspare.adapters.inside.watching import Watch
from hotspare.model.dataplane import Neighbour
from hotspare.model.errors import HotspareError
from hotspare.model.staging import Inside, InsideLook

_CALLS_MAX = 4
_WAITING_MAX = 16
"""Changes side by side. Four tables of rules take iptables-restore 50 ms, of which it computes 6: the kernel waits for
all readers. A device that moves to a namespace keeps all others from it for 20 ms (rtnl_mutex): with 225 of a hundred
routers that is most of the time that staging them takes (measured).
"""


class Namespaces:
    """`qrouter-…` namespaces of the node whose network and mounts this process has. It needs root.

    A call that is cancelled goes on in its threads, and nobody hears what became of it: look again.
    """

    def __init__(self) -> None:
        self._threads = DaemonThreads("inside", threads_max=_CALLS_MAX)
        self._remembered: dict[str, looking.Remembered] = {}

    async def look(self, namespaces: Collection[str] | None = None) -> Mapping[str, InsideLook]:
        """What is in these namespaces, or in all; those that are not there are left out, and half-made ones too.

        Rules are read again only where they changed.
        """
        return await self._threads.run(lambda: self._look(namespaces))

    def _look(self, namespaces: Collection[str] | None) -> dict[str, InsideLook]:
        listed = netns.listed()
        names = listed if namespaces is None else listed.intersection(namespaces)
        found = netns.together(lambda name: looking.look(name, self._remembered.get(name)), names)
        for name in names | (self._remembered.keys() - listed):
            remembered = seen[1] if (seen := found.get(name)) else None
            if remembered is None:
                self._remembered.pop(name, None)
            else:
                self._remembered[name] = remembered
        return {name: seen[0] for name, seen in sorted(found.items()) if seen is not None}

    async def carry_out(self, steps: Sequence[Inside]) -> Mapping[str, HotspareError]:
        """The steps are done: those in one namespace in their order, those in several side by side.

        Returns, by namespace, what kept its steps from being done: RefusedError (`code` is an errno or an exit status)
        or TimedOutError. No step of that namespace was tried after it; others do not care. Empty: all are done.
        """
        return await self._threads.run(lambda: _carry_out(steps))

    async def neighbours(self) -> Mapping[str, frozenset[Neighbour]]:
        """Whom the routers know, by namespace; those that know nobody are left out."""
        found = await self._threads.run(lambda: netns.together(looking.neighbours, netns.listed()))
        return {name: some for name, some in found.items() if some}

    async def introduce(
        self,
        known: Mapping[str, Collection[Neighbour]],
        gone: Mapping[str, Collection[Neighbour]],
        *,
        parked: bool,
    ) -> Mapping[str, str]:
        """The routers know these, and those no more; nothing is said about it until a router has something for one.
        Those that are parked do not forget them, and will ask briskly for others. By namespace what hindered it; of one
        that is not there, or lacks the device, that is no trouble.
        """
        if not known and not gone:
            return {}
        here = netns.listed() & (known.keys() | gone.keys())

        def one(name: str) -> str:
            return doing.introduce(name, known.get(name, ()), gone.get(name, ()), parked=parked)

        told = await self._threads.run(lambda: netns.together(one, here))
        return {name: why for name, why in sorted(told.items()) if why}

    async def changes(self) -> AsyncIterator[frozenset[str]]:
        """Names of namespaces in which devices, addresses, routes, policy rules, queueing, forwarding or rules of
        nf_tables changed, and of those that came or went. Other sysctls, and rules of legacy iptables, change silently.

        First, at once, come all that there are: what changes after that is told. Close it when it is no more listened
        to: it keeps dropped namespaces alive where nobody asks for the next.

        Raises:
            NotReachableError: the namespaces cannot be watched (any more).
        """
        with Watch(self._threads) as watch:
            yield await watch.first()
            while True:
                yield await watch.next()


def _carry_out(steps: Sequence[Inside]) -> dict[str, HotspareError]:
    by_namespace: dict[str, list[Inside]] = {}
    for step in steps:
        by_namespace.setdefault(step.namespace, []).append(step)
    results = netns.together(
        lambda name: doing.carry_out(name, by_namespace[name]), by_namespace, threads_max=_WAITING_MAX
    )
    return {name: error for name, error in sorted(results.items()) if error is not None}
