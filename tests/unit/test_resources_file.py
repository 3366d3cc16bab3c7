"""The part `resources` of the file: read, or every mistake in it said at once."""

import json

import pytest
from cluster_world import edge, spec_of
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from hotspare.model.errors import SpecError
from hotspare.plan import configuration, resources

RESOURCES = """\
resources:
  vtep: {agent: "ocf:heartbeat:IPaddr2", parameters: {ip: 10.0.0.5, cidr_netmask: 24}, with: gw, before: agents}
  ntp: {agent: "systemd:chrony", on: [net1, net2], clone: true}
  natlog: {agent: "lsb:natlog", with: gw, after: agents}
  source: {script: "IPsrcaddr::172.16.1.100", with: failover}
  ticker: {agent: "ocf:pacemaker:Dummy", with: source, monitor_interval_s: 30}
"""


def with_resources(*changes: tuple[str, str]) -> str:
    text = edge() + RESOURCES
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def said(text: str) -> list[str]:
    with pytest.raises(SpecError) as wrong:
        spec_of(text)
    return [str(problem).removeprefix("cluster.yaml:") for problem in wrong.value.problems]


def test_a_file_with_resources_reads_back_as_it_was_written(tmp_path) -> None:
    spec = spec_of(with_resources())
    again = tmp_path / "again.yaml"
    with again.open("w") as file:
        YAML(typ="safe").dump(spec.model_dump(mode="json", exclude_defaults=True), file)
    assert "with: gw" in again.read_text()
    assert spec_of(again.read_text()) == spec


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (('agent: "lsb:natlog", ', ""), "12: resources.natlog: give it either `agent`"),
        (('{agent: "lsb:natlog"', '{agent: "lsb:natlog", script: natlog'), "12: resources.natlog: give it either"),
        (
            ("lsb:natlog", "natlog"),
            "12: resources.natlog.agent: not a resource agent: 'natlog'; write ocf:PROVIDER:NAME",
        ),
        (("lsb:natlog", "stonith:fence_ipmilan"), "not a resource agent"),
        (("lsb:natlog", "systemd:a b"), "not a resource agent"),
        (
            ('agent: "lsb:natlog"', 'agent: "lsb:natlog", parameters: {a: b}'),
            "only agents of class ocf take parameters",
        ),
        (('172.16.1.100", with: failover', 'x", parameters: {a: b}'), "write its arguments after it, in `script`"),
        (("{ip: 10.0.0.5,", "{'i p': 10.0.0.5,"), "not a parameter's name"),
        (("{ip: 10.0.0.5,", "{ip: 10.5,"), "not a text"),
        (("{ip: 10.0.0.5,", '{ip: "a\\nb",'), "holds a line break"),
        (("{ip: 10.0.0.5,", "{passwd: x, ip: 10.0.0.5,"), "vtep.parameters.passwd: passwords never enter"),
        (("{ip: 10.0.0.5,", "{OS_PASSWORD: x, ip: 10.0.0.5,"), "passwords never enter"),
        (("IPsrcaddr::172.16.1.100", "sync --password x"), "source.script: passwords never enter"),
        (("IPsrcaddr::172.16.1.100", "sync::user=a::pass=b"), "passwords never enter"),
        (("IPsrcaddr::172.16.1.100", "a/b 1"), "source.script: not a script: 'a/b'"),
        (("IPsrcaddr::172.16.1.100", "172.16.1.100/24"), "not a script: '172.16.1.100/24'"),
        (("IPsrcaddr::172.16.1.100", " "), "not a script: ''"),
        (("IPsrcaddr::172.16.1.100", "a 'b"), "cannot be read as a shell would: No closing quotation"),
        (("on: [net1, net2]", "on: [net1, net9]"), "11: resources.ntp.on[1]: there is no node net9"),
        (("on: [net1, net2]", "on: [net1, net1]"), "named twice"),
        (("on: [net1, net2]", "on: []"), "at least 1 item"),
        (("on: [net1, net2]", "with: gw"), "resources.ntp.clone: it goes where gw goes"),
        (("with: gw, after", "with: gw, on: [net1], after"), "natlog.on: it goes where gw goes; take one of `on`"),
        (
            ("with: gw, after", "with: wg, after"),
            "there is no wg; gateways, addresses and resources are: gw, failover, ",
        ),
        (("with: gw, after", "with: wg, after"), "natlog.after: only beside a gateway"),
        (("with: failover", "with: failover, before: agents"), "source.before: only beside a gateway"),
        (("with: gw, after: agents", "with: gw, after: agents, before: agents"), "before and after at once"),
        (("with: gw, after: agents", "with: gw, after: ntp"), "should be 'agents'"),
        (("with: source", "with: ntp"), "ntp is on several nodes at once"),
        (("with: failover", "with: ticker"), "source.with: ticker stays with source, at last; a circle"),
        (("with: failover", "with: source"), "source stays with source, at last"),
        (("clone: true", "critical: true"), "ntp.critical: it stays with nothing that could move"),
        (("  ntp:", "  failover:"), "failover is the name of the address failover; choose another one"),
        (("  ntp:", "  gw-l3:"), "gw-l3 is the name of a resource of gateway gw"),
        (("  ntp:", "  fence-net1:"), "the fence device of net1"),
        (("  natlog:", "  ntp-clone:"), "ntp-clone is the name of resource ntp"),
        (("  natlog:", "  ntp-meta:"), "ntp-meta may be the name of a part of resource ntp"),
        (("  natlog:", "  vtep-with-gw-clone:"), "may be the name of a part of resource vtep"),
        (("  natlog:", "  1st:"), "begins with a digit"),
        (("vips: {failover:", "vips: {ntp-start-0s:"), "may be the name of a part of resource ntp"),
        (("monitor_interval_s: 30", "monitor_interval_s: 0"), "greater than or equal to 1"),
        (("monitor_interval_s: 30", "interval: 30"), "ticker.interval: unknown key"),
    ],
)
def test_a_wrong_resource_is_said_with_what_to_do(change: tuple[str, str], expected: str) -> None:
    assert any(expected in line for line in said(with_resources(change)))


def test_a_file_that_holds_a_password_may_be_named() -> None:
    spec_of(with_resources(("{ip: 10.0.0.5,", "{password_file: /root/x, passwdfile: /x, ip: 10.0.0.5,")))
    spec_of(with_resources(("IPsrcaddr::172.16.1.100", "sync --password-file /root/x password=/root/y")))


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("natlog", {"script": "natlog"}),
        ("natlog  --port 2055 ", {"script": "natlog", "arguments": "--port 2055"}),
        ("IPaddr::172.16.1.100/24/eth0", {"script": "IPaddr::172.16.1.100/24/eth0"}),
        ("/opt/bin/x 'a b' \\$c", {"script": "/opt/bin/x", "arguments": "'a b' \\$c"}),
    ],
)
def test_a_script_line_is_parted_into_script_and_arguments(script: str, expected: dict[str, str]) -> None:
    spec = spec_of(with_resources(('"IPsrcaddr::172.16.1.100"', json.dumps(script))))
    assert resources.parameters(spec.resources["source"]) == expected


WORDS = st.sampled_from(["a", "clone", "agents", "meta", "start", "0s", "with", "gw", "not", "on", "net1", "fence"])
NAMES = st.lists(WORDS, min_size=1, max_size=4).map("-".join)


@given(names=st.lists(NAMES, min_size=2, max_size=5, unique=True), clone=st.booleans(), vip=NAMES, gateway=NAMES)
def test_whatever_the_names_no_two_elements_of_the_configuration_have_one_id(
    names: list[str], clone: bool, vip: str, gateway: str
) -> None:
    lines = ["resources:"]
    for number, name in enumerate(names):
        company = f"with: {gateway}, before: agents" if number % 2 else f"clone: {str(clone).lower()}, on: [net2]"
        lines.append(f'  {name}: {{agent: "ocf:pacemaker:Dummy", parameters: {{meta: x}}, {company}}}')
    text = edge(vip=("vips: {failover:", f"vips: {{{vip}:"), gateway=("gateways: {gw:", f"gateways: {{{gateway}:"))
    try:
        spec = spec_of(text + "\n".join(lines))
    except SpecError:
        return
    ids = [part.id for _, top in configuration.wanted(spec).elements for part in top.walk() if part.id]
    assert len(ids) == len(set(ids))
