"""A history of a drill on a pool in which all is well: net1 loses its power, its two routers go to net2 and net3."""

from collections.abc import Mapping

from drill_history import END, T0, daemons, probed

from hotspare.model.drill import (
    ClusterState,
    Fault,
    Gateway,
    Get,
    History,
    NodeState,
    Observation,
    Router,
    RunningProcess,
    Sighting,
    Strategy,
    StreamFact,
    SwitchPort,
    Trace,
)
from hotspare.model.event import Event, What

POOL = "edge"
HOSTS = {"net1": "edge-1", "net2": "edge-2", "net3": "edge-3"}
DATA_PLANE, MOVER = "edge-local", "edge-rescheduler"
AGENTS = ("edge-local-ovs", "edge-local-l3", "edge-local-metadata")
ROUTERS = tuple(
    Router(f"uuid-{n}", f"router-{n}", (f"10.30.1.{n}",), (f"port-{n}-int", f"port-{n}-ext")) for n in (1, 2, 3, 4)
)
BEFORE = {"net1": (1, 2), "net2": (3,), "net3": (4,)}
AFTER = {"net1": (), "net2": (3, 1), "net3": (4, 2)}
BACK_S = {1: 6.0, 2: 8.0}


def bound(places: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[str, ...]]:
    """Where Neutron has the routers, by its hosts."""
    return {HOSTS[node]: tuple(f"uuid-{n}" for n in numbers) for node, numbers in places.items()}


def trace(lost: Mapping[int, tuple[float, float]] | None = None) -> Trace:
    """Routers 1 and 2 are silent from T0 until they are back; `lost` has silences (from, to) after T0 by router."""
    silences = lost or {number: (0.0, back_s) for number, back_s in BACK_S.items()}
    return probed({f"10.30.1.{number}": silences.get(number, (0.0, 0.0)) for number in (1, 2, 3, 4)})


def looked(node: str, numbers: tuple[int, ...], *, agents: bool = True) -> NodeState:
    """A node that serves these routers, and nothing else."""
    routers = [ROUTERS[number - 1] for number in numbers]
    ports = tuple(
        SwitchPort(f"q{kind}-{port}", 7, parked=False, iface_id=port)
        for router in routers
        for kind, port in zip(("r", "g"), router.port_ids, strict=True)
    )
    names = ("ovs-vswitchd", *(("neutron-l3-agent", "neutron-openvswitch-agent") if agents else ()))
    inside = tuple(
        RunningProcess(900 + number, 9000, 1, "haproxy", f"uuid-{number}", f"qrouter-uuid-{number}")
        for number in numbers
    )
    return NodeState(
        node, f"boot-{node}", tuple(f"qrouter-{r.id}" for r in routers), ports, (*daemons(*names), *inside)
    )


def cluster(*online: str, active: tuple[str, ...] | None = None, **changes: object) -> ClusterState:
    """Of all nodes these are online; where nothing else is said, all of those are active."""
    able = online if active is None else active
    whole: dict[str, object] = {
        "quorate": True,
        "promoted": able,
        "online": online,
        "standby": (),
        "unclean": (),
        "running": {**dict.fromkeys(AGENTS, able), MOVER: (able[-1],)},
        "failures": (),
    }
    return ClusterState(**{**whole, **changes})  # type: ignore[arg-type]


def sightings() -> tuple[Sighting, ...]:
    def seen(node: str, number: int, since_s: float, until_s: float) -> Sighting:
        return Sighting(node, "echo-reply", f"10.30.1.{number}", f"fa:16:3e:00:00:0{number}", since_s, until_s, 100)

    return (
        *(seen("net1", number, 990.0, T0 - 0.01) for number in (1, 2)),
        seen("net2", 1, T0 + BACK_S[1], END),
        seen("net3", 2, T0 + BACK_S[2], END),
        seen("net2", 3, 990.0, END),
        seen("net3", 4, 990.0, END),
    )


def events() -> tuple[Event, ...]:
    return (
        Event(T0 + 2.2, "net2", What.MEMBERSHIP_FORMED, "left: 1", "", "A new membership was formed. Members left: 1"),
        Event(T0 + 2.5, "net2", What.FENCE_CONFIRMED, "net1", "off"),
        Event(T0 + 3.0, "net3", What.MOVES_PLANNED, "edge-1", "", "event=moves.planned"),
        Event(T0 + 3.4, "net3", What.ROUTER_BOUND, "uuid-1"),
        Event(T0 + 3.9, "net3", What.ROUTER_BOUND, "uuid-2"),
    )


def history(**spoiled: object) -> History:
    whole: dict[str, object] = {
        "fault": Fault.POWEROFF,
        "gateway": Gateway(POOL, Strategy.RESCHEDULE, HOSTS),
        "node": "net1",
        "began_s": 980.0,
        "baseline_s": 995.0,
        "called_s": T0 - 0.05,
        "returned_s": T0 + 0.1,
        "recovered_s": T0 + 12,
        "heal_called_s": T0 + 40,
        "ended_s": END,
        "routers": ROUTERS,
        "bound": bound(BEFORE),
        "targets": {router.floating_ips[0]: router.id for router in ROUTERS},
        "trace": trace(),
        "streams": (StreamFact(991.0, "connected", "vm"), StreamFact(T0 + 20, "echoed", "vm")),
        "gets": tuple(Get(990.0 + n / 2, 0.01, 200, "vm", "") for n in range(120)),
        "inside": ("vm",),
        "sightings": sightings(),
        "witnessed": tuple(HOSTS),
        "events": events(),
        "observations": (
            Observation(
                "before",
                994.0,
                cluster("net1", "net2", "net3"),
                {node: looked(node, numbers) for node, numbers in BEFORE.items()},
                bound=bound(BEFORE),
            ),
            Observation(
                "recovered",
                T0 + 12,
                cluster("net2", "net3"),
                {node: looked(node, AFTER[node]) for node in ("net2", "net3")},
                {"net1": "is off"},
                bound(AFTER),
            ),
            Observation(
                "healed",
                END,
                cluster("net1", "net2", "net3", running=dict.fromkeys(AGENTS, tuple(HOSTS)) | {MOVER: ("net3",)}),
                {node: looked(node, numbers) for node, numbers in AFTER.items()},
                bound=bound(AFTER),
            ),
        ),
    }
    return History(**{**whole, **spoiled})  # type: ignore[arg-type]
