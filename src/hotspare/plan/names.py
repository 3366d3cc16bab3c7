"""What the resources of a gateway are called in the cluster."""


def local(pool: str) -> str:
    """The resource that is the data plane of each of a pool's nodes; its agents are called after it."""
    return f"{pool}-local"


def rescheduler(pool: str) -> str:
    """The resource that moves a pool's routers."""
    return f"{pool}-rescheduler"
