"""Names and addresses of the lab's routers."""

from ipaddress import IPv4Address, IPv4Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotspare.lab.layout import NETWORKS
from hotspare.lab.plan_of_routers import ROUTERS_MAX, highest_number, plan_for
from hotspare.model.errors import SpecError

NUMBERS = st.integers(1, ROUTERS_MAX)


@given(NUMBERS, NUMBERS)
def test_two_routers_share_no_name_and_no_address(one, other):
    if one == other:
        assert plan_for(one) == plan_for(other)
        return
    first, second = plan_for(one), plan_for(other)
    assert first.router != second.router
    assert {name for name, _ in first.vms}.isdisjoint(name for name, _ in second.vms)
    for subnet in first.subnets:
        assert all(not _overlap(subnet["cidr"], theirs["cidr"]) for theirs in second.subnets)


def _overlap(one, other):
    first, second = ip_network(one), ip_network(other)
    return first.version == second.version and first.overlaps(second)


@given(NUMBERS)
def test_a_tenants_subnet_holds_its_vms_and_meets_no_network_of_the_lab(number):
    plan = plan_for(number)
    subnet = IPv4Network(plan.subnets[0]["cidr"])
    assert all(IPv4Address(address) in subnet for _, address in plan.vms)
    assert not any(network.subnet and network.subnet.overlaps(subnet) for network in NETWORKS)


@given(NUMBERS)
def test_every_fourth_router_has_ipv6_as_well(number):
    versions = [subnet["ip_version"] for subnet in plan_for(number).subnets]
    assert versions == ([4, 6] if number % 4 == 0 else [4])


def test_only_the_first_network_has_a_vm_without_floating_ip():
    assert [name for name, _ in plan_for(1).vms] == ["vm01", "vm01-snat"]
    assert [name for name, _ in plan_for(2).vms] == ["vm02"]


@pytest.mark.parametrize("number", [0, -1, ROUTERS_MAX + 1])
def test_a_number_without_room_is_refused(number):
    with pytest.raises(SpecError):
        plan_for(number)


def test_the_highest_planned_router_is_found_among_others_names():
    assert highest_number(["router-02", "router-11", "router-x", "mine"]) == 11
    assert highest_number([]) == 0


@given(NUMBERS)
def test_a_planned_routers_name_tells_its_number(number):
    assert highest_number([plan_for(number).router]) == number
