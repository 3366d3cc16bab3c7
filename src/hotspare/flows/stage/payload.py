"""The kinds of frames that a carrier publishes."""

from enum import IntEnum

from hotspare.codec.twin_frames import FIRST_FREE


class Payload(IntEnum):
    """What is in a frame."""

    PLANE = FIRST_FREE
    """A whole data plane (codec/dataplane_json)."""
    CHANGE = FIRST_FREE + 1
    """What changed since the last of both."""
    CONNECTIONS = FIRST_FREE + 2
    """A batch of connections (codec/connection_batch)."""
    NEIGHBOURS = FIRST_FREE + 3
    """Whom all routers know (codec/neighbours_json)."""
