"""Steps in words: what `plan` prints and `apply` tells as it goes."""

import difflib
from collections.abc import Iterator
from typing import assert_never

from rich.text import Text as Styled

from hotspare.codec import cib_xml
from hotspare.model.cib import OURS, Change
from hotspare.model.step import (
    AwaitMembers,
    AwaitMoved,
    AwaitStopped,
    ChangeCib,
    CloudEntry,
    Content,
    EnableUnit,
    ForgetNode,
    FreshCertificate,
    FreshKey,
    InstallAgents,
    KeyOf,
    Password,
    ReloadCorosync,
    RemoveFile,
    Stage,
    StartResource,
    StartUnit,
    Step,
    StopResource,
    Text,
    WriteFile,
)

CONTEXT_LINES = 2


def action(step: Step) -> str:
    """One word for machines."""
    return {
        WriteFile: "write-file",
        RemoveFile: "remove-file",
        InstallAgents: "install-agents",
        EnableUnit: "enable-unit",
        StartUnit: "start-unit",
        ReloadCorosync: "reload-corosync",
        AwaitMembers: "await-members",
        ForgetNode: "forget-node",
        StopResource: "stop-resource",
        StartResource: "start-resource",
        AwaitMoved: "await-moved",
        AwaitStopped: "await-stopped",
        ChangeCib: "change-configuration",
    }[type(step)]


def sentence(step: Step) -> str:  # noqa: C901, PLR0911, PLR0912 (a table, one line a step)
    """What the step does, in a few words, without the node."""
    match step:
        case WriteFile(_, path, mode, content):
            return f"write {path} (mode {mode:04o}{_of(content)})"
        case RemoveFile(_, path):
            return f"remove {path}"
        case InstallAgents(_, digest):
            return f"install the resource agents, version {digest[:12]}"
        case EnableUnit(_, unit):
            return f"enable {unit}"
        case StartUnit(_, unit):
            return f"start {unit}"
        case ReloadCorosync():
            return "have Corosync on all nodes read its file again"
        case AwaitMembers(_, members, limit_s):
            return f"wait until {', '.join(members)} are one cluster (at most {limit_s:.0f} s)"
        case ForgetNode(_, gone):
            return f"take {gone} out of the cluster's configuration"
        case StopResource(_, resource):
            return f"stop {resource}, before it is taken out"
        case StartResource(_, resource):
            return f"let {resource} run again"
        case AwaitMoved():
            return _moved(step)
        case AwaitStopped(_, resources, limit_s):
            return f"wait until {', '.join(resources)} no longer runs (at most {limit_s:.0f} s)"
        case ChangeCib(_, _, changes):
            return f"change the cluster's configuration: {_counted(changes)}"
        case _:
            assert_never(step)


def _moved(step: AwaitMoved) -> str:
    left = "the pool's agents" if step.homeward else f"the agents of {step.gateway}"
    until = f"Neutron gives no new router to {left}" if step.deaf else f"every router has left {left}"
    return f"wait until {until} (at most {step.still_s:.0f} s without progress)"


def _of(content: Content) -> str:
    match content:
        case Text():
            return ""
        case Password(node):
            return f", the password of {node}'s fence device"
        case FreshKey():
            return ", a new key"
        case FreshCertificate():
            return ", a new key with its certificate"
        case KeyOf(node):
            return f", the key of {node}"
        case CloudEntry(cloud):
            return f", the entry of cloud {cloud}"


def _counted(changes: tuple[Change, ...]) -> str:
    changes = tuple(change for change in changes if change.id != OURS)
    made = sum(change.before is None for change in changes)
    gone = sum(change.after is None for change in changes)
    counts = ((made, "new"), (len(changes) - made - gone, "changed"), (gone, "removed"))
    return ", ".join(f"{count} {word}" for count, word in counts if count) or "the list of what is hotspare's"


def difference(step: Step) -> tuple[str, ...]:
    """The lines that come and go, where they may be shown."""
    match step:
        case WriteFile(_, _, _, Text(text), replaces) if replaces is not None:
            return tuple(_diff(replaces, text))
        case WriteFile(_, _, _, Text(text)):
            return tuple(f"+{line}" for line in text.splitlines())
        case ChangeCib(_, _, changes):
            return tuple(line for change in changes if change.id != OURS for line in _element(change))
        case _:
            return ()


def _element(change: Change) -> Iterator[str]:
    before = cib_xml.write(change.before) if change.before else ""
    after = cib_xml.write(change.after) if change.after else ""
    return _diff(before, after)


def _diff(before: str, after: str) -> Iterator[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=CONTEXT_LINES)
    return (line for line in lines if not line.startswith(("---", "+++", "@@")))


def plain(stages: tuple[Stage, ...]) -> list[dict[str, object]]:
    """The steps for `--json`, in the order in which they are done."""
    return [
        {
            "stage": stage.title,
            "node": step.node,
            "action": action(step),
            "about": list(stage.words),
            "text": sentence(step),
            "difference": list(difference(step)),
        }
        for stage in stages
        for step in stage.steps
    ]


def by_node(stages: tuple[Stage, ...], *, differences: bool) -> Iterator[Styled]:
    """The steps as text: what each node gets, then what is done once for the whole cluster."""
    steps = [step for stage in stages for step in stage.steps]
    for node in dict.fromkeys(step.node for step in steps if not _is_whole(step)):
        yield Styled(node, style="bold")
        for step in steps:
            if step.node == node and not _is_whole(step):
                yield from _lines(step, differences=differences)
    whole = [step for step in steps if _is_whole(step)]
    if whole:
        yield Styled.assemble(("the cluster", "bold"), f", through {whole[0].node}")
    for stage in stages:
        yield from (Styled(f"  {words}:", style="italic") for words in stage.words)
        for step in stage.steps:
            if _is_whole(step):
                yield from _lines(step, differences=differences)


def _is_whole(step: Step) -> bool:
    return not isinstance(step, WriteFile | RemoveFile | InstallAgents | EnableUnit | StartUnit)


def _lines(step: Step, *, differences: bool) -> Iterator[Styled]:
    yield Styled(f"  {sentence(step)}")
    for line in difference(step) if differences else ():
        style = {"+": "green", "-": "red"}.get(line[:1], "dim")
        yield Styled(f"    {line}", style=style)
