"""The part of the status screen that is about a pool: its nodes, their agents, their routers, and what moves those."""

from collections.abc import Mapping

from hotspare.model.answer import Answer, together
from hotspare.model.cluster import ClusterStatus
from hotspare.model.drill import NodeState
from hotspare.model.status import AgentReport, Line, PoolLine, PoolNode
from hotspare.plan.names import agents_of, local, rescheduler
from hotspare.plan.seen import Seen, lost_routers


def pool(name: str, hosts: Mapping[str, str], seen: Seen) -> PoolLine:
    """The pool as it was found."""
    status = seen.status
    movers = () if isinstance(status, str) else status.running_on(rescheduler(name))
    nodes = tuple(_node(name, node, host, seen) for node, host in hosts.items())
    return PoolLine(name, nodes, movers[0] if len(movers) == 1 else None)


def _node(pool: str, node: str, host: str, seen: Seen) -> PoolNode:
    status, routers, state = seen.status, seen.routers.get(host, "not asked"), seen.nodes.get(node)
    active, agents = False, {}
    if isinstance(status, ClusterStatus):
        active = node in status.promoted_on(local(pool))
        agents = {agent: node in status.running_on(agent) for agent in agents_of(local(pool))}
    if isinstance(routers, str):
        return PoolNode(node, host, active, agents, None, None, ())
    if not routers:
        return PoolNode(node, host, active, agents, 0, 0, ())
    if not isinstance(state, NodeState):
        return PoolNode(node, host, active, agents, None, len(routers), ())
    lost = lost_routers(routers, state)
    return PoolNode(node, host, active, agents, len(routers) - len(lost), len(routers), lost)


def lines(pool: PoolLine, seen: Seen) -> tuple[Line, ...]:
    """One question a line."""
    if isinstance(seen.status, str):
        return (Line(pool.name, Answer.CANNOT_TELL, "nobody could say which nodes are active"),)
    return (_active(pool), _agents(pool, seen), _routers(pool, seen), _rescheduler(pool))


def _active(pool: PoolLine) -> Line:
    idle = tuple(f"{node.name} is not active: it has no part in the pool" for node in pool.nodes if not node.active)
    active = [node.name for node in pool.nodes if node.active]
    text = f"active on {len(active)} of {len(pool.nodes)} nodes: {', '.join(active) or 'none'}"
    return Line(pool.name, Answer.NO if idle else Answer.YES, text, idle)


def _agents(pool: PoolLine, seen: Seen) -> Line:
    """Those of nodes that are active; of the others it is said already that they are not."""
    active = [node for node in pool.nodes if node.active]
    wrong = [
        f"{agent} does not run on {node.name}" for node in active for agent, runs in node.agents.items() if not runs
    ]
    count = sum(len(node.agents) for node in active)
    text = f"{count - len(wrong)} of {count} run"
    reports = [seen.agents.get(node.host, "not asked") for node in active]
    unsure = [report for report in reports if isinstance(report, str)]
    heard = [one for report in reports if not isinstance(report, str) for one in report]
    wrong += [sentence for one in heard for sentence in _silence(one)]
    answer = Answer.NO if wrong else Answer.YES
    if unsure:
        details = (*wrong, *dict.fromkeys(unsure))
        return Line("agents", together([answer, Answer.CANNOT_TELL]), f"{text}, Neutron could not be asked", details)
    text += f", Neutron hears {sum(one.alive for one in heard)} of {len(heard)}"
    return Line("agents", answer, text, tuple(wrong))


def _silence(report: AgentReport) -> list[str]:
    said = [] if report.alive else [f"Neutron last heard of the {report.kind} on {report.host} at {report.heartbeat}"]
    return said if report.admin_up else [*said, f"the {report.kind} on {report.host} is disabled in Neutron"]


def _routers(pool: PoolLine, seen: Seen) -> Line:
    """All of them on the node that they are bound to; what one cannot say makes no other's answer worse."""
    lost = [reason for node in pool.nodes for reason in node.missing]
    stranded = [
        f"{node.routers} routers are bound to {node.host}, which is not active"
        for node in pool.nodes
        if node.routers and not node.active
    ]
    unsure = [_unsure(node, seen) for node in pool.nodes if node.served is None]
    served = sum(node.served or 0 for node in pool.nodes)
    total = sum(node.routers or 0 for node in pool.nodes)
    answers = [Answer.NO if lost or stranded else Answer.YES, *([Answer.CANNOT_TELL] if unsure else [])]
    text = ", ".join(f"{node.served} on {node.name}" for node in pool.nodes if node.served)
    text = f"{served} of {total} served" + (f": {text}" if text else "")
    return Line("routers", together(answers), text, (*lost, *stranded, *unsure))


def _unsure(node: PoolNode, seen: Seen) -> str:
    routers, state = seen.routers.get(node.host, "not asked"), seen.nodes.get(node.name, "not asked")
    if isinstance(routers, str):
        return f"Neutron could not say which routers {node.host} has: {routers}"
    return f"{node.name} could not be looked at: {state if isinstance(state, str) else 'not asked'}"


def _rescheduler(pool: PoolLine) -> Line:
    if pool.rescheduler is None:
        return Line("rescheduler", Answer.NO, "does not run: nobody would move the routers of a lost node")
    return Line("rescheduler", Answer.YES, f"runs on {pool.rescheduler}")
