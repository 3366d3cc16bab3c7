"""Real stagers on two nodes: a carrier that changes faster than anybody follows, and stagers that are killed anywhere.

Whatever happens, a spare is silent, and in the end its twin is what the carrier is.
"""

import os
from collections.abc import Iterator
from functools import partial
from random import Random

import pytest

from hotspare.lab import image
from stager_pair import MadeRouter, Pair, StagerNode, paired, routers

pytestmark = pytest.mark.lab

MANY, SOME, FEW = 100, 40, 5
UNPROMOTED, PROMOTED = 0, 8
"""Source: hotspare_ocf/codes.py."""
ASK_METADATA = ("python3", "-c", "from urllib.request import urlopen; print(urlopen('http://[::1]:9697/').read())")


@pytest.fixture(scope="module")
def booted_pair() -> Iterator[Pair]:
    if os.geteuid() != 0:
        pytest.skip("nodes of one's own need root")
    with paired(image.ensure_image(print)) as pair:
        yield pair


@pytest.fixture
def pair(booted_pair: Pair) -> Pair:
    booted_pair.begin()
    return booted_pair


def names(made: list[MadeRouter], *, changed: bool) -> set[str]:
    """The ports that the routers have, before and after they changed."""
    more = {one.more.name for one in made if (one.gets_a_network if changed else one.loses_a_network)}
    return {plug.name for one in made for plug in (one.qr, one.qg)} | more


def test_a_hundred_routers_that_change_at_once_are_in_the_twin_and_are_not_heard_before_it_is_let_go(pair):
    made = routers(MANY)
    pair.carrier.make(made)
    pair.equal()
    pair.carrier.change(made)
    pair.equal()
    assert pair.carrier.live_ports() == pair.spare.ports().keys() == names(made, changed=True)
    for one in made[:3]:
        for plug in (one.qr, one.qg):
            pair.spare.shout(one.namespace, plug.name)
    assert pair.spare.heard() == set()

    carried = pair.carrier.plane()
    assert pair.carrier.gateway("demote").code == 0
    assert pair.spare.gateway("promote").code == 0
    assert pair.spare.live_ports() == names(made, changed=True)
    assert pair.spare.plane() == carried
    macs = {plug.mac for one in made for plug in (one.qr, one.qg, one.more) if plug.name in names(made, changed=True)}
    pair.spare.node.wait(lambda: pair.spare.heard() == macs, within_s=30, until="every port of the twin was announced")


def monitored(one: StagerNode, code: int) -> None:
    """What Pacemaker does every few seconds."""
    told = one.gateway("monitor", level=10)
    assert told.code == code, told


def test_a_spare_whose_stager_is_killed_while_it_stages_is_silent_and_its_next_stager_goes_on(pair):
    made, moments = routers(SOME), Random(7)
    pair.carrier.make(made)
    for turn in range(8):
        if turn == 4:
            pair.carrier.change(made)
        with pair.spare.killing_stager(moments.uniform(0.0, 2.5)):
            pass
        assert pair.spare.live_ports() == set()
        if len(pair.spare.ports()) >= len(made) * 2:
            pair.spare.node.run("/usr/lib/ocf/lib/hotspare/clean", "--twins")
        monitored(pair.spare, UNPROMOTED)
    pair.equal()
    assert pair.spare.heard() == set()


def test_what_a_node_has_parked_without_its_stager_is_the_twin_that_its_next_stager_keeps(pair):
    made = routers(FEW)
    everything = names(made, changed=False)
    ids = lambda one: {row["name"]: row["_uuid"] for row in one.switch.rows(everything)}  # noqa: E731
    pair.carrier.make(made)
    pair.equal()
    before = ids(pair.carrier)
    pair.carrier.kill_stager()
    assert pair.carrier.gateway("demote").code == 0
    assert pair.spare.gateway("promote").code == 0
    pair = pair.turned()
    monitored(pair.spare, UNPROMOTED)
    pair.equal()
    assert ids(pair.spare) == before
    assert pair.spare.live_ports() == set()


def test_stagers_that_are_killed_while_a_gateway_moves_leave_one_node_that_forwards_and_one_that_is_silent(pair):
    made, moments = routers(SOME), Random(8)
    everything = names(made, changed=False)
    pair.carrier.make(made)
    pair.equal()
    for _turn in range(6):
        with pair.carrier.killing_stager(moments.uniform(0.0, 0.3)):
            assert pair.carrier.gateway("demote").code == 0
        assert pair.carrier.live_ports() == set()
        assert pair.spare.heard() == set()
        pair.carrier.listen()
        with pair.spare.killing_stager(moments.uniform(0.0, 0.3)):
            assert pair.spare.gateway("promote").code == 0
        pair = pair.turned()
        monitored(pair.carrier, PROMOTED)
        monitored(pair.spare, UNPROMOTED)
        if not pair.carrier.ports():
            assert "qrouter-" not in pair.carrier.node.run("ip", "netns", "list")
            pair.carrier.make(made)  # as the agents do where the takeover was a cold one
        assert pair.carrier.live_ports() == everything
        pair.equal()
    assert pair.spare.heard() == set()


def serves(node: StagerNode, made: list[MadeRouter]) -> bool:
    """Whether every router's haproxy and radvd run there."""
    return all(node.helpers(one).keys() == {"haproxy", "radvd"} for one in made)


def test_what_serves_routers_runs_on_the_node_that_takes_over_and_nowhere_else(pair):
    made = routers(FEW)
    pair.carrier.make(made)
    pair.carrier.write_files(made)
    pair.equal()
    pair.spare.node.wait(lambda: pair.spare.has_files(made), within_s=60, until="the twin has what helpers read")
    for _turn in range(2):
        assert not any(pair.spare.helpers(one) for one in made)
        assert pair.carrier.gateway("demote").code == 0
        assert pair.spare.gateway("promote").code == 0
        pair = pair.turned()
        pair.carrier.node.wait(partial(serves, pair.carrier, made), within_s=60, until="every router has its helpers")
        for one in made:
            assert one.id in pair.carrier.node.run("ip", "netns", "exec", one.namespace, *ASK_METADATA)
        assert not any(pair.spare.helpers(one) for one in made)
        pair.equal()
