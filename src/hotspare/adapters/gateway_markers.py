"""Which gateway is promoted on this node, by the record of the resource agents (hotspare_ocf/markers.py)."""

from pathlib import Path

from hotspare.model.stager import Role

RUN_DIR = Path("/run/hotspare")
SUFFIX = ".gateway"
PROMOTED, PROMOTING = "promoted", "promoting"


class Markers:
    """Read anew with every question."""

    def __init__(self, gateway: str, run_dir: Path = RUN_DIR) -> None:
        self._gateway, self._run_dir = gateway, run_dir

    def carried(self) -> str:
        """The gateway that is promoted here; empty: none. Another one counts from the beginning of its promotion."""
        words = {path.name.removesuffix(SUFFIX): self._word(path) for path in self._run_dir.glob(f"*{SUFFIX}")}
        if words.pop(self._gateway, "") == PROMOTED:
            return self._gateway
        return next((gateway for gateway, word in sorted(words.items()) if word in (PROMOTED, PROMOTING)), "")

    def role(self) -> Role:
        """What a stager that is launched now has to do."""
        word = self._word(self._run_dir / f"{self._gateway}{SUFFIX}")
        return Role.CARRIER if word in (PROMOTED, PROMOTING) else Role.SPARE

    def _word(self, path: Path) -> str:
        try:
            return path.read_text(encoding="utf-8", errors="replace").strip()
        except FileNotFoundError:
            return ""
