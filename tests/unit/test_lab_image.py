"""The image's recipe, its name, and what half-built images leave."""

import dataclasses
import fcntl

import pytest

from hotspare.lab.image import cached_image, host_settings, sweep
from hotspare.lab.image.recipe import packages_of, shipped


def test_a_package_list_is_its_names_without_comments_and_blank_lines():
    assert packages_of("# machine\nsystemd\n\ncurl  # fetch\n") == ("systemd", "curl")


@pytest.mark.parametrize("ingredient", ["openstack_lock", "openstack_source_lock", "finish"])
def test_the_image_has_another_name_when_an_ingredient_changes(ingredient):
    recipe = shipped()
    changed = dataclasses.replace(recipe, **{ingredient: getattr(recipe, ingredient) + "#"})
    assert changed.digest != recipe.digest


def test_the_image_has_another_name_when_a_package_is_added():
    recipe = shipped()
    assert dataclasses.replace(recipe, packages=(*recipe.packages, "cowsay")).digest != recipe.digest


@pytest.mark.parametrize("lock", ["openstack_lock", "openstack_source_lock"])
def test_every_locked_package_has_a_hash_and_names_no_index(lock):
    text = getattr(shipped(), lock)
    requirements = [line for line in text.splitlines() if "==" in line]
    assert requirements
    assert all(line.endswith("\\") for line in requirements), "the hashes follow on the next line"
    assert text.count("--hash=sha256:") >= len(requirements)
    assert "://" not in text


def test_neutron_and_keystone_are_of_the_release_that_the_lab_names():
    assert "\nneutron==29.0.0 " in shipped().openstack_lock
    assert "\nkeystone==30.0.0 " in shipped().openstack_lock


def test_no_image_is_cached_where_none_was_built(tmp_path):
    assert cached_image(tmp_path) is None
    assert cached_image(tmp_path / "missing") is None


def test_an_image_is_cached_only_under_the_name_of_this_recipe(tmp_path):
    (tmp_path / "image-000000000000").mkdir()
    assert cached_image(tmp_path) is None
    image = tmp_path / f"image-{shipped().digest}"
    image.mkdir()
    assert cached_image(tmp_path) == image


def test_a_sweep_takes_half_built_images_and_leaves_finished_ones(tmp_path):
    half = tmp_path / "building-abc" / "root" / "etc"
    half.mkdir(parents=True)
    finished = tmp_path / "image-abc"
    finished.mkdir()
    assert sweep(tmp_path) == (str(tmp_path / "building-abc"),)
    assert not (tmp_path / "building-abc").exists()
    assert finished.is_dir()
    assert sweep(tmp_path) == ()


def test_a_sweep_touches_nothing_while_a_build_runs(tmp_path):
    (tmp_path / "building-abc").mkdir()
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert sweep(tmp_path) == ()
    assert (tmp_path / "building-abc").is_dir()


def test_a_sweep_of_a_cache_that_never_was_makes_nothing(tmp_path):
    assert sweep(tmp_path / "never") == ()
    assert not (tmp_path / "never").exists()


def test_the_build_gets_certificates_and_index_but_at_paths_of_its_own(tmp_path):
    authority = tmp_path / "ca.pem"
    authority.write_text("certificate\n")
    configuration = tmp_path / "pip.conf"
    configuration.write_text("[global]\n")
    environ = {"PIP_CERT": str(authority), "PIP_CONFIG_FILE": str(configuration), "PIP_INDEX_URL": "x", "HOME": "/h"}
    settings = host_settings.gather(environ)
    assert settings.files["certificates.pem"] == "certificate\n"
    assert settings.environment["PIP_CERT"] == "/run/hotspare-build/certificates.pem"
    assert settings.files["pip/pip.conf"] == "[global]\n"
    assert settings.environment["PIP_INDEX_URL"] == "x"
    assert "HOME" not in settings.environment
    assert str(tmp_path) not in "".join(settings.environment.values())
