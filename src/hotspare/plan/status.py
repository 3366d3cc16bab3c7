"""The status of a cluster as one screen: what was seen, asked in the order in which a person on call asks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from hotspare.model.answer import Answer, together
from hotspare.model.cluster import ClusterStatus, Fenced, FenceEvent
from hotspare.model.drill import NodeState
from hotspare.model.status import AgentReport, GatewayLine, Line, NodeLine, StatusView, TwinNode
from hotspare.plan import pool_status, twin_status
from hotspare.plan.health import carrier, fence_devices, troubles
from hotspare.plan.names import TROUBLE, agents_of, local
from hotspare.plan.resources import Home, astray
from hotspare.plan.seen import Seen, lost_routers


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the file says there should be."""

    cluster: str
    nodes: tuple[str, ...]
    fenced: bool
    fenced_nodes: tuple[str, ...]
    vips: tuple[str, ...]
    gateways: Mapping[str, tuple[str, ...]]
    """Those that one node carries at a time, and the nodes that may."""
    resources: tuple[Home, ...]
    pools: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Those whose nodes are all active: each node, and Neutron's host of its agents."""
    twins: frozenset[str] = frozenset()
    """Those of `gateways` whose spares keep twins."""
    reboot_actions: Mapping[str, str] = field(default_factory=dict)
    """What a wish to reboot a node becomes, by node: `pcmk_reboot_action` of its fence device."""

    @property
    def carriers(self) -> tuple[str, ...]:
        """The nodes that may have routers."""
        parts = (*self.gateways.values(), *self.pools.values())
        return tuple(dict.fromkeys(node for nodes in parts for node in nodes))

    @property
    def identities(self) -> tuple[str, ...]:
        """Neutron's hosts that routers may be bound to."""
        return (*self.gateways, *(host for hosts in self.pools.values() for host in hosts.values()))


def view(wanted: Wanted, seen: Seen) -> StatusView:
    """The whole screen."""
    gateways = tuple(replace(_gateway(name, seen), twins=_twins(name, wanted, seen)) for name in wanted.gateways)
    pools = tuple(pool_status.pool(name, hosts, seen) for name, hosts in wanted.pools.items())
    lines = (
        _quorum(wanted, seen.status),
        _fencing(wanted, seen.status),
        *(line for gateway in gateways for line in (*_gateway_lines(gateway, seen), *twin_status.lines(gateway))),
        *(line for pool in pools for line in pool_status.lines(pool, seen)),
        *_vips(wanted, seen.status),
        *_resources(wanted, seen.status),
        _failures(seen.status),
        *_degraded(seen.status),
        *_outdated(seen.nodes),
    )
    return StatusView(
        cluster=wanted.cluster,
        at_s=seen.at_s,
        asked=seen.asked,
        answer=together(line.answer for line in lines),
        lines=lines,
        nodes=_nodes(wanted, seen.status),
        gateways=gateways,
        pools=pools,
    )


def _quorum(wanted: Wanted, status: ClusterStatus | str) -> Line:
    if isinstance(status, str):
        return Line("quorum", Answer.CANNOT_TELL, "no node could be asked", (status,))
    online = [node.name for node in status.nodes if node.online]
    away = [node for node in wanted.nodes if node not in online]
    text = f"{len(online)} of {len(wanted.nodes)} nodes online, DC {status.dc or 'none'}"
    details = tuple(f"{node} is not a member" for node in away)
    if not status.quorate:
        return Line("quorum", Answer.NO, f"no quorum: {text}", details)
    return Line("quorum", Answer.NO if away else Answer.YES, f"quorate: {text}", details)


def _fencing(wanted: Wanted, status: ClusterStatus | str) -> Line:
    if isinstance(status, str):
        return Line("fencing", Answer.CANNOT_TELL, "no node could be asked")
    last = next((event for event in status.fencings if event.status is not Fenced.PENDING), None)
    story = f"last: {_told(last, wanted.reboot_actions)}" if last else "never fenced anybody"
    if not status.fencing_enabled:
        asked = "as the file asks (fencing: none)" if not wanted.fenced else "though the file wants it"
        return Line("fencing", Answer.NO, f"off, {asked}: a lost node is never proved dead")
    devices = fence_devices(status)
    running = [device for device in devices if device.active and not device.failed]
    details = [f"{device.id} does not run" for device in devices if device not in running]
    known = {device.id for device in devices}
    details += [f"{node} has no fence device" for node in wanted.fenced_nodes if f"fence-{node}" not in known]
    details += [f"{node} is unclean: it waits to be fenced" for node in status.unclean]
    details += [
        f"fencing of {event.target} is under way" for event in status.fencings if event.status is Fenced.PENDING
    ]
    if last and last.status is Fenced.FAILED:
        details.append(f"the last fencing failed: {last.reason or 'no reason given'}")
    text = f"armed, {len(running)} of {len(devices)} devices run, {story}"
    return Line("fencing", Answer.NO if details else Answer.YES, text, tuple(details))


def _told(event: FenceEvent, reboot_actions: Mapping[str, str]) -> str:
    """What the device did. Pacemaker's history has what was wished for, `reboot`, also where that became `off`."""
    did = reboot_actions.get(event.target, event.action) if event.action == "reboot" else event.action
    by, at = f" by {event.delegate}" if event.delegate else "", f" {event.completed}" if event.completed else ""
    if event.status is Fenced.FAILED:
        return f"fencing of {event.target} ({did}) failed{by}{at}"
    if did == "on":
        return f"{event.target} powered on{by}{at}"
    return f"{event.target} fenced ({did}){by}{at}"


def _nodes(wanted: Wanted, status: ClusterStatus | str) -> tuple[NodeLine, ...]:
    if isinstance(status, str):
        return ()
    return tuple(
        NodeLine(
            name=node.name,
            online=node.online,
            standby=node.standby,
            unclean=node.unclean,
            controller=node.is_dc,
            carries=(
                *(name for name in wanted.gateways if carrier(status, name) == node.name),
                *(name for name in wanted.pools if node.name in status.promoted_on(local(name))),
            ),
        )
        for node in sorted(status.nodes, key=lambda one: one.name)
    )


def _gateway(name: str, seen: Seen) -> GatewayLine:
    """Who carries it, its agents, and which of its routers are served there."""
    status, routers = seen.status, seen.routers.get(name, "not asked")
    if isinstance(status, str):
        return GatewayLine(name, None, {}, None, None if isinstance(routers, str) else len(routers), ())
    on = carrier(status, name)
    agents = {agent: next(iter(status.running_on(agent)), None) for agent in agents_of(name)}
    state = seen.nodes.get(on) if on else None
    if isinstance(routers, str) or not isinstance(state, NodeState):
        return GatewayLine(name, on, agents, None, None if isinstance(routers, str) else len(routers), ())
    lost = lost_routers(routers, state)
    return GatewayLine(name, on, agents, len(routers) - len(lost), len(routers), lost)


def _twins(name: str, wanted: Wanted, seen: Seen) -> tuple[TwinNode, ...]:
    return twin_status.twins(name, wanted.gateways, seen) if name in wanted.twins else ()


def _gateway_lines(gateway: GatewayLine, seen: Seen) -> tuple[Line, ...]:
    if isinstance(seen.status, str):
        unsure = Answer.CANNOT_TELL
        return (Line(gateway.name, unsure, "nobody could say who carries it"),)
    promoted = seen.status.promoted_on(gateway.name)
    if gateway.carrier is None:
        text = f"promoted on {' and '.join(promoted)}" if promoted else "promoted nowhere: its routers forward nothing"
        return (Line(gateway.name, Answer.NO, text), _routers(gateway, seen))
    return (
        Line(gateway.name, Answer.YES, f"carried by {gateway.carrier}"),
        _agents(gateway, seen.agents.get(gateway.name, "not asked")),
        _routers(gateway, seen),
    )


def _agents(gateway: GatewayLine, reports: tuple[AgentReport, ...] | str) -> Line:
    details = [
        f"{agent} {'runs on ' + where if where else 'does not run'}"
        for agent, where in gateway.agents.items()
        if where != gateway.carrier
    ]
    running = len(gateway.agents) - len(details)
    text = f"{running} of {len(gateway.agents)} run on {gateway.carrier}"
    answer = Answer.NO if details else Answer.YES
    if isinstance(reports, str):
        text += ", Neutron could not be asked"
        return Line("agents", together([answer, Answer.CANNOT_TELL]), text, (*details, reports))
    alive = [report for report in reports if report.alive]
    dead = [f"Neutron last heard of its {report.kind} at {report.heartbeat}" for report in reports if not report.alive]
    dead += [f"its {report.kind} is disabled in Neutron" for report in reports if not report.admin_up]
    text += f", Neutron hears {len(alive)} of {len(reports)}"
    return Line("agents", Answer.NO if details or dead else answer, text, (*details, *dead))


def _routers(gateway: GatewayLine, seen: Seen) -> Line:
    routers = seen.routers.get(gateway.name, "not asked")
    if gateway.served is not None and gateway.routers is not None:
        answer = Answer.YES if gateway.served == gateway.routers else Answer.NO
        text = f"{gateway.served} of {gateway.routers} served"
        return Line("routers", answer, text, gateway.missing)
    state = seen.nodes.get(gateway.carrier) if gateway.carrier else None
    if isinstance(routers, str):
        there = f"{len(state.namespaces)} on {gateway.carrier}, " if isinstance(state, NodeState) else ""
        return Line(
            "routers", Answer.CANNOT_TELL, f"{there}but Neutron could not say which there should be", (routers,)
        )
    if gateway.carrier is None:
        answer = Answer.NO if routers else Answer.YES
        return Line("routers", answer, f"0 of {len(routers)} served", tuple(router.name for router in routers))
    reason = state if isinstance(state, str) else "not asked"
    return Line("routers", Answer.CANNOT_TELL, f"{gateway.carrier} could not be looked at", (reason,))


def _vips(wanted: Wanted, status: ClusterStatus | str) -> Sequence[Line]:
    if not wanted.vips:
        return ()
    if isinstance(status, str):
        return (Line("addresses", Answer.CANNOT_TELL, "nobody could say where they are"),)
    where = {vip: status.running_on(vip) for vip in wanted.vips}
    lost = tuple(f"{vip} is on no node" for vip, nodes in where.items() if not nodes)
    text = ", ".join(f"{vip} on {' and '.join(nodes) or 'no node'}" for vip, nodes in where.items())
    return (Line("addresses", Answer.NO if lost else Answer.YES, text, lost),)


def _resources(wanted: Wanted, status: ClusterStatus | str) -> Sequence[Line]:
    if not wanted.resources:
        return ()
    if isinstance(status, str):
        return (Line("resources", Answer.CANNOT_TELL, "nobody could say where they are"),)
    where = {home.name: status.running_on(home.name) for home in wanted.resources}
    wrong = tuple(line for home in wanted.resources for line in astray(home, status))
    text = ", ".join(f"{name} on {' and '.join(nodes) or 'no node'}" for name, nodes in where.items())
    return (Line("resources", Answer.NO if wrong else Answer.YES, text, wrong),)


def _failures(status: ClusterStatus | str) -> Line:
    if isinstance(status, str):
        return Line("failures", Answer.CANNOT_TELL, "no node could be asked")
    found = troubles(status)
    return Line(
        "failures", Answer.NO if found else Answer.YES, f"{len(found)} waiting for a hand" if found else "none", found
    )


def _degraded(status: ClusterStatus | str) -> Sequence[Line]:
    """What the cluster's own monitors found a minute ago at most; no line where they found nothing."""
    if isinstance(status, str):
        return ()
    agents = (f"{action.resource} on {action.node} ({action.at}): {action.reason}" for action in status.degraded)
    gateways = (
        f"{name.removeprefix(TROUBLE)} on {node.name}: {reason}"
        for node in status.nodes
        for name, reason in sorted(node.attributes.items())
        if name.startswith(TROUBLE)
    )
    found = (*gateways, *agents)
    return (Line("degraded", Answer.NO, f"{len(found)} at work, but troubled", found),) if found else ()


def _outdated(nodes: Mapping[str, NodeState | str]) -> Sequence[Line]:
    """Configuration that nobody runs with yet: nothing is wrong, but somebody may be waiting for it. Else no line."""
    found = tuple(
        f"{resource} on {name} runs with an older {file}; to use the new one: crm resource restart {resource}"
        for name, state in nodes.items()
        if isinstance(state, NodeState)
        for resource, file in state.outdated
    )
    return (Line("configuration", Answer.YES, f"{len(found)} files are newer than what runs", found),) if found else ()
