"""What the rescheduler needs, on a node. Loads the standard library and openstacksdk alone: nodes have no more."""

import time
from pathlib import Path

from hotspare.adapters.machine_log import MachineLog
from hotspare.adapters.moves_journal import MovesJournal
from hotspare.adapters.neutron_scheduling import NeutronScheduling
from hotspare.adapters.neutron_session import NeutronSession
from hotspare.adapters.pacemaker import LocalPacemaker
from hotspare.adapters.process import Processes
from hotspare.codec.journal_json import RESCHEDULER
from hotspare.flows.reschedule.daemon import Rescheduler
from hotspare.model.rescheduling import Settings
from hotspare.ports import Tell


def journal_path(settings: Settings) -> Path:
    """Where its moves are written down."""
    return Path(settings.state_dir) / "moves.jsonl"


def rescheduler(settings: Settings, *, tell: Tell) -> Rescheduler:
    """The rescheduler of these settings, not running yet.

    Raises:
        RefusedError: its journal cannot be opened.
    """
    return Rescheduler(
        settings,
        LocalPacemaker(Processes()),
        NeutronScheduling(NeutronSession(settings.cloud, clouds_file=Path(settings.clouds_file))),
        MovesJournal(journal_path(settings)),
        now=time.monotonic,
        wall=time.time,
        tell=tell,
    )


def log() -> MachineLog:
    """Where a drill finds what the rescheduler tells."""
    return MachineLog(RESCHEDULER)
