"""corosync.conf and `corosync-cmapctl` to values and back. Source: corosync.conf(5), exec/coroparse.c (3.1)."""

import re
from collections.abc import Iterator, Mapping

from hotspare.model.corosync import Section

HEAD = "# Written by `hotspare apply`, which overwrites what is changed here by hand.\n"
_CMAP_LINE = re.compile(r"(\S+) \((\w+)\) = (.*)")


def read(text: str) -> Section:
    """The file as a nameless root section.

    Raises:
        ValueError: a line is neither a section, its end, a key with a value nor a comment.
    """
    lines = iter(enumerate(text.splitlines(), 1))
    return _section("", lines, top=True)


def _section(name: str, lines: Iterator[tuple[int, str]], *, top: bool) -> Section:
    values: list[tuple[str, str]] = []
    sections: list[Section] = []
    for number, line in lines:
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if text == "}":
            if top:
                raise ValueError(f"corosync.conf, line {number}: a section ends that did not begin")
            return Section(name, tuple(values), tuple(sections))
        if text.endswith("{"):
            sections.append(_section(text[:-1].strip(), lines, top=False))
            continue
        key, colon, value = text.partition(":")
        if not colon or not key.strip():
            raise ValueError(f"corosync.conf, line {number}: neither a section nor `key: value`: {text}")
        values.append((key.strip(), value.strip()))
    if not top:
        raise ValueError(f"corosync.conf: section {name} does not end")
    return Section(name, tuple(values), tuple(sections))


def write(root: Section) -> str:
    """The file's text; reading it gives the same section."""
    return HEAD + "".join(_lines(root, ""))


def _lines(section: Section, indent: str) -> Iterator[str]:
    for key, value in section.values:
        yield f"{indent}{key}: {value}\n"
    for inner in section.sections:
        yield f"{indent}{inner.name} {{\n"
        yield from _lines(inner, indent + "    ")
        yield f"{indent}}}\n"


def read_cmap(text: str) -> Mapping[str, str]:
    """What a running Corosync has in its map: key → value. Source: corosync-cmapctl(8)."""
    found = (_CMAP_LINE.fullmatch(line) for line in text.splitlines())
    return {match[1]: match[3] for match in found if match}
