"""`hotspare drain`, `undrain`, `rebalance` and `takeover`: routers go where the operator wants them.

Those of a pool one by one, through its rescheduler; those of a gateway that one node carries with the gateway.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from hotspare.codec import moving_json
from hotspare.faces.cli import handover
from hotspare.faces.cli.app import EXIT_CANNOT_TELL, app
from hotspare.faces.cli.following import Shown
from hotspare.faces.cli.options import EXITS, FILE, File, Gateway, Json
from hotspare.faces.report import moving as report
from hotspare.flows import drain as drain_flow
from hotspare.flows import rearrange as rearrange_flow
from hotspare.flows.follow import follow
from hotspare.model.moving import Ending, Goal, MovePlan
from hotspare.ports import Dispatcher, Marks

if TYPE_CHECKING:
    from hotspare.wiring.moving import Pool

Ask = Callable[[Marks, Dispatcher], Awaitable[MovePlan | Goal]]
"""Gives a plan, or what was begun."""

Node = Annotated[str, typer.Argument(help="A node of a gateway with strategy reschedule.")]
Words = Annotated[
    list[str],
    typer.Argument(
        metavar="GATEWAY|ROUTER...",
        help="A gateway with strategy cold or twin, or routers of a pool, by name or id.",
    ),
]
To = Annotated[str, typer.Option("--to", metavar="NODE", help="The node that is to have it, or them.")]
ForceTwin = Annotated[bool, typer.Option("--force", help="Of a gateway: also where its twin on the node is not fresh.")]
OnlyPlan = Annotated[bool, typer.Option("--plan", help="Say what would move, and what cannot; change nothing.")]
ExitOnFirstFailure = Annotated[
    bool, typer.Option("--exit-on-first-failure", help="The first router that cannot be moved ends the drain.")
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Begin it and return; do not follow it.")]
Force = Annotated[bool, typer.Option("--force", help="Also where its routers have nowhere to go.")]

EXIT_WORDS = "Exit status: 0 all moved, 1 some could not, 3 cannot tell."
DRAIN_EPILOG = (
    "Example: [bold]hotspare drain net1 --plan[/] shows where its routers would go, [bold]hotspare drain net1[/] has "
    "them go there and follows. Ctrl-C stops following, not the drain; the same command follows it again. "
    f"{EXIT_WORDS}"
)
UNDRAIN_EPILOG = "Example: [bold]hotspare undrain net1 && hotspare rebalance[/] brings routers back to net1."
REBALANCE_EPILOG = f"Example: [bold]hotspare rebalance --plan[/] shows what it would move. {EXIT_WORDS}"
TAKEOVER_EPILOG = (
    "Example: [bold]hotspare takeover edge --to net2 --plan[/] says what would happen to the gateway edge and how "
    "fresh its twin on net2 is; [bold]hotspare takeover edge --to net2[/] does it. [bold]hotspare takeover router-7 "
    "router-9 --to net2[/] moves two routers of a pool. Exit status: 0 it, or all of them, moved, 1 not, or not "
    "everything, 2 the file or the words are wrong, 3 cannot tell."
)


@app.command(epilog=DRAIN_EPILOG)
def drain(
    node: Node,
    file: File = FILE,
    only_plan: OnlyPlan = False,
    exit_on_first_failure: ExitOnFirstFailure = False,
    no_wait: NoWait = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Move a node's routers to the others, a few at a time, and give it none until it is undrained.

    Each router is without service for the seconds that its move takes. The drain is an attribute of the node in the
    cluster: it goes on whoever follows it, and is still there when the node comes back from a reboot.
    """

    async def ask(marks: Marks, dispatcher: Dispatcher) -> MovePlan | Goal:
        if only_plan:
            return await dispatcher.plan_drain(node)
        return await drain_flow.begin(
            node, marks, dispatcher, stop_on_failure=exit_on_first_failure, force=force, wall=time.time
        )

    _run(_pool(file, node=node), ask, wait=not no_wait, as_json=as_json)


@app.command(epilog=UNDRAIN_EPILOG)
def undrain(node: Node, file: File = FILE, as_json: Json = False) -> None:
    """End the drain of a node: it may get routers again. Those that left it stay where they are."""
    pool = _pool(file, node=node)

    async def work() -> None:
        async with pool.opened() as (marks, _dispatcher):
            await drain_flow.end(node, marks)

    asyncio.run(work())
    if as_json:
        print(json.dumps({"node": node, "drained": False}, indent=2))
    else:
        _print(report.undrained(node))


@app.command(epilog=REBALANCE_EPILOG)
def rebalance(file: File = FILE, gateway: Gateway = None, only_plan: OnlyPlan = False, as_json: Json = False) -> None:
    """Spread the routers evenly over the live nodes, with as few moves as that takes.

    Each router that is moved is without service for the seconds that its move takes.
    """

    async def ask(_marks: Marks, dispatcher: Dispatcher) -> MovePlan | Goal:
        return await rearrange_flow.rebalance(dispatcher, only_plan=only_plan)

    _run(_pool(file, gateway=gateway), ask, as_json=as_json)


@app.command(epilog=TAKEOVER_EPILOG)
def takeover(
    words: Words,
    to: To,
    file: File = FILE,
    only_plan: OnlyPlan = False,
    force: ForceTwin = False,
    as_json: Json = False,
) -> None:
    """Have the node named carry the gateway named, or move the routers named to it.

    A gateway's node is demoted and the other one promoted, and nothing is stopped in between. Its routers are without
    service for as long as that takes, or, without a fresh twin, until the agents have built them. Each router of a pool
    is without service for the seconds that its move takes. A name that a gateway and a router share is the gateway's;
    the router has its id.
    """
    from hotspare.wiring import handover as wiring  # noqa: PLC0415 (SSH: seconds that no other verb waits for)

    if wired := wiring.handover(file, words, to):
        handover.run(wired, only_plan=only_plan, force=force, as_json=as_json)
    if force:
        raise typer.BadParameter("--force goes with a gateway; routers are moved, or refused with the reason")

    async def ask(_marks: Marks, dispatcher: Dispatcher) -> MovePlan | Goal:
        return await rearrange_flow.takeover(words, to, dispatcher, only_plan=only_plan)

    _run(_pool(file, node=to), ask, as_json=as_json)


def _pool(file: Path, *, node: str | None = None, gateway: str | None = None) -> "Pool":
    from hotspare.wiring import moving as wiring  # noqa: PLC0415 (SSH: seconds that no other verb waits for)

    return wiring.pool(file, node=node, gateway=gateway)


def _run(pool: "Pool", ask: Ask, *, wait: bool = True, as_json: bool) -> None:
    """Ask, follow what was begun, tell, exit."""
    talk = Console(stderr=True, highlight=False, soft_wrap=True)
    begun: list[Goal] = []

    async def work() -> MovePlan | Goal | Ending:
        async with pool.opened() as (marks, dispatcher):
            with talk.status("asking the rescheduler"):
                told = await ask(marks, dispatcher)
            if isinstance(told, MovePlan) or not wait:
                return told
            begun.append(told)
            with Shown(talk) as shown:
                return await follow(told, dispatcher, shown, now=time.monotonic)

    try:
        told = asyncio.run(work())
    except KeyboardInterrupt:
        _print(report.left_alone(begun[0]) if begun else report.UNANSWERED, talk)
        raise typer.Exit(EXIT_CANNOT_TELL) from None
    _tell(told, as_json=as_json)


def _tell(told: MovePlan | Goal | Ending, *, as_json: bool) -> None:
    """The result on the standard output, and the exit status that goes with it."""
    match told:
        case MovePlan():
            lines, plain, code = report.plan(told), moving_json.plan(told), EXITS[told.answer]
        case Goal():
            lines, plain, code = report.left_alone(told), moving_json.goal(told), 0
        case Ending():
            lines, plain, code = report.ending(told), moving_json.ending(told), EXITS[told.answer]
    if as_json:
        print(json.dumps(plain, indent=2))
    else:
        _print(lines)
    raise typer.Exit(code)


def _print(lines: Iterable[Text], console: Console | None = None) -> None:
    out = console or Console(highlight=False, soft_wrap=True)
    for line in lines:
        out.print(line)
