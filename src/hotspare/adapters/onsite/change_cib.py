"""Loads a changed configuration into Pacemaker, unless somebody else has changed it since it was read.

Standard input: {"before": CIB as it was read, "after": the same with another <configuration>}. The new one is checked
by crm_verify; the difference is loaded as a patch that Pacemaker refuses where its version is not the one it was made
from. Exit: 0 loaded, 3 changed by somebody else meanwhile, 1 refused (the reason on standard error).
Stand-alone, standard library only. Source: crm_verify(8), crm_diff(8), cibadmin(8).
"""

import json
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TRIES_MAX = 20
ASK_LIMIT_S = 20.0
CHANGED = 3
WARNED = "Warnings found during check"
"""What crm_verify ends with where it found no error. Source: tools/crm_verify.c of Pacemaker 2.1."""


def command(*argv: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        argv, input=stdin, capture_output=True, text=True, timeout=ASK_LIMIT_S, check=False,
        env={"PATH": PATH, "LC_ALL": "C"},
    )  # fmt: skip


def read(text: str) -> "ET.Element":
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))  # noqa: S314 (Pacemaker's own words)
    return ET.fromstring(text, parser)  # noqa: S314


def version(cib: "ET.Element") -> "tuple[int, int]":
    return int(cib.get("admin_epoch", "0")), int(cib.get("epoch", "0"))


def refuse(text: str) -> None:
    sys.stderr.write(text.strip() + "\n")
    sys.exit(1)


def attempt(before: "ET.Element", configuration: "ET.Element", where: Path) -> bool:
    """True when loaded, False when only the status moved on meanwhile and another try may do."""
    live_text = command("cibadmin", "--query").stdout
    live = read(live_text)
    if version(live) != version(before):
        sys.stderr.write("the configuration was changed by somebody else meanwhile\n")
        sys.exit(CHANGED)
    # The status is Pacemaker's own and moves all the time; only the configuration is ours to change.
    position = [child.tag for child in live].index("configuration")
    live.remove(live[position])
    live.insert(position, configuration)
    # Patches carry the versions of both sides; the new one has to be the newer.
    live.set("epoch", str(version(before)[1] + 1))
    live.set("num_updates", "0")
    old, new = where / "old.xml", where / "new.xml"
    old.write_text(live_text)
    new.write_text(ET.tostring(live, encoding="unicode"))
    verified = command("crm_verify", "--xml-file", str(new), "-V")
    # It also warns, with the same status, of what is true only for now: a resource that is taken out still runs.
    if verified.returncode != 0 and WARNED not in verified.stderr + verified.stdout:
        refuse("crm_verify refuses the new configuration: " + (verified.stderr or verified.stdout))
    difference = command("crm_diff", "--original", str(old), "--new", str(new))
    if not difference.stdout.strip():
        return True
    patched = command("cibadmin", "--patch", "--xml-pipe", "--sync-call", stdin=difference.stdout)
    if patched.returncode == 0:
        return True
    now = read(command("cibadmin", "--query").stdout)
    if version(now) == version(before) and now.get("num_updates") == read(live_text).get("num_updates"):
        refuse("cibadmin refuses the change: " + (patched.stderr or patched.stdout))
    return False


def main() -> None:
    told = json.load(sys.stdin)
    before, configuration = read(told["before"]), read(told["after"]).find("configuration")
    if configuration is None:
        refuse("there is no configuration in the new CIB")
        return
    with tempfile.TemporaryDirectory(prefix="hotspare-") as where:
        for _try in range(TRIES_MAX):
            if attempt(before, configuration, Path(where)):
                return
            time.sleep(0.1)
    refuse(f"the cluster's status moved on during each of {TRIES_MAX} tries")


if __name__ == "__main__":
    main()
