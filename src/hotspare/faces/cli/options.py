"""What several verbs take, said once, and how their answers exit."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from hotspare.faces.cli.app import EXIT_BAD_STATE, EXIT_CANNOT_TELL
from hotspare.model.answer import Answer

EXITS: Mapping[Answer, int] = {Answer.YES: 0, Answer.NO: EXIT_BAD_STATE, Answer.CANNOT_TELL: EXIT_CANNOT_TELL}

FILE = Path("cluster.yaml")
File = Annotated[Path, typer.Option("--file", "-f", envvar="HOTSPARE_FILE", help="The cluster's file.")]
Gateway = Annotated[str | None, typer.Option("--gateway", help="Which gateway, where the file has several.")]
Json = Annotated[bool, typer.Option("--json", help="The result as JSON on the standard output.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether to begin.")]
