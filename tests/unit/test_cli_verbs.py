"""Every verb says how it is used, and takes what all of them take."""

import importlib
from collections.abc import Iterator

import click
import pytest
import typer

from hotspare.faces.cli import app
from hotspare.faces.cli.status import status

importlib.import_module("hotspare.faces.cli.app")._add_verbs()


def verbs(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    commands = getattr(command, "commands", None)
    if commands is None:
        yield name, command
        return
    for word, one in commands.items():
        yield from verbs(one, f"{name} {word}".strip())


VERBS = dict(verbs(typer.main.get_command(app)))
BECOME_ANOTHER = {"lab shell", "lab ssh"}


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_an_example_and_gives_json(name):
    command = VERBS[name]
    assert f"hotspare {name}" in (command.epilog or "")
    options = {word for parameter in command.params for word in parameter.opts}
    assert ("--json" in options) is (name not in BECOME_ANOTHER)


def test_a_gateway_that_a_status_would_not_heed_is_refused(tmp_path):
    with pytest.raises(typer.BadParameter, match="--routers"):
        status(file=tmp_path / "cluster.yaml", gateway="edge")
