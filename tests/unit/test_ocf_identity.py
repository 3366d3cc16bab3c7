"""Which process is which: pid files, start times, names on command lines."""

import os

import pytest
from hotspare_ocf import identity
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

DROP_IN = "/run/hotspare/edge-l3.conf"


def itself() -> identity.Process:
    now = identity.stat(os.getpid())
    assert now
    return identity.Process(now.pid, now.start_ticks)


def test_a_pid_file_names_the_very_process(tmp_path):
    file = tmp_path / "pid"
    file.write_bytes(identity.pid_file_text(itself()))
    recorded = identity.read_pid_file(str(file))
    assert recorded == itself()
    assert identity.living(recorded)
    assert file.read_text().splitlines()[0] == str(os.getpid())


def test_a_pid_that_was_used_again_is_another_process(tmp_path):
    file = tmp_path / "pid"
    file.write_bytes(identity.pid_file_text(identity.Process(os.getpid(), itself().start_ticks - 1)))
    recorded = identity.read_pid_file(str(file))
    assert recorded
    assert identity.living(recorded) is None


def test_a_pid_file_of_another_boot_names_nobody(tmp_path):
    file = tmp_path / "pid"
    lines = identity.pid_file_text(itself()).splitlines()
    file.write_bytes(b"\n".join([*lines[:2], b"another-boot", b""]))
    assert identity.read_pid_file(str(file)) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary())
def test_a_pid_file_may_hold_anything(tmp_path, content):
    file = tmp_path / "pid"
    file.write_bytes(content)
    assert identity.read_pid_file(str(file)) is None


def test_a_pid_file_may_be_a_directory_or_absent(tmp_path):
    assert identity.read_pid_file(str(tmp_path)) is None
    assert identity.read_pid_file(str(tmp_path / "none")) is None


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["/opt/openstack/bin/python3", "/usr/bin/neutron-l3-agent", "--config-file", "x"], "neutron-l3-agent"),
        (["/usr/bin/python3.11", "-E", "-s", "/usr/bin/neutron-l3-agent"], "neutron-l3-agent"),
        (["neutron-l3-agent: master process [/usr/bin/neutron-l3-agent --config-file x]"], "neutron-l3-agent"),
        (["neutron-l3-agent (/opt/openstack/bin/python3 /usr/bin/neutron-l3-agent)"], "neutron-l3-agent"),
        (["/bin/sh", "/usr/local/bin/neutron-l3-agent"], "neutron-l3-agent"),
        (["vim", "/usr/bin/neutron-l3-agent"], "vim"),
        (["grep", "neutron-l3-agent", "/var/log/syslog"], "grep"),
        (["sudo", "neutron-l3-agent"], "sudo"),
        (["/usr/bin/python3", "-IS", "/usr/lib/ocf/resource.d/openstack/neutron-openvswitch-agent", "monitor"], ""),
        ([], ""),
    ],
)
def test_a_program_is_known_by_its_name_not_by_its_arguments(words, name):
    assert identity.program("\0".join(words).encode()).decode() == name


@pytest.mark.parametrize(
    ("words", "marked"),
    [
        (["neutron-l3-agent", "--config-file", DROP_IN], True),
        ([f"neutron-l3-agent: master process [neutron-l3-agent --config-file {DROP_IN}]"], True),
        (["vim", DROP_IN], False),
        (["neutron-l3-agent", "--config-file", "/run/hotspare/other.conf"], False),
    ],
)
def test_a_drop_in_marks_who_runs_with_it(words, marked):
    assert identity.is_marked("\0".join(words).encode(), DROP_IN) is marked
