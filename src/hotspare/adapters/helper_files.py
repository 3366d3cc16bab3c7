"""What routers' haproxy and radvd read, where Neutron's agents keep it.

Source: Neutron, agent/metadata/driver_base.py (`ns-metadata-proxy/ID.conf`) and agent/linux/ra.py (`ra/ID.radvd.conf`),
below `state_path`.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from hotspare.model.dataplane import HelperFile
from hotspare.model.errors import RefusedError

STATE_PATH = Path("/var/lib/neutron")
KINDS = ("ns-metadata-proxy/*.conf", "ra/*.radvd.conf")
MODE = 0o644


class DiskFiles:
    """Fulfils `ports.HelperFiles`. A file is read again only where its time or size is another one."""

    def __init__(self, state_path: Path = STATE_PATH) -> None:
        self._state_path = state_path
        self._read: dict[str, tuple[tuple[int, int], str]] = {}

    def read(self) -> Mapping[str, str]:
        """See `ports.HelperFiles`."""
        found: dict[str, tuple[tuple[int, int], str]] = {}
        for path in (path for kind in KINDS for path in self._state_path.glob(kind)):
            try:
                now = path.stat()
                version = (now.st_mtime_ns, now.st_size)
                known = self._read.get(str(path))
                text = known[1] if known and known[0] == version else path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                continue  # replaced while we look, or none of Neutron's
            found[str(path)] = (version, text)
        self._read = found
        return {path: text for path, (_, text) in found.items()}

    def write(self, file: HelperFile) -> None:
        """See `ports.HelperFiles`. File and directory belong to whom `state_path` belongs to: the agents."""
        path = Path(file.path)
        if not any(path.match(str(self._state_path / kind)) for kind in KINDS):
            raise RefusedError(f"{path} is no file of a router's helper", code=0)
        draft = path.with_name(f"{path.name}.hotspare")
        try:
            owner = self._state_path.stat()
            if not path.parent.is_dir():
                path.parent.mkdir(mode=0o755)
                os.chown(path.parent, owner.st_uid, owner.st_gid)
            draft.write_text(file.text, encoding="utf-8")
            draft.chmod(MODE)
            os.chown(draft, owner.st_uid, owner.st_gid)
            draft.replace(path)
        except OSError as failed:
            raise RefusedError(f"{path}: {failed.strerror}", code=failed.errno or 0) from failed

    def remove(self, path: str) -> None:
        """See `ports.HelperFiles`."""
        Path(path).unlink(missing_ok=True)
