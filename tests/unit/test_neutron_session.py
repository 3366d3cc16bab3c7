"""The session with Neutron against the stand-in's HTTP server: pages, tokens, faults, and what is counted."""

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from keystoneauth1.exceptions import ClientException
from keystoneauth1.session import Session

from hotspare.adapters.neutron_scheduling import NeutronScheduling
from hotspare.adapters.neutron_session import Ended, NeutronSession, together, told
from hotspare.model.errors import NotReachableError, RefusedError, TimedOutError
from lab_parts import eventually
from standin.server import Faults, Standin
from standin.world import cloud

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # of openstacksdk, about itself

FIRST = "router-00000"


@pytest.fixture
def standin() -> Iterator[Standin]:
    with Standin(cloud(hosts=3, routers=8)).served() as served:
        yield served


def scheduling(standin: Standin, tmp_path: Path, name: str = "admin", **options) -> NeutronScheduling:
    return NeutronScheduling(NeutronSession(name, clouds_file=standin.clouds_file(tmp_path), **options))


def test_a_large_cloud_is_read_page_by_page(tmp_path):
    with Standin(cloud(hosts=4, routers=2500)).served() as standin:
        routing = asyncio.run(scheduling(standin, tmp_path).routing())
        assert standin.calls["GET routers"] == 3
        assert standin.calls.total() == 1 + 3 + 5 + 1 + 3 + 4
    assert len(routing.routers) == 2500
    assert Counter(agent for agents in routing.bindings.values() for agent in agents) == {
        f"l3-net{number}": 625 for number in (1, 2, 3, 4)
    }


def test_ports_of_many_routers_are_asked_for_in_addresses_that_a_server_takes(tmp_path):
    with Standin(cloud(hosts=2, routers=120)).served() as standin:
        neutron = scheduling(standin, tmp_path)
        ports = asyncio.run(neutron.ports([f"router-{number:05}" for number in range(120)]))
        assert standin.calls["GET ports"] == 3
    assert len(ports) == 240
    assert all(port.active and not port.failed for port in ports)


def test_a_cloud_without_keystone_may_be_named(standin, tmp_path):
    assert asyncio.run(scheduling(standin, tmp_path, "open").agents_of(FIRST)) == ("l3-net1",)


def test_a_token_that_has_expired_is_renewed_once_and_the_call_made_again(standin, tmp_path):
    neutron = scheduling(standin, tmp_path)
    for expired in (False, True):
        if expired:
            standin.identity.expire()
        assert asyncio.run(neutron.agents_of(FIRST)) == ("l3-net1",)
    assert standin.identity.given == 2


def test_a_password_that_was_changed_is_read_anew(standin, tmp_path):
    """The rescheduler lives for months, and is not restarted for a new clouds.yaml."""
    neutron = scheduling(standin, tmp_path)
    assert asyncio.run(neutron.agents_of(FIRST)) == ("l3-net1",)
    standin.identity.passwords["admin"] = "wrong"
    standin.identity.expire()
    with pytest.raises(RefusedError, match="401"):
        asyncio.run(neutron.agents_of(FIRST))
    clouds = json.loads((tmp_path / "clouds.yaml").read_text())
    clouds["clouds"]["admin"] = clouds["clouds"]["wrong"]
    (tmp_path / "clouds.yaml").write_text(json.dumps(clouds))
    assert asyncio.run(neutron.agents_of(FIRST)) == ("l3-net1",)


def test_a_wall_clock_that_is_stepped_back_delays_no_call(standin, tmp_path, monkeypatch):
    """The one thing here that is no argument of ours: libraries ask the system for the time of day."""
    neutron = scheduling(standin, tmp_path, read_limit_s=5)
    assert asyncio.run(neutron.agents_of(FIRST)) == ("l3-net1",)
    true = time.time
    monkeypatch.setattr(time, "time", lambda: true() - 3600)
    assert asyncio.run(neutron.agents_of(FIRST)) == ("l3-net1",)


def test_a_failure_is_not_tried_again(standin, tmp_path):
    neutron = scheduling(standin, tmp_path)
    standin.faults = Faults(error_every=1)
    with pytest.raises(RefusedError, match="500") as refused:
        asyncio.run(neutron.bind(FIRST, "l3-net1"))
    assert refused.value.code == 500
    assert standin.calls.total() == 1


def test_a_connection_that_broke_off_may_have_had_its_effect(standin, tmp_path):
    neutron = scheduling(standin, tmp_path)
    standin.faults = Faults(break_every=1)
    with pytest.raises(TimedOutError, match="broke the connection off"):
        asyncio.run(neutron.unbind(FIRST, "l3-net1"))
    standin.faults = Faults()
    assert asyncio.run(neutron.agents_of(FIRST)) == ()


def test_nothing_is_sent_after_the_deadline(standin, tmp_path):
    """With one connection, a call behind one that hangs runs out of time before it has its turn."""
    neutron = scheduling(standin, tmp_path, in_flight_max=1, read_limit_s=0.5)

    async def two() -> list[object]:
        await neutron.agents_of(FIRST)
        standin.faults = Faults(latency_s=0.6)
        return await asyncio.gather(neutron.agents_of(FIRST), neutron.agents_of(FIRST), return_exceptions=True)

    assert [type(end) for end in asyncio.run(two())] == [TimedOutError, TimedOutError]
    standin.faults = Faults()
    eventually(lambda: not standin.in_flight, within_s=5, what="the call that hung has ended")
    asyncio.run(neutron.agents_of(FIRST))
    assert standin.calls["GET l3-agents"] == 3


def test_a_cancelled_call_ends_at_once_and_is_counted(standin, tmp_path):
    seen: list[tuple[str, Ended]] = []
    neutron = scheduling(standin, tmp_path, observed=lambda kind, _took_s, ended: seen.append((kind, ended)))
    standin.faults = Faults(hang_every=1)

    async def given_up() -> None:
        call = asyncio.create_task(neutron.agents_of(FIRST))
        begun = partial(eventually, lambda: standin.in_flight > 0, within_s=5, what="the call is made")
        await asyncio.to_thread(begun)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(given_up())
    assert seen == [("l3-agents", Ended.CANCELLED)]


def test_every_call_is_observed_with_its_kind_and_end(standin, tmp_path):
    seen: list[tuple[str, Ended]] = []
    neutron = scheduling(standin, tmp_path, observed=lambda kind, _took_s, ended: seen.append((kind, ended)))

    async def calls() -> None:
        await neutron.unbind(FIRST, "l3-net1")
        await neutron.bind(FIRST, "l3-net2")
        with pytest.raises(RefusedError):
            await neutron.bind(FIRST, "l3-net3")
        await neutron.agents_of(FIRST)
        await neutron.unbind_network("network-0", "dhcp-net1")

    asyncio.run(calls())
    assert seen == [
        ("unbind", Ended.DONE),
        ("bind", Ended.DONE),
        ("bind", Ended.REFUSED),
        ("l3-agents", Ended.DONE),
        ("unbind_network", Ended.DONE),
    ]


def test_a_hundred_calls_are_in_flight_at_once(standin, tmp_path):
    neutron = scheduling(standin, tmp_path)
    standin.faults = Faults(hang_every=1)

    async def many() -> None:
        calls = [asyncio.create_task(neutron.agents_of(FIRST)) for _ in range(100)]
        await asyncio.to_thread(
            partial(eventually, lambda: standin.in_flight == 100, within_s=25, what="all calls are made")
        )
        for call in calls:
            call.cancel()

    asyncio.run(many())


def test_an_api_that_is_not_there_was_asked_nothing(standin, tmp_path):
    neutron = scheduling(standin, tmp_path, "open")
    standin.stop()
    with pytest.raises(NotReachableError):
        asyncio.run(neutron.bind(FIRST, "l3-net2"))


def test_a_machine_that_does_not_answer_at_all_was_asked_nothing():
    """A socket whose queue is full drops the first packet of a connection, as a machine that is off does."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.create_connection(full.getsockname()):
        url = f"http://127.0.0.1:{full.getsockname()[1]}/"
        with pytest.raises(ClientException) as failed:
            Session().get(url, timeout=(0.5, 30), authenticated=False)
    error = told("Neutron", failed.value, limit_s=30)
    assert isinstance(error, NotReachableError)
    assert "its address does not answer" in error.message


def test_a_call_that_hangs_keeps_no_process_alive(standin, tmp_path):
    clouds = standin.clouds_file(tmp_path)
    standin.faults = Faults(hang_every=1)
    program = f"""
import asyncio
from functools import partial
from pathlib import Path
from hotspare.adapters.neutron_scheduling import NeutronScheduling
from hotspare.adapters.neutron_session import NeutronSession
async def give_up():
    async with asyncio.timeout(1):
        await NeutronScheduling(NeutronSession("open", clouds_file=Path({str(clouds)!r}))).agents_of("x")
try:
    asyncio.run(give_up())
except TimeoutError:
    print("gone")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "gone\n", done.stderr


def test_a_node_needs_nothing_but_the_sdk():
    """The daemon runs under Neutron's own Python, which has openstacksdk and nothing else of ours."""
    program = """
import sys
import hotspare.adapters.neutron_scheduling
ours = ("asyncssh", "lxml", "matplotlib", "pydantic", "rich", "ruamel", "typer")
print([name for name in ours if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


def test_the_task_in_which_one_of_several_calls_failed_does_not_count_as_being_cancelled():
    async def fails() -> None:
        await asyncio.sleep(0)
        raise RefusedError("Internal Server Error", code=500)

    async def never() -> None:
        await asyncio.Event().wait()

    async def asks() -> tuple[int, int]:
        task = asyncio.current_task()
        assert task is not None
        with pytest.raises(RefusedError):
            await together(fails, never, fails, at_once_max=4)
        await asyncio.sleep(0)
        return task.cancelling(), len(asyncio.all_tasks() - {task})

    assert asyncio.run(asks()) == (0, 0), "and no call goes on"
