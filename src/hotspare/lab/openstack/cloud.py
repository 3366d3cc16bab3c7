"""The operator's connection to the lab's cloud. To be used in the lab's switch namespace, where its addresses are."""

from openstack.config import OpenStackConfig
from openstack.connection import Connection

from hotspare.lab.layout import Layout
from hotspare.lab.openstack.clouds import CLOUD


def connect(layout: Layout, cloud: str = CLOUD) -> Connection:
    """A connection by the lab's clouds.yaml; nothing is sent yet."""
    region = OpenStackConfig(config_files=[str(layout.clouds_yaml)], load_envvars=False).get_one(cloud=cloud)
    return Connection(config=region)
