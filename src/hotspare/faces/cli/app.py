"""The root command: which verbs there are, and how an error reads and exits."""

import importlib
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from hotspare import __version__
from hotspare.model.errors import (
    HotspareError,
    NotReachableError,
    SpecError,
    TimedOutError,
    WorldError,
)

EXIT_BAD_STATE = 1
EXIT_USAGE = 2
EXIT_CANNOT_TELL = 3

app = typer.Typer(
    name="hotspare",
    help="Keeps OpenStack Neutron routers forwarding when the network node under them dies, and proves it.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"hotspare {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Global options."""


def exit_code(error: HotspareError) -> int:
    """1 bad state, 2 the file or the words are wrong, 3 cannot tell."""
    match error:
        case SpecError():
            return EXIT_USAGE
        case TimedOutError() | NotReachableError() | WorldError(untold=True):
            return EXIT_CANNOT_TELL
        case _:
            return EXIT_BAD_STATE


_VERBS = {
    "cluster": ("plan", "apply"),
    "status": ("status",),
    "metrics": ("metrics",),
    "clean": ("clean",),
    "moving": ("drain", "undrain", "rebalance", "takeover"),
    "drill": ("drill",),
    "compare": ("drill",),
    "lab": ("lab",),
}
"""Modules of this package in the order of the help, each with the verbs for which it has to be imported: then they are
on `app`.
"""


def _add_verbs(word: str = "") -> None:
    """Of the module that has this verb; of all where none has. To import all of them takes a second of CPU time."""
    for module in [module for module, verbs in _VERBS.items() if word in verbs] or _VERBS:
        importlib.import_module(f"hotspare.faces.cli.{module}")


def main() -> None:
    """Run one command; every expected error is told in words, with what to do, and has an exit code."""
    _add_verbs("".join(sys.argv[1:2]))
    try:
        app()
    except HotspareError as error:
        tell(error)
        sys.exit(exit_code(error))
    except OSError as error:
        if error.filename is None or error.errno is None:
            raise  # not about a file of the operator's: a bug, told with its traceback
        why = f"{error.filename}: {error.strerror}"
        tell(HotspareError(why, hint="look at its directory: is there room, and are you allowed to?"))
        sys.exit(EXIT_BAD_STATE)


def tell(error: HotspareError) -> None:
    """The error and what to do, on standard error."""
    talk = Console(stderr=True, soft_wrap=True)
    talk.print(f"[bold red]error:[/] {escape(error.message)}")
    if error.hint:
        talk.print(f"[bold]what to do:[/] {escape(error.hint)}")
