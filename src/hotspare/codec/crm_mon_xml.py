"""Pacemaker's status as XML to a `ClusterStatus`. Source: `crm_mon --output-as=xml`, crm_mon.rng (api-result)."""

import sys
from collections.abc import Iterator
from datetime import datetime
from xml.etree import ElementTree as ET

from hotspare.model.cluster import (
    ClusterStatus,
    FailCount,
    FailedAction,
    Fenced,
    FenceEvent,
    LastAction,
    NodeState,
    Resource,
    Role,
)
from hotspare.model.errors import RefusedError

CRM_MON = ("crm_mon", "--one-shot", "--output-as=xml", "--inactive", "--failcounts", "--fence-history=2")
"""The command whose output this module reads. Exit 0; 102 where Pacemaker does not run on the node."""

INFINITY = 1_000_000
_ROLES = frozenset({"start", "stop", "promote", "demote"})
"""Tasks after which a resource is another one."""
_UNDER_WAY = 193
"""Exit code that stands for a result that is still to come. Source: Pacemaker 2.1, PCMK_OCF_UNKNOWN."""
_OLD_ROLES = {"Master": Role.PROMOTED, "Slave": Role.UNPROMOTED}
_DEGRADED = frozenset({190, 191})
"""Exit codes of a monitor that found its resource at work, but troubled. Source: OCF 1.1, OCF_DEGRADED and
OCF_DEGRADED_PROMOTED; Pacemaker counts them as success and lists them among the failures (2.1.5, measured)."""


def read(text: str) -> ClusterStatus:
    """What one node says of the cluster.

    Raises:
        ValueError: this is no status of Pacemaker.
        RefusedError: Pacemaker gave an error in its place; `code` is its exit status (102: not running there).
    """
    try:
        root = ET.fromstring(text)  # noqa: S314 (what Pacemaker's own tool printed)
    except ET.ParseError as error:
        raise ValueError(f"not Pacemaker's status: {error}") from error
    _refuse_failure(root)
    dc = root.find("summary/current_dc")
    options = root.find("summary/cluster_options")
    change = root.find("summary/last_change")
    well_again = set(_well_again(root))
    told = [(_failure(found), _repeated(found)) for found in root.iterfind("failures/failure")]
    present = dc is not None and _true(dc, "present")
    return ClusterStatus(
        pacemaker=_text(dc, "version"),
        dc=_text(dc, "name") if present else None,
        quorate=present and dc is not None and _true(dc, "with_quorum"),
        fencing_enabled=options is not None and _true(options, "stonith-enabled"),
        maintenance=options is not None and _true(options, "maintenance-mode"),
        no_quorum_policy=_text(options, "no-quorum-policy"),
        last_change=_text(change, "time"),
        nodes=tuple(_nodes(root)),
        resources=tuple(found for top in root.iterfind("resources") for found in _resources(top)),
        failures=tuple(action for action, _ in told if action.exit_code not in _DEGRADED),
        degraded=tuple(
            action
            for action, key in told
            if action.exit_code in _DEGRADED and (action.node, action.resource, key) not in well_again
        ),
        fail_counts=tuple(_fail_counts(root)),
        fencings=tuple(_fencing(found) for found in root.iterfind("fence_history/fence_event")),
        bans=tuple((_text(ban, "id"), _text(ban, "resource"), _text(ban, "node")) for ban in root.iterfind("bans/ban")),
        last_actions=tuple(_last_actions(root)),
    )


def _refuse_failure(root: ET.Element) -> None:
    if root.tag not in {"pacemaker-result", "crm_mon"}:
        raise ValueError(f"not Pacemaker's status: <{root.tag}>")
    status = root.find("status")
    if status is not None and (code := int(status.get("code", "0"))) != 0:
        errors = "; ".join(error.text or "" for error in status.iterfind("errors/error"))
        raise RefusedError(
            errors or status.get("message", ""), code=code, hint="see whether pacemaker.service runs on that node"
        )


def _text(element: ET.Element | None, name: str) -> str:
    return "" if element is None else element.get(name, "")


def _true(element: ET.Element, name: str) -> bool:
    return element.get(name) == "true"


def _role(text: str | None) -> Role | None:
    if not text:
        return None
    try:
        return _OLD_ROLES.get(text) or Role(text)
    except ValueError:
        return Role.UNKNOWN


def _nodes(root: ET.Element) -> Iterator[NodeState]:
    attributes = {
        _text(node, "name"): {_text(one, "name"): _text(one, "value") for one in node.iterfind("attribute")}
        for node in root.iterfind("node_attributes/node")
    }
    for found in root.iterfind("nodes/node"):
        yield _node(found, attributes.get(_text(found, "name"), {}))


def _node(found: ET.Element, attributes: dict[str, str]) -> NodeState:
    return NodeState(
        name=_text(found, "name"),
        id=_text(found, "id"),
        online=_true(found, "online"),
        unclean=_true(found, "unclean"),
        standby=_true(found, "standby") or _true(found, "standby_onfail"),
        maintenance=_true(found, "maintenance"),
        pending=_true(found, "pending"),
        shutdown=_true(found, "shutdown"),
        is_dc=_true(found, "is_dc"),
        resources_running=int(found.get("resources_running", "0")),
        attributes=attributes,
    )


def _resources(top: ET.Element, *, clone: str | None = None, group: str | None = None) -> Iterator[Resource]:
    """All resources below `top`, with the clone and the group that they are in."""
    for found in top:
        if found.tag == "clone":
            yield from _resources(found, clone=_text(found, "id"), group=group)
        elif found.tag == "group":
            yield from _resources(found, clone=clone, group=_text(found, "id").partition(":")[0])
        elif found.tag != "resource":
            yield from _resources(found, clone=clone, group=group)
        else:
            yield _resource(found, clone, group)


def _resource(found: ET.Element, clone: str | None, group: str | None) -> Resource:
    return Resource(
        id=_text(found, "id").partition(":")[0],
        agent=_agent(_text(found, "resource_agent")),
        role=_role(found.get("role")) or Role.UNKNOWN,
        target_role=_role(found.get("target_role")),
        active=_true(found, "active"),
        failed=_true(found, "failed"),
        blocked=_true(found, "blocked"),
        managed=_true(found, "managed"),
        orphaned=_true(found, "orphaned"),
        pending=found.get("pending") or _under_way(_text(found, "role")),
        nodes=tuple(_text(node, "name") for node in found.iterfind("node")),
        clone=clone,
        group=group,
    )


def _under_way(role: str) -> str | None:
    """While an action runs, Pacemaker writes it in the role's place: Starting, Stopping, Promoting, Migrating."""
    return role if role.endswith("ing") else None


def _agent(text: str) -> str:
    """`ocf::heartbeat:IPaddr2`, as before Pacemaker 2.1, reads like today's `ocf:heartbeat:IPaddr2`."""
    return text.replace("::", ":")


def _failure(found: ET.Element) -> FailedAction:
    resource, task = _operation(_text(found, "op_key"), _text(found, "task"))
    return FailedAction(
        resource=resource,
        task=task,
        node=_text(found, "node"),
        exit_code=int(found.get("exitcode", "1")),
        exit_text=_text(found, "exitstatus"),
        reason=_text(found, "exitreason"),
        status=_text(found, "status"),
        at=_text(found, "last-rc-change"),
    )


def _repeated(found: ET.Element) -> tuple[str, str]:
    """Task and interval in ms: what makes it the same operation, also where it was begun anew since (a gateway that
    moved away and came back), and with that got another number.
    """
    return _text(found, "task"), _text(found, "interval").removesuffix("ms") or "0"


def _well_again(root: ET.Element) -> Iterator[tuple[str, str, tuple[str, str]]]:
    """Node, resource, task and interval of the operations whose last result is not a degraded one, or is from before
    the resource got the role that it has.

    Pacemaker keeps the last failure and the last success of an operation side by side, each with the time at which the
    result changed; the younger one is what is so. It also keeps the trouble of an unpromoted one after its promotion,
    when nobody looks for that any more (2.1.5, measured).
    """
    for node in root.iterfind("node_history/node"):
        for history in node.iterfind("resource_history"):
            last: dict[tuple[str, str], tuple[float, bool]] = {}
            roles = [_changed_s(one) for one in history.iterfind("operation_history") if _text(one, "task") in _ROLES]
            role_s = max(roles, default=0.0)
            for operation in history.iterfind("operation_history"):
                result = (_changed_s(operation), int(operation.get("rc", "1")) in _DEGRADED)
                key = _repeated(operation)
                last[key] = max(result, last.get(key, result))
            for key, (changed_s, is_degraded) in last.items():
                if not is_degraded or changed_s < role_s:
                    yield _text(node, "name"), _text(history, "id").partition(":")[0], key


def _last_actions(root: ET.Element) -> Iterator[LastAction]:
    for node in root.iterfind("node_history/node"):
        for history in node.iterfind("resource_history"):
            operations = sorted(history.iterfind("operation_history"), key=_age)
            if operations:
                last = operations[-1]
                code = int(last.get("rc", "1"))
                yield LastAction(
                    resource=_text(history, "id").partition(":")[0],
                    node=_text(node, "name"),
                    task=_text(last, "task"),
                    exit_code=None if code == _UNDER_WAY else code,
                )


def _age(operation: ET.Element) -> tuple[int, float]:
    """Sorts a node's operations as they were begun: by number, and those of one number by their result's time.

    One that is under way has no number yet and comes last.
    """
    call = int(operation.get("call", "0"))
    return (call if call >= 0 else sys.maxsize, _changed_s(operation))


def _changed_s(operation: ET.Element) -> float:
    """When the result became what it is, by the clock of the node that wrote it; 0 where that is not told."""
    try:
        return datetime.strptime(_text(operation, "last-rc-change"), "%a %b %d %H:%M:%S %Y").timestamp()  # noqa: DTZ007
    except ValueError:
        return 0.0


def _operation(key: str, task: str) -> tuple[str, str]:
    """`neutron-gateway_monitor_10000` is a resource's id, a task and an interval; ids have underscores too."""
    resource, _, rest = key.rpartition("_")
    resource, _, task_of_key = resource.rpartition("_")
    return (resource or rest).partition(":")[0], task or task_of_key


def _fail_counts(root: ET.Element) -> Iterator[FailCount]:
    for node in root.iterfind("node_history/node"):
        for history in node.iterfind("resource_history"):
            text = history.get("fail-count", "0")
            count = INFINITY if text == "INFINITY" else int(text)
            if count:
                yield FailCount(_text(history, "id").partition(":")[0], _text(node, "name"), count)


def _fencing(found: ET.Element) -> FenceEvent:
    try:
        status = Fenced(_text(found, "status"))
    except ValueError:
        status = Fenced.PENDING
    return FenceEvent(
        target=_text(found, "target"),
        action=_text(found, "action"),
        status=status,
        delegate=found.get("delegate"),
        client=_text(found, "client"),
        origin=_text(found, "origin"),
        completed=found.get("completed"),
        reason=_text(found, "exit-reason"),
    )
