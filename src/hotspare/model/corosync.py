"""Corosync's configuration as values."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """A section of corosync.conf; keys and sections may repeat, their order is kept. The root has no name."""

    name: str
    values: tuple[tuple[str, str], ...] = ()
    sections: tuple["Section", ...] = ()

    def get(self, key: str) -> str | None:
        """The last value of a key, as Corosync takes it."""
        return next((value for name, value in reversed(self.values) if name == key), None)

    def of(self, name: str) -> Iterator["Section"]:
        """The sections of this name."""
        return (section for section in self.sections if section.name == name)

    def first(self, name: str) -> "Section":
        """The first section of this name, or an empty one."""
        return next(self.of(name), Section(name))


@dataclass(frozen=True, slots=True)
class Member:
    """A node of the nodelist."""

    name: str
    id: int
    rings: tuple[str, ...]
