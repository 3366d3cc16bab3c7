"""Real topology through the Neutron API: N projects, each with a network, a router, a VM and a floating IP.

What is there already is found by its name and left alone, so a run that was cut is finished by the next, and a larger
number only adds. To be used in the lab's switch namespace.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from keystoneauth1.exceptions import ClientException, ConnectFailure
from openstack.connection import Connection
from openstack.exceptions import SDKException

from hotspare.lab import console
from hotspare.lab.layout import NETWORK, Layout
from hotspare.lab.openstack.cloud import connect
from hotspare.lab.openstack.nodes import PLUG_VMS
from hotspare.lab.openstack.ready import state_of_units
from hotspare.lab.openstack.services import COMPUTE, CONTROLLER, PUBLIC
from hotspare.lab.plan_of_routers import Plan, highest_number, plan_for
from hotspare.model.errors import RefusedError, TimedOutError

IN_FLIGHT_MAX = 4
"""More only makes each call slower: the API has two processes."""
PLUG_TIMEOUT_S = 120.0
WIRED_TIMEOUT_S = 120.0
API_AWAY_MAX_S = 60.0
"""The controller's systemd starts a service that died again after 2 s; Keystone loads for 5 s on an idle machine."""
POLL_S = 0.5

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Vm:
    """A stand-in VM: a namespace on the compute node, plugged in on its Neutron port."""

    namespace: str
    port_id: str
    device_id: str
    mac: str
    mtu: int
    addresses: tuple[str, ...]
    """IPv4 addresses with their prefix length; IPv6 ones come by router advertisement."""
    gateway: str
    host: str = COMPUTE
    fixed_ip: str = ""
    ipv6: str = ""


@dataclass(frozen=True, slots=True)
class RouterRecord:
    """One router and what hangs on it, as written to topology.json."""

    number: int
    id: str
    name: str
    project: str
    project_id: str
    network_id: str
    network: str
    subnets: tuple[str, ...]
    gateway_ip: str
    """The router's own address on the public network."""
    floating_ip: str
    fixed_ip: str
    vm: str
    vm_port_id: str
    """What the floating IP leads to."""


def create(layout: Layout, *, routers: int, progress: Progress) -> dict[str, Any]:
    """At least `routers` routers are there, wired on the compute node; what topology.json has to say about all.

    An API that went away is waited for: what was made before is found again by its name.

    Raises:
        RefusedError: the API refused something.
        TimedOutError: the compute node's agent did not wire a VM in time, or no API took connections for a minute.
    """
    away_since: float | None = None
    while True:
        try:
            with connect(layout) as cloud:
                return _create(layout, cloud, routers, progress)
        except ConnectFailure as error:
            if away_since is None:
                away_since = time.monotonic()
                progress(f"waiting for an API that went away\n{state_of_units(layout)}".strip())
            if time.monotonic() - away_since > API_AWAY_MAX_S:
                raise TimedOutError(
                    f"no connection for {API_AWAY_MAX_S:g} s: {error}\n{state_of_units(layout)}".strip(),
                    hint=f"hotspare lab ssh {CONTROLLER} --name {layout.name} -- journalctl -p warning",
                ) from error
            time.sleep(POLL_S)
        except (ClientException, SDKException) as error:
            raise RefusedError(
                f"Neutron or Keystone refused: {error}", code=getattr(error, "status_code", 1) or 1
            ) from error


def _create(layout: Layout, cloud: Connection, routers: int, progress: Progress) -> dict[str, Any]:
    public = _public_network(cloud)
    there = _Existing.read(cloud)
    routers = max(routers, highest_number(there.routers))  # none is forgotten, whatever number is asked for now
    plans = [plan_for(number) for number in range(1, routers + 1)]
    made: list[tuple[RouterRecord, list[Vm]]] = []
    with ThreadPoolExecutor(IN_FLIGHT_MAX) as pool:
        for record, vms in pool.map(lambda plan: _Builder(cloud, there, public.id, plan).build(), plans):
            made.append((record, vms))
            if len(made) % 5 == 0 or len(made) == routers:
                progress(f"{len(made)} of {routers} routers")
    vms = [vm for _, some in made for vm in some]
    if vms:
        said = console.run(
            layout, COMPUTE, (PLUG_VMS, "-"), timeout_s=PLUG_TIMEOUT_S, stdin=json.dumps([asdict(vm) for vm in vms])
        )
        progress(f"VMs on {COMPUTE}: {said.strip()}")
        _wait_wired(cloud, {vm.port_id for vm in vms})
    return {
        "external_network": {"id": public.id, "name": public.name, "cidr": str(NETWORK["public"].subnet)},
        "routers": [asdict(record) for record, _ in made],
        "vms": [asdict(vm) for vm in vms],
        "snat_vm": next((vm.namespace for vm in vms if vm.namespace.endswith("-snat")), ""),
    }


def _public_network(cloud: Connection) -> Any:
    """The provider network is there, with the pool of floating IPs."""
    network = cloud.network.find_network(PUBLIC) or cloud.network.create_network(
        name=PUBLIC,
        is_router_external=True,
        provider_network_type="flat",
        provider_physical_network=PUBLIC,
    )
    if not network.subnet_ids:
        cloud.network.create_subnet(
            name=PUBLIC,
            network_id=network.id,
            ip_version=4,
            cidr=str(NETWORK["public"].subnet),
            gateway_ip="10.30.0.1",
            allocation_pools=[{"start": "10.30.1.0", "end": "10.30.254.254"}],
            is_dhcp_enabled=False,
        )
    return network


def _wait_wired(cloud: Connection, ports: set[str]) -> None:
    """The compute node's agent has put every VM's port on its network.

    Raises:
        TimedOutError: some are not after two minutes.
    """
    deadline = time.monotonic() + WIRED_TIMEOUT_S
    while True:
        active = {port.id for port in cloud.network.ports(**{"binding:host_id": COMPUTE}) if port.status == "ACTIVE"}
        missing = ports - active
        if not missing:
            return
        if time.monotonic() > deadline:
            raise TimedOutError(
                f"{len(missing)} of {len(ports)} VM ports are not wired on {COMPUTE} after {WIRED_TIMEOUT_S:g} s",
                hint=f"hotspare lab ssh {COMPUTE} -- journalctl -u neutron-openvswitch-agent",
            )
        time.sleep(POLL_S)


@dataclass(frozen=True, slots=True)
class _Existing:
    """What the cloud had before: one list a kind, and no question an object."""

    projects: dict[str, Any]
    networks: dict[str, Any]
    subnets: dict[str, Any]
    routers: dict[str, Any]
    ports: dict[str, Any]
    router_of_subnet: dict[str, str]
    floating_ips: dict[str, Any]
    """By the port they lead to."""

    @classmethod
    def read(cls, cloud: Connection) -> "_Existing":
        ports = list(cloud.network.ports())
        interfaces = [port for port in ports if port.device_owner == "network:router_interface"]
        return cls(
            projects=_by_name(_identity(cloud).projects()),
            networks=_by_name(cloud.network.networks()),
            subnets=_by_name(cloud.network.subnets()),
            routers=_by_name(cloud.network.routers()),
            ports=_by_name(ports),
            router_of_subnet={ip["subnet_id"]: port.device_id for port in interfaces for ip in port.fixed_ips},
            floating_ips={ip.port_id: ip for ip in cloud.network.ips() if ip.port_id},
        )


def _identity(cloud: Connection) -> Any:
    """Keystone's API, of which the library's types admit a second version that is gone."""
    return cloud.identity


def _by_name(objects: Iterable[Any]) -> dict[str, Any]:
    return {item.name: item for item in objects}


@dataclass(frozen=True, slots=True)
class _Builder:
    """Makes one router's project and all in it, from wherever an earlier run had come to."""

    cloud: Connection
    there: _Existing
    public_id: str
    plan: Plan

    def build(self) -> tuple[RouterRecord, list[Vm]]:
        project = self.there.projects.get(self.plan.project) or _identity(self.cloud).create_project(
            name=self.plan.project, domain_id="default"
        )
        network = self.there.networks.get(self.plan.network) or self.cloud.network.create_network(
            name=self.plan.network, project_id=project.id
        )
        subnets = [self._subnet(project, network, **fields) for fields in self.plan.subnets]
        router = self.there.routers.get(self.plan.router) or self.cloud.network.create_router(
            name=self.plan.router,
            project_id=project.id,
            external_gateway_info={"network_id": self.public_id},
        )
        for subnet in subnets:
            if self.there.router_of_subnet.get(subnet.id) != router.id:
                self.cloud.network.add_interface_to_router(router, subnet=subnet.id)
        vms = [self._vm(project, network, subnets, name, address) for name, address in self.plan.vms]
        first = vms[0]
        floating = self.there.floating_ips.get(first.port_id) or self.cloud.network.create_ip(
            floating_network_id=self.public_id, port_id=first.port_id, project_id=project.id
        )
        record = RouterRecord(
            number=self.plan.number,
            id=router.id,
            name=router.name,
            project=project.name,
            project_id=project.id,
            network_id=network.id,
            network=network.name,
            subnets=tuple(subnet.cidr for subnet in subnets),
            gateway_ip=router.external_gateway_info["external_fixed_ips"][0]["ip_address"],
            floating_ip=floating.floating_ip_address,
            fixed_ip=first.fixed_ip,
            vm=first.namespace,
            vm_port_id=first.port_id,
        )
        return record, vms

    def _subnet(self, project: Any, network: Any, *, name: str, **fields: Any) -> Any:
        return self.there.subnets.get(name) or self.cloud.network.create_subnet(
            name=name, project_id=project.id, network_id=network.id, **fields
        )

    def _vm(self, project: Any, network: Any, subnets: list[Any], name: str, address: str) -> Vm:
        v4 = subnets[0]
        port = self.there.ports.get(name) or self.cloud.network.create_port(
            name=name,
            project_id=project.id,
            network_id=network.id,
            device_owner="compute:nova",
            device_id=str(uuid.uuid4()),
            binding_host_id=COMPUTE,
            fixed_ips=[
                {"subnet_id": v4.id, "ip_address": address},
                *({"subnet_id": other.id} for other in subnets[1:]),
            ],
        )
        addresses = [ip["ip_address"] for ip in port.fixed_ips]
        return Vm(
            namespace=name,
            port_id=port.id,
            device_id=port.device_id,
            mac=port.mac_address,
            mtu=network.mtu,
            addresses=(f"{address}/{v4.cidr.partition('/')[2]}",),
            gateway=v4.gateway_ip,
            fixed_ip=address,
            ipv6=next((found for found in addresses if ":" in found), ""),
        )
