"""What an agent tells: one line an event into syslog (the journal), and Pacemaker's exit reason."""

from __future__ import annotations

import sys
import syslog

IDENTIFIER = "hotspare-ocf"


def line(event: str, facts: dict[str, object]) -> str:
    """The event in logfmt: `event=promote.finished gateway=neutron-gateway took_s=0.123`."""
    return " ".join([f"event={event}", *(f"{name}={_text(value)}" for name, value in facts.items())])


def tell(event: str, **facts: object) -> None:
    """The event is in syslog, one line."""
    syslog.openlog(IDENTIFIER, 0, syslog.LOG_DAEMON)
    syslog.syslog(syslog.LOG_INFO, line(event, facts))


def exit_reason(reason: str) -> None:
    """Pacemaker shows the sentence beside the failed action. Source: resource-agents' ocf_exit_reason (a prefix on
    stderr).
    """
    sys.stderr.write("ocf-exit-reason:" + reason.replace("\n", " ") + "\n")


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    text = str(value).replace("\n", " ")
    if text and not any(char in ' "=' for char in text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
