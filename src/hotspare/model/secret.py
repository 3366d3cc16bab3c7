"""A value that is never shown."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Secret:
    """Bytes that no repr, log line, plan or error may hold."""

    value: bytes = field(repr=False)

    def __str__(self) -> str:
        return "(secret)"
