"""The operator's file and the files that it names, read from this machine."""

import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hotspare.codec import spec_yaml
from hotspare.model.errors import Problem, SpecError
from hotspare.model.plain import mapping
from hotspare.model.secret import Secret
from hotspare.model.spec import Spec, beside

PASSWORD_BYTES_MAX = 4096


@dataclass(frozen=True, slots=True)
class SpecFile:
    """A spec, where it came from, and the fence passwords by node."""

    path: Path
    document: spec_yaml.Document
    spec: Spec
    passwords: Mapping[str, Secret]

    def beside(self, path: str) -> Path:
        """A path that the file names."""
        return beside(self.path, path)


def read(path: Path) -> SpecFile:
    """The spec in the file, with its secrets.

    Raises:
        SpecError: all problems of the file and of those that it names, at once.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SpecError(
            [Problem(str(path), "", f"cannot be read: {reason}")], hint="name the cluster's file, or set HOTSPARE_FILE"
        ) from error
    document, found = spec_yaml.document(text, str(path))
    problems = [*found, *_named_files(path, document)]
    spec = spec_yaml.spec(document, problems)
    passwords = {
        name: _password(beside(path, node.fence.password_file)) for name, node in spec.nodes.items() if node.fence
    }
    return SpecFile(path, document, spec, passwords)


def _named_files(path: Path, document: spec_yaml.Document) -> Iterator[Problem]:
    """What is wrong with the files that the spec names, also where other parts of it are wrong."""
    config = mapping(document.plain.get("ssh")).get("config")
    if isinstance(config, str) and not beside(path, config).is_file():
        yield document.problem(("ssh", "config"), f"there is no file {beside(path, config)}; write it or name another")
    for name, node in mapping(document.plain.get("nodes")).items():
        named = mapping(mapping(node).get("fence")).get("password_file")
        if not isinstance(named, str) or not named:
            continue
        try:
            _password(beside(path, named))
        except ValueError as wrong:
            yield document.problem(("nodes", name, "fence", "password_file"), str(wrong))


def _password(path: Path) -> Secret:
    """What the file holds, without the line's end.

    Raises:
        ValueError: no such file, others may read it, or no password in it.
    """
    try:
        mode = path.stat().st_mode
        content = path.read_bytes() if stat.S_ISREG(mode) else b""
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}; write the password into it, mode 0600") from error
    if mode & 0o077:
        raise ValueError(f"others may read {path} (mode {stat.S_IMODE(mode):04o}); chmod 600 {path}")
    value = content.rstrip(b"\r\n")
    if not value or len(value) > PASSWORD_BYTES_MAX or b"\n" in value:
        raise ValueError(f"{path} does not hold one password on one line")
    return Secret(value)
