"""What the look at a node takes for an agent."""

import pytest

from hotspare.adapters.onsite.node_state import program

OVS = "/usr/bin/neutron-openvswitch-agent"


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["/usr/sbin/haproxy", "-f", "x.conf"], "haproxy"),
        (["/usr/bin/python3", OVS, "--config-file", "x"], "neutron-openvswitch-agent"),
        (["/usr/bin/python3", "-s", OVS], "neutron-openvswitch-agent"),
        ([f"neutron-openvswitch-agent (/usr/bin/python3 {OVS} --log-file /x/y)"], "neutron-openvswitch-agent"),
        (["neutron-l3-agent: master process [/usr/bin/neutron-l3-agent --config-file x]"], "neutron-l3-agent"),
        (["/usr/bin/python3", "/usr/lib/ocf/resource.d/openstack/neutron-openvswitch-agent", "monitor"], ""),
        (["python3"], "python3"),
        (["/usr/bin/python3", "-c"], "python3"),
    ],
)
def test_an_agent_goes_by_its_own_name_and_no_resource_agent_does(argv: list[str], name: str) -> None:
    assert program(argv) == name
