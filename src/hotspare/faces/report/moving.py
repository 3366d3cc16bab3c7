"""Routers that are moved, in words. Pure: what was told in, lines out."""

from collections.abc import Iterable, Iterator
from statistics import median

from rich.text import Text

from hotspare.model.answer import Answer
from hotspare.model.moving import Ending, Goal, MovePlan, Progress
from hotspare.model.rescheduling import Kept

SHOWN_MAX = 40
"""Of routers that stay; `--json` has them all."""


def plan(planned: MovePlan) -> Iterator[Text]:
    """Who goes where, then who cannot, and why."""
    if not planned.moves and not planned.unplaced:
        yield Text("no router would move")
    width = max((len(move.router) for move in planned.moves), default=0)
    for move in planned.moves:
        yield Text(f"{move.router:<{width}}  {move.source or 'nowhere'} -> {move.target}")
    if planned.moves:
        yield Text(f"{_routers(len(planned.moves))} would move", style="bold")
    if planned.unplaced:
        yield Text(f"{_routers(len(planned.unplaced))} cannot move:", style="bold red")
        yield from (Text(f"  {router}: {why}") for router, why in planned.unplaced)


def progress(now: Progress, *, with_rest: bool = True) -> str:
    """How far it got, in one line; `with_rest`: and how long the rest may take, which changes all the time."""
    if not now.daemon:
        return "looking for the rescheduler"
    if not now.under_way:
        return f"waiting for the rescheduler on {now.daemon} to begin"
    parts = [f"{now.done} of {_routers(now.total)} moved"]
    if now.failures:
        parts.append(f"{len(now.failures)} failed")
    if waiting := now.left - len(now.failures):
        parts.append(f"{waiting} left")
    if with_rest and now.left_s is not None and waiting:
        parts.append(f"about {length(now.left_s)} to go")
    return ", ".join(parts)


def length(value_s: float) -> str:
    """A length of time in the two units that matter."""
    whole = round(value_s)
    for unit_s, unit, small_s, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit_s:
            rest = whole % unit_s // small_s
            return f"{whole // unit_s} {unit} {rest} {small}" if rest else f"{whole // unit_s} {unit}"
    return f"{whole} s"


def ending(ended: Ending) -> Iterator[Text]:
    """What became of it, and what to do."""
    yield _headline(ended)
    yield from _stays(ended)
    yield from _outage(ended.progress.outages_s)
    if vrrp := sum(kept.vrrp for kept in ended.progress.kept):
        yield Text(f"{_routers(vrrp, 'VRRP router')} left to VRRP: it moves them when the node goes down")
    yield from (Text(f"what to do: {line}") for line in _remedies(ended))


def _headline(ended: Ending) -> Text:
    now, goal = ended.progress, ended.goal
    if ended.untold:
        return Text(f"cannot tell how the {goal.batch} goes: {ended.untold}", style="bold yellow")
    if now.taken_back:
        return Text(f"the {goal.batch} was ended by somebody else: {now.done} moved, {now.left} left", style="bold red")
    if ended.answer is Answer.YES and goal.node:
        rest = "no router but VRRP's" if now.kept else "no router any more"
        return Text(f"{goal.node} carries {rest}: {_routers(now.done)} moved", style="bold green")
    if ended.answer is Answer.YES:
        moved = f"{_routers(now.done)} moved" if now.done else "nothing to move"
        return Text(f"{goal.batch}: {moved}", style="bold green")
    halted = "the first failure has ended it: " if now.halted else ""
    left = now.left + len(goal.refused)
    return Text(f"{goal.batch}: {halted}{now.done} of {_routers(now.done + left)} moved, {left} not", style="bold red")


def _stays(ended: Ending) -> Iterator[Text]:
    for kept in ended.stays[:SHOWN_MAX]:
        yield Text(f"  {kept.name}: {_why(kept)}")
    if len(ended.stays) > SHOWN_MAX:
        yield Text(f"  and {len(ended.stays) - SHOWN_MAX} more; --json names all")


def _why(kept: Kept) -> str:
    return f"{kept.why} (tried {kept.tries} times)" if kept.tries > 1 else kept.why


def _outage(outages_s: tuple[float, ...]) -> Iterator[Text]:
    if outages_s:
        yield Text(f"outage of a router that was moved: median {median(outages_s):.1f} s, worst {max(outages_s):.1f} s")


def _remedies(ended: Ending) -> Iterator[str]:
    now, node = ended.progress, ended.goal.node
    if now.taken_back:
        return
    if not node:
        yield from _asked_again(ended)
    elif ended.untold:
        yield f"the drain goes on by itself; hotspare drain {node} follows it again, hotspare undrain {node} ends it"
    elif now.halted:
        yield f"look at the reason, then hotspare drain {node} goes on; hotspare undrain {node} ends it"
    elif ended.answer is Answer.NO:
        yield f"look at the reasons; hotspare drain {node} follows the next tries, which come by themselves"
    else:
        yield f"{node} gets no routers until hotspare undrain {node}"


def _asked_again(ended: Ending) -> Iterator[str]:
    if ended.untold:
        yield "the rescheduler goes on with what it has begun; hotspare status --routers shows where routers are"
    elif forgotten := ended.progress.left - len(ended.progress.failures):
        yield (
            f"{_routers(forgotten)} were not moved: another rescheduler took over and knows nothing of what was asked; "
            "ask again"
        )
    elif ended.answer is Answer.NO:
        yield "look at the reasons, then ask again: what failed stays where it is"


UNANSWERED = (Text("nobody waited for the answer: what was asked may have been begun, and then goes on by itself"),)


def left_alone(goal: Goal) -> Iterator[Text]:
    """Nobody follows any more."""
    if goal.node:
        yield Text(
            f"the {goal.batch} goes on by itself; hotspare drain {goal.node} follows it, hotspare undrain {goal.node} "
            "ends it"
        )
    else:
        yield Text(f"the {goal.batch} goes on by itself; hotspare status --routers shows where routers are")


def undrained(node: str) -> Iterator[Text]:
    """A drain has ended."""
    yield Text(f"{node} may get routers again", style="green")
    yield Text("its routers stay where they are: hotspare rebalance spreads them anew, --plan shows what that moves")


def _routers(count: int, what: str = "router") -> str:
    return f"1 {what}" if count == 1 else f"{count} {what}s"


def failures(before: Progress, now: Progress) -> Iterable[tuple[str, str]]:
    """Routers whose move has failed since."""
    known = set(before.failures)
    return (failure for failure in now.failures if failure not in known)
