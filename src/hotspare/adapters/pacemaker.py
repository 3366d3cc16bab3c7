"""The Pacemaker of this machine, asked with its own command."""

from hotspare.adapters.process import Processes
from hotspare.codec import crm_mon_xml
from hotspare.model.cluster import ClusterStatus
from hotspare.model.errors import RefusedError

ASK_LIMIT_S = 10.0
HERE = "local"


class LocalPacemaker:
    """Fulfils `ports.Pacemaker`."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    async def status(self) -> ClusterStatus:
        """See `ports.Pacemaker.status`."""
        # Where Pacemaker is not up the XML says so, with another exit status: the reader tells it in words.
        every = frozenset(range(256))
        done = await self._processes.run(HERE, crm_mon_xml.CRM_MON, timeout_s=ASK_LIMIT_S, expect=every)
        try:
            return crm_mon_xml.read(done.stdout)
        except ValueError as error:
            raise RefusedError(f"Pacemaker's status: {error}", code=done.code, output=done.stderr) from error
