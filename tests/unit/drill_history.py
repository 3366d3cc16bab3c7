"""A history of a drill in which all is well, to be spoiled by tests one thing at a time."""

from collections.abc import Mapping

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

GATEWAY = "neutron-gateway"
AGENTS = ("neutron-gateway-ovs", "neutron-gateway-l3", "neutron-gateway-metadata")
T0 = 1000.0
END = 1060.0
BACK_S = (10.0, 14.0, 12.0)

ROUTERS = tuple(
    Router(f"uuid-{n}", f"router-{n}", (f"10.30.1.{n}",), (f"port-{n}-int", f"port-{n}-ext")) for n in (1, 2, 3)
)


def trace() -> Trace:
    return probed({router.floating_ips[0]: (0.0, back_s) for router, back_s in zip(ROUTERS, BACK_S, strict=True)})


def probed(silences: Mapping[str, tuple[float, float]]) -> Trace:
    """These addresses were probed, and silent from and to so long after T0."""
    rounds = tuple((n, 990.0 + n * 0.04) for n in range(int(72 / 0.04)))
    replies = {
        address: tuple((n, at + 0.001) for n, at in rounds if not T0 + begin_s <= at < T0 + end_s)
        for address, (begin_s, end_s) in silences.items()
    }
    return Trace(0.04, rounds, replies)


def daemons(*names: str) -> tuple[RunningProcess, ...]:
    return tuple(
        RunningProcess(100 + i, 5000 + i, 1, name) for i, name in enumerate(("corosync", "pacemakerd", *names))
    )


def carrying(node: str) -> NodeState:
    ports = tuple(
        SwitchPort(f"q{kind}-{router.id}", 7, parked=False, iface_id=port)
        for router in ROUTERS
        for kind, port in zip(("r", "g"), router.port_ids, strict=True)
    )
    running = (*daemons("ovs-vswitchd"), RunningProcess(900, 9000, 1, "neutron-l3-agent"))
    return NodeState(node, f"boot-{node}", tuple(f"qrouter-{r.id}" for r in ROUTERS), ports, running)


def spare(node: str, boot: str = "") -> NodeState:
    return NodeState(node, boot or f"boot-{node}", (), (), daemons("ovs-vswitchd"))


def cluster(carrier: str, *, online: tuple[str, ...] = ("net1", "net2", "net3")) -> ClusterState:
    return ClusterState(
        quorate=True,
        promoted=(carrier,),
        online=online,
        standby=(),
        unclean=(),
        running=dict.fromkeys(AGENTS, (carrier,)),
        failures=(),
    )


def sightings() -> tuple[Sighting, ...]:
    return tuple(
        sighting
        for router, back in zip(ROUTERS, BACK_S, strict=True)
        for sighting in (
            Sighting("net1", "echo-reply", router.floating_ips[0], "fa:16:3e:00:00:01", 990.0, T0 - 0.01, 250),
            Sighting("net2", "garp", router.floating_ips[0], "fa:16:3e:00:00:01", T0 + back - 0.1, T0 + back - 0.1),
            Sighting("net2", "echo-reply", router.floating_ips[0], "fa:16:3e:00:00:01", T0 + back, END, 1200),
        )
    )


def events() -> tuple[Event, ...]:
    done = [
        Event(
            T0 + 2.2,
            "net2",
            What.MEMBERSHIP_FORMED,
            "left: 1",
            "",
            "A new membership (2.9) was formed. Members left: 1",
        ),
        Event(T0 + 2.3, "net2", What.FENCE_CALLED, "net1", "off"),
        Event(T0 + 2.5, "net2", What.FENCE_CONFIRMED, "net1", "off"),
        Event(T0 + 2.7, "net2", What.AGENT_FINISHED, GATEWAY, "promote"),
    ]
    done += [
        Event(
            T0 + 3 + i, "net2", What.ACTION_ENDED, agent, "start", f"Result of start operation for {agent} on net2: ok"
        )
        for i, agent in enumerate(AGENTS)
    ]
    return tuple(done)


def history(**spoiled: object) -> History:
    whole: dict[str, object] = {
        "fault": Fault.POWEROFF,
        "gateway": Gateway(GATEWAY, Strategy.COLD, dict.fromkeys(("net1", "net2"), GATEWAY)),
        "node": "net1",
        "began_s": 980.0,
        "baseline_s": 995.0,
        "called_s": T0 - 0.05,
        "returned_s": T0 + 0.1,
        "recovered_s": T0 + 20,
        "heal_called_s": T0 + 40,
        "ended_s": END,
        "routers": ROUTERS,
        "bound": {GATEWAY: tuple(router.id for router in ROUTERS)},
        "targets": {router.floating_ips[0]: router.id for router in ROUTERS},
        "trace": trace(),
        "streams": (
            StreamFact(991.0, "connected", "vm"),
            StreamFact(T0 + 1, "stalled", "vm"),
            StreamFact(T0 + 11, "lost", "vm", why="ECONNRESET"),
            StreamFact(T0 + 11.5, "connected", "vm"),
        ),
        "gets": tuple(Get(990.0 + n / 2, 0.01, None if 0 <= n / 2 - 10 < 15 else 200, "vm", "") for n in range(120)),
        "inside": ("vm",),
        "sightings": sightings(),
        "witnessed": ("net1", "net2"),
        "events": events(),
        "observations": (
            Observation("before", 994.0, cluster("net1"), {"net1": carrying("net1"), "net2": spare("net2")}),
            Observation(
                "recovered",
                T0 + 20,
                cluster("net2", online=("net2", "net3")),
                {"net2": carrying("net2")},
                {"net1": "is off"},
            ),
            Observation("healed", END, cluster("net2"), {"net1": spare("net1", "boot-2"), "net2": carrying("net2")}),
        ),
    }
    return History(**{**whole, **spoiled})  # type: ignore[arg-type]
