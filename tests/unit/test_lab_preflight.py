"""What is missing for a lab is said all at once, each with its remedy, from facts alone."""

from dataclasses import replace

import pytest

from hotspare.lab.preflight import Host, problems

GIB = 1024**3
GOOD = Host(
    root=True,
    distribution=("debian", "12"),
    architecture="x86_64",
    tun=True,
    overlay=True,
    namespaces=True,
    disk_state_free=20 * GIB,
    disk_cache_free=20 * GIB,
    memory_available=16 * GIB,
    inotify_free=128,
    commands_missing=(),
    image_cached=True,
)


def test_a_good_machine_has_no_problem():
    assert problems(GOOD) == ()


@pytest.mark.parametrize(
    ("bad", "said", "remedy"),
    [
        (replace(GOOD, root=False), "not root", "sudo"),
        (replace(GOOD, distribution=("fedora", "40")), "fedora 40 is not supported", "Debian 12"),
        (replace(GOOD, architecture="riscv64"), "riscv64", "amd64 or arm64"),
        (replace(GOOD, tun=False), "/dev/net/tun", "modprobe tun"),
        (replace(GOOD, overlay=False), "overlay", "modprobe overlay"),
        (replace(GOOD, namespaces=False), "namespaces", "Debian's kernel"),
        (replace(GOOD, disk_state_free=GIB), "1.0 GiB free", "make room"),
        (replace(GOOD, image_cached=False, disk_cache_free=GIB), "/var/cache", "make room"),
        (replace(GOOD, memory_available=GIB), "memory: 1.0 GiB available", "add memory"),
        (replace(GOOD, inotify_free=3), "inotify", "sysctl -w fs.inotify.max_user_instances"),
        (replace(GOOD, inotify_free=-2), "0 left", "take another lab down"),
        (
            replace(GOOD, commands_missing=("mmdebstrap", "systemd-nspawn")),
            "mmdebstrap, systemd-nspawn",
            "apt-get install mmdebstrap systemd-container",
        ),
    ],
)
def test_each_lack_is_said_with_its_remedy(bad, said, remedy):
    (problem,) = problems(bad)
    assert said in str(problem)
    assert remedy in str(problem)


def test_all_lacks_are_said_at_once():
    bad = replace(GOOD, root=False, tun=False, memory_available=0, commands_missing=("ip",))
    assert [problem.path for problem in problems(bad)] == ["user", "/dev/net/tun", "commands", "memory"]


def test_machines_without_openstack_need_less_memory():
    small = replace(GOOD, memory_available=2 * GIB)
    assert problems(small, bare=True) == ()
    assert problems(small) != ()


def test_a_built_image_needs_no_room_to_build_one():
    assert problems(replace(GOOD, disk_cache_free=0)) == ()
