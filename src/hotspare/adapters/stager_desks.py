"""`ports.Stagers`: each is asked on its own node."""

from hotspare.adapters.daemon_line import RUN_DIR, DaemonLine
from hotspare.codec import stager_json
from hotspare.model.stager import State
from hotspare.plan.names import stager
from hotspare.ports import Remote

STATE_SILENCE_S = 5.0
"""A stager tells its state at once; this is below what a status waits for a node, so that the reason comes through."""


class StagerDesks:
    """The stagers on the nodes of a cluster."""

    def __init__(self, remote: Remote, *, run_dir: str = RUN_DIR) -> None:
        self._remote, self._run_dir = remote, run_dir

    async def state(self, gateway: str, node: str) -> State:
        """See `ports.Stagers.state`."""
        line = DaemonLine(self._remote, stager(gateway), "the stager", run_dir=self._run_dir)
        told = await line.answer(node, {"ask": "state"}, silence_s=STATE_SILENCE_S)
        try:
            return stager_json.state(told)
        except ValueError as error:
            raise line.foreign(error) from error
