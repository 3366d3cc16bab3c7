"""Where each second of an outage goes when a node that carries routers loses its power: what the file gives reason to
expect, and beside it what a drill measured.

Computed is only what Corosync, Pacemaker and the fence agent do by rules that their documentation states. All else is a
constant that was measured in this project's lab (six machines on two cores): it shows where seconds go, and promises
nothing about another machine. What nobody measured is None.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hotspare.model.budget import Basis, Budget, Part, Spent, total
from hotspare.model.drill import Fault, History
from hotspare.model.report import Outage
from hotspare.model.spec import Fence, Spec
from hotspare.plan import fencing, phases
from hotspare.plan.carriage import Carriage
from hotspare.plan.membership import TOKEN_COEFFICIENT_MS

MEANING = {
    "token": "until another node missed Corosync's token",
    "consensus": "until the others had agreed on a membership without the node",
    "controller": "until the cluster's controller (DC) asked its scheduler; a new one is elected where the node was it",
    "scheduler": "until the scheduler had its plan, and fencing was called",
    "fence": "until the node's power was proved off",
    "promote": "until the spare's promotion had ended; a twin forwards from within it",
    "announce": "until the last address answered: neighbours and switches learn",
    "start": "until the agents ran there, one after the other",
    "adopt": "until the agents had built the last router",
}

ENDS = {
    "token": "token", "consensus": "detect", "controller": "controller", "scheduler": "scheduler", "fence": "fence",
    "promote": "promote", "announce": "adopt", "start": "start", "adopt": "adopt",
}  # fmt: skip
"""By which moment of a takeover a part has ended (`phases.moments`)."""

CONSENSUS_SHARE = 1.2
"""Of the token's time, where nothing is said. Source: corosync.conf(5), `totem.consensus`."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds seen in the lab: in most runs, and the most of all runs."""

    usual_s: float
    most_s: float
    where: str


CONTROLLER = Measured(0.16, 0.25, "8 power-offs; 0.1 of it is transition-delay, which saves a sleep of 1 s")
NEW_CONTROLLER = Measured(0.42, 0.55, "6 power-offs of the DC: an election, and that transition-delay")
SCHEDULER = Measured(0.02, 0.08, "9 resource instances; more of them take longer")
POWER_OFF = {"fence_ipmilan": Measured(0.15, 0.4, "fence_ipmilan with a BMC of software; a real one may be slower")}
"""Fence agents that were measured."""
PROMOTE_TWIN = Measured(0.3, 1.9, "4 to 6 routers: 0.1 to 0.55; 40: 0.56 to 0.72; 100: 0.27 to 1.88")
PROMOTE_COLD = Measured(0.25, 0.3, "1 run, of a spare that was clean, load 5")
ANNOUNCE = Measured(0.06, 1.0, "40 routers; 100: 0.3; at most until the announcer's second round, 1 s after the first")
START_COLD = Measured(
    16.0, 23.0, "Neutron 29, two cores, one agent after the other: 1 run; at most as a twin's, run nice"
)
ADOPT_A_ROUTER = Measured(
    1.0, 5.4, "5 to 100 routers, 32 threads of privsep; at most with its default, a thread a core"
)


def budget(
    spec: Spec, gateway: str, node: str, *, was_controller: bool | None = None, routers: int | None = None
) -> Budget:
    """What a power-off of the node costs the gateway's routers; of a pool's only what comes before Neutron is asked.

    `was_controller` is whether the node is the cluster's controller; None, not known: it is expected not to be, and is
    at worst. `routers` is how many there are, where that is known.
    """
    parts = [*_membership(spec), *_decision(was_controller)]
    fence = spec.nodes[node].fence
    if fence is not None:
        parts.append(_fence(spec, node, fence))
    parts += _forwarding(spec, gateway, routers)
    return Budget(tuple(parts))


def slowest(spec: Spec, gateway: str) -> Budget:
    """Of whichever of the gateway's nodes takes longest, known or not."""
    budgets = [budget(spec, gateway, node) for node in spec.gateways[gateway].nodes]
    return max(budgets, key=lambda one: (one.worst_s is None, one.worst_s or 0.0))


def _membership(spec: Spec) -> Iterator[Part]:
    """Corosync's share.

    The token is lost `token` after it was last received, more with each node from the third on
    (`token_coefficient`). On an idle ring one node holds it back, so that a node which dies has on average been
    silent for half of that time already: 180 ms of a token of 1000 ms. Source: corosync.conf(5), `token`,
    `token_retransmits_before_loss_const` (4), `hold`; exec/totemconfig.c for how they follow from the token.
    """
    beyond = max(0, len(spec.nodes) - 2) * TOKEN_COEFFICIENT_MS
    token_ms = spec.cluster.token_ms + beyond
    hold_ms = token_ms / 4.2 * 0.8 - 10
    said = f"token_ms {spec.cluster.token_ms}, {TOKEN_COEFFICIENT_MS} more for each node beyond two"
    yield Part(
        "token", _s(token_ms - hold_ms / 2), _s(token_ms), Basis.COMPUTED,
        f"{said}; less half of hold, {hold_ms:.0f} ms: corosync.conf(5)",
    )  # fmt: skip
    consensus_s = _s(token_ms * CONSENSUS_SHARE)
    yield Part("consensus", consensus_s, consensus_s, Basis.COMPUTED, "1.2 times the token: corosync.conf(5)")


def _s(value_ms: float) -> float:
    return round(value_ms / 1000, 3)


def _decision(was_controller: bool | None) -> Iterator[Part]:
    """Pacemaker's share before it acts."""
    usual = NEW_CONTROLLER if was_controller else CONTROLLER
    most = CONTROLLER if was_controller is False else NEW_CONTROLLER
    where = usual.where if usual is most else f"{usual.where}; {most.where}"
    yield Part("controller", usual.usual_s, most.most_s, Basis.MEASURED, where)
    yield _measured("scheduler", SCHEDULER)


def _measured(name: str, found: Measured) -> Part:
    return Part(name, found.usual_s, found.most_s, Basis.MEASURED, found.where)


def _fence(spec: Spec, node: str, fence: Fence) -> Part:
    """The power-off and its proof."""
    known = POWER_OFF.get(fence.agent)
    waited_s = _waited_s(fencing.parameters(fence), fencing.delay(spec, node))
    if fence.reboot_action != "off":
        return _unknown("fence", "nobody has measured a whole cycle of off and on; a drill tells")
    if known is None:
        return _unknown("fence", f"nobody has measured {fence.agent}; a drill tells")
    if waited_s is None:
        return _unknown("fence", "a delay that cannot be read as a time; a drill tells")
    least_s, most_s = waited_s
    said = f"{least_s:g} s" if least_s == most_s else f"{least_s:g} to {most_s:g} s at random"
    return Part(
        "fence",
        round((least_s + most_s) / 2 + known.usual_s, 3),
        round(most_s + known.most_s, 3),
        Basis.BOTH,
        f"the file has it wait {said}; the rest: {known.where}",
    )


def _waited_s(options: Mapping[str, str], delay: str) -> tuple[float, float] | None:
    """What the file has fencing wait, at least and at most: Pacemaker (`pcmk_delay_base`; where `pcmk_delay_max` is
    longer, a random time up to that) and the agent (`delay` before it begins, `power_wait` after its order).
    Source: Pacemaker Explained, "Special Meta-Attributes for Fencing Resources"; the fence agents' own `--help`.
    """
    base_s = _length_s(options.get("pcmk_delay_base", delay))
    longest_s = _length_s(options.get("pcmk_delay_max", "0"))
    own_s = total(_length_s(options.get(name, "0")) for name in ("delay", "power_wait"))
    if base_s is None or longest_s is None or own_s is None:
        return None
    return base_s + own_s, max(base_s, longest_s) + own_s


def _unknown(name: str, why: str) -> Part:
    return Part(name, None, None, Basis.UNKNOWN, why)


_LENGTH = re.compile(r"(?P<count>\d+(\.\d+)?)\s*(?P<unit>|ms|msec|s|sec|m|min)")
_UNITS_S = {"": 1.0, "ms": 0.001, "msec": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0}


def _length_s(text: str) -> float | None:
    """A length of time as Pacemaker and fence agents write it, in s; None where it is something else.

    Source: Pacemaker Explained, "Time Units"."""
    found = _LENGTH.fullmatch(text.strip())
    return float(found["count"]) * _UNITS_S[found["unit"]] if found else None


def _forwarding(spec: Spec, gateway: str, routers: int | None) -> Iterator[Part]:
    """What the spare does. A pool's routers are moved by Neutron, in a time that nobody can tell beforehand."""
    if gateway in spec.pools:
        return
    is_twin = gateway in spec.twins
    promote = PROMOTE_TWIN if is_twin else PROMOTE_COLD
    yield _measured("promote", promote)
    if is_twin:
        yield _measured("announce", ANNOUNCE)
        return
    yield _measured("start", START_COLD)
    if routers is None:
        yield _unknown("adopt", f"about {ADOPT_A_ROUTER.usual_s:g} s a router")
        return
    each = f"{routers} routers, {ADOPT_A_ROUTER.usual_s:g} to {ADOPT_A_ROUTER.most_s:g} s each: {ADOPT_A_ROUTER.where}"
    expected_s, worst_s = (round(routers * one_s, 3) for one_s in (ADOPT_A_ROUTER.usual_s, ADOPT_A_ROUTER.most_s))
    yield Part("adopt", expected_s, worst_s, Basis.MEASURED, each)


def spent(
    spec: Spec, history: History, carriage: Carriage, outages: Sequence[Outage], t0_s: float
) -> tuple[Spent, ...]:
    """The budget of what the drill did, and how long each part took; empty where it cut no power."""
    if history.fault is not Fault.POWEROFF:
        return ()
    before = history.observation("before")
    controller = before.cluster.controller if before and before.cluster else ""
    asked = budget(
        spec,
        history.gateway.name,
        history.node,
        was_controller=controller == history.node if controller else None,
        routers=len(carriage.struck(history.routers, history.bound, history.node)),
    )
    seen = phases.moments(history, carriage, outages, t0_s)
    ends = {part.name: seen[ENDS[part.name]] for part in asked.parts}
    lengths_s = {name: length_s for name, _mark, length_s in phases.lengths(ends, t0_s)}
    return tuple(Spent(part, lengths_s[part.name]) for part in asked.parts)
