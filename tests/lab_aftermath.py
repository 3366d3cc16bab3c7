"""What a lab's cluster looked like when a test failed: who reads of the failure later has no lab any more."""

import subprocess

from hotspare.model.errors import HotspareError
from lab_parts import Lab

_LOOK = """
systemctl --quiet is-active pacemaker && crm_mon -1 | grep -q "Current DC: $(uname -n) " || exit 0
crm_mon -1rfA | cut -c1-250
journalctl -q -o short-precise --since '-5 min' -t pacemaker-schedulerd -t pacemaker-controld -t pacemaker-fenced |
    grep -v -e Initiating -e 'saving inputs' -e 'stderr:' | cut -c8-180 | tail -n 40
"""


def seen_by_controller(lab: Lab, node: str) -> str:
    """The cluster's state and its last decisions where the node is its controller (DC); empty elsewhere, and where the
    node does not answer or the lab is gone: the failure itself is told in any case.
    """
    try:
        return lab.ssh(node, f"{{ {_LOOK} }} 2>&1", timeout_s=30)
    except (AssertionError, HotspareError, OSError, subprocess.TimeoutExpired):
        return ""
