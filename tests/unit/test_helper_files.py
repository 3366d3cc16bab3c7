"""What haproxy and radvd read, on the disk of a spare."""

from pathlib import Path

import pytest

from hotspare.adapters.helper_files import DiskFiles
from hotspare.model.dataplane import HelperFile
from hotspare.model.errors import RefusedError


def test_what_is_written_is_read_and_what_is_removed_is_not_also_where_no_agent_has_run_yet(tmp_path):
    files = DiskFiles(tmp_path)
    assert files.read() == {}
    proxy = HelperFile(str(tmp_path / "ns-metadata-proxy/r1.conf"), "listen")
    adverts = HelperFile(str(tmp_path / "ra/r1.radvd.conf"), "interface qr-a")
    for file in (proxy, adverts, HelperFile(adverts.path, "interface qr-b")):
        files.write(file)
    assert files.read() == {proxy.path: "listen", adverts.path: "interface qr-b"}
    assert [Path(file.path).stat().st_mode & 0o777 for file in (proxy, adverts)] == [0o644, 0o444]
    files.remove(proxy.path)
    files.remove(proxy.path)
    assert files.read() == {adverts.path: "interface qr-b"}


@pytest.mark.parametrize("name", ["passwd", "external/pids/r1.pid.haproxy", "ra/../../r1.radvd.conf"])
def test_a_file_that_is_no_helpers_is_refused(tmp_path, name):
    with pytest.raises(RefusedError, match="no file of a router's helper"):
        DiskFiles(tmp_path).write(HelperFile(str(tmp_path / name), "x"))


def test_a_directory_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "ra").write_text("no directory")
    with pytest.raises(RefusedError):
        DiskFiles(tmp_path).write(HelperFile(str(tmp_path / "ra/r1.radvd.conf"), "x"))
