"""Which gateway of strategy `reschedule` a command is about, and where its rescheduler is."""

from collections.abc import Iterator

from hotspare.model.cluster import ClusterStatus, Role
from hotspare.model.errors import NotReachableError, Problem
from hotspare.model.spec import Spec
from hotspare.plan.names import rescheduler


def lacking(spec: Spec, where: str, *, node: str | None, gateway: str | None) -> Iterator[Problem]:
    """What keeps the pool from being found: of this name, or with this node, or the only one."""
    pools = spec.pools
    if gateway is not None and gateway not in pools:
        yield Problem(where, "gateways", _no_such(spec, gateway))
    elif not pools:
        yield Problem(where, "gateways", _none(spec, node))
    elif node is not None and not any(_fits(spec, name, node, gateway) for name in pools):
        yield Problem(where, "gateways", _not_in(spec, node, gateway))
    elif node is None and gateway is None and len(pools) > 1:
        yield Problem(where, "gateways", f"there are several; say which by --gateway: {', '.join(pools)}")


def chosen(spec: Spec, *, node: str | None, gateway: str | None) -> str:
    """The pool's name, where nothing is lacking."""
    return next(name for name in spec.pools if _fits(spec, name, node, gateway))


def _fits(spec: Spec, name: str, node: str | None, gateway: str | None) -> bool:
    return gateway in {None, name} and (node is None or node in spec.pools[name].nodes)


def _no_such(spec: Spec, gateway: str) -> str:
    if gateway in spec.gateways:
        return _carried(spec, gateway)
    known = f"it has {', '.join(spec.gateways)}" if spec.gateways else "it has none"
    return f"there is no gateway {gateway}; {known}"


def _none(spec: Spec, node: str | None) -> str:
    owners = [name for name, gateway in spec.gateways.items() if node is None or node in gateway.nodes]
    if owners:
        return _carried(spec, owners[0], node or "NODE")
    return "there is no gateway with `strategy: reschedule`, whose routers could be moved one by one"


def _not_in(spec: Spec, node: str, gateway: str | None) -> str:
    owners = [name for name, its in spec.gateways.items() if node in its.nodes and name not in spec.pools]
    if owners and gateway is None:
        return _carried(spec, owners[0], node)
    pools = "; ".join(f"{name} has {', '.join(its.nodes)}" for name, its in spec.pools.items())
    return f"{node} is not among the nodes of {gateway or 'a gateway with `strategy: reschedule`'}: {pools}"


def _carried(spec: Spec, gateway: str, node: str = "NODE") -> str:
    strategy = spec.gateways[gateway].strategy
    return (
        f"{gateway} has `strategy: {strategy}`: one node carries all of its routers, and they move together. `hotspare "
        f"takeover {gateway} --to NODE` has another node carry it; for a maintenance, on any node, `crm node standby "
        f"{node}` has another one take them over, and `crm node online {node}` makes {node} a spare again"
    )


def home(status: ClusterStatus, pool: str) -> str:
    """The node where the pool's rescheduler runs.

    Raises:
        NotReachableError: it runs nowhere, or not on one node for certain; with what to do.
    """
    resource = rescheduler(pool)
    here = status.running_on(resource)
    if len(here) == 1:
        return here[0]
    if here:
        raise NotReachableError(
            f"{resource} runs on {' and '.join(here)}", hint="one of them is about to end; ask again"
        )
    raise NotReachableError(f"{resource} runs nowhere, so nobody moves routers", hint=_remedy(status, resource))


def _remedy(status: ClusterStatus, resource: str) -> str:
    found = tuple(status.instances(resource))
    if not found:
        return "the cluster has no such resource: hotspare apply makes it"
    if not status.quorate:
        return "the cluster has no quorum: see hotspare status"
    if any(one.target_role is Role.STOPPED for one in found):
        return f"somebody has stopped it; on a node: crm resource start {resource}"
    if any(failure.resource == resource for failure in status.failures):
        return f"it has failed (hotspare status says why); on a node: crm resource cleanup {resource}"
    if any(one.pending for one in found):
        return "it is on its way to a node; ask again in some seconds"
    return f"see hotspare status; on a node: crm resource cleanup {resource}"
