"""What hotspare brings to the nodes, as one archive, so that they need no internet: the resource agents, and of the
package `hotspare` itself the modules that a daemon there imports.
"""

import ast
import io
import stat
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import as_file, files
from pathlib import Path

PARTS = ("resource.d", "lib")
DAEMONS = ("hotspare.faces.rescheduler.__main__", "hotspare.faces.stager.__main__")
"""Modules that nodes run with `python -m`."""

PYTHON = "lib/hotspare/python"
"""Where the package is, below /usr/lib/ocf; what runs a daemon has it in PYTHONPATH."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A tar of files below /usr/lib/ocf, and the digest that tells whether a node has exactly these."""

    tar: bytes
    digest: str


def bundle() -> Bundle:
    """What this version brings; the same files are the same bytes."""
    with as_file(files("hotspare")) as package:
        return of(agents(package / "ocf") | daemons(package))


def agents(root: Path) -> dict[str, Path]:
    """The resource agents below `root`, by their place on a node."""
    return {str(path.relative_to(root)): path for path in _files(root)}


def daemons(package: Path) -> dict[str, Path]:
    """What the daemons import of the package, by its place on a node."""
    return {f"{PYTHON}/{path.relative_to(package.parent)}": path for path in closure(package, DAEMONS).values()}


def of(found: Mapping[str, Path]) -> Bundle:
    """The files as one archive. The digest has the formula of adapters/onsite/cluster_facts.py."""
    lines, packed = [], io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, path in sorted(found.items()):
            content = path.read_bytes()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o755 if stat.S_IMODE(path.stat().st_mode) & 0o100 else 0o644
            tar.addfile(member, io.BytesIO(content))
            lines.append(f"{member.name} {member.mode:o} {sha256(content).hexdigest()}\n")
    return Bundle(packed.getvalue(), sha256("".join(lines).encode()).hexdigest())


def closure(package: Path, roots: Iterable[str]) -> dict[str, Path]:
    """The roots and all modules of the package that they import, wherever in the text, each with its file."""
    found: dict[str, Path] = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        path = _file_of(package, name)
        if name in found or path is None:
            continue
        found[name] = path
        waiting += [name.rpartition(".")[0], *imports(path)]
    return found


def imports(path: Path) -> Iterator[str]:
    """All that the file may import: for `from a import b` both `a` and `a.b`, which may be a module or a name in it."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        match node:
            case ast.Import(names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield module
                yield from (f"{module}.{alias.name}" for alias in names)


def _file_of(package: Path, name: str) -> Path | None:
    """The file of a module of the package; None where it is no module, or one of somebody else."""
    first, *rest = name.split(".")
    if first != package.name:
        return None
    path = package.joinpath(*rest)
    candidates = (path / "__init__.py", path.with_name(f"{path.name}.py"))
    return next((file for file in candidates if file.is_file()), None)


def _files(root: Path) -> list[Path]:
    return [
        path
        for part in PARTS
        for path in (root / part).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != "py.typed"
    ]
