"""Records that are written as a whole, whoever reads or ends meanwhile."""

from __future__ import annotations

import posix


def write(path: str, text: str) -> None:
    """The file says this; a reader sees what it said before or this, never half of it. Raises OSError."""
    draft = path + ".new"
    with open(draft, "w", encoding="utf-8") as file:
        file.write(text)
    posix.rename(draft, path)
