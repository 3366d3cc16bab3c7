"""What a daemon tells reaches the machine's log, and a log that is away or behind holds nobody up."""

import os
import socket

from hotspare.adapters.machine_log import KEPT, MachineLog

PATIENCE_S = 60


def test_a_line_is_sent_under_the_identifier_as_a_daemons_information(tmp_path):
    path = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(path)
        MachineLog("hotspare-rescheduler", path=path).tell('event=router.bound router="r1"')
        told = log.recv(1000)
    assert told.decode() == f'<30>hotspare-rescheduler[{os.getpid()}]: event=router.bound router="r1"'


def test_a_log_that_is_away_or_does_not_read_holds_nobody_up(tmp_path):
    path = str(tmp_path / "log")
    log = MachineLog("hotspare-rescheduler", path=path)
    log.tell("nobody is there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as full:
        full.bind(path)
        for _line in range(10_000):
            log.tell("nobody reads")
        assert full.recv(1000).endswith(b"nobody reads")


def test_a_log_that_is_behind_gets_every_line_in_its_turn_when_it_reads(tmp_path):
    path = str(tmp_path / "log")
    log = MachineLog("hotspare-rescheduler", path=path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as slow:
        slow.bind(path)
        slow.settimeout(PATIENCE_S)
        for number in range(KEPT):
            log.tell(f"number={number}")
        told = [slow.recv(1000).decode().partition("number=")[2] for _line in range(KEPT)]
    assert told == [str(number) for number in range(KEPT)]
