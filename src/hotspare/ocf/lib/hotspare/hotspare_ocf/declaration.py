"""What a resource agent declares once: parameters, actions, handlers. Metadata and checking are both made from it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from hotspare_ocf.environment import Call

# Neutron's `host` and a gateway's name become file names and configuration values: letters, digits and . _ - only.
_NAME_CHARS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


class Parameter:
    """One parameter. `kind` is `name`, `path`, `words`, or `choice` (then `choices` has the values)."""

    __slots__ = ("choices", "default", "kind", "long", "name", "required", "short", "unique")

    def __init__(
        self,
        name: str,
        kind: str,
        *,
        short: str,
        long: str,
        default: str = "",
        required: bool = False,
        unique: bool = False,
        choices: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.kind = kind
        self.short = short
        self.long = long
        self.default = default
        self.required = required
        self.unique = unique
        self.choices = choices

    def problem(self, value: str) -> str:
        """What is wrong with the value, in words; empty where nothing is."""
        if not value:
            return f"parameter {self.name} is required" if self.required else ""
        if self.kind == "path" and not value.startswith("/"):
            return f"parameter {self.name} is not an absolute path: {value}"
        if self.kind == "name" and not (_NAME_CHARS.issuperset(value) and value[0].isalnum() and len(value) <= 255):
            return f"parameter {self.name} may have letters, digits and . _ - only: {value}"
        if self.kind == "choice" and value not in self.choices:
            return f"parameter {self.name} is one of {', '.join(self.choices)}, not {value}"
        if "\n" in value or "\0" in value:
            return f"parameter {self.name} holds a line break"
        return ""


class Action:
    """One action: its handler, and what the metadata says of its time in s (`interval_s` for a monitor, with `role`
    where it has one).
    """

    __slots__ = ("handler", "interval_s", "name", "role", "timeout_s")

    def __init__(
        self, name: str, handler: Callable[[Call], int], *, timeout_s: int, interval_s: int = 0, role: str = ""
    ) -> None:
        self.name = name
        self.handler = handler
        self.timeout_s = timeout_s
        self.interval_s = interval_s
        self.role = role


class Agent:
    """A resource agent: its name, words for the operator, parameters and actions."""

    __slots__ = ("actions", "long", "name", "parameters", "short")

    def __init__(
        self, name: str, *, short: str, long: str, parameters: tuple[Parameter, ...], actions: tuple[Action, ...]
    ) -> None:
        self.name = name
        self.short = short
        self.long = long
        self.parameters = parameters
        self.actions = actions
