"""What Pacemaker is told of this node: transient attributes, which are gone once the node has left the cluster."""

from __future__ import annotations

_CRM_ATTRIBUTE = "/usr/sbin/crm_attribute"
_CRM_WAIT_S = 5.0


def tell(which: list[str], value: str | None) -> str:
    """Pacemaker knows the value of the attribute that these options of crm_attribute(8) name; without one, it has none.

    Returns why it does not. That is never an error: by hand and in ocf-tester there is no cluster to know it.
    """
    import subprocess

    words = ["--delete"] if value is None else ["--update", value]
    try:
        done = subprocess.run(
            [_CRM_ATTRIBUTE, *which, *words],
            stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_CRM_WAIT_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return (done.stderr.decode(errors="replace").strip() or f"exit {done.returncode}") if done.returncode else ""
