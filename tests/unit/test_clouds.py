"""Of the operator's clouds.yaml nodes get one entry, whole, and a file without it is said with its line."""

import asyncio
from pathlib import Path

import pytest
import yaml
from test_pool_file import pool

from hotspare.adapters import clouds
from hotspare.model.errors import SpecError
from hotspare.wiring import cluster as wiring

CLOUDS = """
clouds:
  lab:
    auth: {auth_url: http://ctl:5000/v3, application_credential_id: 1e9}
    auth_type: v3applicationcredential
    verify: no
  other: {auth: {auth_url: http://elsewhere/, password: not-this-one}}
"""
SECURE = "clouds: {lab: {auth: {application_credential_secret: 'yes'}}, other: {auth: {password: nor-this}}}\n"


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An operator's machine with a clouds.yaml and a secure.yaml beside it."""
    (tmp_path / "clouds.yaml").write_text(CLOUDS)
    (tmp_path / "secure.yaml").write_text(SECURE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    monkeypatch.setenv("OS_CLIENT_SECURE_FILE", str(tmp_path / "secure.yaml"))
    return tmp_path


def test_the_entry_is_whole_with_what_secure_yaml_says_and_no_other_cloud_is_in_it() -> None:
    secret = clouds.entry("lab")
    assert yaml.safe_load(secret.value) == {
        "clouds": {
            "lab": {
                "auth": {
                    "auth_url": "http://ctl:5000/v3",
                    "application_credential_id": "1e9",
                    "application_credential_secret": "yes",
                },
                "auth_type": "v3applicationcredential",
                "verify": False,
            }
        }
    }
    assert b"this" not in secret.value
    assert "yes" not in repr(secret)


def test_the_same_entry_is_the_same_text() -> None:
    assert clouds.entry("lab").value == clouds.entry("lab").value


def file(desk: Path, text: str) -> Path:
    path, password = desk / "cluster.yaml", desk / "bmc"
    path.write_text(text)
    password.write_text("secret\n")
    password.chmod(0o600)
    return path


async def cloud_of(path: Path) -> str:
    async with wiring.cluster(wiring.read(path)) as (job, _nodes, _dispatcher):
        return job.cloud


def test_a_cloud_that_is_not_there_is_said_with_its_line_and_what_to_do(desk: Path) -> None:
    path = file(desk, pool(cloud=("cloud: lab", "cloud: there")))
    with pytest.raises(SpecError) as wrong:
        asyncio.run(cloud_of(path))
    (problem,) = wrong.value.problems
    said = f"{path}:7: neutron.cloud: there is no cloud there in {desk}/clouds.yaml; it has: lab, other. Name one"
    assert str(problem).startswith(said)


def test_without_a_pool_nobody_looks_for_a_cloud(desk: Path) -> None:
    (desk / "clouds.yaml").write_text("clouds: [")
    path = file(desk, pool(strategy=("strategy: reschedule", "strategy: cold")))
    assert asyncio.run(cloud_of(path)) == ""
