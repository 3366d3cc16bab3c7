"""Words that messages share."""

from collections.abc import Sequence


def some(names: Sequence[str], *, shown_max: int = 5, apart: str = ", ") -> str:
    """The names; of many the first ones, and how many more there are."""
    more = len(names) - shown_max
    return apart.join(names[:shown_max]) + (f" and {more} more" if more > 0 else "")
