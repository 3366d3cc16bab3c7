"""Every agent that is shipped describes itself to whoever asks: crmsh, pcs, and the rules for metadata."""

import pytest
from lxml import etree

from ocf_node import BUNDLE, OcfNode

pytestmark = pytest.mark.lab

AGENTS = sorted(str(path.relative_to(BUNDLE / "resource.d")) for path in (BUNDLE / "resource.d").glob("*/*"))
RULES = "/usr/share/resource-agents"
RULES_OF_1_1 = "/usr/share/pcs/data/ocf-1.1.rng"


@pytest.fixture(params=AGENTS)
def agent(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def metadata(node: OcfNode, agent: str) -> str:
    return node.run("env", "OCF_ROOT=/usr/lib/ocf", f"/usr/lib/ocf/resource.d/{agent}", "meta-data")


def described(node: OcfNode, agent: str) -> etree._Element:
    return etree.fromstring(metadata(node, agent).encode())


def words(element: etree._Element, tag: str) -> str:
    """The words of a description; no agent and no parameter is without."""
    text = element.findtext(tag)
    assert text
    assert text.strip()
    return " ".join(text.split())


def shown_by(node: OcfNode, shell: str, agent: str) -> str:
    """What the shell shows, without a warning, in one line: both fold long ones."""
    said = node.run("bash", "-c", f"{shell} ocf:{agent.replace('/', ':')} 2> >(sed 's/^/WARNED: /')")
    assert "WARNED" not in said
    return " ".join(said.split())


def test_the_metadata_keeps_the_rules_of_resource_agents(booted_node: OcfNode, agent: str) -> None:
    """Those of OCF 1.0, as ocf-tester asks, with what 1.1 added declared in the document; and pcs's of 1.1."""
    text = metadata(booted_node, agent)
    booted_node.run("bash", "-c", f"cd {RULES}; xmllint --noout --valid -", stdin=text)
    booted_node.run("xmllint", "--noout", "--relaxng", RULES_OF_1_1, "-", stdin=text)


def test_crmsh_shows_what_it_is_its_parameters_and_their_defaults(booted_node: OcfNode, agent: str) -> None:
    shown = shown_by(booted_node, "crm ra info", agent)
    root = described(booted_node, agent)
    assert f"{words(root, 'shortdesc')} (ocf:{agent.replace('/', ':')})" in shown
    assert words(root, "longdesc") in shown
    for parameter in root.iter("parameter"):
        content = parameter.find("content")
        # crmsh has a shell fill in variables, and no resource is at hand.
        value = (content.get("default") or "").replace("${OCF_RESOURCE_INSTANCE}", "")
        default = f", [{value}]" if value else ""
        required = "*" if parameter.get("required") == "1" else ""
        short = words(parameter, "shortdesc")
        short = "" if short == parameter.get("name") else f"{short} "  # it does not say a name twice
        told = f"{parameter.get('name')}{required} ({content.get('type')}{default}): {short}"
        assert told + words(parameter, "longdesc") in shown


def test_pcs_shows_what_it_is_and_its_parameters(booted_node: OcfNode, agent: str) -> None:
    """Of defaults it says nothing."""
    shown = shown_by(booted_node, "pcs resource describe", agent)
    root = described(booted_node, agent)
    assert shown.startswith(f"ocf:{agent.replace('/', ':')} - {words(root, 'shortdesc')} {words(root, 'longdesc')}")
    for parameter in root.iter("parameter"):
        required = " (required)" if parameter.get("required") == "1" else ""
        assert f" {parameter.get('name')}{required}" in shown
        assert f": {words(parameter, 'longdesc')}" in shown
