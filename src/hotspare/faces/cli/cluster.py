"""`hotspare plan` and `hotspare apply`: the cluster from one file."""

import asyncio
import json
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.status import Status

from hotspare.adapters.spec_file import SpecFile
from hotspare.faces.cli.app import EXIT_BAD_STATE, EXIT_CANNOT_TELL, app
from hotspare.faces.cli.options import FILE, File, Json
from hotspare.faces.report import budget, steps
from hotspare.flows import apply as flow
from hotspare.model.spec import Spec
from hotspare.model.step import Stage
from hotspare.wiring import cluster as wiring

A_WORD = {"allow_extra_args": True}
"""The file may be given without `--file`, as it once was: scripts do."""
Brief = Annotated[bool, typer.Option("--brief", help="Leave the differences of files and configuration out.")]

PLAN_EPILOG = (
    "Example: [bold]hotspare plan -f cluster.yaml --brief[/]. Exit status: 0 planned, 1 a node is not as it has to be, "
    "2 the file is wrong, 3 a node could not be asked."
)
APPLY_EPILOG = (
    "Example: [bold]hotspare apply -f cluster.yaml[/]; cut anywhere, the same command goes on from there. Exit status: "
    "0 the cluster works, 1 it does not, or a step failed, 2 the file is wrong, 3 cannot tell."
)
UNFENCED = (
    "fencing: none — nothing proves a lost node dead. Both nodes may forward for the same gateway at once, "
    "and a failed stop blocks it."
)


@app.command(epilog=PLAN_EPILOG, context_settings=A_WORD)
def plan(context: typer.Context, file: File = FILE, as_json: Json = False, brief: Brief = False) -> None:
    """Print what `apply` would do, and how soon the cluster will replace a dead node; change nothing."""
    talk = Console(stderr=True, highlight=False, soft_wrap=True)
    read = wiring.read(_given(context, file))
    _warn(read.spec, talk)
    with talk.status(f"looking at {', '.join(read.spec.nodes)}"):
        stages = asyncio.run(_planned(read))
    if as_json:
        told = {"cluster": read.spec.cluster.name, "steps": steps.plain(stages), "budget": budget.plain(read.spec)}
        print(json.dumps(told, indent=2))
        return
    out = Console(soft_wrap=True, highlight=False)
    if not stages:
        out.print("nothing to change")
    for line in steps.by_node(stages, differences=not brief):
        out.print(line)
    for sentence in budget.sentences(read.spec):
        out.print(sentence, markup=False, style="dim")


@app.command(epilog=APPLY_EPILOG, context_settings=A_WORD)
def apply(context: typer.Context, file: File = FILE, as_json: Json = False) -> None:
    """Make the cluster as the file says, and wait until it works."""
    talk = Console(stderr=True, highlight=False, soft_wrap=True)
    read = wiring.read(_given(context, file))
    _warn(read.spec, talk)
    stages, verified = asyncio.run(_applied(read, talk))
    if as_json:
        told = {
            "cluster": read.spec.cluster.name,
            "steps": steps.plain(stages),
            "works": None if verified.untold else not verified.missing,
            "missing": list(verified.missing),
            "cannot_tell": verified.untold,
        }
        print(json.dumps(told, indent=2))
    else:
        _tell(read.spec, stages, verified)
    if verified.untold:
        raise typer.Exit(EXIT_CANNOT_TELL)
    if verified.missing:
        raise typer.Exit(EXIT_BAD_STATE)


def _given(context: typer.Context, file: Path) -> Path:
    """The file, also where it was given as a word: what was typed goes before the environment."""
    source = context.get_parameter_source("file")
    typed = [file] if source and source.name == "COMMANDLINE" else []
    typed += map(Path, context.args)
    if len(typed) > 1:
        raise typer.BadParameter(f"one file at a time: which of {', '.join(map(str, typed))}?")
    return typed[0] if typed else file


def _warn(spec: Spec, talk: Console) -> None:
    if not spec.fenced:
        talk.print(f"[bold red]{UNFENCED}[/]")


def _tell(spec: Spec, stages: tuple[Stage, ...], verified: flow.Verified) -> None:
    out = Console(soft_wrap=True, highlight=False)
    done = sum(len(stage.steps) for stage in stages)
    out.print(f"{done} steps carried out" if done else "nothing to change")
    if verified.untold:
        out.print(f"cannot tell whether the cluster {spec.cluster.name} works: {verified.untold}", style="bold yellow")
    elif verified.missing:
        out.print(f"the cluster {spec.cluster.name} does not work yet:", style="bold red")
        for sentence in verified.missing:
            out.print(f"  {sentence}", markup=False)
    else:
        out.print(f"the cluster {spec.cluster.name} works: {', '.join(spec.nodes)}", style="green")


async def _planned(read: SpecFile) -> tuple[Stage, ...]:
    async with wiring.cluster(read) as (job, nodes, _):
        return await flow.plan(job, nodes)


async def _applied(read: SpecFile, talk: Console) -> tuple[tuple[Stage, ...], flow.Verified]:
    async with wiring.cluster(read) as (job, nodes, dispatcher):
        with talk.status(f"looking at {', '.join(read.spec.nodes)}") as status:
            watcher = _Teller(talk, status)
            stages = await flow.plan(job, nodes)
            await flow.apply(job, nodes, stages, watcher, dispatcher=dispatcher, now=time.monotonic)
            status.update("looking whether it works")
            return stages, await flow.verify(job, nodes, watcher, changed=bool(stages), now=time.monotonic)


class _Teller(flow.Watcher):
    """One line a step that is done; what is waited for in the status line, or, without a terminal, once each."""

    def __init__(self, talk: Console, status: Status) -> None:
        self._talk, self._status = talk, status
        self._waited: tuple[str, ...] = ()

    def stage(self, stage: Stage) -> None:
        self._status.update(stage.title)

    def carried(self, carried: flow.Carried) -> None:
        self._talk.print(f"{carried.took_s:6.1f} s  {carried.step.node}: {steps.sentence(carried.step)}", markup=False)

    def waiting(self, missing: tuple[str, ...]) -> None:
        rest = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        self._status.update(f"waiting: {missing[0]}{rest}")
        if not self._talk.is_terminal and missing != self._waited:
            self._talk.print(f"          waiting: {missing[0]}{rest}", markup=False)
        self._waited = missing
