"""What a node says of itself (adapters/onsite/cluster_facts.py) to `NodeFacts`, and the question to it."""

import json
from typing import Any

from hotspare.codec import cib_xml, corosync_conf
from hotspare.model.corosync import Section
from hotspare.model.observed import FileFact, NodeFacts, PythonFact, Query, UnitFact


def question(query: Query) -> str:
    """The argument of the script."""
    asked = {
        "needs": [(need.path, *need.or_else) for need in query.needs],
        "users": query.users,
        "units": query.units,
        "files": query.files,
        "directory": query.directory,
        "vips": query.vips,
        "python": query.python,
        "modules": query.modules,
    }
    return json.dumps(asked, separators=(",", ":"))


def read(text: str, node: str, conf: str) -> NodeFacts:
    """The node's answer. `conf` is the path of corosync.conf.

    Raises:
        ValueError, KeyError, TypeError: this is no answer of ours.
    """
    told: dict[str, Any] = json.loads(text)
    files = {path: FileFact(**fact) for path, fact in told["files"].items()}
    return NodeFacts(
        name=node,
        absent=tuple(told["absent"]),
        users=tuple(told["users"]),
        units={name: UnitFact(**unit) for name, unit in told["units"].items()},
        files=files,
        agents=told["agents"],
        addresses=told["addresses"],
        macs=tuple(told["macs"]),
        interfaces=tuple(told["interfaces"]),
        corosync=_conf(files[conf].text if conf in files else None),
        cmap=None if told["cmap"] is None else corosync_conf.read_cmap(told["cmap"]),
        cib=None if told["cib"] is None else cib_xml.read(told["cib"]),
        answers={address: tuple(macs) for address, macs in told["answers"].items()},
        python=_python(told["python"]),
        troubles=tuple(told["troubles"]),
    )


def _python(told: dict[str, Any] | None) -> PythonFact | None:
    if told is None:
        return None
    version = told["version"]
    return PythonFact(told["path"], (version[0], version[1]) if version else None, told["lacks"])


def _conf(text: str | None) -> Section | None:
    """None also for a file that Corosync could not read either: it is written anew."""
    try:
        return None if text is None else corosync_conf.read(text)
    except ValueError:
        return None
