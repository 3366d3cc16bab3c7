"""`hotspare lab …`: machines, cables and power to learn and to test on."""

import json
import os
import shutil
import sys
from dataclasses import asdict
from typing import Annotated, Any, Self

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hotspare.faces.cli.app import EXIT_BAD_STATE, app
from hotspare.lab import access, lock, namespace, network, power, status, teardown, up
from hotspare.lab.layout import DEFAULT_NAME, Choices, Layout, Tenant
from hotspare.model.drill import Strategy
from hotspare.model.errors import RefusedError

lab = typer.Typer(
    name="lab",
    help="A cluster's machines in network namespaces of this one: make them, break them, take them away.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
app.add_typer(lab)

Name = Annotated[str, typer.Option("--name", "-n", help="Which lab; several run beside each other.", metavar="LAB")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
MachineName = Annotated[str, typer.Argument(metavar="MACHINE", help="net1, net2, net3, cmp1, ctl or ext.")]
NetworkName = Annotated[str, typer.Argument(metavar="NETWORK", help="mgmt, ring2, tenant, public or oob.")]
Command = Annotated[list[str] | None, typer.Argument(metavar="[-- COMMAND...]", help="Instead of a shell.")]


class _Progress:
    """Phases and what happens in them, on standard error: alive on a terminal, a line each elsewhere."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._status = self._console.status("")

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def began(self, phase: str) -> None:
        self._status.update(f"[bold]{phase}[/]")

    def note(self, text: str) -> None:
        self._console.print(f"  [dim]{escape(text)}[/]", soft_wrap=True)

    def ended(self, phase: str, took_s: float) -> None:
        self._console.print(f"[green]✓[/] {phase} [dim]{took_s:.1f} s[/]")


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))


@lab.command("up", epilog="Example: hotspare lab up --routers 20")
def up_(
    name: Name = DEFAULT_NAME,
    routers: Annotated[int, typer.Option(min=0, max=250, help="Routers to make, each with a network and a VM.")] = 0,
    strategy: Annotated[
        Strategy, typer.Option(help="Of the gateway in the lab's cluster file; a lab that is up keeps its file.")
    ] = Strategy.COLD,
    tenant: Annotated[
        Tenant, typer.Option(help="What tenants' networks are; a lab that is up keeps what it was made with.")
    ] = Tenant.VLAN,
    l2pop: Annotated[
        bool,
        typer.Option(
            "--l2pop/--no-l2pop", help="With vxlan: Neutron tells the ends of tunnels what is where, or they learn it."
        ),
    ] = True,
    bare: Annotated[bool, typer.Option("--bare", help="Machines, cables and power alone: no OpenStack.")] = False,
    as_json: Json = False,
) -> None:
    """Make the lab: six machines, five networks, OpenStack, and as many routers as you like.

    The first one builds the machines' image (a few minutes); it is kept for the next.
    """
    layout = Layout(name)
    with _Progress() as progress:
        choices = Choices(strategy, tenant, l2pop)
        report = up.bring_up(layout, routers=routers, choices=choices, bare=bare, tell=progress)
    if as_json:
        _print_json(asdict(report))
        return
    took_s = sum(report.phases_s.values())
    print(f"lab {name} is up: {len(layout.machines)} machines, {report.routers} routers, {took_s:.0f} s")
    print(f"its cluster file: {layout.cluster_yaml}")
    option = "" if name == DEFAULT_NAME else f" --name {name}"
    print(f"go on with: hotspare lab shell{option}")


@lab.command("down", epilog="Example: hotspare lab down --name second")
def down(name: Name = DEFAULT_NAME, as_json: Json = False) -> None:
    """Take the lab away: no process, mount, namespace or file of it stays. The image is kept.

    Works on a lab that is broken, half made or not there at all.
    """
    _need_root()
    layout = Layout(name)
    with lock.held(layout):
        removed = teardown.take_down(layout)
    if as_json:
        _print_json(asdict(removed))
    elif removed.anything:
        print(f"lab {name} is gone: {removed.processes} processes, {len(removed.namespaces)} namespaces")
    else:
        print(f"there is no lab {name}")


@lab.command("status", epilog="Example: hotspare lab status --json")
def status_(name: Name = DEFAULT_NAME, as_json: Json = False) -> None:
    """Show the lab's machines: power, SSH, cut cables. Exit 1 where the lab is not up."""
    _need_root()
    seen = status.observe(Layout(name))
    if as_json:
        _print_json(asdict(seen))
    else:
        _print_status(seen)
    if seen.state != "up":
        raise typer.Exit(EXIT_BAD_STATE)


def _print_status(seen: status.LabStatus) -> None:
    if seen.state == "absent":
        others = [name for name in status.names() if name != seen.name]
        print(f"lab {seen.name} is not there" + (f"; there is: {', '.join(others)}" if others else ""))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("machine", "role", "power", "ssh", "address", "bmc", "cut"):
        table.add_column(column)
    for machine in seen.machines:
        colour = {"on": "green", "off": "red"}.get(machine.power, "yellow")
        table.add_row(
            machine.name,
            machine.role,
            f"[{colour}]{machine.power}[/]",
            "yes" if machine.ssh else "[red]no[/]",
            machine.address,
            machine.bmc,
            ", ".join(machine.cut),
        )
    print(f"lab {seen.name}: {seen.state}, {seen.routers} routers")
    Console().print(table)


@lab.command("shell", epilog="Example: hotspare lab shell -- hotspare plan -f cluster.yaml")
def shell(command: Command = None, name: Name = DEFAULT_NAME) -> None:
    """A shell (or one command) at the operator's desk: in the lab's network, with its cloud and cluster file set."""
    layout = _up(name)
    if not command:
        print(f"in the network of lab {name}; its files: {layout.state_dir}; leave with exit", file=sys.stderr)
    _become(layout, command or [os.environ.get("SHELL", "/bin/bash")], access.desk(layout))


@lab.command("ssh", epilog="Example: hotspare lab ssh net1 -- crm_mon -1")
def ssh(machine: MachineName, command: Command = None, name: Name = DEFAULT_NAME) -> None:
    """A shell (or one command) on a machine, by SSH; its exit code is the command's."""
    layout = _up(name)
    target = layout.machine(machine).name
    _become(
        layout, ["ssh", "-F", str(layout.ssh_config), target, *(["--", *command] if command else [])], dict(os.environ)
    )


@lab.command("power", epilog="Example: hotspare lab power net1 off")
def power_(
    machine: MachineName,
    order: Annotated[power.Order, typer.Argument(metavar="ORDER", help="on, off, cycle or status.")],
    name: Name = DEFAULT_NAME,
    as_json: Json = False,
) -> None:
    """Tell a machine's BMC what to do, by IPMI. Off is a power cut: nothing is shut down, the disk stays."""
    layout = _up(name)
    state = power.send(layout, layout.machine(machine), order)
    _print_json({"machine": machine, "power": state}) if as_json else print(f"{machine} is {state}")


@lab.command("cut", epilog="Example: hotspare lab cut net1 mgmt")
def cut(machine: MachineName, network_name: NetworkName, name: Name = DEFAULT_NAME, as_json: Json = False) -> None:
    """Pull a cable: the switch's end goes down. It stays cut through power cycles."""
    _set_cable(machine, network_name, name, as_json, up=False)


@lab.command("heal", epilog="Example: hotspare lab heal net1 mgmt")
def heal(machine: MachineName, network_name: NetworkName, name: Name = DEFAULT_NAME, as_json: Json = False) -> None:
    """Plug a cut cable in again."""
    _set_cable(machine, network_name, name, as_json, up=True)


def _set_cable(machine: str, network_name: str, name: str, as_json: bool, *, up: bool) -> None:
    layout = _up(name)
    network.set_cable(layout, layout.machine(machine), network_name, up=up)
    if as_json:
        _print_json({"machine": machine, "network": network_name, "cable": "whole" if up else "cut"})
    else:
        print(f"{machine}'s cable to {network_name} is {'whole' if up else 'cut'}")


def _need_root() -> None:
    if os.geteuid() != 0:
        raise RefusedError("the lab is root's", code=1, hint="run it as root (sudo)")


def _up(name: str) -> Layout:
    """The lab's layout; its switch is there."""
    _need_root()
    layout = Layout(name)
    if not namespace.exists(layout.switch):
        raise RefusedError(f"lab {name} is not up", code=1, hint=f"hotspare lab up --name {name}")
    return layout


REMEDIES = {"ssh": "apt-get install openssh-client"}


def _become(layout: Layout, command: list[str], environ: dict[str, str]) -> None:
    """This process becomes the command, in the operator's namespace."""
    if shutil.which(command[0], path=environ.get("PATH")) is None:
        raise RefusedError(f"{command[0]}: no such command", code=127, hint=REMEDIES.get(command[0], ""))
    namespace.enter(layout.switch)
    sys.stdout.flush()
    os.execvpe(command[0], command, environ)  # noqa: S606  # no shell is the point
