"""A parked and hidden port passes no frame, in neither direction, whatever is said in its namespace or outside."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial

import pytest

from hotspare.model.dataplane import Plug
from hotspare.model.staging import Park, SetFlows, StagePlugs, Unpark
from ocf_node import OcfNode
from switch_node import HOME, SwitchNode, plugs

pytestmark = pytest.mark.lab

TAG = 7
FLOWS = frozenset({"priority=65535,dl_vlan=4095 actions=drop", "priority=0 actions=NORMAL"})
OTHERS = ("access", "trunk")
DEVICES = (*OTHERS, "telltale")


@dataclass
class Wire:
    """Routers' ports, and two others of the same bridge: `access` in their VLAN, `trunk` in all of them.

    These two are veths, and so is one of the routers' ports: other than an internal port's, their devices stay where
    they are while ovs-vswitchd is away. A device is named by its end in a namespace.
    """

    switch: SwitchNode
    plugs: tuple[Plug, Plug]
    """An internal one, and one whose device is `inside`."""
    listens: int = 0

    @property
    def node(self) -> OcfNode:
        return self.switch.node

    @property
    def routers(self) -> tuple[str, str]:
        return (self.plugs[0].name, "inside")

    def shout(self, names: Collection[str], *, rounds: int) -> None:
        """Devices say everything; 0 rounds: until the node is reset."""
        for name in names:
            said = f"ip netns exec {_namespace(name)} python3 {HOME}/frames_on_node.py shout {name} {rounds}"
            self.node.shell(said if rounds else f"setsid {said} >/dev/null 2>&1 </dev/null &")

    def listen(self, names: Collection[str]) -> None:
        """Anew: what was heard before is forgotten."""
        self.listens += 1
        for name in names:
            listens = (
                f"ip netns exec {_namespace(name)} python3 {HOME}/frames_on_node.py hear {name} {self._file(name)}"
            )
            self.node.shell(f"setsid {listens} >/dev/null 2>&1 </dev/null &")
        for name in names:
            self.node.wait(partial(self._has, name, "listening"), within_s=20, until=f"{name} listens")

    def date(self, name: str, *, of: str) -> Callable[[], list[float]]:
        """Says when frames of the other came in at the device."""
        file = f"/run/dated-{name}"
        dates = f"ip netns exec {_namespace(name)} python3 {HOME}/frames_on_node.py date {name} {file} {self._mac(of)}"
        self.node.shell(f"setsid {dates} >/dev/null 2>&1 </dev/null &")
        said = partial(self.node.run, "cat", file, expect=(0, 1))
        self.node.wait(lambda: "listening" in said(), within_s=20, until=f"{name} listens")
        return lambda: [float(line) for line in said().splitlines(keepends=True)[1:] if line.endswith("\n")]

    def heard(self, name: str) -> set[str]:
        """Devices whose frames came in at the device since it listens."""
        return {other for other in DEVICES + self.routers if self.hears(name, other)}

    def hears(self, name: str, other: str) -> bool:
        return self._has(name, self._mac(other))

    def all_was_heard(self) -> None:
        """A frame that was sent last has arrived at both others, so what came before it would have."""
        for name in OTHERS:
            self.node.wait(partial(self._tells, name), within_s=30, until=f"the telltale is heard at {name}")

    def _tells(self, name: str) -> bool:
        self.shout(["telltale"], rounds=1)
        return self.hears(name, "telltale")

    def _has(self, name: str, word: str) -> bool:
        return word in self.node.run("cat", self._file(name), expect=(0, 1)).split()

    def _mac(self, name: str) -> str:
        path = f"/sys/class/net/{name}/address"
        return self.node.run("ip", "netns", "exec", _namespace(name), "cat", path).strip()

    def _file(self, name: str) -> str:
        return f"/run/heard-{name}-{self.listens}"


@pytest.fixture
def wire(node: OcfNode) -> Wire:
    switch = SwitchNode(node)
    internal, veth = (replace(plug, tag=TAG, mtu=None) for plug in plugs(2))
    switch.carry_out(SetFlows("br-int", FLOWS))
    ends = {"inside": veth.name, "access": "o-access", "trunk": "o-trunk", "telltale": "o-telltale"}
    node.shell(
        "\n".join(f"ip link add {name} type veth peer name {end}; ip link set {end} up" for name, end in ends.items())
    )
    switch.add_as_neutron([internal])
    switch.add_as_neutron([veth], kind='""')
    node.run("ovs-vsctl", "add-port", "br-int", "o-access", f"tag={TAG}", "--", "add-port", "br-int", "o-trunk")
    node.run("ovs-vsctl", "add-port", "br-int", "o-telltale", f"tag={TAG}")
    node.shell("".join(_moved(name) for name in (internal.name, *ends)))
    return Wire(switch, (internal, veth))


def test_a_parked_port_neither_says_nor_hears_anything_until_it_is_unparked(wire: Wire) -> None:
    everyone = (*wire.routers, *OTHERS)
    wire.switch.carry_out(Park("gw", wire.plugs))
    wire.listen(everyone)
    wire.shout(everyone, rounds=20)
    wire.all_was_heard()
    assert {name: wire.heard(name) - {"telltale"} for name in everyone} == {
        "access": {"trunk"},
        "trunk": {"access"},
        wire.routers[0]: set(),
        wire.routers[1]: set(),
    }
    wire.switch.carry_out(Unpark(wire.plugs))
    wire.shout(everyone, rounds=20)
    wire.all_was_heard()
    for name in everyone:
        assert wire.heard(name) >= set(everyone) - {name}
    wire.switch.carry_out(Park("gw", wire.plugs))
    wire.listen(everyone)
    wire.shout(everyone, rounds=20)
    wire.all_was_heard()
    assert not any(wire.heard(name) & set(wire.routers) for name in everyone)
    assert not any(wire.heard(name) for name in wire.routers)


def test_no_frame_arrives_once_parking_has_been_told_as_done(wire: Wire) -> None:
    dated = wire.date("access", of="inside")
    wire.shout(["inside"], rounds=0)
    for _ in range(3):
        seen = len(dated())
        wire.node.wait(lambda seen=seen: len(dated()) > seen + 100, within_s=30, until="frames arrive")
        wire.switch.carry_out(Park("gw", wire.plugs))
        parked_at = wire.switch.ended_at
        wire.listen(OTHERS)
        wire.all_was_heard()
        assert max(dated()) < parked_at
        wire.switch.carry_out(Unpark(wire.plugs))


def test_a_port_is_silent_from_the_moment_it_is_staged(wire: Wire) -> None:
    (new,) = (replace(plug, tag=TAG) for plug in plugs(1, first=2))
    wire.switch.carry_out(StagePlugs("gw", (new,)))
    wire.node.shell(_moved(new.name))
    wire.listen([*OTHERS, new.name])
    wire.shout([new.name, *wire.routers, *OTHERS], rounds=20)
    wire.all_was_heard()
    assert not any(wire.hears(name, new.name) for name in OTHERS)
    assert wire.heard("access") >= {"trunk", *wire.routers}
    assert wire.heard(new.name) == set()


@pytest.mark.parametrize("end", ["kill", "exit"])
def test_a_parked_port_stays_silent_while_ovs_vswitchd_ends_and_starts(wire: Wire, end: str) -> None:
    wire.switch.carry_out(Park("gw", wire.plugs))
    wire.listen((*OTHERS, "inside"))
    wire.shout((*wire.routers, *OTHERS), rounds=0)
    for _ in range(2):
        if end == "kill":
            wire.node.run("kill", "-KILL", str(wire.node.pid("ovs-vswitchd")))
        else:
            wire.node.run("ovs-appctl", "exit")
        wire.node.wait(lambda: not wire.node.processes("ovs-vswitchd"), within_s=10, until="ovs-vswitchd has ended")
        wire.node.run("ovs-vswitchd", "--disable-system", "--pidfile", "--detach", "-vconsole:off")
        wire.switch.carry_out(SetFlows("br-int", FLOWS))
        wire.switch.carry_out(Park("gw", wire.plugs))
    wire.all_was_heard()
    assert wire.heard("access") == {"trunk", "telltale"}
    assert wire.heard("trunk") == {"access", "telltale"}
    assert wire.heard("inside") == set()


def _moved(name: str) -> str:
    space = _namespace(name)
    return f"ip netns add {space}; ip link set {name} netns {space}; ip -n {space} link set {name} up\n"


def _namespace(name: str) -> str:
    return f"of-{name}"
