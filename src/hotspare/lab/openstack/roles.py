"""Which files and which units a machine's role needs. Pure."""

from collections.abc import Mapping

from hotspare.lab.layout import Choices, File, Layout, Machine, Role
from hotspare.lab.openstack import controller, nodes
from hotspare.lab.openstack.secrets import Secrets


def role_files(machine: Machine, layout: Layout, secrets: Secrets, choices: Choices) -> Mapping[str, File]:
    """Everything of OpenStack that the machine's disk needs before its first boot: absolute path to file."""
    match machine.role:
        case Role.CONTROLLER:
            return controller.controller(layout, secrets, choices)
        case Role.NETWORK:
            return nodes.network_node(machine, layout, secrets, choices)
        case Role.COMPUTE:
            return nodes.compute_node(machine, layout, secrets, choices)
        case Role.OUTSIDE:
            return nodes.outside(machine)


def role_units(machine: Machine) -> tuple[str, ...]:
    """The units that the machine starts at each boot."""
    match machine.role:
        case Role.CONTROLLER:
            return controller.ENABLED
        case Role.NETWORK:
            return ("openvswitch-switch.service", "lab-bridges.service")
        case Role.COMPUTE:
            own = ("lab-bridges.service", "neutron-openvswitch-agent.service", "lab-vms.service")
            return ("openvswitch-switch.service", *own)
        case Role.OUTSIDE:
            return ()
