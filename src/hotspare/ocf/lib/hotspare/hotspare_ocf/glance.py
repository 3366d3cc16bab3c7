"""The usual monitor of a Neutron agent: its process lives, and nothing has changed.

Pacemaker asks this every few seconds on every node, for years. The agent's own module says the same of it, but to load
all that can answer everything else costs more than the look.
"""

import posix

from hotspare_ocf import config_files, identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_PLAIN = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"


def end_if_well(arguments: list[str]) -> None:
    """This process has ended with SUCCESS where neutron_agent.monitor would say so; else nothing is known yet."""
    if posix.geteuid() == 0 and arguments[1:] == ["monitor"] and is_well(posix.environ):
        posix._exit(0)  # noqa: SLF001 its name in the documentation


def is_well(environ: "Mapping[bytes, bytes]") -> bool:
    """Whether it is a monitor of level 0, no probe, of an agent whose recorded process is at work, and whose
    configuration files are as they were last seen. Every doubt is a no.
    """
    interval_ms = environ.get(b"OCF_RESKEY_CRM_meta_interval", b"")
    instance = environ.get(b"OCF_RESOURCE_INSTANCE", b"").partition(b":")[0]
    is_usual = (
        environ.get(b"OCF_CHECK_LEVEL", b"0") == b"0"
        and interval_ms.isdigit()
        and int(interval_ms) > 0
        and instance.strip(_PLAIN) == b""
    )
    if not is_usual or not instance:
        return False
    name = instance.decode("ascii")
    path = environ.get(b"OCF_RESKEY_pid", b"").decode(errors="surrogateescape") or identity.pid_file(name)
    recorded = identity.read_pid_file(path) if path.startswith("/") and path.isprintable() else None
    now = identity.living(recorded) if recorded else None
    return now is not None and now.state != "T" and config_files.are_as_seen(config_files.record_of(name))
