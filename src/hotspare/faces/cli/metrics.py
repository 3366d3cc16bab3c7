"""`hotspare metrics`: what `hotspare status` knows, for Prometheus."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hotspare.adapters import whole_file
from hotspare.faces.cli.app import app, tell
from hotspare.faces.cli.options import EXITS, FILE, File
from hotspare.model.status import StatusView

EPILOG = (
    "Example: [bold]hotspare metrics --listen 127.0.0.1:9909[/] answers Prometheus's scrapes; [bold]hotspare metrics "
    "--output /var/lib/prometheus/node-exporter/hotspare.prom[/], from a timer, is for its node exporter. Exit status "
    "without --listen: as of [bold]hotspare status[/]."
)


@app.command(epilog=EPILOG)
def metrics(
    file: File = FILE,
    listen: Annotated[
        str | None, typer.Option("--listen", metavar="ADDRESS:PORT", help="Serve them, and ask anew at each scrape.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write them to this file, whole or not at all.")
    ] = None,
) -> None:
    """The status as metrics of Prometheus: nodes, who carries the gateway, routers served, how fresh each twin is."""
    if listen is not None and output is not None:
        raise typer.BadParameter("--listen and --output exclude each other")
    from hotspare.faces.metrics import exporter  # noqa: PLC0415 (half a second that no other verb waits for)
    from hotspare.wiring import probing  # noqa: PLC0415 (SSH and OpenStack: seconds that no other verb waits for)

    def ask() -> StatusView:
        return asyncio.run(probing.status(file))

    if listen is not None:
        address, port = _place(listen)
        ask()  # a wrong file is told now, and not at the first scrape
        try:
            _, thread = exporter.serving(address, port, ask=ask, tell=tell)
        except OSError as refused:
            raise typer.BadParameter(f"nobody can listen on {listen}: {refused.strerror}") from refused
        Console(stderr=True).print(f"serving http://{listen}/metrics")
        thread.join()
        return
    view = ask()
    if output is None:
        print(exporter.text(view), end="")
    else:
        whole_file.write(output, exporter.text(view))
    raise typer.Exit(EXITS[view.answer])


def _place(listen: str) -> tuple[str, int]:
    address, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) < 65536:
        raise typer.BadParameter(f"{listen!r} is no ADDRESS:PORT; write it like 127.0.0.1:9909")
    return address.strip("[]"), int(port)
