"""`/usr/lib/ocf/lib/hotspare/clean`: an operator cleans this node by hand, by the look, the plan and the proof of the
resource agents. Needs no API, no broker and no cluster.

What it prints as JSON: `state` is `clean` (nothing was there), `cleaned`, `planned`, `twin` (what is here is a spare's
twin, and was left alone), `refused`, `remains` or `cannot tell`; `why` says what is in the way or left, `plan` has what
goes or went.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import time

from hotspare_ocf import stager, sweep
from hotspare_ocf.alone import Alone
from hotspare_ocf.cleaning import KEEPABLE, Plan, plan_cleaning, refusals
from hotspare_ocf.codes import OcfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hotspare_ocf.node import Node

_EXITS = {"clean": 0, "cleaned": 0, "twin": 0, "planned": 1, "refused": 1, "remains": 1, "cannot tell": 3}
_USAGE = 2
_LIMIT_S = 60.0


def main(arguments: list[str]) -> int:
    """0: no router is left, but for a twin. 1: something is, or the cleaning was refused. 2: usage. 3: cannot tell."""
    options = _options(arguments)
    if os.geteuid() != 0:
        sys.stderr.write("clean needs root\n")
        return _USAGE
    place = sweep.Site(options.integration_bridge, options.state_path, time.monotonic() + options.limit_s)
    state, why, plan = _cleaned(place, frozenset(options.keep), only_plan=options.plan, twins=options.twins)
    if options.json:
        print(json.dumps({"state": state, "why": why, "plan": _plain(plan)}))
    else:
        print("\n".join(_lines(state, why, plan)))
    return _EXITS[state]


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="clean",
        description="Removes every router from this node: ports, namespaces, processes, files. DHCP and VMs stay. "
        "Refused where a gateway is promoted, or an agent of Neutron runs. A spare's twin is left alone.",
        epilog="example: /usr/lib/ocf/lib/hotspare/clean --plan. "
        "Exit status: 0 no router is left, 1 something is left or it was refused, 3 cannot tell.",
    )
    parser.add_argument("--plan", action="store_true", help="say what would go; change nothing")
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    parser.add_argument("--twins", action="store_true", help="remove a spare's twin, too; its stager makes it anew")
    parser.add_argument("--keep", action="append", default=[], choices=KEEPABLE,
                        help="for a post-mortem: leave them, silenced; may be given twice")  # fmt: skip
    parser.add_argument("--integration-bridge", default="br-int", metavar="NAME")
    parser.add_argument("--state-path", default="/var/lib/neutron", metavar="PATH", help="state_path of neutron.conf")
    parser.add_argument("--limit-s", type=float, default=_LIMIT_S, metavar="S", help="give up after this time")
    return parser.parse_args(arguments)


def _cleaned(
    place: sweep.Site, keep: frozenset[str], *, only_plan: bool, twins: bool
) -> tuple[str, list[str], Plan | None]:
    """State, reasons, and what went or would go."""
    if only_plan:
        node = place.look(keep)
        if kept := _kept_twins(node, twins=twins):
            return "twin", kept, None
        plan = plan_cleaning(node, keep)
        return (*_judged(node, plan, "planned"), plan)
    try:
        with Alone(place.deadline):
            node = place.look(keep)
            if why := refusals(node):
                return "refused", list(why), None
            if kept := _kept_twins(node, twins=twins):
                return "twin", kept, None
            if node.twins:
                stager.stop_all(deadline=place.deadline)
                node = place.look(keep)
            after = sweep.carry_out(place, node, owner="by hand", keep=keep)
    except OcfError as error:
        return "remains", [error.reason], None
    plan = plan_cleaning(node, keep)
    return (*_judged(after, plan, "cleaned"), plan)


def _kept_twins(node: Node, *, twins: bool) -> list[str]:
    """Why what is here is left alone, where it is a twin."""
    if twins or refusals(node):
        return []
    return [f"the twin of gateway {gateway} is kept here; --twins removes it, too" for gateway in node.twins]


def _judged(node: Node, plan: Plan, done: str) -> tuple[str, list[str]]:
    if why := refusals(node):
        return "refused", list(why)
    if node.switch is None:
        return "cannot tell", [f"{node.switch_trouble}: whether routers' ports are left in Open vSwitch is unknown"]
    return "clean" if plan.is_empty else done, []


def _plain(plan: Plan | None) -> dict[str, object] | None:
    if plan is None:
        return None
    return {
        "ports": [port.name for port in plan.delete],
        "parked": [port.name for port in plan.park],
        "links_down": list(plan.links_down),
        "namespaces": list(plan.namespaces),
        "processes": [
            {"pid": one.pid, "program": one.program, "namespace": getattr(one, "namespace", None)} for one in plan.end
        ],
        "files": list(plan.files),
    }


_WORDS = {
    "clean": "no router is here",
    "cleaned": "no router is left; this went:",
    "planned": "this would go:",
    "twin": "left alone",
    "refused": "not cleaned",
    "remains": "not clean",
    "cannot tell": "cannot tell",
}


def _lines(state: str, why: list[str], plan: Plan | None) -> list[str]:
    reasons = [f"  {reason}" for reason in why]
    if plan is None or state == "refused":
        return [f"{socket.gethostname()}: {_WORDS[state]}", *reasons]
    things = {
        "port": [port.name for port in plan.delete],
        "parked port": [port.name for port in plan.park if port not in plan.delete],
        "namespace": plan.namespaces,
        "links of namespace": plan.links_down,
        "process": [f"{one.program} (pid {one.pid})" for one in plan.end],
        "file": plan.files,
    }
    listed = [f"  {kind} {name}" for kind, names in things.items() for name in names]
    return [f"{socket.gethostname()}: {_WORDS[state]}", *reasons, *listed]
