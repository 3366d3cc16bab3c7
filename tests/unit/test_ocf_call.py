"""A call of a resource agent: what it takes, what it says, what it loads."""

import os
import subprocess
from pathlib import Path

import pytest
from hotspare_ocf import (
    codes,
    environment,
    events,
    gateway,
    identity,
    legacy,
    metadata,
    neutron_agent_dhcp,
    neutron_agent_l3,
    neutron_config,
    neutron_metadata_agent,
    neutron_openvswitch_agent,
)
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

BUNDLE = Path(__file__).parents[2] / "src/hotspare/ocf/resource.d"
AGENTS = {
    "hotspare/gateway": gateway.AGENT,
    "openstack/neutron-agent-dhcp": neutron_agent_dhcp.AGENT,
    "hotspare/legacy": legacy.AGENT,
    "openstack/neutron-agent-l3": neutron_agent_l3.AGENT,
    "openstack/neutron-metadata-agent": neutron_metadata_agent.AGENT,
    "openstack/neutron-openvswitch-agent": neutron_openvswitch_agent.AGENT,
}
RECIPE = {
    "config", "plugin_config", "host", "hostname", "binary", "user", "pid", "log_file", "additional_parameters",
}  # fmt: skip


def called(agent: str, action: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BUNDLE / agent, action], capture_output=True, text=True, check=False, env=environ)


@pytest.mark.parametrize("name", AGENTS)
def test_metadata_tells_every_parameter_and_action_that_is_declared(name):
    root = etree.fromstring(called(name, "meta-data").stdout.encode())
    agent = AGENTS[name]
    assert root.get("name") == name.rpartition("/")[2]
    assert [one.get("name") for one in root.iter("parameter")] == [one.name for one in agent.parameters]
    assert {one.get("name") for one in root.iter("action")} == {one.name for one in agent.actions} | {"meta-data"}
    for one in root.iter("parameter"):
        assert one.findtext("shortdesc")
        assert (one.findtext("longdesc") or "").strip()


def test_the_agents_of_the_recipe_have_its_parameters():
    for name, agent in AGENTS.items():
        if name.startswith("openstack/"):
            assert {parameter.name for parameter in agent.parameters} >= RECIPE


@pytest.mark.parametrize("name", AGENTS)
def test_an_action_that_is_not_there_is_unimplemented(name):
    assert called(name, "dance").returncode == codes.ERR_UNIMPLEMENTED
    assert called(name, "usage").returncode == codes.SUCCESS


HEAVY = {
    "argparse", "asyncio", "collections", "dataclasses", "enum", "inspect", "json", "logging", "os", "pathlib", "re",
    "select", "shlex", "signal", "socket", "subprocess", "threading", "typing", "xml",
}  # fmt: skip


def loaded_by_monitor(name: str, directory: Path, *, interval_ms: int) -> set[str]:
    """The modules that a monitor loads: of agents that live, of a gateway and a script that do not."""
    itself = identity.stat(os.getpid())
    assert itself
    (directory / "pid").write_bytes(identity.pid_file_text(identity.Process(itself.pid, itself.start_ticks)))
    (directory / "script").write_text("#!/bin/sh\necho stopped\n")
    (directory / "script").chmod(0o755)
    done = subprocess.run(
        ["/usr/bin/python3", "-IS", "-X", "importtime", BUNDLE / name, "monitor"],
        capture_output=True, text=True, check=False,
        env={"OCF_RESKEY_gateway": "no-such-gateway", "OCF_RESKEY_CRM_meta_interval": str(interval_ms),
             "OCF_RESOURCE_INSTANCE": "no-such-resource", "OCF_RESKEY_pid": str(directory / "pid"),
             "OCF_RESKEY_script": str(directory / "script")},
    )  # fmt: skip
    assert done.returncode == (codes.NOT_RUNNING if name.startswith("hotspare/") else codes.SUCCESS)
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


def ours(modules: set[str]) -> set[str]:
    return {name.removeprefix("hotspare_ocf.") for name in modules if name.startswith("hotspare_ocf.")}


@pytest.mark.parametrize("name", AGENTS)
@pytest.mark.skipif(os.geteuid() != 0, reason="agents run as root")
def test_monitor_loads_next_to_nothing(name, tmp_path):
    """Pacemaker runs it every few seconds; modules are what its time goes into. Names, not ms: those are noisy."""
    loaded = loaded_by_monitor(name, tmp_path, interval_ms=10_000)
    waits_for_a_script = {"os", "select"} if name == "hotspare/legacy" else set()
    assert loaded & HEAVY == waits_for_a_script
    assert len(ours(loaded)) <= 10
    if name.startswith("openstack/"):
        assert ours(loaded) == {"glance", "identity", "config_files"}


@pytest.mark.parametrize("name", [name for name in AGENTS if name.startswith("openstack/")])
@pytest.mark.skipif(os.geteuid() != 0, reason="agents run as root")
def test_a_monitor_that_a_glance_does_not_answer_loads_little(name, tmp_path):
    loaded = loaded_by_monitor(name, tmp_path, interval_ms=0)
    assert loaded & HEAVY == {"os"}
    assert len(ours(loaded)) <= 10


@pytest.mark.parametrize(
    ("parameter", "value", "words"),
    [
        ("config", "neutron.conf", "parameter config is not an absolute path"),
        ("host", "edge gateway", "parameter host may have letters"),
        ("host", "../../etc/passwd", "parameter host may have letters"),
        ("dataplane", "mine", "parameter dataplane is not one of own, gateway"),
        ("user", "neu\ntron", "parameter user holds a line break"),
    ],
)
def test_a_wrong_value_is_named_and_replaced_by_its_default(parameter, value, words):
    call = environment.read(AGENTS["openstack/neutron-agent-l3"], "stop", {f"OCF_RESKEY_{parameter}": value})
    assert any(words in problem for problem in call.problems)
    assert call[parameter] != value


def test_all_wrong_values_are_named_at_once():
    wrong = {"OCF_RESKEY_config": "x", "OCF_RESKEY_pid": "y"}
    assert len(environment.read(AGENTS["openstack/neutron-agent-l3"], "start", wrong).problems) == 2


def test_a_call_knows_its_time_its_instance_and_whether_it_is_a_probe():
    call = environment.read(
        AGENTS["openstack/neutron-agent-l3"],
        "monitor",
        {
            "OCF_RESKEY_CRM_meta_timeout": "20000",
            "OCF_RESOURCE_INSTANCE": "edge-l3:0",
            "OCF_RESKEY_CRM_meta_interval": "0",
        },
    )
    assert (call.timeout_s, call.instance, call.is_probe) == (20, "edge-l3", True)
    assert call["pid"] == "/run/hotspare/edge-l3.pid"
    assert 17 < call.remaining_s() <= 18


@example({"timeout": "inf"}, "inf")
@given(st.dictionaries(st.sampled_from(["timeout", "interval"]), st.text()), st.text())
def test_rubbish_in_the_environment_never_raises(meta, level):
    environ = {f"OCF_RESKEY_CRM_meta_{name}": value for name, value in meta.items()}
    call = environment.read(gateway.AGENT, "monitor", {**environ, "OCF_CHECK_LEVEL": level})
    assert call.timeout_s >= 0


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.one_of(st.text(), st.floats(), st.integers())))
def test_an_event_is_one_line(facts):
    line = events.line("stop.finished", facts)
    assert line.startswith("event=stop.finished")
    assert "\n" not in line


def test_an_events_facts_are_quoted_where_they_must_be():
    said = events.line("stop.failed", {"resource": "l3", "took_s": 0.12345, "reason": 'pid 7 "hangs"'})
    assert said == r'event=stop.failed resource=l3 took_s=0.123 reason="pid 7 \"hangs\""'


def test_metadata_is_xml_whatever_the_words():
    assert "&lt;" not in metadata.render(gateway.AGENT)
    etree.fromstring(metadata.render(gateway.AGENT).encode())


@pytest.mark.parametrize(
    ("url", "ports"),
    [
        ("rabbit://u:p@10.0.0.1:5673/", {5673}),
        ("rabbit://u:p%40x@a:1,u:p@[fd00::1]:2/vhost", {1, 2}),
        ("rabbit://u:p@broker/", {5672}),
        ("rabbit://u:p@[fd00::1]/", {5672}),
        ("", {5672}),
    ],
)
def test_the_brokers_ports_are_read_from_the_transport_url(tmp_path, url, ports):
    file = tmp_path / "neutron.conf"
    file.write_text(f"[database]\ntransport_url = x\n[DEFAULT]\n# transport_url = y\ntransport_url = {url}\n")
    assert neutron_config.broker_ports(neutron_config.read([str(file), "/absent"])) == ports
