"""The file's text to a `Spec`, or every problem in it at once, each with its line."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from hotspare.model.errors import Problem, SpecError
from hotspare.model.plain import Path, dotted
from hotspare.model.spec import Spec
from hotspare.model.spec_rules import findings

DEPTH_MAX = 16
"""Deeper than any file of ours; an alias that contains itself has no end."""

_SCALARS = {
    "tag:yaml.org,2002:null": "null",
    "tag:yaml.org,2002:bool": "bool",
    "tag:yaml.org,2002:int": "int",
    "tag:yaml.org,2002:float": "float",
    "tag:yaml.org,2002:str": "str",
}
_WORDS = {
    "missing": "missing; it has to be given",
    "extra_forbidden": "unknown key; take it out, or look for a typing error",
    "int_type": "not a whole number",
    "string_type": "not a text; put it in quotes",
    "bool_type": "not true or false",
    "dict_type": "not a mapping (key: value)",
    "model_type": "not a mapping (key: value)",
    "model_attributes_type": "not a mapping (key: value)",
    "tuple_type": "not a list; write [a, b]",
}


@dataclass(frozen=True, slots=True)
class Document:
    """A file as plain values, and the line where each of them is."""

    name: str
    plain: Mapping[str, object]
    lines: Mapping[Path, int]

    def problem(self, path: Path, text: str) -> Problem:
        """A problem with the value at `path`, on its line; a missing one is on the line of what it is missing in."""
        found = path
        while found and found not in self.lines:
            found = found[:-1]
        return Problem(f"{self.name}:{self.lines.get(found, 1)}", dotted(path), text)


def document(text: str, name: str) -> tuple[Document, tuple[Problem, ...]]:
    """The file's values and lines; the problems are keys given twice and values that YAML cannot have meant.

    Raises:
        SpecError: this is not YAML, or not a mapping.
    """
    yaml = YAML(typ="safe", pure=True)
    try:
        root = yaml.compose(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        said = " ".join(part for part in (error.context, error.problem) if part)
        raise SpecError([Problem(f"{name}:{line}", "", f"not YAML: {said}")]) from error
    except YAMLError as error:
        raise SpecError([Problem(f"{name}:1", "", f"not YAML: {error}")]) from error
    if not isinstance(root, MappingNode):
        raise SpecError([Problem(f"{name}:1", "", "the file has to be a mapping with `cluster:` and `nodes:`")])
    reader = _Reader(yaml.constructor)
    plain = reader.mapping(root, ())
    found = Document(name, plain, reader.lines)
    return found, tuple(found.problem(path, said) for path, said in reader.findings)


class _Reader:
    """Nodes of the YAML to plain values, with their lines."""

    def __init__(self, constructor: SafeConstructor) -> None:
        self._constructor = constructor
        self.lines: dict[Path, int] = {}
        self.findings: list[tuple[Path, str]] = []

    def value(self, node: Node, path: Path) -> object:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if len(path) > DEPTH_MAX:
            self.findings.append((path, "nested too deeply"))
            return None
        match node:
            case MappingNode():
                return self.mapping(node, path)
            case SequenceNode():
                return [self.value(child, (*path, number)) for number, child in enumerate(node.value)]
            case ScalarNode():
                return self._scalar(node, path)
        return None

    def mapping(self, node: MappingNode, path: Path) -> dict[str, object]:
        plain: dict[str, object] = {}
        for key, child in node.value:
            name = str(key.value)
            here = (*path, name)
            line = key.start_mark.line + 1
            if name in plain:
                self.findings.append(
                    (here, f"given twice, on lines {self.lines[here]} and {line}; keep one of the two")
                )
                continue
            self.lines[here] = line
            plain[name] = self.value(child, here)
        return plain

    def _scalar(self, node: ScalarNode, path: Path) -> object:
        if str(node.tag) not in _SCALARS:
            self.findings.append((path, f"{node.tag!s} is not used in this file; write a plain value"))
            return None
        try:
            return self._constructor.construct_object(node)
        except (ConstructorError, ValueError) as error:
            self.findings.append((path, f"cannot be read: {error}"))
            return None


def spec(document: Document, found: Iterable[Problem] = ()) -> Spec:
    """The spec that the document is.

    Raises:
        SpecError: all problems of the file; `found` are those known before and come with the others.
    """
    problems = list(found)
    problems += [document.problem(path, said) for path, said in findings(document.plain)]
    read: Spec | None = None
    try:
        read = Spec.model_validate(document.plain)
    except ValidationError as error:
        problems += _problems(document, error)
    if problems or read is None:
        raise SpecError(sorted(set(problems), key=_by_line), hint="nothing was changed; correct the file and try again")
    return read


def _problems(document: Document, error: ValidationError) -> Iterator[Problem]:
    details = error.errors()
    for detail in details:
        inner = any(other["loc"][:-1] == detail["loc"] for other in details)
        if detail["type"] == "too_short" and inner:
            continue  # its items are wrong, and say so themselves
        location = tuple(part for part in detail["loc"] if part != "[key]")
        kind, given = detail["type"], detail.get("input")
        text = _WORDS.get(kind)
        if text is None:
            text = detail["msg"].removeprefix("Value error, ")
            text = text[0].lower() + text[1:]
        elif kind not in {"missing", "extra_forbidden"}:
            text = f"{text}: {given!r}"
        yield document.problem(location, text)


def _by_line(problem: Problem) -> tuple[int, str, str]:
    return int(problem.where.rpartition(":")[2]), problem.path, problem.text
