"""A changed configuration file is noticed, once; one that says the same has not changed."""

import pytest
from hotspare_ocf import config_files


@pytest.fixture
def record(tmp_path):
    return tmp_path / "run/edge-l3.files"


@pytest.fixture
def files(tmp_path, record):
    """Two configuration files of an agent that has just been started."""
    paths = [tmp_path / "neutron.conf", tmp_path / "l3 agent.ini"]
    for path in paths:
        path.write_text("[DEFAULT]\n")
    config_files.remember(str(record), map(str, paths))
    return paths


def test_nothing_is_told_while_nothing_changes(files, record):
    assert config_files.noticed(str(record)) == []
    files[0].touch()
    assert config_files.noticed(str(record)) == []
    files[0].write_text("[DEFAULT]\n")
    assert config_files.noticed(str(record)) == []


def test_a_change_is_told_once_and_so_is_the_next(files, record):
    files[1].write_text("[DEFAULT]\ndebug = true\n")
    assert config_files.noticed(str(record)) == [str(files[1])]
    assert config_files.noticed(str(record)) == []
    files[1].write_text("[DEFAULT]\ndebug = false\n")
    assert config_files.noticed(str(record)) == [str(files[1])]


def test_a_file_that_is_taken_back_or_away_is_known(files, record):
    files[1].write_text("x")
    assert config_files.noticed(str(record)) == [str(files[1])]
    files[1].write_text("[DEFAULT]\n")
    assert config_files.noticed(str(record)) == []
    files[0].unlink()
    assert config_files.noticed(str(record)) == [str(files[0])]
    assert config_files.noticed(str(record)) == []


@pytest.mark.parametrize("content", ["", "rubbish", "\0\xff", "a b c d e f\n" * 3])
def test_a_record_with_anything_in_it_breaks_no_monitor(record, content):
    record.parent.mkdir()
    record.write_text(content)
    config_files.noticed(str(record))
    config_files.noticed(str(record.with_name("never-started")))


def test_nothing_is_left_of_a_record_that_was_forgotten(files, record):
    assert files
    config_files.forget(str(record))
    config_files.forget(str(record))
    assert list(record.parent.iterdir()) == []
