"""Records that are written as a whole, whoever reads or ends meanwhile."""

from __future__ import annotations

import posix


def write(path: str, text: str, *, mode: int | None = None) -> None:
    """The file says this; a reader sees what it said before or this, never half of it. Raises OSError.

    `mode` holds whatever the umask is: Pacemaker's takes reading from others.
    """
    draft = path + ".new"
    with open(draft, "w", encoding="utf-8", errors="surrogateescape") as file:
        if mode is not None:
            posix.fchmod(file.fileno(), mode)
        file.write(text)
    posix.rename(draft, path)
