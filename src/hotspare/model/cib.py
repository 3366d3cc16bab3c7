"""Pacemaker's configuration as values: elements, what we want in it, and how it differs from what is there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

OURS = "hotspare"
"""The id of the tag in the configuration that names every element that hotspare made."""

COMMENT = "#comment"
"""The tag of an element that stands for a comment; its text is the attribute `text`."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element; attributes by name, in the order of their names."""

    tag: str
    attributes: tuple[tuple[str, str], ...] = ()
    children: tuple["Element", ...] = ()

    @property
    def id(self) -> str:
        """Its id, empty where it has none."""
        return self.get("id")

    def get(self, name: str) -> str:
        """An attribute, empty where it is not given."""
        return dict(self.attributes).get(name, "")

    def walk(self) -> Iterator["Element"]:
        """This element and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def child(self, tag: str) -> "Element | None":
        """The first child of this tag."""
        return next((child for child in self.children if child.tag == tag), None)


def element(tag: str, *children: Element, attributes: Mapping[str, str]) -> Element:
    """An element with its attributes in order."""
    return Element(tag, tuple(sorted(attributes.items())), children)


class Section(StrEnum):
    """Where in the configuration our elements are."""

    RESOURCES = "resources"
    CONSTRAINTS = "constraints"


@dataclass(frozen=True, slots=True)
class Wanted:
    """All that hotspare wants in the configuration. Ids are unique."""

    elements: tuple[tuple[Section, Element], ...]
    properties: tuple[tuple[str, str], ...]
    """Cluster properties of ours, by name."""


@dataclass(frozen=True, slots=True)
class Change:
    """One element or property that is made, changed (both sides given) or taken away."""

    id: str
    before: Element | None
    after: Element | None
