"""OpenStack of the lab: what each machine's role needs on its disk, and when it is ready."""

from hotspare.lab.openstack.clouds import APPLICATION_CLOUD, CLOUD, clouds_yaml
from hotspare.lab.openstack.ready import wait_ready
from hotspare.lab.openstack.roles import role_files, role_units
from hotspare.lab.openstack.secrets import Secrets, generate_secrets

__all__ = [
    "APPLICATION_CLOUD",
    "CLOUD",
    "Secrets",
    "clouds_yaml",
    "generate_secrets",
    "role_files",
    "role_units",
    "wait_ready",
]
