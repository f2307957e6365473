"""Our entries in clouds.yaml go in and out; what others wrote stays."""

from __future__ import annotations

import stat

import pytest
import yaml

from nova_lite import errors
from nova_lite.cli import clouds_file

OURS = clouds_file.entries("http://127.0.0.1:8774/identity/v3", "RegionOne", {"demo": "d", "admin": "a"})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "openstack/clouds.yaml"


def test_file_is_made_for_its_owner_only(path):
    changed = clouds_file.merge(path, OURS)

    assert changed
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(yaml.safe_load(path.read_text())["clouds"]) == {"nova-lite", "nova-lite-admin"}


def test_others_clouds_and_keys_are_kept(path):
    path.parent.mkdir()
    path.write_text("cache:\n  expiration: 5\nclouds:\n  work:\n    auth: {auth_url: https://x}\n")

    clouds_file.merge(path, OURS)
    held = yaml.safe_load(path.read_text())

    assert held["cache"] == {"expiration": 5}
    assert set(held["clouds"]) == {"work", "nova-lite", "nova-lite-admin"}


def test_same_entries_change_nothing(path):
    clouds_file.merge(path, OURS)
    before = path.stat().st_mtime_ns

    changed = clouds_file.merge(path, OURS)

    assert not changed
    assert path.stat().st_mtime_ns == before


def test_removal_leaves_others_entries(path):
    path.parent.mkdir()
    path.write_text("clouds:\n  work:\n    auth: {auth_url: https://x}\n")
    clouds_file.merge(path, OURS)

    clouds_file.remove(path)

    assert yaml.safe_load(path.read_text()) == {"clouds": {"work": {"auth": {"auth_url": "https://x"}}}}


def test_removal_takes_a_file_that_only_had_ours(path):
    clouds_file.merge(path, OURS)

    assert clouds_file.remove(path)
    assert not clouds_file.remove(path)
    assert not path.exists()


def test_damaged_file_is_not_touched(path):
    path.parent.mkdir()
    path.write_text("clouds: [")

    with pytest.raises(errors.ConfigError, match="not valid YAML"):
        clouds_file.merge(path, OURS)
    assert path.read_text() == "clouds: ["
