"""The last data plane that a spare was told, on this node's disk."""

from pathlib import Path

from hotspare.adapters import whole_file
from hotspare.codec import dataplane_json
from hotspare.model.dataplane import DataPlane
from hotspare.model.errors import RefusedError

MODE = 0o600


class DiskRecord:
    """Fulfils `ports.TwinRecord` by one file, replaced at once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def kept(self) -> DataPlane | None:
        """See `ports.TwinRecord`."""
        try:
            return dataplane_json.plane(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def keep(self, plane: DataPlane) -> None:
        """See `ports.TwinRecord`."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            whole_file.write(self._path, dataplane_json.text(plane), mode=MODE)
        except OSError as failed:
            raise RefusedError(f"{self._path}: {failed.strerror}", code=failed.errno or 0) from failed
