"""The stager as a process: what it asks of the machine before it begins."""

import json
import resource
import subprocess
import sys
from pathlib import Path

LIMIT_S = 60
FEW = 256
BEGUN = f"""
import resource, sys
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, ({FEW}, most))
from hotspare.faces.stager.__main__ import main
code = main()
print(code, *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def settings(directory: Path) -> Path:
    path = directory / "settings.json"
    told = {
        "gateway": "gw", "resource": "gw", "node": "net1", "peers": {"net1": ["127.0.0.1"]}, "port": 5409,
        "key_file": str(directory / "there-is-no-key.pem"), "stale_after_s": 30, "connections": True,
        "state_dir": str(directory / "state"), "socket": str(directory / "gw.stager.sock"),
    }  # fmt: skip
    path.write_text(json.dumps(told))
    return path


def test_it_may_have_as_many_descriptors_as_the_machine_allows(tmp_path):
    argv = [sys.executable, "-c", BEGUN, str(settings(tmp_path))]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=LIMIT_S)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert most > FEW
    assert done.stdout.split() == ["1", str(most), str(most)]
    assert "there-is-no-key.pem" in done.stderr
