"""A gateway whose tenants' networks are in tunnels: its twin has them, is silent, and lets them go with the rest."""

import pytest

from hotspare.lab.layout import GATEWAY_VTEP
from lab_parts import Lab, eventually
from lab_twin import Twin, drilled, overhearing, silent

pytestmark = [
    pytest.mark.lab,
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),  # of openstacksdk, about itself
]

TUNNELS = (
    "ovs-vsctl --columns=name,options --format=csv --no-headings find Interface type=vxlan | sort; "
    "ovs-ofctl --names --no-stats dump-flows br-tun table=22 | grep -c output: || :"
)
"""The tunnels, and for how many networks they are flooded."""


@pytest.fixture(scope="module")
def twin(vxlan_lab: Lab) -> Twin:
    vxlan_lab.hotspare("apply", timeout_s=600)
    made = Twin(vxlan_lab)
    made.fresh()
    return made


def test_a_spare_has_the_carriers_tunnels_and_says_nothing_in_them(twin):
    lab, carrier, spare = twin.lab, twin.carrier(), twin.spare()
    with overhearing(lab, spare) as heard, overhearing(lab, carrier) as carried:
        lab.ssh(spare, "ovs-vsctl del-br br-tun")
        answers = lab.ssh("cmp1", f"arping -b -c 2 -I br-tenant {GATEWAY_VTEP.ip}")
        carriers = lab.ssh(carrier, TUNNELS)
        assert carriers.count("vxlan-") == 1
        eventually(lambda: lab.ssh(spare, TUNNELS) == carriers, within_s=60, what="the spare has its tunnels again")
        twin.fresh()
        assert silent(twin, spare)
    assert answers.count("reply from") == 2, answers
    assert not heard.frames
    assert carried.frames[lab.layout.machine(carrier).cable("tenant")] > 0


def test_the_twin_of_a_node_that_loses_its_power_forwards_in_tunnels_and_connections_live_on(twin, tmp_path):
    carrier = twin.carrier()
    report = drilled(twin, tmp_path, "poweroff")
    assert report["node"] == carrier != report["carrier"]
    assert {one["kept"] for one in report["tcp"]} == {"yes"}, report["tcp"]
    assert str(GATEWAY_VTEP) in twin.lab.ssh(report["carrier"], "ip -brief address show dev br-tenant")
