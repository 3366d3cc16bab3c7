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
KINDS = {"ns-metadata-proxy/*.conf": 0o644, "ra/*.radvd.conf": 0o444}
"""With the mode of each: radvd takes no file that its user may write, haproxy's is written anew in its place. Source:
radvd.c, check_conffile_perm; Neutron, ra.py, `file_mode`.
"""


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
        mode = next((mode for kind, mode in KINDS.items() if path.match(str(self._state_path / kind))), None)
        if mode is None:
            raise RefusedError(f"{path} is no file of a router's helper", code=0)
        draft = path.with_name(f"{path.name}.hotspare")
        try:
            owned_directory(path.parent, self._state_path)
            draft.write_text(file.text, encoding="utf-8")
            draft.chmod(mode)
            _give(draft, self._state_path)
            draft.replace(path)
        except OSError as failed:
            raise RefusedError(f"{path}: {failed.strerror}", code=failed.errno or 0) from failed

    def remove(self, path: str) -> None:
        """See `ports.HelperFiles`."""
        Path(path).unlink(missing_ok=True)


def owned_directory(directory: Path, state_path: Path) -> None:
    """It is there, and whose `state_path` is, if it is below that.

    Raises:
        OSError: it cannot be made.
    """
    if directory.is_dir():
        return
    if directory != state_path and directory.is_relative_to(state_path):
        owned_directory(directory.parent, state_path)
    directory.mkdir(mode=0o755)
    _give(directory, state_path)


def _give(path: Path, state_path: Path) -> None:
    owner = state_path.stat()
    os.chown(path, owner.st_uid, owner.st_gid)
