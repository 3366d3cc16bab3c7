"""hotspare keeps OpenStack Neutron routers forwarding when the network node under them dies, and proves it."""

__version__ = "0.1.0.dev0"
