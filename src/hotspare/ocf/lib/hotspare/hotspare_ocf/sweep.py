"""Carrying a cleaning out: look, plan, apply, look again. Needs neither API nor broker, and goes on without Open
vSwitch.
"""

from __future__ import annotations

import os
import time
from typing import NamedTuple

from hotspare_ocf import codes, events, ovsdb
from hotspare_ocf.alone import Alone
from hotspare_ocf.cleaning import NAMESPACES, Plan, is_parked, others, plan_cleaning, remains
from hotspare_ocf.codes import OcfError
from hotspare_ocf.identity import Process
from hotspare_ocf.look import NETNS_DIR, look
from hotspare_ocf.node import DEAD_VLAN, Node, Port, Resident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from hotspare_ocf.cleaning import Mine
    from hotspare_ocf.dhcp_networks import Networks
    from hotspare_ocf.environment import Call
    from hotspare_ocf.node import Helper

_PARK_WAIT_S = 2.0
_ANSWER_WAIT_S = 3.0
"""ovsdb-server's own share; it answers in milliseconds or not at all."""

_DELETE_WAIT_S = 15.0
_GRACE_S = 0.5
"""haproxy, radvd and keepalived end at once on TERM; what does not is killed. Their state is of no use to anybody."""

_ROUNDS_MAX = 3
"""A helper or an agent that was just being started, or a port just being plugged, is found by the next look."""


class Site(NamedTuple):
    """Where a node's routers are, and until when (monotonic clock) they have to be gone."""

    bridge: str
    state_path: str
    deadline: float

    def look(self, keep: frozenset[str] = frozenset()) -> Node:
        """The node as it is now; the links of its namespaces too, where these are to be kept."""
        return look(bridge=self.bridge, state_path=self.state_path, deadline=self.deadline, links=NAMESPACES in keep)


if TYPE_CHECKING:
    Place = Site | Networks
    """What a cleaning works on: a look, and a deadline."""


def site(call: Call) -> Site:
    """The site that a resource's parameters name."""
    return Site(call["integration_bridge"], call["state_path"], call.deadline)


def clean(
    place: Site, *, programs: tuple[bytes, ...], is_ours: Mine, owner: str, keep: frozenset[str] = frozenset()
) -> None:
    """As `clean_alone`, and nobody else cleans meanwhile."""
    with Alone(place.deadline):
        clean_alone(place, programs=programs, is_ours=is_ours, owner=owner, keep=keep)


def clean_alone(
    place: Site, *, programs: tuple[bytes, ...], is_ours: Mine, owner: str, keep: frozenset[str] = frozenset()
) -> None:
    """No trace of a router is on the node, seen by a second look; silence comes first, in one transaction. Whoever
    calls is alone.

    Agents of the given programs must not run: those that are ours are ended, others are refused. `keep` has
    what stays for a post-mortem (cleaning.KEEPABLE): ports parked, namespaces with their links down. It is for a stop;
    an agent does not bring up what a cleaning took down, so what comes before a start keeps nothing.

    Raises:
        OcfError: something remains, or a stranger's agent runs; the reason says what and what to do.
    """
    carry_out(place, _without_agents(place, programs, is_ours, keep), owner=owner, keep=keep)


def carry_out(place: Place, node: Node, *, owner: str, keep: frozenset[str]) -> Node:
    """What a look has shown is cleaned; the last look, which proves it. Whoever calls is alone, and no agent runs.

    Raises:
        OcfError: something remains; the reason says what and what to do.
    """
    begun = time.monotonic()
    planned = plan_cleaning(node, keep)
    troubles: list[str] = []
    for _ in range(_ROUNDS_MAX):
        plan = plan_cleaning(node, keep)
        if plan.is_empty:
            break
        troubles = _apply(plan, place)
        node = place.look(keep)
    left = remains(node, keep)
    if left:
        raise OcfError(
            codes.ERR_GENERIC,
            f"not silent, still here: {'; '.join((*left, *troubles))}; the node has to be fenced or rebooted",
        )
    if node.switch is None:
        events.tell("clean.blind", resource=owner, reason=node.switch_trouble)
    if not planned.is_empty:
        events.tell(
            "clean.finished", resource=owner, took_s=time.monotonic() - begun, ports=len(planned.delete),
            namespaces=len(planned.namespaces), processes=len(planned.end), files=len(planned.files),
            **{f"kept_{what}": "yes" for what in sorted(keep)},
        )  # fmt: skip
    return node


def park(place: Site, *, programs: tuple[bytes, ...], is_ours: Mine, owner: str, silence: Callable[[], bool]) -> bool:
    """Whether every router on the node is parked, ovs-vswitchd has confirmed it, no process serves one, and a second
    look has seen that. Namespaces stay as they are, with links up: a twin of gateway `owner`. Takes one transaction,
    whatever the number of routers; where false is returned, a cleaning has to be the proof.

    Agents of the given programs must not run, as for `clean`. `silence` may park what there is, and says whether it
    did. From then on the routers are without service, so what may be done before is, and one look is left: the proof.

    Raises:
        OcfError: a stranger's agent runs, or another cleaning.
    """
    with Alone(place.deadline):
        begun = time.monotonic()
        _kill(_without_agents(place, programs, is_ours, frozenset()), place)
        silent = time.monotonic()
        is_confirmed, parked = silence(), 0
        for _ in range(1 + _ROUNDS_MAX):
            node = _without_agents(place, programs, is_ours, frozenset())
            if node.switch is None:
                events.tell("park.blind", resource=owner, reason=node.switch_trouble)
                return False
            # Also where the stager did its part: a port that no agent had wired is parked already, and not hidden.
            operations = _parked_and_hidden(place, node.switch.ports, owner)
            if is_confirmed and not operations and is_parked(node):
                now = time.monotonic()
                events.tell("park.finished", resource=owner, took_s=now - begun, silent_s=now - silent, ports=parked)
                return True
            troubles: list[str] = []
            # It is asked even if no port is live: an earlier call may have parked them without a confirmation.
            if not _change(place, operations, _PARK_WAIT_S, troubles):
                events.tell("park.unconfirmed", resource=owner, reason="; ".join(troubles))
                return False
            is_confirmed, parked = True, parked + sum(port.is_live for port in node.switch.ports)
            _kill(node, place)
        return False


def _kill(node: Node, place: Site) -> None:
    """Nothing serves a router any more, or it cannot be killed: the look that follows is the judge. Asked to end, radvd
    and keepalived would tell the routers' hosts that they go.
    """
    serving: list[Helper | Resident] = [*node.helpers, *node.residents]
    if serving:
        from hotspare_ocf import ending

        ending.kill([Process(one.pid, one.start_ticks) for one in serving], deadline=place.deadline)


def _without_agents(place: Place, programs: tuple[bytes, ...], is_ours: Mine, keep: frozenset[str]) -> Node:
    """The look that shows no agent of these programs: a later one than that which shows those that are ended."""
    node = place.look(keep)
    for _ in range(_ROUNDS_MAX):
        ours = _ours(node, programs, is_ours)
        if not ours:
            return node
        from hotspare_ocf import ending

        events.tell("agents.ended", pids=",".join(str(process.pid) for process in ours))
        ending.end(ours, grace_s=_GRACE_S, deadline=place.deadline)
        node = place.look(keep)
    if ours := _ours(node, programs, is_ours):
        pids = ", ".join(str(process.pid) for process in ours)
        raise OcfError(
            codes.ERR_GENERIC,
            f"agents live on after KILL, or are started again and again (pid {pids}); the node has to be fenced",
        )
    return node


def _ours(node: Node, programs: tuple[bytes, ...], is_ours: Mine) -> list[Process]:
    """The agents of these programs.

    Raises:
        OcfError: one of them is somebody else's.
    """
    if foreign := others(node, programs, is_ours):
        named = ", ".join(f"{agent.program} (pid {agent.pid})" for agent in foreign)
        resource = foreign[0].resource
        whose = f"belongs to resource {resource}" if resource else "was not started by the cluster"
        remedy = f"crm resource stop {resource}" if resource else f"systemctl disable --now {foreign[0].program}"
        raise OcfError(
            codes.ERR_INSTALLED,
            f"{named} runs on this node and {whose}: what it holds is not ours to clean; stop it ({remedy})",
        )
    return [Process(agent.pid, agent.start_ticks) for agent in node.agents if agent.program.encode() in programs]


def _apply(plan: Plan, place: Place) -> list[str]:
    """The plan is carried out as far as it can be; what failed, in words. The look that follows is the judge, not these
    words.
    """
    troubles: list[str] = []
    confirmed = _park(plan, place, troubles)
    from hotspare_ocf import ending, namespaces  # not before the ports are silent: they bring ctypes and threads

    loud = [f"{NETNS_DIR}/{name}" for name in plan.links_down]
    if not confirmed:
        nameless = [one for one in plan.end if isinstance(one, Resident) and one.namespace is None]
        lost = {resident.inode: f"/proc/{resident.pid}/ns/net" for resident in nameless}
        loud += [*(f"{NETNS_DIR}/{name}" for name in plan.namespaces), *lost.values()]
    troubles += namespaces.links_down(loud)
    ended = ending.end(
        (Process(one.pid, one.start_ticks) for one in plan.end),
        grace_s=_GRACE_S,
        deadline=place.deadline,
    )
    troubles += [f"pid {process.pid} cannot be killed" for process in ended]
    # The kernel frees namespaces with all their devices at once; deleting the ports first makes Open vSwitch unregister
    # one device after the other (500 ports: 10.7 s).
    troubles += namespaces.remove(plan.namespaces)
    if plan.delete and plan.bridge:
        wait_s = _DELETE_WAIT_S if confirmed else 0.0
        _change(place, [_deletion(plan.bridge, plan.delete)], wait_s, troubles)
    for path in plan.files:
        _remove_file(path)
    return troubles


def _park(plan: Plan, place: Place, troubles: list[str]) -> bool:
    """Whether ovs-vswitchd has confirmed that every port of the plan is parked, or gone.

    It is asked even if no live port is left: an earlier call may have parked or deleted them without a confirmation.
    """
    if not (plan.park or plan.delete or plan.namespaces or plan.end):
        return True
    return plan.bridge is not None and _change(place, [_parking(port) for port in plan.park], _PARK_WAIT_S, troubles)


def _change(place: Place, operations: list[ovsdb.Operation], wait_s: float, troubles: list[str]) -> bool:
    """Whether the transaction was committed and carried out."""
    try:
        with ovsdb.Ovsdb(min(place.deadline, time.monotonic() + wait_s + _ANSWER_WAIT_S)) as database:
            done = database.change(*operations, wait_s=wait_s)
    except ovsdb.OvsdbError as error:
        troubles.append(str(error))
        return False
    if not done:
        troubles.append("ovs-vswitchd does not carry out what OVSDB says; it is dead or hung")
    return done


def _parking(port: Port) -> ovsdb.Operation:
    """The port carries the dead VLAN alone, as Neutron's own agent parks ports. Source: neutron's ovs_lib.py,
    replace_port.
    """
    return {
        "op": "update",
        "table": "Port",
        "where": [["_uuid", "==", ["uuid", port.row]]],
        "row": {"tag": DEAD_VLAN, "vlan_mode": "trunk", "trunks": DEAD_VLAN},
    }


def _parked_and_hidden(place: Site, ports: tuple[Port, ...], owner: str) -> list[ovsdb.Operation]:
    """Live ports are parked, and an Open vSwitch agent that is started by hand does not see any of them as a port to
    wire: what it knows them by is kept under other names, and the VLAN in which they forward in `other_config:tag`. The
    stager takes them for its own by the owner that is written on the Port (hotspare/codec/ovsdb_rows.py).
    """
    try:
        with ovsdb.Ovsdb(min(place.deadline, time.monotonic() + _ANSWER_WAIT_S)) as database:
            tables = database.select(Port=("_uuid", "tag"), Interface=("name", "external_ids"))
    except ovsdb.OvsdbError:
        return [_parking(port) for port in ports if port.is_live]
    tags = {str(row["_uuid"][1]): row["tag"] for row in tables["Port"] if isinstance(row["_uuid"], list)}
    ids = {str(row["name"]): ovsdb.mapping(row["external_ids"]) for row in tables["Interface"]}
    operations: list[ovsdb.Operation] = []
    for port in ports:
        tag = tags.get(port.row)
        row: list[object] = ["_uuid", "==", ["uuid", port.row]]
        if port.is_live:
            operations.append(_parking(port))
        if port.is_live and isinstance(tag, int) and tag != DEAD_VLAN:
            operations.append(_inserted("Port", row, "other_config", {"tag": str(tag)}))
        shown = {name: value for name, value in ids.get(port.name, {}).items() if name in _SHOWN_BY}
        if shown:
            named: list[object] = ["name", "==", port.name]
            hidden = {f"hotspare-{name}": value for name, value in shown.items()}
            removal = ["external_ids", "delete", ["set", list(shown)]]
            operations.append({"op": "mutate", "table": "Interface", "where": [named], "mutations": [removal]})
            operations.append(_inserted("Interface", named, "external_ids", hidden))
            operations.append(_inserted("Port", row, "external_ids", {"hotspare-gateway": owner}))
    return operations


_SHOWN_BY = ("iface-id", "attached-mac")
"""What Neutron's Open vSwitch agent knows its ports by. Source: neutron's ovs_lib.py, get_vif_ports."""


def _inserted(table: str, where: list[object], column: str, pairs: dict[str, str]) -> ovsdb.Operation:
    """The map has these pairs more; a key that it has keeps its value. Source: RFC 7047, 5.1, <mutation>."""
    added = [column, "insert", ["map", [list(pair) for pair in pairs.items()]]]
    return {"op": "mutate", "table": table, "where": [where], "mutations": [added]}


def _deletion(bridge: str, ports: tuple[Port, ...]) -> ovsdb.Operation:
    """The bridge has none of the ports; OVSDB then drops the rows of Port and Interface, which nothing refers to any
    more.
    """
    rows = [["uuid", port.row] for port in ports]
    return {
        "op": "mutate",
        "table": "Bridge",
        "where": [["_uuid", "==", ["uuid", bridge]]],
        "mutations": [["ports", "delete", ["set", rows]]],
    }


def _remove_file(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        import shutil  # with its archive formats it takes 5 ms, and few routers have a directory

        shutil.rmtree(path, ignore_errors=True)
        return
    try:
        os.unlink(path)
    except OSError:
        pass  # harmless once no process has the pid that it names; the next start tries again
