"""What stresses the machine that the lab is on: processes that are started and ended by their pids.

`python loads.py KIND SECONDS [ADDRESS | DIRECTORY]` is one such process; it ends by itself after so many seconds,
should nobody end it.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise

from hotspare.lab import namespace
from hotspare.lab.layout import Role
from lab_parts import Lab

PORT = 5999
WRITTEN_MIB = 256
"""Each process that writes does so again and again."""
RINGS = ("mgmt", "ring2")
"""The networks that Corosync uses."""


def cpu() -> None:
    """A core is busy."""
    while True:
        sum(range(100_000))


def disk(directory: str) -> None:
    """A file without a name is written to the disk, again and again."""
    block = os.urandom(1 << 20)
    with tempfile.TemporaryFile(dir=directory) as file:
        while True:
            file.seek(0)
            for _ in range(WRITTEN_MIB):
                file.write(block)
                os.fsync(file.fileno())


def receive(address: str) -> None:
    """Whoever connects may send."""
    server = socket.create_server((address, PORT))
    while True:
        sender, _ = server.accept()
        threading.Thread(target=_drained, args=(sender,), daemon=True).start()


def _drained(sender: socket.socket) -> None:
    with sender:
        while sender.recv(1 << 16):
            pass


def send(address: str) -> None:
    """All that a TCP connection takes is sent; it is made anew where it breaks."""
    block = bytes(1 << 16)
    while True:
        try:
            with socket.create_connection((address, PORT), timeout=5) as there:
                while True:
                    there.sendall(block)
        except OSError:
            time.sleep(0.2)


KINDS: dict[str, Callable[..., None]] = {"cpu": cpu, "disk": disk, "receive": receive, "send": send}


@contextmanager
def stressed(lab: Lab, loads: Sequence[str], *, limit_s: float) -> Iterator[None]:
    """The machine has these loads, of `LOADS`, as long as the context lasts."""
    with ExitStack() as stack:
        for load in loads:
            for netns, words in LOADS[load](lab):
                stack.enter_context(_running(netns, [words[0], f"{limit_s:.0f}", *words[1:]]))
        yield


@contextmanager
def _running(netns: str, words: list[str]) -> Iterator[None]:
    argv = [sys.executable, __file__, *words]
    with ExitStack() as stack:
        if netns:
            stack.enter_context(namespace.entered(netns))
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield
        assert process.poll() is None, f"{' '.join(words)} has ended early: there was less load than is told"
    finally:
        process.kill()
        process.wait()


Processes = Iterator[tuple[str, tuple[str, ...]]]
"""The network namespace of each, empty for the machine's own, and its words."""


def _cpu(_lab: Lab) -> Processes:
    """Two for each core."""
    for _ in range(2 * (os.cpu_count() or 1)):
        yield "", ("cpu",)


def _disk(lab: Lab) -> Processes:
    """One for each core, on the disk of the lab's machines."""
    for _ in range(os.cpu_count() or 1):
        yield "", ("disk", str(lab.state_dir))


def _network(lab: Lab) -> Processes:
    """Around the ring of network nodes, on each network that Corosync uses."""
    nodes = [machine for machine in lab.layout.machines if machine.role is Role.NETWORK]
    for network in RINGS:
        for source, target in pairwise([*nodes, nodes[0]]):
            yield lab.layout.netns(target.name), ("receive", target.address(network))
            yield lab.layout.netns(source.name), ("send", target.address(network))


LOADS: dict[str, Callable[[Lab], Processes]] = {"network": _network, "CPU": _cpu, "disk": _disk}


def main() -> None:
    """One process; its time is up by a signal that nothing catches."""
    kind, seconds, *more = sys.argv[1:]
    signal.alarm(int(seconds))
    KINDS[kind](*more)


if __name__ == "__main__":
    main()
