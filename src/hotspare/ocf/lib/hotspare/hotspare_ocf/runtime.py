"""From Pacemaker's call to an exit code: one way for every agent."""

from __future__ import annotations

import posix
import sys
import time

from hotspare_ocf import codes, environment
from hotspare_ocf.codes import OcfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import NoReturn

    from hotspare_ocf.declaration import Agent
    from hotspare_ocf.environment import Call

_QUIET = frozenset({"monitor", "validate-all"})
"""Actions that leave no line in the journal unless they fail: they run all day."""

_LENIENT = frozenset({"monitor", "stop", "demote"})
"""Actions that go on where a parameter is wrong (environment.read says why)."""


def main(agent: Agent, arguments: list[str], environ: Mapping[str, str]) -> int:
    """The exit code of one call; everything an operator may have to know is in the exit reason and in syslog."""
    handlers = {action.name: action.handler for action in agent.actions}
    action = arguments[1] if len(arguments) == 2 else ""
    if action == "meta-data":
        from hotspare_ocf import metadata

        sys.stdout.write(metadata.render(agent))
        return codes.SUCCESS
    if action not in handlers:
        asked = action in {"usage", "help"}
        words = "|".join(dict.fromkeys([*handlers, "meta-data", "usage"]))
        (sys.stdout if asked else sys.stderr).write(f"usage: {agent.name} {words}\n")
        return codes.SUCCESS if asked else codes.ERR_UNIMPLEMENTED if action else codes.ERR_ARGS
    call = environment.read(agent, action, environ)
    facts: dict[str, object] = {"gateway" if "gateway" in call.parameters else "resource": _subject(call)}
    begun = time.monotonic()
    is_told = action not in _QUIET
    if is_told:
        _tell(f"{action}.started", facts)
    code, reason = _outcome(handlers[action], call, agent)
    took = {"took_s": time.monotonic() - begun}
    if reason:
        from hotspare_ocf import events

        events.exit_reason(reason)
        word = "degraded" if code == codes.DEGRADED else "failed"
        _tell(f"{action}.{word}", facts | took | {"code": code, "reason": reason})
    elif is_told:
        _tell(f"{action}.finished", facts | took)
    return code


def run(agent: Agent) -> NoReturn:
    """The call that Pacemaker has made is answered: this process has ended with the exit code."""
    encoding = sys.getfilesystemencoding()
    environ = {
        name.decode(encoding, "surrogateescape"): value.decode(encoding, "surrogateescape")
        for name, value in posix.environ.items()
    }
    code = main(agent, sys.argv, environ)
    for stream in (sys.stdout, sys.stderr):
        if stream:  # None where the caller has closed it
            stream.flush()
    # Without taking the interpreter down piece by piece: a sixth of what a monitor costs.
    posix._exit(code)  # noqa: SLF001 its name in the documentation


def _tell(event: str, facts: dict[str, object]) -> None:
    from hotspare_ocf import events

    events.tell(event, **facts)


def _outcome(handler: Callable[[Call], int], call: Call, agent: Agent) -> tuple[int, str]:
    """The exit code, and the reason where there is one to give."""
    try:
        return _run(handler, call, agent), ""
    except OcfError as error:
        return error.code, error.reason
    except Exception as error:  # noqa: BLE001 an unforeseen error is a failure with a reason, never "not running"
        return codes.ERR_GENERIC, f"{call.action}: {type(error).__name__}: {error}"


def _run(handler: Callable[[Call], int], call: Call, agent: Agent) -> int:
    if call.problems and call.action not in _LENIENT:
        raise OcfError(codes.ERR_CONFIGURED, "; ".join(call.problems))
    if posix.geteuid() != 0 and call.action != "validate-all":
        raise OcfError(codes.ERR_PERM, f"{agent.name} {call.action} needs root")
    return handler(call)


def _subject(call: Call) -> str:
    """A gateway is named by its identity, every other resource by its instance."""
    return call.parameters.get("gateway") or call.instance
