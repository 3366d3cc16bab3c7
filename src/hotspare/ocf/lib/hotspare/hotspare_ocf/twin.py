"""Strategy `twin`: what a gateway's agent does with its stager, and what it does without one.

A stager is a help and never a condition. What it does not do in its share of the time is done the cold way, and what it
says of silence is proved by a look at Open vSwitch.
"""

from __future__ import annotations

import time

from hotspare_ocf import identity, markers, preference, stager
from hotspare_ocf.stager import StagerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hotspare_ocf.cleaning import Mine
    from hotspare_ocf.environment import Call

_SHARE_PROMOTE = 0.5
_SHARE_DEMOTE = 0.3
"""Of what remains of the timeout; the rest is for the way without a stager."""

_ASK_MAX_S = 10.0
"""One transaction takes milliseconds, what a stager may be in the middle of some seconds. A hung one costs no more."""

_LEVEL_ANSWERS = 10
"""OCF_CHECK_LEVEL from which a stager that does not answer is replaced, and its own trouble is told."""

_ASK_S = 2.0
_FIRST_ANSWER_S = 5.0
_YOUNG_S = 30.0
"""So long after its launch a stager may still be importing, on a machine that is busy."""


def begin(call: Call) -> None:
    """A stager keeps a twin here, and Pacemaker knows how good that is so far."""
    process, trouble = stager.ensure(call)
    state: dict[str, object] = {}
    if process:
        from hotspare_ocf.codes import OcfError

        until = time.monotonic() + min(_FIRST_ANSWER_S, call.remaining_s() / 2)
        try:
            state = stager.service_of(call["gateway"]).first_answer(process, deadline=until)
        except OcfError as error:
            trouble = error.reason
    if trouble:
        _tell("stager.troubled", call, trouble)
    preference.tell(call["gateway"], preference.of(state))


def released(call: Call) -> bool:
    """Whether the twin forwards, all of it by one transaction, with no other one kept beside it. Where not, the stager
    has ended and does nothing behind the back of whoever cleans; why is told.
    """
    gateway = call["gateway"]
    try:
        stager.asked(gateway, "promote", within_s=min(_ASK_MAX_S, call.remaining_s() * _SHARE_PROMOTE))
    except StagerError as error:
        _tell("promote.cold", call, str(error))
        stager.stop(gateway, deadline=call.deadline)
        return False
    _drop_others(call)
    return True


def silenced(call: Call, is_ours: Mine) -> bool:
    """Whether the gateway is parked here: by the stager, or, where it does not do it, by this very process; and proved
    by a look that asks no stager.

    Raises:
        OcfError: a stranger's agent runs, which may let go what is parked.
    """
    from hotspare_ocf import look, sweep

    is_asked = False

    def ask() -> bool:
        nonlocal is_asked
        is_asked = True
        within_s = min(_ASK_MAX_S, call.remaining_s() * _SHARE_DEMOTE)
        try:
            # Where it had nothing to park, an earlier one may have parked all without a confirmation.
            return bool(stager.asked(call["gateway"], "demote", within_s=within_s).get("parked"))
        except StagerError as error:
            # Whatever it still has in hand is not carried out after the proof.
            _tell("demote.unasked", call, str(error))
            stager.stop(call["gateway"], deadline=call.deadline)
            return False

    try:
        return sweep.park(sweep.site(call), programs=look.PROGRAMS, is_ours=is_ours, owner=call["gateway"], silence=ask)
    finally:
        if not is_asked:  # whatever keeps it from being proved
            ask()


def retired(call: Call) -> bool:
    """Whether the stager takes the twin, which is parked, away by itself and then ends. Nobody waits for that: a node
    that is left stops before another one is promoted, and a hundred routers take a second to go.
    """
    try:
        stager.asked(call["gateway"], "retire", within_s=min(_ASK_S, call.remaining_s() / 2))
    except StagerError as error:
        _tell("stop.unasked", call, str(error))
        return False
    return True


def trouble(call: Call, role: str) -> str:
    """A stager keeps the twin, or publishes it; Pacemaker knows how fresh it is. Returns what is wrong, in words.

    Nothing here is a failure: the data plane is as it was, and a recovery would clean the twin away, or move routers.
    """
    gateway = call["gateway"]
    if not role:
        return ""
    without = preference.without_twin(gateway, role)
    if markers.promoted_beside(gateway):
        if gateway in stager.known_here():
            _drop(call, gateway, within_s=min(_ASK_MAX_S, call.remaining_s() / 2))
        preference.tell_changed(gateway, without)
        return ""
    process, said = stager.ensure(call)
    if process or said:
        preference.tell_changed(gateway, without)
        return said
    try:
        state = stager.asked(gateway, "state", within_s=min(_ASK_S, call.remaining_s() / 2))
    except StagerError as error:
        preference.tell_changed(gateway, without)
        return _replaced(call, str(error)) if call.level >= _LEVEL_ANSWERS else ""
    preference.tell_changed(gateway, without if role == markers.PROMOTED else preference.of(state))
    return str(state.get("trouble") or "") if call.level >= _LEVEL_ANSWERS else ""


def _replaced(call: Call, why: str) -> str:
    """A stager that is hung has been replaced by another one; one that was launched a moment ago is no trouble yet."""
    daemon = stager.service_of(call["gateway"])
    process = daemon.running()
    if process and _age_s(process) < _YOUNG_S:
        return ""
    stager.stop(call["gateway"], deadline=call.deadline)
    _, said = stager.ensure(call)
    return said or f"{why}; it was ended and launched anew"


def _age_s(process: identity.Process) -> float:
    """Source: proc(5), starttime, in clock ticks since boot."""
    import os

    with open("/proc/uptime", encoding="ascii") as file:
        return float(file.read().split()[0]) - process.start_ticks / os.sysconf("SC_CLK_TCK")


def _drop_others(call: Call) -> None:
    """This node keeps no twin of another gateway. It is parked, so nobody had to wait for that before."""
    for other in stager.known_here():
        if other != call["gateway"]:
            _drop(call, other, within_s=min(_ASK_MAX_S, call.remaining_s() * _SHARE_PROMOTE / 2))


def _drop(call: Call, gateway: str, *, within_s: float) -> None:
    """The gateway's twin is taken away, and its stager has ended.

    What that does not take away is told, and keeps nobody from a promotion: it stays parked, and the L3 agent removes
    namespaces of routers that are not its own when it starts.
    """
    try:
        stager.asked(gateway, "drop", within_s=within_s)
    except StagerError as error:
        _tell("twin.left", call, f"the twin of gateway {gateway} is not dropped: {error}")
    stager.stop(gateway, deadline=call.deadline)


def _tell(event: str, call: Call, reason: str) -> None:
    from hotspare_ocf import events

    events.tell(event, gateway=call["gateway"], reason=reason)
