"""What a resource agent declares once: parameters, actions, handlers. Metadata and checking are both made from it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from hotspare_ocf.environment import Call

# Neutron's `host` and a gateway's name become file names and configuration values: letters, digits and . _ - only.
_NAME_CHARS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


BOOLEANS = {
    "yes": True, "true": True, "on": True, "1": True,
    "no": False, "false": False, "off": False, "0": False,
}  # fmt: skip
"""What a boolean parameter may say, in any case. Source: resource-agents' ocf-shellfuncs, ocf_is_true."""


class Parameter:
    """One parameter. `kind` is `name`, `path`, `words`, `boolean`, `integer` (from `least` to `most`), or `choice` (one
    of `choices`). A change of a `reloadable` one takes effect without a restart of the resource.
    """

    __slots__ = (
        "choices",
        "default",
        "kind",
        "least",
        "long",
        "most",
        "name",
        "reloadable",
        "required",
        "short",
        "unique",
    )

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
        reloadable: bool = False,
        choices: tuple[str, ...] = (),
        least: int = 0,
        most: int = 1 << 31,
    ) -> None:
        self.name = name
        self.kind = kind
        self.short = short
        self.long = long
        self.default = default
        self.required = required
        self.unique = unique
        self.reloadable = reloadable
        self.choices = choices
        self.least = least
        self.most = most

    def problem(self, value: str) -> str:
        """What is wrong with the value, in words; empty where nothing is."""
        if not value:
            return f"parameter {self.name} is required" if self.required else ""
        if "\n" in value or "\0" in value:
            return f"parameter {self.name} holds a line break"
        wanted = self._unmet(value)
        return f"parameter {self.name} {wanted}: {value}" if wanted else ""

    def _unmet(self, value: str) -> str:
        """What a value of this kind has to be, where this one is not."""
        if self.kind == "path":
            return "" if value.startswith("/") else "is not an absolute path"
        if self.kind == "name":
            is_name = _NAME_CHARS.issuperset(value) and value[0].isalnum() and len(value) <= 255
            return "" if is_name else "may have letters, digits and . _ - only"
        if self.kind == "choice":
            return "" if value in self.choices else f"is not one of {', '.join(self.choices)}"
        if self.kind == "boolean":
            return "" if value.lower() in BOOLEANS else "is not yes or no"
        if self.kind == "integer":
            is_within = value.isdecimal() and self.least <= int(value) <= self.most
            return "" if is_within else f"is not a whole number from {self.least} to {self.most}"
        return ""


def where_ports_are() -> tuple[Parameter, ...]:
    """The parameters that say where a node's routers and networks are found, for every agent that cleans them away."""
    return (
        Parameter("integration_bridge", "words", default="br-int", reloadable=True, short="integration bridge",
                  long="The Open vSwitch bridge with the ports of routers and networks."),
        Parameter("state_path", "path", default="/var/lib/neutron", reloadable=True, short="Neutron's state directory",
                  long="state_path of neutron.conf: pid and configuration files of routers and networks."),
    )  # fmt: skip


class Action:
    """One action: its handler, and what the metadata says of it: `timeout_s`, and for a monitor `interval_s`, `role`
    where it has one, and its `depth` (OCF_CHECK_LEVEL).
    """

    __slots__ = ("depth", "handler", "interval_s", "name", "role", "timeout_s")

    def __init__(
        self,
        name: str,
        handler: Callable[[Call], int],
        *,
        timeout_s: int,
        interval_s: int = 0,
        role: str = "",
        depth: int = 0,
    ) -> None:
        self.name = name
        self.handler = handler
        self.timeout_s = timeout_s
        self.interval_s = interval_s
        self.role = role
        self.depth = depth


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
