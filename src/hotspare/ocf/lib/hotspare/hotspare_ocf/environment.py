"""One call of Pacemaker's, as a value: action, parameters, deadline. Source: OCF Resource Agent API 1.1."""

from __future__ import annotations

import time

from hotspare_ocf.declaration import BOOLEANS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from hotspare_ocf.declaration import Agent

TIMEOUT_DEFAULT_S = 60.0
"""Where the caller names no timeout (by hand, ocf-tester)."""

_MARGIN_SHARE = 0.1
"""Share of the timeout kept back, so that an action reports its failure itself instead of being killed by Pacemaker."""


class Call:
    """One call of an agent; times are of the monotonic clock, in s."""

    __slots__ = ("action", "deadline", "instance", "is_probe", "level", "parameters", "problems", "timeout_s")

    def __init__(
        self,
        action: str,
        *,
        instance: str,
        parameters: dict[str, str],
        problems: tuple[str, ...] = (),
        timeout_s: float = TIMEOUT_DEFAULT_S,
        level: int = 0,
        is_probe: bool = False,
    ) -> None:
        self.action = action
        self.instance = instance
        self.parameters = parameters
        self.problems = problems
        self.timeout_s = timeout_s
        self.deadline = time.monotonic() + timeout_s * (1 - _MARGIN_SHARE)
        self.level = level
        self.is_probe = is_probe

    def __getitem__(self, name: str) -> str:
        return self.parameters[name]

    def yes(self, name: str) -> bool:
        """Whether a boolean parameter is on."""
        return BOOLEANS[self.parameters[name].lower()]

    def remaining_s(self) -> float:
        """What is left until the deadline, never below 0."""
        return max(0.0, self.deadline - time.monotonic())


def read(agent: Agent, action: str, environ: Mapping[str, str]) -> Call:
    """The call as the environment tells it. A wrong value is replaced by its default and named in `problems`.

    Actions that make something run refuse a call with problems; monitor and stop go on with the defaults: a resource
    that could never start must still be found stopped, or Pacemaker fences a node for a misspelt parameter.
    """
    instance = environ.get("OCF_RESOURCE_INSTANCE") or agent.name
    instance = "".join(char if char.isalnum() or char in "._-" else "_" for char in instance.split(":")[0])
    parameters: dict[str, str] = {}
    problems: list[str] = []
    for parameter in agent.parameters:
        default = parameter.default.replace("${OCF_RESOURCE_INSTANCE}", instance)
        value = environ.get(f"OCF_RESKEY_{parameter.name}") or default
        problem = parameter.problem(value)
        if problem:
            problems.append(problem)
            value = default
        parameters[parameter.name] = value
    return Call(
        action,
        instance=instance,
        parameters=parameters,
        problems=tuple(problems),
        timeout_s=_number(environ.get("OCF_RESKEY_CRM_meta_timeout"), TIMEOUT_DEFAULT_S * 1000) / 1000,
        level=int(_number(environ.get("OCF_CHECK_LEVEL"), 0)),
        # Pacemaker calls a monitor with interval 0 to learn whether a resource runs where it may not be expected.
        is_probe=action == "monitor" and _number(environ.get("OCF_RESKEY_CRM_meta_interval"), 0) == 0,
    )


def _number(text: str | None, default: float) -> float:
    try:
        value = float(text or default)
    except ValueError:
        return default
    return value if 0 <= value < float("inf") else default
