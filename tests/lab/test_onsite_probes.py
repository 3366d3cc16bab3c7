"""The probes as a drill runs them, in network namespaces: real packets, real silences, real ends."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from hotspare.model.drill import Trace
from hotspare.plan.downtime import outage, unanswered

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces and raw sockets need root"),
]
SCRIPTS = Path(__file__).parents[2] / "src/hotspare/adapters/onsite"
HERE, THERE, THERE_TOO = "10.99.0.1", "10.99.0.2", "10.99.0.3"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, stdin=subprocess.DEVNULL)


class Wire:
    """Two hosts on a switch of their own."""

    def __init__(self, mark: str) -> None:
        self.near, self.far, self.switch = (f"hst{mark}{end}" for end in "nfs")

    def up(self) -> None:
        for name in (self.near, self.far, self.switch):
            ip("netns", "add", name)
        ip("-n", self.switch, "link", "add", "br0", "type", "bridge")
        ip("-n", self.switch, "link", "set", "br0", "up")
        self.plug(self.near, "near", HERE)
        self.plug(self.far, "far", THERE, THERE_TOO)

    def plug(self, host: str, cable: str, *addresses: str) -> None:
        """A new cable from `host` to the switch, where its end is called `cable`."""
        ip("-n", self.switch, "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", host)
        for address in addresses:
            ip("-n", host, "address", "add", f"{address}/24", "dev", "eth0")
        ip("-n", host, "link", "set", "lo", "up")
        ip("-n", host, "link", "set", "eth0", "up")
        ip("-n", self.switch, "link", "set", cable, "master", "br0", "up")

    def set(self, cable: str, state: str) -> None:
        ip("-n", self.switch, "link", "set", cable, state)

    def down(self) -> None:
        for name in (self.near, self.far, self.switch):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@pytest.fixture
def wire():
    found = Wire(str(os.getpid()))
    try:
        found.up()
        yield found
    finally:
        found.down()


class Running:
    """A probe; its lines are read as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[dict] = []

    def until(self, wanted, *, within_s: float = 15.0) -> dict:
        """Read lines until one is wanted."""
        end_s = time.monotonic() + within_s
        while time.monotonic() < end_s:
            text = self.process.stdout.readline()
            if not text:
                break
            self.lines.append(json.loads(text))
            if wanted(self.lines[-1]):
                return self.lines[-1]
        raise AssertionError(f"not seen; last were {self.lines[-3:]}, {self.process.poll()}")


@contextmanager
def probe(netns: str, script: str, **options):
    argv = ["ip", "netns", "exec", netns, "/usr/bin/python3", "-IS", "-", json.dumps({"limit_s": 60, **options})]
    with (SCRIPTS / script).open() as text:
        process = subprocess.Popen(argv, stdin=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield Running(process)
    finally:
        process.stdout.close()
        process.wait(timeout=10)  # it notices by itself that nobody reads any more
        process.stderr.close()


def traced(lines: list[dict], addresses: tuple[str, ...], interval_s: float) -> Trace:
    rounds: list[tuple[int, float]] = []
    replies: dict[str, list[tuple[int, float]]] = {address: [] for address in addresses}
    for line in lines:
        if line["k"] == "rounds":
            rounds += [(line["first"] + place, at) for place, at in enumerate(line["at"])]
        if line["k"] == "replies":
            for place, number, at in line["r"]:
                replies[addresses[place]].append((number, at))
    return Trace(interval_s, tuple(rounds), {address: tuple(found) for address, found in replies.items()})


def sent_until(at_s: float):
    return lambda line: line["k"] == "rounds" and line["at"] and line["at"][-1] >= at_s


def test_ping_measures_a_cut_cable_to_within_its_error(wire):
    addresses = (THERE, THERE_TOO)
    with probe(wire.near, "ping.py", targets=addresses, interval_s=0.02) as ping:
        ping.until(sent_until(time.time() + 1))
        cut_s = time.time()
        wire.set("far", "down")
        ping.until(sent_until(cut_s + 1.5))
        wire.set("far", "up")
        healed_s = time.time()
        ping.until(sent_until(healed_s + 4))
    trace = traced(ping.lines, addresses, 0.02)
    assert unanswered(trace, THERE, trace.rounds[0][1], cut_s - 0.1) == ()
    for address in addresses:
        found = outage(trace, address, ("r", "r"), cut_s - 0.5, healed_s + 4)
        assert found.outage_s is not None
        assert found.outage_s >= healed_s - cut_s - 0.2
        assert found.error_s < 0.3


def test_ping_goes_on_where_there_is_no_route(wire):
    with probe(wire.near, "ping.py", targets=["192.0.2.1", THERE], interval_s=0.05) as ping:
        assert ping.until(lambda line: line["k"] == "errors")["e"][0][2] == "ENETUNREACH"
        assert {reply[0] for reply in ping.until(lambda line: line["k"] == "replies")["r"]} == {1}


def test_a_probe_whose_reader_is_gone_ends(wire):
    with probe(wire.near, "ping.py", targets=[THERE], interval_s=0.05) as ping:
        ping.until(lambda line: line["k"] == "replies")
    assert ping.process.returncode == 0


def test_a_probe_ends_by_itself_after_its_limit(wire):
    with probe(
        wire.near, "http_get.py", host=THERE, port=80, path="/", interval_s=0.1, timeout_s=1, limit_s=0.5
    ) as get:
        assert get.until(lambda line: line["k"] == "get")["status"] is None
        assert get.process.wait(timeout=10) == 0


def test_a_connection_through_a_short_cut_stalls_and_resumes(wire):
    with probe(wire.far, "tcp_sink.py", port=0) as sink:
        port = sink.until(lambda line: line["k"] == "listening")["port"]
        with probe(wire.near, "tcp_stream.py", address=THERE, port=port, interval_s=0.05, stall_s=0.5) as stream:
            stream.until(lambda line: line["k"] == "echoed" and line["echoed"] > 5)
            wire.set("far", "down")
            stream.until(lambda line: line["k"] == "stalled")
            stream.until(lambda line: line["k"] == "refused")
            wire.set("far", "up")
            assert stream.until(lambda line: line["k"] == "resumed")["stall_s"] >= 0.5
        assert [line["n"] for line in stream.lines if line["k"] == "connected"] == [1]


def test_a_reset_connection_is_lost_and_made_anew(wire):
    with probe(wire.far, "tcp_sink.py", port=7007) as sink:
        sink.until(lambda line: line["k"] == "listening")
        with probe(wire.near, "tcp_stream.py", address=THERE, port=7007, interval_s=0.05, stall_s=1.0) as stream:
            stream.until(lambda line: line["k"] == "echoed" and line["echoed"] > 3)
            sink.process.kill()
            stream.until(lambda line: line["k"] == "lost")
            stream.until(lambda line: line["k"] == "refused")
            with probe(wire.far, "tcp_sink.py", port=7007):
                assert stream.until(lambda line: line["k"] == "connected")["n"] == 2


def test_http_get_tells_status_and_time(wire):
    server = ["ip", "netns", "exec", wire.far, sys.executable, "-m", "http.server", "8080", "--directory", "/var/empty"]
    with subprocess.Popen(server, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            options = {"host": THERE, "port": 8080, "interval_s": 0.1, "timeout_s": 1.0}
            with probe(wire.near, "http_get.py", path="/no-such-thing", **options) as get:
                assert get.until(lambda line: line["status"] == 404)["took_s"] < 1
        finally:
            running.kill()


def test_the_witness_sees_who_answers_even_on_a_cable_that_is_made_anew(wire):
    def answers(line):
        return line["k"] == "seen" and any(kind == "echo-reply" for _cable, kind, *_rest in line["s"])

    with probe(wire.switch, "witness.py", cables={"far": "in"}) as witness:
        witness.until(lambda line: line["k"] == "cable" and line["up"])
        with probe(wire.near, "ping.py", targets=[THERE], interval_s=0.05):
            seen = witness.until(answers)
            assert {(cable, address) for cable, _kind, address, *_rest in seen["s"]} == {("far", THERE)}
            ip("-n", wire.switch, "link", "del", "far")
            witness.until(lambda line: line["k"] == "cable" and not line["up"])
            wire.plug(wire.far, "far", THERE)
            ip("-n", wire.near, "neighbour", "flush", "dev", "eth0")
            seen = witness.until(answers)
        arp = [row for line in witness.lines if line["k"] == "seen" for row in line["s"] if row[1] == "arp-reply"]
        assert {row[2] for row in arp} == {THERE}
        assert sum(line["lost"] for line in witness.lines if line["k"] == "seen") == 0


def test_the_witness_ignores_what_goes_to_a_node(wire):
    with probe(wire.switch, "witness.py", cables={"near": "in"}) as witness:
        witness.until(lambda line: line["k"] == "cable" and line["up"])
        with probe(wire.near, "ping.py", targets=[THERE], interval_s=0.05) as ping:
            ping.until(lambda line: line["k"] == "replies")
            witness.until(lambda line: line["k"] == "seen")
            witness.until(lambda line: line["k"] == "seen")
        claims = {
            (kind, address) for line in witness.lines if line["k"] == "seen" for _cable, kind, address, *_ in line["s"]
        }
        assert claims <= {("arp-request", HERE), ("arp-reply", HERE)}


def test_the_state_of_this_host_is_told_without_guesses():
    script = (SCRIPTS / "node_state.py").read_text()
    argv = ["/usr/bin/python3", "-IS", "-"]
    done = subprocess.run(argv, input=script, capture_output=True, check=True, text=True)
    state = json.loads(done.stdout)
    assert set(state) == {
        "boot_id", "wall", "namespaces", "ports", "open_vswitch", "processes", "outdated", "cannot_tell"
    }  # fmt: skip
