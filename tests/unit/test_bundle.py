"""What goes to the nodes: the agents, and of the package what a daemon there imports, which is all it needs."""

import sys
import tarfile
from io import BytesIO
from pathlib import Path

import hotspare
from hotspare.adapters import bundle

PACKAGE = Path(hotspare.__file__).parent
ON_A_NODE = frozenset({"hotspare", "openstack", "keystoneauth1"})
"""What a node with Neutron's agents has besides the standard library."""


def test_what_runs_on_nodes_needs_only_what_is_there() -> None:
    found = bundle.closure(PACKAGE, bundle.DAEMONS)
    foreign = {
        f"{module} imports {name}"
        for module, path in found.items()
        for name in bundle.imports(path)
        if name.partition(".")[0] not in ON_A_NODE | sys.stdlib_module_names
    }
    assert foreign == set()
    assert {"hotspare", "hotspare.model", "hotspare.model.cluster", "hotspare.plan.names"} <= found.keys()


def test_modules_are_found_wherever_they_are_imported(tmp_path: Path) -> None:
    package = tmp_path / "hotspare"
    files = {
        "__init__.py": "",
        "a.py": "import os\nfrom hotspare import b\nif os:\n    from hotspare.c.d import name\n",
        "b.py": "def late():\n    import hotspare.c.e\n",
        "c/__init__.py": "",
        "c/d.py": "import hotspare.a  # a circle has an end\nname = 1\n",
        "c/e.py": "import lxml\n",
        "never.py": "",
    }
    for name, text in files.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    found = bundle.closure(package, ("hotspare.a", "hotspare.not_there_yet"))
    assert sorted(found) == ["hotspare", "hotspare.a", "hotspare.b", "hotspare.c", "hotspare.c.d", "hotspare.c.e"]
    assert found["hotspare.c"] == package / "c/__init__.py"


def test_the_agents_are_shipped_with_their_modes_and_the_same_files_are_the_same_bytes() -> None:
    carried = bundle.bundle()
    assert carried == bundle.bundle()
    with tarfile.open(fileobj=BytesIO(carried.tar)) as tar:
        modes = {member.name: member.mode for member in tar}
    assert modes["resource.d/hotspare/rescheduler"] == 0o755
    assert modes["lib/hotspare/hotspare_ocf/rescheduler.py"] == 0o644
    assert not [name for name in modes if "pycache" in name or not name.startswith(("resource.d/", "lib/hotspare/"))]
