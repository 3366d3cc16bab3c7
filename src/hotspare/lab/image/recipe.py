"""What goes into the image, and the name that follows from it."""

import hashlib
from dataclasses import dataclass
from importlib import resources

SUITE = "bookworm"
FORMAT = 1
"""Raised when the way of building changes what comes out while every input stays the same."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what the image contains, apart from the day on which Debian's mirror was asked."""

    packages: tuple[str, ...]
    openstack_lock: str
    openstack_source_lock: str
    finish: str

    @property
    def digest(self) -> str:
        """12 hexadecimal digits that change whenever an ingredient does."""
        parts = (str(FORMAT), SUITE, *self.packages, self.openstack_lock, self.openstack_source_lock, self.finish)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def packages_of(text: str) -> tuple[str, ...]:
    """The names in a package list, in its order; comments and blank lines are left out."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return tuple(line for line in lines if line)


def shipped() -> Recipe:
    """The recipe that this version of hotspare carries."""
    here = resources.files(__package__)

    def text(name: str) -> str:
        return here.joinpath(name).read_text(encoding="utf-8")

    return Recipe(
        packages=packages_of(text("packages.txt")),
        openstack_lock=text("openstack.lock"),
        openstack_source_lock=text("openstack-source.lock"),
        finish=text("finish.sh"),
    )
