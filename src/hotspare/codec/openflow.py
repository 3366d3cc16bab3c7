"""Flows as `ovs-ofctl --names --no-stats dump-flows` tells them, in a form that is the same on every node.

No cookie, and no port number: what is numbered has no port here and does nothing. Flows with a timeout are left out:
bridges learn those from frames. Source: ovs-ofctl(8), ovs-actions(7).
"""

import re
from collections.abc import Iterable, Iterator

from hotspare.model.dataplane import DROP_PARKED

OUR_COOKIE = 0x686F74737061  # "hotspa"
"""Of a drop that the flows of a bridge do not have by themselves; a look does not tell it."""
ADD_DROP_PARKED = f"cookie={OUR_COOKIE:#x},table=0,{DROP_PARKED.replace(' ', ',')}"
"""What `ovs-ofctl add-flow` takes."""

_COOKIE = re.compile(r"\bcookie=0x[0-9a-f]+, ?")
_RESET = re.compile(r"\breset_counts ")
"""How a flow was added (by OpenFlow 1.0, as ovs-ofctl does), not how it forwards; `replace-flows` does not keep it."""
_TIMEOUT = re.compile(r"\b(?:idle|hard)_timeout=")
_NUMBERED_IN = re.compile(r"\bin_port=\d+\b")
_NUMBERED_OUT = re.compile(r"(?:^|,)output:\d+(?=,|$)")
_NAMED = re.compile(r'\b(?:in_port=|output:)(?:"([^"]+)"|([\w.-]+)(?![\w.\[-]))')
_RESERVED = frozenset({"LOCAL", "IN_PORT", "in_port", "NORMAL", "FLOOD", "ALL", "CONTROLLER", "ANY", "TABLE", "NONE"})
"""Ports that every bridge has."""


def flows(dump: str) -> frozenset[str]:
    """The flows of a bridge."""
    lines = (line.strip() for line in dump.splitlines())
    return frozenset(_normal(line) for line in lines if "actions=" in line and _is_lasting(line))


def file(wanted: Iterable[str]) -> str:
    """What `ovs-ofctl replace-flows` reads: these flows, and the drop of parked ports."""
    told = sorted(wanted)
    ours = [] if drops_parked(told) else [f"cookie={OUR_COOKIE:#x}, {DROP_PARKED}"]
    return "".join(f"{line}\n" for line in (*ours, *told))


def drops_parked(wanted: Iterable[str]) -> bool:
    """Whether frames of VLAN 4095 end in table 0."""
    return DROP_PARKED in wanted


def ports(wanted: Iterable[str]) -> frozenset[str]:
    """Names of ports that the flows need to be there."""
    return frozenset(name for line in wanted for name in _named(line) if name not in _RESERVED)


def put_out(port: str, frame: bytes) -> str:
    """A line of what `ovs-ofctl bundle` reads: the bridge treats the frame as if it had come in by the port."""
    return f'packet-out in_port="{port}",packet={frame.hex()},actions=TABLE\n'


def _named(line: str) -> Iterator[str]:
    for found in _NAMED.finditer(line):
        yield found[1] or found[2]


def _is_lasting(line: str) -> bool:
    match = line.partition("actions=")[0]
    return not (_TIMEOUT.search(match) or _NUMBERED_IN.search(match) or f"cookie={OUR_COOKIE:#x}," in match)


def _normal(line: str) -> str:
    match, _, actions = _COOKIE.sub("", line).partition("actions=")
    match = _RESET.sub("", match)
    left = _NUMBERED_OUT.sub("", actions).lstrip(",")
    return f"{match}actions={left or 'drop'}"
