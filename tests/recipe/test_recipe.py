"""The recipe that this project began with, typed word for word: on a cluster of ours, and on one made by hand."""

from collections.abc import Iterator

import pytest
import recipe_by_hand
import recipe_on_hotspare
from recipe_effects import carrier
from recipe_machines import as_the_lab_made_them, with_neutron_user, without_agents_of, without_cluster
from recipe_step import Cluster, follow

from lab_parts import Lab, eventually

pytestmark = [
    pytest.mark.lab,
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),  # of openstacksdk, about itself
]


@pytest.fixture(scope="module")
def machines(lab: Lab) -> Iterator[Lab]:
    """The lab, with agents that run as Neutron's own user; afterwards its nodes are as the lab made them."""
    try:
        with_neutron_user(lab)
        yield lab
    finally:
        as_the_lab_made_them(lab)


def test_every_command_goes_on_working_on_a_cluster_that_hotspare_made(machines: Lab) -> None:
    file = machines.state_dir / recipe_on_hotspare.FILE
    file.write_text(recipe_on_hotspare.cluster_file(machines.layout.cluster_yaml.read_text()))
    machines.hotspare("apply", str(file))
    cluster = Cluster(machines, recipe_on_hotspare.MACHINES)
    eventually(lambda: carrier(cluster) is not None, within_s=120, what="the gateway has all routers")
    active = carrier(cluster) or ""
    spare = "net1" if active == "net2" else "net2"
    follow(cluster, recipe_on_hotspare.chapters(active, spare))
    without_agents_of(machines, recipe_on_hotspare.OTHER)


def test_every_command_does_what_the_recipe_says_on_a_cluster_made_by_hand(machines: Lab) -> None:
    without_cluster(machines)
    follow(Cluster(machines, recipe_by_hand.MACHINES), recipe_by_hand.CHAPTERS)
