"""The file's other resources: which agent runs each, where it belongs, and what is missing there."""

from collections.abc import Iterator
from dataclasses import dataclass

from hotspare.model.cluster import ClusterStatus
from hotspare.model.spec import Resource, Spec

LEGACY = "ocf:hotspare:legacy"
"""The agent of ours that runs scripts of heartbeat's kind."""

_UNIT_SUFFIXES = (".service", ".socket", ".mount", ".timer", ".path", ".target")
_INIT_DIRECTORY = "/etc/init.d"


@dataclass(frozen=True, slots=True)
class Home:
    """Where a resource belongs: on one of the nodes, on all of them, or beside another."""

    name: str
    nodes: tuple[str, ...]
    everywhere: bool
    beside: str | None
    beside_gateway: bool


def home(spec: Spec, name: str) -> Home:
    """Where the resource belongs. What stays with another may run wherever that one may."""
    resource = spec.resources[name]
    return Home(name, nodes(spec, name), resource.clone, resource.with_, resource.with_ in spec.gateways)


def nodes(spec: Spec, name: str) -> tuple[str, ...]:
    """The nodes where the resource may run."""
    resource = spec.resources[name]
    if resource.on:
        return resource.on
    if resource.with_ in spec.gateways:
        return spec.gateways[resource.with_].nodes
    if resource.with_ in spec.resources:
        return nodes(spec, resource.with_)
    return tuple(spec.nodes)


def agent(resource: Resource) -> str:
    """The agent that runs it: `ocf:heartbeat:IPaddr2`, `systemd:chrony`, `lsb:natlog`."""
    return resource.agent or LEGACY


def parameters(resource: Resource) -> dict[str, str]:
    """The agent's parameters by its own names."""
    if resource.script is None:
        return resource.parameters
    script, *arguments = resource.script.split(maxsplit=1)
    return {"script": script} | ({"arguments": arguments[0].strip()} if arguments else {})


def unit(resource: Resource) -> str | None:
    """The systemd unit that would start at boot what the cluster starts; systemd makes one of every init script."""
    kind, _, name = agent(resource).partition(":")
    if kind == "systemd":
        return name if name.endswith(_UNIT_SUFFIXES) else f"{name}.service"
    script = name if kind == "lsb" else resource.script_name.removeprefix(f"{_INIT_DIRECTORY}/")
    return f"{script}.service" if script and "/" not in script else None


def astray(home: Home, status: ClusterStatus) -> Iterator[str]:
    """What is not as it belongs, one sentence each."""
    running = status.running_on(home.name)
    if home.everywhere:
        for node in home.nodes:
            if node in status.online and node not in running:
                yield f"{home.name}: not started on {node}"
        return
    where = f"runs on {' and '.join(running) or 'no node'}"
    if home.beside is None:
        if len(running) != 1:
            yield f"{home.name}: {where}, has to be on one"
        return
    target = home.beside
    beside = status.promoted_on(target) if home.beside_gateway else status.running_on(target)
    if running != beside or not running:
        yield f"{home.name}: {where}, belongs beside {target}"
