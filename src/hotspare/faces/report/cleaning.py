"""A cleaning in words. Pure: what was found in, lines out."""

from collections.abc import Iterator

from rich.text import Text

from hotspare.faces.report.words import COLOURS
from hotspare.model.cleaning import ANSWERS, Cleaning, Leftovers, NodeCleaning, State

WORDS = {
    State.CLEAN: "no router is there",
    State.CLEANED: "no router is left; this went:",
    State.PLANNED: "this would go:",
    State.REFUSED: "not cleaned",
    State.REMAINS: "not clean",
    State.CANNOT_TELL: "cannot tell",
    State.TWIN: "left alone",
    State.CARRIES: "works, left alone",
}


def lines(cleaning: Cleaning) -> Iterator[Text]:
    """Node by node: how it is, why, and what of routers was there."""
    if cleaning.unasked:
        yield Text(f"the cluster could not be asked, each node judges by itself: {cleaning.unasked}", style="yellow")
    for node in cleaning.nodes:
        yield from _node(node)


def _node(node: NodeCleaning) -> Iterator[Text]:
    yield Text.assemble((node.node, "bold"), ": ", (WORDS[node.state], COLOURS[ANSWERS[node.state]]))
    for reason in node.why:
        yield Text(f"  {reason}")
    if node.leftovers and node.state is not State.REFUSED:
        yield from _leftovers(node.leftovers)


def _leftovers(left: Leftovers) -> Iterator[Text]:
    processes = [
        f"{process.program} (pid {process.pid}{f' in {process.namespace}' if process.namespace else ''})"
        for process in left.processes
    ]
    for kind, names in {
        "port": left.ports, "namespace": left.namespaces, "process": processes, "file": left.files
    }.items():  # fmt: skip
        for name in names:
            yield Text(f"  {kind} {name}")
