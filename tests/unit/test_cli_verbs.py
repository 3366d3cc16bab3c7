"""Every verb says how it is used, and takes what all of them take."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer
from typer.testing import CliRunner

from hotspare.faces.cli import app
from hotspare.faces.cli.status import status
from hotspare.model.errors import SpecError

importlib.import_module("hotspare.faces.cli.app")._add_verbs()


def verbs(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    commands = getattr(command, "commands", None)
    if commands is None:
        yield name, command
        return
    for word, one in commands.items():
        yield from verbs(one, f"{name} {word}".strip())


VERBS = dict(verbs(typer.main.get_command(app)))
WITHOUT_JSON = {"lab shell", "lab ssh", "metrics"}
"""The first two become another command; the last has a format of its own."""


def test_the_modules_of_a_verb_are_known_before_they_are_imported():
    """Only these are imported when it is called."""
    found = {
        (command.callback.__module__.rpartition(".")[2], name.partition(" ")[0]) for name, command in VERBS.items()
    }
    told = importlib.import_module("hotspare.faces.cli.app")._VERBS
    assert found == {(module, verb) for module, verbs in told.items() for verb in verbs}


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_an_example_and_gives_json(name):
    command = VERBS[name]
    assert f"hotspare {name}" in (command.epilog or "")
    options = {word for parameter in command.params for word in parameter.opts}
    assert ("--json" in options) is (name not in WITHOUT_JSON)


OF_REPORTS = {"drill compare"}
OF_A_CLUSTER = [name for name in VERBS if name.partition(" ")[0] != "lab" and name not in OF_REPORTS]


@pytest.mark.parametrize("name", OF_A_CLUSTER)
def test_every_verb_of_a_cluster_takes_its_file_the_same_way(name):
    (file,) = (parameter for parameter in VERBS[name].params if parameter.name == "file")
    assert file.opts == ["--file", "-f"]
    assert file.envvar == "HOTSPARE_FILE"
    assert file.default == Path("cluster.yaml")
    assert not re.search(rf"hotspare {name} \S+\.yaml", VERBS[name].epilog or "")


@pytest.mark.parametrize("name", ["plan", "apply"])
@pytest.mark.parametrize(
    ("words", "environ", "read"),
    [
        (["-f", "one.yaml"], {}, "one.yaml"),
        (["one.yaml"], {}, "one.yaml"),
        (["one.yaml", "--json"], {}, "one.yaml"),
        (["one.yaml"], {"HOTSPARE_FILE": "two.yaml"}, "one.yaml"),
        (["--file", "one.yaml"], {"HOTSPARE_FILE": "two.yaml"}, "one.yaml"),
        ([], {"HOTSPARE_FILE": "two.yaml"}, "two.yaml"),
        ([], {}, "cluster.yaml"),
    ],
)
def test_the_file_may_still_be_given_to_plan_and_apply_as_a_word(tmp_path, monkeypatch, name, words, environ, read):
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(app, [name, *words], env={"HOTSPARE_FILE": None, **environ})
    assert isinstance(told.exception, SpecError)
    assert told.exception.message.startswith(f"{read}: ")


@pytest.mark.parametrize("words", [["-f", "one.yaml", "two.yaml"], ["one.yaml", "two.yaml"]])
@pytest.mark.parametrize("name", ["plan", "apply"])
def test_two_files_are_one_too_many(name, words):
    told = CliRunner().invoke(app, [name, *words])
    assert told.exit_code == 2
    assert "one file at a time" in told.stderr


def test_a_gateway_that_a_status_would_not_heed_is_refused(tmp_path):
    with pytest.raises(typer.BadParameter, match="--routers"):
        status(file=tmp_path / "cluster.yaml", gateway="edge")


def test_a_wait_is_for_the_whole_cluster(tmp_path):
    with pytest.raises(typer.BadParameter, match="whole cluster"):
        status(file=tmp_path / "cluster.yaml", routers=True, wait=10)
