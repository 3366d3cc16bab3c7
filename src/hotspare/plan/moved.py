"""How far the routers are while a gateway's strategy changes, by the word of its rescheduler."""

from dataclasses import dataclass

from hotspare.model.rescheduling import Burden, Kept, Report
from hotspare.model.routing import Standing
from hotspare.model.step import AwaitMoved
from hotspare.plan.following import nothing_moves


@dataclass(frozen=True, slots=True)
class Moved:
    """What is left, and whether that goes on."""

    left: int
    """Routers on agents that go; those of VRRP are not counted, since nobody moves them."""
    moving: int
    heard: tuple[str, ...]
    """Hosts of agents that go and that Neutron hears, so that it may give them new routers."""
    kept: tuple[Kept, ...]
    """Routers that something keeps where they are."""
    stuck: bool
    """Whether there is an agent that they could go to, and all the same nothing moves any more."""

    def is_over(self, *, deaf: bool) -> bool:
        """Whether there is nothing to wait for."""
        return not self.left and not (deaf and self.heard)


def told(report: Report, step: AwaitMoved) -> Moved | str:
    """How far it is; or why this report does not say it yet."""
    if report.identity != step.gateway or report.homeward != step.homeward:
        return f"the rescheduler on {report.node} does not know yet that the strategy changes"
    if report.looked_s is None:
        return f"the rescheduler on {report.node} has not seen the routers yet: {report.trouble or report.doing}"
    *pool, identity = report.burdens
    going, coming = (pool, [identity]) if step.homeward else ([identity], pool)
    each = [(burden, _left(burden)) for burden in going]
    left = sum(number for _, number in each)
    can_go = any(burden.standing == Standing.LIVE and burden.heard for burden in coming)
    return Moved(
        left=left,
        moving=sum(burden.moving for burden in going),
        heard=tuple(burden.host for burden in going if burden.heard),
        kept=tuple(kept for burden in going for kept in burden.kept if not kept.vrrp),
        stuck=bool(left) and can_go and all(nothing_moves(burden, number) for burden, number in each),
    )


def missing(found: Moved) -> tuple[str, ...]:
    """What is waited for, one sentence each."""
    if found.left:
        kept = tuple(f"{kept.name} stays: {kept.why}" for kept in found.kept)
        return (f"{found.left} routers have still to move, {found.moving} of them on their way", *kept)
    return tuple(f"Neutron still hears the L3 agent of {host}, and may give it new routers" for host in found.heard)


def _left(burden: Burden) -> int:
    return burden.routers - sum(kept.vrrp for kept in burden.kept)
