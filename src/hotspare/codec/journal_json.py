"""Lines of `journalctl -o json` to events: the words of Corosync 3.1, Pacemaker 2.1 and of hotspare on the nodes.

The texts are those of Corosync's exec/totemsrp.c and of Pacemaker's daemons (controld_fencing.c, controld_te_actions.c,
controld_execd.c, lib/cluster/membership.c, fenced_remote.c, lib/pengine/unpack.c); what follows their `|` does not
reach the journal.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from hotspare.model.event import Event, What

RESCHEDULER = "hotspare-rescheduler"
IDENTIFIERS = (
    "corosync",
    "pacemaker-controld",
    "pacemaker-schedulerd",
    "pacemaker-fenced",
    "hotspare-ocf",
    RESCHEDULER,
)
"""What to ask the journal for, each as `-t IDENTIFIER`."""

Told = tuple[What, str, str]
"""What happened, to whom, by which action."""


def _formed(found: re.Match[str]) -> Told:
    return What.MEMBERSHIP_FORMED, found["members"].strip(), ""


def _node(found: re.Match[str]) -> Told | None:
    what = {"lost": What.NODE_LOST, "member": What.NODE_JOINED}.get(found["state"])
    return (what, found["node"], "") if what else None


def _fenced(found: re.Match[str]) -> Told:
    done = What.FENCE_FAILED if found["no"] or not found["result"].startswith("OK") else What.FENCE_CONFIRMED
    return done, found["node"], found["action"]


Pattern = tuple[str, re.Pattern[str], Callable[[re.Match[str]], Told | None]]

CONTROLLER = "pacemaker-controld"
PATTERNS: tuple[Pattern, ...] = (
    (
        "corosync",
        re.compile(r"A processor failed, forming new configuration"),
        lambda _found: (What.TOKEN_LOST, "", ""),
    ),
    (
        "corosync",
        re.compile(r"A new membership \([^)]*\) was formed\. Members(?P<members>.*)"),
        _formed,
    ),
    (
        CONTROLLER,
        re.compile(r"Node (?P<node>\S+) state is now (?P<state>\w+)"),
        _node,
    ),
    (
        "pacemaker-schedulerd",
        re.compile(r"(?:Cluster )?[Nn]ode (?P<node>\S+) will be fenced"),
        lambda found: (What.FENCE_PLANNED, found["node"], ""),
    ),
    (
        CONTROLLER,
        re.compile(r"Requesting fencing \((?P<action>\w+)\) (?:of|targeting) node (?P<node>\S+)"),
        lambda found: (What.FENCE_CALLED, found["node"], found["action"]),
    ),
    (
        CONTROLLER,
        re.compile(
            r"Peer (?P<node>\S+) was(?P<no> not)? terminated \((?P<action>\w+)\) by .* on behalf of [^:]*: "
            r"(?P<result>.*)"
        ),
        _fenced,
    ),
    (
        CONTROLLER,
        re.compile(
            r"Initiating (?P<action>\w+) operation (?P<resource>\S+?)_(?P=action)_\d+(?: locally)? on (?P<node>\S+)"
        ),
        lambda found: (What.ACTION_ORDERED, _plain(found["resource"]), found["action"]),
    ),
    (
        CONTROLLER,
        re.compile(r"Result of (?P<action>\w+) operation for (?P<resource>\S+) on (?P<node>\S+): (?P<result>.*)"),
        lambda found: (What.ACTION_ENDED, _plain(found["resource"]), found["action"]),
    ),
)


def _plain(resource: str) -> str:
    """A clone's instance as its resource: `neutron-gateway:1` is `neutron-gateway`."""
    return resource.partition(":")[0]


OWN = {"started": What.AGENT_STARTED, "finished": What.AGENT_FINISHED, "failed": What.AGENT_FAILED}
LOGFMT = re.compile(r'(?P<key>[\w.]+)=(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>\S*))')


MOVES = {
    "moves.planned": (What.MOVES_PLANNED, "source"),
    "router.bound": (What.ROUTER_BOUND, "router"),
    "router.moved": (What.ROUTER_MOVED, "router"),
    "router.not_moved": (What.ROUTER_NOT_MOVED, "router"),
}
"""The rescheduler's events, each with the fact that says what it is about."""


def _facts(text: str) -> dict[str, str]:
    """The names and values of a line of logfmt."""
    return {
        found["key"]: found["bare"] if found["quoted"] is None else found["quoted"] for found in LOGFMT.finditer(text)
    }


def moving_event(text: str) -> Told | None:
    """A line of the rescheduler: `event=router.bound router="…" source="net1" target="net2"`."""
    facts = _facts(text)
    known = MOVES.get(facts.get("event", ""))
    return (known[0], facts.get(known[1], ""), "") if known else None


def own_event(text: str) -> Told | None:
    """A line of hotspare's agents: `event=promote.finished gateway=neutron-gateway took_s=0.123`."""
    facts = _facts(text)
    action, _dot, stage = facts.get("event", "").rpartition(".")
    what = OWN.get(stage)
    if what is None or not action:
        return None
    return what, facts.get("gateway") or facts.get("resource", ""), action


def event(line: str, host: str, clock_ahead_s: float) -> Event | None:
    """The event that one journal line tells, or None where it tells none that is known.

    `clock_ahead_s` is how far the host's clock is ahead of the timeline's; it is taken off.

    Raises:
        ValueError: the line is no journal entry.
    """
    entry: dict[str, Any] = json.loads(line)
    text = entry.get("MESSAGE")
    if not isinstance(text, str) or "__REALTIME_TIMESTAMP" not in entry:
        return None
    at_s = int(entry.get("_SOURCE_REALTIME_TIMESTAMP") or entry["__REALTIME_TIMESTAMP"]) / 1e6 - clock_ahead_s
    told = _told(str(entry.get("SYSLOG_IDENTIFIER", "")), text)
    if told is None:
        return None
    what, subject, action = told
    return Event(at_s, host, what, subject, action, text.strip())


def _told(identifier: str, text: str) -> Told | None:
    if identifier == "hotspare-ocf":
        return own_event(text)
    if identifier == RESCHEDULER:
        return moving_event(text)
    for source, pattern, meaning in PATTERNS:
        found = pattern.search(text) if source == identifier else None
        if found:
            return meaning(found)
    return None


def events(text: str, host: str, clock_ahead_s: float) -> tuple[Event, ...]:
    """All events of a journal's output, in its order."""
    found = (event(line, host, clock_ahead_s) for line in text.splitlines() if line.startswith("{"))
    return tuple(one for one in found if one is not None)


def merged(sources: Iterable[Iterable[Event]]) -> tuple[Event, ...]:
    """Events of several hosts in one order."""
    return tuple(sorted((one for source in sources for one in source), key=lambda one: (one.at_s, one.host)))
