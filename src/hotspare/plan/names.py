"""What the resources of a gateway are called in the cluster."""

AGENTS = ("ovs", "l3", "metadata")
"""The agents of a gateway, in the order in which they start: ports are wired before routers are built."""

AGENTS_OF_TWIN = ("metadata", "ovs", "l3")
"""The same where routers forward before an agent starts: all that is still missing then is what answers for metadata.
"""


def agents_of(gateway: str, *, which: tuple[str, ...] = AGENTS) -> tuple[str, ...]:
    """The resources that are the gateway's agents."""
    return tuple(f"{gateway}-{agent}" for agent in which)


def local(pool: str) -> str:
    """The resource that is the data plane of each of a pool's nodes; its agents are called after it."""
    return f"{pool}-local"


def cold_parts(gateway: str) -> tuple[str, ...]:
    """What a gateway of strategy `cold` consists of in the configuration."""
    return (f"{gateway}-clone", f"{gateway}-agents")


def pool_parts(gateway: str) -> tuple[str, ...]:
    """What a gateway of strategy `reschedule` consists of in the configuration."""
    return (f"{local(gateway)}-clone", f"{local(gateway)}-agents-clone", rescheduler(gateway))


def rescheduler(pool: str) -> str:
    """The resource that moves a pool's routers."""
    return f"{pool}-rescheduler"


def stager(gateway: str) -> str:
    """The daemon that keeps, or publishes, a gateway's twin on a node: no resource, but its agent's own. Source:
    ocf/…/stager.py, `service_of`.
    """
    return f"{gateway}.stager"


TROUBLE = "hotspare-trouble-"
"""What the attribute of a node begins with in which a gateway tells its trouble there; the gateway's name follows.
Source: ocf/…/troubles.py.
"""
