"""Which of routers' helpers are run, and which not. That they work, and that Neutron takes them, is seen in a lab."""

import asyncio
import subprocess
import sys

import pytest

from hotspare.adapters.router_helpers import RouterHelpers
from hotspare.model.dataplane import HelperFile
from hotspare.model.errors import RefusedError
from hotspare.model.staging import Helper

ROUTER = "0544bb83-d878-43ad-be9a-39d0f9f86c3f"


def haproxy(tmp_path, *, pid_file: str) -> Helper:
    path = str(tmp_path / f"ns-metadata-proxy/{ROUTER}.conf")
    return Helper(ROUTER, "qrouter-that-is-not-there", HelperFile(path, f"global\n    pidfile   {pid_file}\n"))


@pytest.mark.parametrize("elsewhere", ["", "/etc/passwd", "/var/lib/neutron/external/pids/another.pid.haproxy"])
def test_a_haproxy_that_no_agent_would_find_is_not_run_and_nothing_is_removed(tmp_path, elsewhere):
    with pytest.raises(RefusedError, match="no pidfile by which"):
        asyncio.run(RouterHelpers(tmp_path).run(haproxy(tmp_path, pid_file=elsewhere)))


def test_a_router_that_has_its_helper_already_gets_no_other(tmp_path):
    pid_file = tmp_path / f"{ROUTER}.pid.haproxy"
    with subprocess.Popen([sys.executable, "-c", "input()", ROUTER], stdin=subprocess.PIPE) as one:
        pid_file.write_text(f"{one.pid}\n")
        asyncio.run(RouterHelpers(tmp_path).run(haproxy(tmp_path, pid_file=str(pid_file))))
        assert pid_file.read_text() == f"{one.pid}\n"
        one.communicate(b"\n")


def test_a_pid_file_that_names_somebody_else_is_no_helper(tmp_path):
    pid_file = tmp_path / f"{ROUTER}.pid.haproxy"
    with subprocess.Popen([sys.executable, "-c", "input()", "of another"], stdin=subprocess.PIPE) as one:
        pid_file.write_text(f"{one.pid}\n")
        with pytest.raises(RefusedError):
            asyncio.run(RouterHelpers(tmp_path).run(haproxy(tmp_path, pid_file=str(pid_file))))
        assert not pid_file.exists()
        one.communicate(b"\n")
