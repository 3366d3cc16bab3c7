"""The lab's plan: names that fit, addresses that do not clash, labs that cannot be taken for each other."""

from collections import Counter

import pytest

from hotspare.codec import spec_yaml
from hotspare.lab import cluster_file, network
from hotspare.lab.layout import GATEWAY_VTEP, MACHINES, NETWORK, NETWORKS, VTEPS, Choices, Layout, Tenant
from hotspare.model.drill import Strategy
from hotspare.model.errors import SpecError

IFNAME_MAX = 15  # IFNAMSIZ less its NUL, linux/if.h


def test_every_interface_name_of_the_switch_fits_into_the_kernels_limit():
    layout = Layout()
    names = [machine.cable(nic.network) for machine, nic in layout.cables()]
    names += [f"{machine.name}-{nic.interface}" for machine, nic in layout.cables()]
    names += [network.bridge for network in NETWORKS]
    assert max(map(len, names)) <= IFNAME_MAX
    assert Counter(names).most_common(1)[0][1] == 1


def test_no_address_is_given_twice():
    nics = [nic for _, nic in Layout().cables()]
    addresses = [str(nic.address.ip) for nic in nics if nic.address]
    addresses += [machine.bmc for machine in MACHINES]
    addresses += [str(end.ip) for end in (GATEWAY_VTEP, *(machine.vtep for machine in MACHINES))]
    addresses += [str(network.operator) for network in NETWORKS if network.operator]
    assert len(addresses) == len(set(addresses))
    macs = [nic.mac for nic in nics] + [network.mac for network in NETWORKS]
    assert len(macs) == len(set(macs))


def test_every_address_lies_in_its_network():
    for _, nic in Layout().cables():
        if nic.address is not None:
            assert nic.address.network == NETWORK[nic.network].subnet


def test_a_network_node_has_a_leg_everywhere_and_no_address_where_it_bridges():
    net1 = Layout().machine("net1")
    assert [nic.network for nic in net1.nics] == ["mgmt", "ring2", "tenant", "public", "oob"]
    assert net1.address("mgmt") == "172.16.1.122"
    with pytest.raises(KeyError, match="net1 has no address on public"):
        net1.address("public")


@pytest.mark.parametrize("name", ["", "a-b", "A", "1lab", "x" * 17, "a/b", ".."])
def test_a_name_that_could_be_taken_for_another_lab_or_a_path_is_refused(name):
    with pytest.raises(SpecError, match="not a lab's name"):
        Layout(name)


def test_two_labs_share_no_name_on_the_host():
    one, two = Layout("one"), Layout("two")
    assert not set(one.namespaces) & set(two.namespaces)
    assert one.state_dir != two.state_dir
    assert one.lock != two.lock


def test_an_unknown_machine_is_refused_with_the_known_ones():
    with pytest.raises(SpecError) as refused:
        Layout().machine("net9")
    assert "net1, net2, net3, cmp1, ctl, ext" in refused.value.hint


def test_an_unknown_cable_is_refused_with_the_known_ones():
    layout = Layout()
    with pytest.raises(SpecError) as refused:
        network.set_cable(layout, layout.machine("net1"), "mgnt", up=False)
    assert refused.value.hint == "it has: mgmt, ring2, tenant, public, oob"


def test_the_cluster_file_is_one_that_apply_takes():
    document, problems = spec_yaml.document(cluster_file.cluster_yaml(Layout("two")), "cluster.yaml")
    spec = spec_yaml.spec(document, problems)
    assert list(spec.nodes) == ["net1", "net2", "net3"]
    assert list(spec.gateways[cluster_file.GATEWAY].nodes) == ["net1", "net2"]


def test_with_routers_that_are_moved_all_three_nodes_of_the_cluster_file_are_active():
    text = cluster_file.cluster_yaml(Layout("two"), Choices(Strategy.RESCHEDULE))
    spec = spec_yaml.spec(*spec_yaml.document(text, "cluster.yaml"))
    assert {name: pool.nodes for name, pool in spec.pools.items()} == {"edge": ("net1", "net2", "net3")}
    assert spec.carried == {}


def test_a_twin_is_kept_by_one_spare_and_the_third_node_has_a_vote():
    text = cluster_file.cluster_yaml(Layout("two"), Choices(Strategy.TWIN))
    spec = spec_yaml.spec(*spec_yaml.document(text, "cluster.yaml"))
    assert {name: twin.nodes for name, twin in spec.twins.items()} == {cluster_file.GATEWAY: ("net1", "net2")}
    assert spec.pools == {}


def test_the_end_of_a_gateways_tunnels_goes_with_it_and_a_pools_nodes_keep_their_own():
    choices = Choices(Strategy.TWIN, Tenant.VXLAN)
    spec = spec_yaml.spec(*spec_yaml.document(cluster_file.cluster_yaml(Layout("two"), choices), "cluster.yaml"))
    vtep = spec.resources["vtep"]
    assert (vtep.with_, vtep.before, vtep.critical) == (cluster_file.GATEWAY, "agents", True)
    assert vtep.parameters == {"ip": str(GATEWAY_VTEP.ip), "cidr_netmask": "24", "nic": "br-tenant"}
    assert all(machine.vtep in VTEPS for machine in MACHINES)
    for other in (Choices(), Choices(Strategy.RESCHEDULE, Tenant.VXLAN)):
        assert "resources:" not in cluster_file.cluster_yaml(Layout("two"), other)
