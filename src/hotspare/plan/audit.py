"""The invariants that hold after every drill (one owner, nothing lost, clean, healthy), judged from its history.

What belongs where is the carriage's affair; here it is compared with what was found.
"""

from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

from hotspare.model.answer import Answer
from hotspare.model.drill import ClusterState, History, NodeState, Observation, Router, RunningProcess, Sighting
from hotspare.model.report import BLIP_S, Audit, Gap, Metadata, Outage, Sessions
from hotspare.plan.carriage import Allowed, Carriage
from hotspare.plan.downtime import REPLY_LIMIT_S, gaps

AT_ONCE_S = 1.0
"""Two nodes that speak for one address within this time do so at once, whatever was promoted in between."""
LIVING_IN_ROUTERS = frozenset({"haproxy", "radvd", "keepalived"})
STAGING = frozenset(
    {"iptables-save", "iptables-restore", "ip6tables-save", "ip6tables-restore", "hotspare.faces.stager"}
)
"""What reads and writes the rules in a twin's namespace, for a moment each; the last is a child about to become one."""
GATEWAY_AGENTS = frozenset({"neutron-l3-agent", "neutron-openvswitch-agent", "neutron-metadata-agent"})
LASTING = GATEWAY_AGENTS | {"corosync", "pacemakerd", "ovs-vswitchd", "ovsdb-server", "neutron-dhcp-agent"}


def audits(
    history: History,
    carriage: Carriage,
    outages: Sequence[Outage],
    untouched: Sequence[Outage],
    sessions: Sequence[Sessions],
    metadata: Sequence[Metadata],
) -> tuple[Audit, ...]:
    """All audits: while it ran, after the takeover, and after the heal."""
    found = [one_owner(history, carriage)]
    found.append(nothing_lost(history, carriage, (*outages, *untouched), sessions, metadata))
    found += bystanders(history, carriage, untouched)
    for label in ("recovered", "healed"):
        seen = history.observation(label)
        if seen is None:
            missing = f"the nodes were not looked at after they {label}"
            found += [Audit(name, label, Answer.CANNOT_TELL, missing) for name in ("clean", "healthy")]
            continue
        found += [clean(history, carriage, seen), healthy(history, carriage, seen)]
    found.append(heal_harmless(history))
    return tuple(found)


# --- 1. one owner ---------------------------------------------------------------------------------------------------


def one_owner(history: History, carriage: Carriage) -> Audit:
    """No address was answered from two nodes at once, at any time, as seen on the nodes' cables."""
    unwatched = sorted(set(history.gateway.nodes) - set(history.witnessed))
    speakers: dict[str, list[Sighting]] = {}
    for sighting in history.sightings:
        speakers.setdefault(sighting.address, []).append(sighting)
    findings = [
        finding
        for address in sorted(speakers)
        for finding in two_owners(
            address, speakers[address], carriage.moves(history, history.targets.get(address)), carriage.mover
        )
    ]
    frames = sum(sighting.count for sighting in history.sightings)
    if findings:
        text = f"{len(findings)} times an address was spoken for by two nodes"
        return Audit("one owner", "throughout", Answer.NO, text, tuple(findings))
    doubts = [f"nobody watched the cable of {node}" for node in unwatched]
    if history.frames_lost:
        doubts.append(f"{history.frames_lost} frames were lost between cable and witness")
    silent = sorted(set(history.targets) - set(speakers))
    if silent:
        doubts.append(f"{len(silent)} probed addresses were never seen on a watched cable, such as {silent[0]}")
    if doubts:
        return Audit("one owner", "throughout", Answer.CANNOT_TELL, doubts[0], tuple(doubts))
    text = f"{len(speakers)} addresses, {frames} frames captured, never two nodes for one address"
    return Audit("one owner", "throughout", Answer.YES, text)


def two_owners(address: str, seen: Iterable[Sighting], moves: int, mover: str) -> tuple[str, ...]:
    """Where two nodes spoke for one address at once: overlapping in time, or taking turns more often than it moved."""
    spans = _spans(seen)
    findings = [
        f"{address}: {later.node} ({later.kind}, {later.mac}) from {later.first_s:.3f}, "
        f"{earlier.node} still until {earlier.last_s:.3f}"
        for earlier, later in pairwise(spans)
        if later.first_s <= earlier.last_s
    ]
    turns = [span.node for span in spans]
    changes = sum(1 for earlier, later in pairwise(turns) if earlier != later)
    returned = [
        f"{address}: {first.node}, then {middle.node}, then {last.node} again within "
        f"{last.first_s - first.last_s:.3f} s"
        for first, middle, last in zip(spans, spans[1:], spans[2:], strict=False)
        if first.node == last.node != middle.node and last.first_s - first.last_s < AT_ONCE_S
    ]
    if not findings and not returned and changes > moves:
        returned = [f"{address} changed between {' → '.join(turns)}, but its {mover} moved {moves} times"]
    return tuple(findings + returned)


def _spans(seen: Iterable[Sighting]) -> list[Sighting]:
    """Sightings by time, runs of one node joined into one span."""
    spans: list[Sighting] = []
    for sighting in sorted(seen, key=lambda one: (one.first_s, one.last_s)):
        if spans and spans[-1].node == sighting.node:
            last = spans[-1]
            joined_s = max(last.last_s, sighting.last_s)
            count = last.count + sighting.count
            spans[-1] = Sighting(last.node, last.kind, last.address, last.mac, last.first_s, joined_s, count)
        else:
            spans.append(sighting)
    return spans


# --- 2. nothing lost ------------------------------------------------------------------------------------------------


def nothing_lost(
    history: History,
    carriage: Carriage,
    outages: Sequence[Outage],
    sessions: Sequence[Sessions],
    metadata: Sequence[Metadata],
) -> Audit:
    """Every router is served where it has to be: namespace, live ports, floating IPs, SNAT, metadata."""
    seen = history.observation("recovered")
    findings: list[str] = []
    doubts: list[str] = []
    served = len(history.routers)
    for router in history.routers:
        wrong, unsure = missed(router, carriage, seen, history.node)
        findings += wrong
        doubts += unsure
        served -= bool(wrong)
    findings += [f"{one.address} of {one.router} does not answer" for one in outages if one.outage_s is None]
    for name, answer, text in (
        *((f"SNAT from {one.inside}", one.works, one.text) for one in sessions),
        *((f"metadata from {one.inside}", one.answered, one.text) for one in metadata),
    ):
        if answer is Answer.NO:
            findings.append(f"{name}: {text}")
        elif answer is Answer.CANNOT_TELL:
            doubts.append(f"{name}: {text}")
    if not sessions:
        doubts.append("SNAT was not probed: the spec names no place inside (drill.inside)")
    answer = Answer.NO if findings else Answer.CANNOT_TELL if doubts else Answer.YES
    text = f"{served} of {len(history.routers)} routers served, {len(outages)} floating IPs, SNAT and metadata"
    return Audit("nothing lost", "recovered", answer, text, tuple(dict.fromkeys((*findings, *doubts))))


def missed(
    router: Router, carriage: Carriage, seen: Observation | None, broken: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is wrong with the router after the fault of the node `broken`, and what could not be told."""
    home = carriage.home(router, seen, broken)
    if home.wrong:
        return (f"router {router.name} {home.wrong}",), ()
    if home.unsure or seen is None:
        return (), (home.unsure,)
    return unserved(router, seen.nodes[home.node])


def unserved(router: Router, state: NodeState) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is missing of `router` on the node, and what could not be told."""
    where = f"router {router.name} on {state.node}"
    if f"qrouter-{router.id}" not in state.namespaces:
        return (f"{where}: no namespace",), ()
    if state.ports is None:
        return (), (f"{where}: its ports could not be listed",)
    live = {port.iface_id for port in state.ports if not port.parked and port.tag is not None}
    there = {port.iface_id for port in state.ports}
    missing = tuple(
        f"{where}: port {port} is {'not forwarding' if port in there else 'missing'}"
        for port in router.port_ids
        if port not in live
    )
    return missing, ()


def heal_harmless(history: History) -> Audit:
    """Bringing the node back interrupted no address for as long as a person would notice."""
    found = [
        (gap, address)
        for address in sorted(history.targets)
        for gap in gaps(history.trace, address, history.heal_called_s, history.ended_s - REPLY_LIMIT_S)
    ]
    long = [
        f"{address} did not answer for {'the rest of the time' if gap.ended_s is None else f'{_length(gap):.2f} s'}"
        for gap, address in found
        if gap.ended_s is None or _length(gap) >= BLIP_S
    ]
    if history.ended_s - REPLY_LIMIT_S <= history.heal_called_s:
        return Audit("heal harmless", "healed", Answer.CANNOT_TELL, "nothing was probed during the heal")
    if long:
        return Audit(
            "heal harmless", "healed", Answer.NO, f"{len(long)} silences while the node came back", tuple(long)
        )
    worst_s = max((_length(gap) for gap, _address in found), default=0.0)
    return Audit("heal harmless", "healed", Answer.YES, f"longest silence while the node came back: {worst_s:.2f} s")


def _length(gap: Gap) -> float:
    return 0.0 if gap.ended_s is None else gap.ended_s - gap.began_s


def bystanders(history: History, carriage: Carriage, untouched: Sequence[Outage]) -> Iterable[Audit]:
    """No probe to a router on another node was lost, from the fault to the end; none where there is no such router."""
    struck = carriage.struck(history.routers, history.bound, history.node)
    others = len(history.routers) - len(struck)
    if not others:
        return
    sent = sum(one.sent for one in untouched)
    findings = tuple(
        f"{one.address} of {one.router} lost {one.lost} probes, "
        + ("and does not answer" if one.outage_s is None else f"and was silent for {one.outage_s:.2f} s")
        for one in untouched
        if one.lost
    )
    if findings:
        answer, text = Answer.NO, f"{len(findings)} floating IPs of routers on other nodes lost probes"
    elif not sent:
        answer, text = Answer.CANNOT_TELL, "no floating IP of a router on another node was probed"
    else:
        answer = Answer.YES
        text = f"{len(untouched)} floating IPs of {others} routers on other nodes: none of {sent} probes lost"
    yield Audit("bystanders", "throughout", answer, text, findings)


# --- 3. clean -------------------------------------------------------------------------------------------------------


def clean(history: History, carriage: Carriage, seen: Observation) -> Audit:
    """Nothing of a router is where it does not belong: no namespace, no live port, no process."""
    allowed = carriage.allowed(seen)
    if isinstance(allowed, str):
        return Audit("clean", seen.label, Answer.CANNOT_TELL, allowed)
    findings: list[str] = []
    doubts: list[str] = []
    looked = 0
    for node, its in allowed.items():
        if node not in seen.nodes:
            reason = seen.unknown.get(node, "")
            if not (node == history.node and seen.label == "recovered"):
                doubts.append(f"{node} could not be looked at: {reason}")
            continue
        looked += 1
        findings += leftovers(seen.nodes[node], its, history.routers)
        doubts += [f"{node}: {reason}" for reason in seen.nodes[node].cannot_tell]
    answer = Answer.NO if findings else Answer.CANNOT_TELL if doubts else Answer.YES
    text = f"{carriage.looked_at(looked, seen)}: " + (
        f"{len(findings)} leftovers" if findings else "no namespace, live port or process of a router"
    )
    return Audit("clean", seen.label, answer, text, (*findings, *doubts))


def leftovers(state: NodeState, allowed: Allowed, routers: Collection[Router]) -> tuple[str, ...]:
    """What of routers is on a node beyond what may be there."""
    own_ports = {port for router in routers if router.id in allowed.routers for port in router.port_ids}
    spaces = () if allowed.parked else state.namespaces
    found = [f"{state.node}: namespace {name}" for name in spaces if _router_of(name) not in allowed.routers]
    found += [
        f"{state.node}: port {port.name} is live (tag {port.tag})"
        for port in state.ports or ()
        if not port.parked and port.iface_id not in own_ports
    ]
    found += [
        f"{state.node}: {process.name} (pid {process.pid}) still runs"
        for process in state.processes
        if _is_left(process, allowed)
    ]
    return tuple(found)


def _is_left(process: RunningProcess, allowed: Allowed) -> bool:
    """Whether the process is an agent, or lives in a router, where that does not belong."""
    if process.name in GATEWAY_AGENTS:
        return not allowed.agents
    if process.name not in LIVING_IN_ROUTERS and not process.namespace:
        return False
    if allowed.parked and process.name in STAGING:
        return False
    return (_router_of(process.namespace) or process.router) not in allowed.routers


def _router_of(namespace: str) -> str:
    """The router's id: `qrouter-ID`, or `snat-ID` of a distributed one."""
    return namespace.partition("-")[2]


# --- 4. healthy -----------------------------------------------------------------------------------------------------


def healthy(history: History, carriage: Carriage, seen: Observation) -> Audit:
    """Quorum, no failed or blocked action, agents run, untouched processes are the same ones."""
    if seen.cluster is None:
        return Audit("healthy", seen.label, Answer.CANNOT_TELL, "the cluster could not be asked")
    findings = list(_cluster_trouble(carriage, seen.cluster, seen.label))
    doubts: list[str] = []
    if history.observation("before") is None:
        doubts.append("the processes were not looked at before the fault")
    for earlier in history.observations:
        if earlier.at_s < seen.at_s:
            findings += changed_processes(history, earlier, seen)
    findings = list(dict.fromkeys(findings))
    answer = Answer.NO if findings else Answer.CANNOT_TELL if doubts else Answer.YES
    text = "quorum, no failed action, agents run, untouched processes are the same" if not findings else findings[0]
    return Audit("healthy", seen.label, answer, text, (*findings, *doubts))


def _cluster_trouble(carriage: Carriage, cluster: ClusterState, label: str) -> Iterable[str]:
    if not cluster.quorate:
        yield "the cluster has no quorum"
    yield from carriage.trouble(cluster)
    yield from cluster.failures
    for node in cluster.unclean:
        yield f"{node} is unclean"
    if label == "healed":
        yield from (f"{node} is offline" for node in carriage.gateway.nodes if node not in cluster.online)
        yield from (f"{node} is still in standby" for node in cluster.standby)
        yield from (f"{node} is still marked as leaving" for node in cluster.leaving)


def changed_processes(history: History, before: Observation, after: Observation) -> tuple[str, ...]:
    """Agents and daemons of nodes that the fault did not touch which are not the same processes any more.

    The node that got the gateway gains its agents; the node that lost it is judged by `clean`.
    """
    found: list[str] = []
    for node, was in before.nodes.items():
        now = after.nodes.get(node)
        if node == history.node or now is None:
            continue
        if was.boot_id != now.boot_id:
            found.append(f"{node} was restarted")
            continue
        still = {(process.pid, process.start) for process in now.processes}
        found += [
            f"{node}: {process.name} (pid {process.pid}) is gone or was restarted"
            for process in _roots(was)
            if (process.pid, process.start) not in still
        ]
    return tuple(found)


def _roots(state: NodeState) -> tuple[RunningProcess, ...]:
    """Those that live as long as the daemon does. One that it has just forked has its name until it is another program,
    or is a worker of it.
    """
    names = {process.pid: process.name for process in state.processes}
    return tuple(
        process for process in state.processes if process.name in LASTING and names.get(process.parent) != process.name
    )
