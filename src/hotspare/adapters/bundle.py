"""The resource agents that hotspare carries, as one archive: nodes need no internet."""

import io
import stat
import tarfile
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import as_file, files
from pathlib import Path

PARTS = ("resource.d", "lib")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A tar of files below /usr/lib/ocf, and the digest that tells whether a node has exactly these."""

    tar: bytes
    digest: str


def bundle() -> Bundle:
    """The agents of this version; the same files are the same bytes."""
    with as_file(files("hotspare") / "ocf") as root:
        return of(root)


def of(root: Path) -> Bundle:
    """The agents below `root`. The digest has the formula of adapters/onsite/cluster_facts.py."""
    lines, packed = [], io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(_files(root), key=lambda path: str(path.relative_to(root))):
            content = path.read_bytes()
            member = tarfile.TarInfo(str(path.relative_to(root)))
            member.size = len(content)
            member.mode = 0o755 if stat.S_IMODE(path.stat().st_mode) & 0o100 else 0o644
            tar.addfile(member, io.BytesIO(content))
            lines.append(f"{member.name} {member.mode:o} {sha256(content).hexdigest()}\n")
    return Bundle(packed.getvalue(), sha256("".join(lines).encode()).hexdigest())


def _files(root: Path) -> list[Path]:
    return [
        path
        for part in PARTS
        for path in (root / part).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != "py.typed"
    ]
