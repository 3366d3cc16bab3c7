"""How well this node would do as the promoted one: Pacemaker's promotion score, and what it was told last."""

from __future__ import annotations

import posix

from hotspare_ocf import markers
from hotspare_ocf.identity import RUN_DIR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

COLD = 100
"""Of a spare that starts from nothing; leaves room for fresher ones above and staler ones below."""

CARRIES = 199
"""Of the node that carries the gateway, with or without a stager: above all spares, whatever their twins, because
Pacemaker promotes by these scores alone and does not mind who is promoted (2.1.5, measured). Also above the little that
the configuration takes off for the cluster's controller, which any node may become at any time.
"""

ELSEWHERE = -1
"""Of a node that carries another gateway: nobody is promoted there (2.1.5, simulated). Gateways are kept apart by a
constraint, but by that alone Pacemaker would promote the first one of the file there and move the other away: where the
free spare is the controller, or where there is none.
"""
_LEAST, _MOST = 1, CARRIES


def tell(gateway: str, score: int | None) -> None:
    """Pacemaker knows the score; without one it promotes nobody here.

    A failure is told, not raised: by hand and in ocf-tester there is no cluster to know it.
    """
    from hotspare_ocf import node_attributes

    if reason := node_attributes.tell(["--promotion"], None if score is None else str(score)):
        from hotspare_ocf import events

        events.tell("score.unset", gateway=gateway, reason=reason)
    _record(gateway, None if reason else score)


def tell_changed(gateway: str, score: int) -> None:
    """As `tell`, where Pacemaker was told another one, or none, before."""
    try:
        with open(_path(gateway), encoding="ascii") as file:
            told = file.read(16).strip()
    except FileNotFoundError:
        told = ""
    if told != str(score):
        tell(gateway, score)


def without_twin(gateway: str, role: str) -> int:
    """The score of a node in this role, of whose twin nothing is known."""
    if role == markers.PROMOTED:
        return CARRIES
    return ELSEWHERE if markers.promoted_beside(gateway) else COLD


def of(state: Mapping[str, object]) -> int:
    """The score that a stager gives its twin; that of a cold spare where it gives none."""
    score = state.get("score")
    return min(max(score, _LEAST), _MOST) if isinstance(score, int) else COLD


def _record(gateway: str, score: int | None) -> None:
    if score is None:
        try:
            posix.unlink(_path(gateway))
        except FileNotFoundError:
            pass
        return
    from hotspare_ocf import whole_file

    whole_file.write(_path(gateway), f"{score}\n")


def _path(gateway: str) -> str:
    return f"{RUN_DIR}/{gateway}.score"
