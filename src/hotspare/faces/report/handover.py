"""A planned takeover of a gateway, in words. Pure: what was told in, lines out."""

from collections.abc import Iterator

from rich.text import Text

from hotspare.model.answer import Answer
from hotspare.model.takeover import Handover, Order, Taken


def plan(planned: Handover) -> Iterator[Text]:
    """From where to where, what for, what is expected."""
    order = planned.order
    for node in planned.leftovers:
        yield Text(f"a preference for {node}, which an earlier takeover left, would be taken away")
    if planned.is_there:
        yield _nothing(order)
        return
    source, node = planned.source, order.node
    yield Text(f"{order.gateway} would go from {source} to {node}", style="bold")
    if planned.twin:
        yield Text(f"  twin: {planned.twin.text}")
    yield Text(f"  agents stop on {source}, its routers forward meanwhile; {source} is demoted, and {node} promoted")
    yield Text(f"  agents start on {node}; {_expected(planned)}")
    yield Text("  how long routers are without service: hotspare drill standby measures it, with a stop beside")
    if planned.doubts:
        yield Text("only with --force:", style="bold red")
        yield from (Text(f"  {doubt}") for doubt in planned.doubts)


def _expected(planned: Handover) -> str:
    if planned.twin is None:
        return "routers are without service until these have built them, and connections end"
    if planned.doubts:
        return "routers whose twin does not fit are without service until these have built or mended them"
    return "routers forward from the promotion on, and connections live on"


def forced(planned: Handover) -> Iterator[Text]:
    """What is done all the same."""
    return (Text(f"warning: {doubt}", style="bold yellow") for doubt in planned.doubts)


def ending(taken: Taken) -> Iterator[Text]:
    """What became of it, and what to do."""
    planned, order = taken.handover, taken.handover.order
    if planned.is_there:
        yield _nothing(order)
        return
    way = f"{order.gateway}: {planned.source} -> {order.node}"
    if taken.answer is Answer.YES:
        yield Text(f"{way}, {_times(taken)}", style="bold green")
        yield Text(f"it stays there: nothing draws it to {order.node}, or back")
        return
    if taken.missing:
        yield Text(f"{way} was not done:", style="bold red")
        yield from (Text(f"  {sentence}") for sentence in taken.missing)
    if taken.untold:
        yield Text(f"cannot tell whether {way} was done: {taken.untold}", style="bold yellow")
    where = f"it is on {taken.carrier} now" if taken.carrier else "no node is known to carry it now"
    yield Text(f"{where}, and nothing draws it to {order.node} any more")
    yield Text("what to do: hotspare status says what failed; mend that, then ask again")


def _times(taken: Taken) -> str:
    return f"promoted after {taken.promoted_s or 0:.1f} s, its agents run after {taken.done_s or 0:.1f} s"


def left_alone(order: Order) -> Iterator[Text]:
    """Nobody waits any more."""
    yield Text(
        f"nothing draws {order.gateway} to {order.node} any more; what Pacemaker has begun it ends by itself: "
        "hotspare status says where it is"
    )


def _nothing(order: Order) -> Text:
    return Text(f"{order.gateway} is on {order.node} already: nothing to do", style="green")
